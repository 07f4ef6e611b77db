//! The order of a build: packages, root, hash tree, boot files, payload, bills of materials.
//!
//! ```text
//!  manifest, lock --store--> packages --rootfs--> tree --erofs--> root --verity--> hash tree, root hash
//!    root hash --> command line --> boot archive, or unified kernel image and its ESP
//!    all --> disk, payload                                            last of all: IMAGE.json
//! ```
//!
//! Everything comes from the lock, the clone and the executables that are named; progress goes to whoever
//! asked. A file of the result exists whole or not at all.

mod boot;
mod carried;
mod disk;
mod resume;
mod uki;

pub(crate) use disk::Contents;

use crate::lock::{Lock, LockFileError, LockedPackage};
use crate::manifest::{Manifest, ManifestError, Variant};
use crate::output::{Output, OutputError};
use crate::programs::Origin;
use crate::rootfs::{self, Audit, Parts, Rootfs, RootfsError, Scripts};
use crate::sbom::{self, SbomError};
use crate::scratch::Scratch;
use crate::store::{Found, Mirrors, Store, StoreError};
use crate::tree::{Tree, TreePath};
use crate::{erofs, payload, verity};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where the description of images is in the clone.
const IMAGES: &str = "image-build/images";
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A build that did not come to its end. What it finished stays, and the next one goes on from there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockFileError),
    /// A package.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The root.
    #[error("{image} cannot be assembled")]
    Rootfs {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: Box<RootfsError>,
    },
    /// A file of the result.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The scratch folder.
    #[error("cannot make a scratch folder in {}; name another with --scratch", path.display())]
    Scratch {
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The root as a file system.
    #[error("the root of {image} cannot be written")]
    Erofs {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: erofs::ErofsError,
    },
    /// The hash tree.
    #[error("the hash tree of {image} cannot be made")]
    Verity {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: verity::VerityError,
    },
    /// What starts the image.
    #[error("the boot files of {image} cannot be made: {problem}")]
    Boot {
        /// Which image.
        image: String,
        /// What is wrong.
        problem: String,
    },
    /// The boot archive.
    #[error("the boot archive of {image} cannot be written")]
    Archive {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: crate::cpio::CpioError,
    },
    /// The unified kernel image.
    #[error("the unified kernel image of {image} cannot be made")]
    Uki {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: crate::uki::UkiError,
    },
    /// The ESP.
    #[error("the ESP of {image} cannot be written")]
    Esp {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: crate::fat::FatError,
    },
    /// The disk.
    #[error("the disk of {image} cannot be written")]
    Disk {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: crate::disk::DiskError,
    },
    /// Another image that this one carries.
    #[error(
        "{image} carries {other}, {problem}; build that one into the same folder first, or `all`"
    )]
    Carried {
        /// Which image.
        image: String,
        /// The other.
        other: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The payload.
    #[error("the payload of {image} cannot be written")]
    Payload {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: payload::PayloadError,
    },
    /// The payload is too large.
    #[error("the payload of {image} has {bytes} bytes, its budget is {budget}")]
    Budget {
        /// Which image.
        image: String,
        /// Its bytes.
        bytes: u64,
        /// What the manifest allows.
        budget: u64,
    },
    /// The bills of materials.
    #[error("the bill of materials of {image} cannot be written")]
    Sbom {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: SbomError,
    },
}

/// What is built, out of what, and where it goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Root of the clone.
    pub clone: PathBuf,
    /// The image's name.
    pub image: String,
    /// Its variant.
    pub variant: Variant,
    /// Folder of the result.
    pub out: PathBuf,
    /// Folder with the executables of this workspace.
    pub binaries: PathBuf,
    /// Where those come from.
    pub origin: Origin,
    /// Folder in which a scratch folder is made, and removed at the end.
    pub scratch: PathBuf,
    /// Packages on this machine.
    pub store: Store,
    /// Where others come from.
    pub mirrors: Mirrors,
    /// Threads for hashing and compressing; the result does not depend on it.
    pub thread_count: usize,
}

/// What a build tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A package is there.
    Package {
        /// Its name.
        name: String,
        /// Where it was.
        found: Found,
        /// How many are there.
        done: usize,
        /// How many there are.
        count: usize,
    },
    /// Something else is done.
    Step(String),
}

/// A file of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its name in the folder of the result.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A finished build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// Name of the image or of its variant.
    pub image: String,
    /// SHA-256 of the lock.
    pub lock_sha256: String,
    /// Where the programs of this workspace in it come from, and what they were compiled from.
    pub origin: Origin,
    /// Root hash of its root, in hexadecimal.
    pub root_hash: String,
    /// Its command line, if it has boot files.
    pub command_line: Option<String>,
    /// Version of its kernel.
    pub kernel_version: String,
    /// Packages that are installed.
    pub package_count: usize,
    /// Bytes of all files in the root.
    pub content_bytes: u64,
    /// Programs in it.
    pub program_count: usize,
    /// Modules of the kernel in the root.
    pub module_count: usize,
    /// Its files, by name.
    pub artifacts: Vec<Artifact>,
}

impl Built {
    /// Reads a description, strictly: written again, it is the same.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        // serde cannot refuse unknown fields of an origin that has none of its own.
        let built: Self = serde_json::from_slice(json)?;
        let given: serde_json::Value = serde_json::from_slice(json)?;
        if serde_json::to_value(&built)? != given {
            return Err(serde::de::Error::custom("it has a field that no description has"));
        }
        Ok(built)
    }
}

/// Reads the manifests of a clone, by name.
pub fn manifest(clone: &Path, image: &str) -> Result<Manifest, ManifestError> {
    Manifest::read(&clone.join(IMAGES).join(format!("{image}.yaml")))
}

/// Where the lock of a clone is.
pub fn lock_path(clone: &Path) -> PathBuf {
    clone.join("image-build/image.lock")
}

/// Where the archive of a clone is described.
pub fn archive_path(clone: &Path) -> PathBuf {
    clone.join(IMAGES).join("debian.yaml")
}

/// Where the toolchain of a clone is described.
pub fn toolchain_path(clone: &Path) -> PathBuf {
    clone.join(IMAGES).join("toolchain.yaml")
}

/// Where the crates of a clone are listed.
pub fn crates_path(clone: &Path) -> PathBuf {
    clone.join("image-build/crates.lock")
}

/// Builds one image, or finds that it is there already.
pub fn build(options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Built, BuildError> {
    let described = manifest(&options.clone, &options.image)?;
    let lock = Lock::read(&lock_path(&options.clone))?;
    let locked = lock.image(&described, options.variant)?;
    let image = described.name(options.variant);
    let failed = |source| BuildError::Rootfs { image: image.clone(), source: Box::new(source) };
    fs::create_dir_all(&options.out).map_err(OutputError::at("create", &options.out))?;
    let _guard = resume::only_builder(&options.out, progress)?;
    let carried = carried::Carried::of(options, &image, &described)?;
    let key = resume::key(options, &described, &lock, &carried)?;
    if let Some(built) = resume::finished(&options.out, &image, &key)? {
        progress(Progress::Step(format!("{image} is there, made of the same inputs")));
        return Ok(built);
    }
    resume::begin(&options.out, &image)?;
    let scripts =
        Scripts::read(&options.clone.join(IMAGES).join("scripts.yaml")).map_err(failed)?;
    let (install, inputs) = (&locked.install, &locked.inputs);
    let names: Vec<&str> =
        install.iter().chain([&locked.kernel]).chain(inputs).map(String::as_str).collect();
    let mut files = fetch(options, &lock, &names, progress)?;
    let inputs = files.split_off(install.len() + 1);
    let kernel = files.pop().expect("the kernel was asked for after what is installed");
    let scratch = Scratch::create_in(&options.scratch, "plinth-image-")
        .map_err(|source| BuildError::Scratch { path: options.scratch.clone(), source })?;
    let assembled = described.variant(options.variant);
    let parts = Parts {
        manifest: &assembled,
        additions: match options.variant {
            Variant::Production => None,
            Variant::Dev => Some(&described.dev),
        },
        image: image.clone(),
        lock: &lock,
        packages: files,
        kernel,
        inputs,
        scripts: &scripts,
        clone: &options.clone,
        binaries: &options.binaries,
        scratch: scratch.path(),
    };
    let rootfs = rootfs::assemble(&parts, &mut |text| progress(Progress::Step(text.to_owned())))
        .map_err(failed)?;
    progress(Progress::Step(format!("{} files assembled", rootfs.tree.name_count())));
    let built = write(options, &image, &parts, &rootfs, &carried, progress)?;
    resume::finish(&options.out, &image, &key, &built)?;
    Ok(built)
}

fn fetch<'a>(
    options: &Options,
    lock: &'a Lock,
    names: &[&str],
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<(&'a LockedPackage, PathBuf)>, BuildError> {
    let mut files = Vec::new();
    for name in names {
        let package = lock.package(name).expect("a checked lock has every package of its images");
        let (path, found) = options.store.get(&lock.wanted(package), &options.mirrors)?;
        files.push((package, path));
        let (done, count) = (files.len(), names.len());
        progress(Progress::Package { name: package.name.clone(), found, done, count });
    }
    Ok(files)
}

/// Writes what was assembled.
fn write(
    options: &Options,
    image: &str,
    parts: &Parts,
    rootfs: &Rootfs,
    carried: &carried::Carried,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let mut files = Files { folder: &options.out, image, artifacts: Vec::new() };
    write_root(options, image, parts, &rootfs.tree)?;
    let root = files.add("root.erofs")?;
    progress(Progress::Step("root written".into()));
    let hash_tree = write_hash_tree(options, image, &root)?;
    let hashes = files.add("root.verity")?;
    let root_hash = hex::encode(hash_tree.root_hash);
    progress(Progress::Step(format!("root hash {root_hash}")));
    let mut contents = disk::Contents::of(parts.manifest, root, hashes)?;
    let carried_sha256 = match carried.write(options, image, parts.lock.time_s)? {
        false => None,
        true => {
            contents.carried = Some(files.add("carried.erofs")?);
            files.artifacts.last().map(|artifact| artifact.sha256.clone())
        }
    };
    let mut command_line = None;
    if let Some(init) = &parts.manifest.kernel.init {
        let text = boot::command_line(parts.manifest, &root_hash, carried_sha256.as_deref());
        let initrd = boot::initrd(&options.binaries.join(init), rootfs)
            .map_err(|problem| BuildError::Boot { image: image.to_owned(), problem })?;
        if let Some(firmware) = &parts.manifest.kernel.firmware {
            boot::write_archive(options, image, initrd, &rootfs.kernel, &text)?;
            contents.boot = Some(files.add("boot.cpio")?);
            boot::write_firmware(options, image, &rootfs.input_files[firmware])?;
            files.add("firmware.fd")?;
        } else if let Some(stub) = &parts.manifest.kernel.stub {
            uki::write(options, image, (&rootfs.input_files[stub], &initrd, &text), rootfs)?;
            let unified = files.add("efi")?;
            uki::write_esp(options, image, &contents, &unified, parts.lock.time_s)?;
            contents.unified = Some((unified, files.add("esp")?));
        }
        command_line = Some(text);
        progress(Progress::Step("boot files written".into()));
        disk::write(options, image, &contents)?;
        files.add("disk.zst")?;
        progress(Progress::Step("disk written".into()));
    }
    write_payload(options, image, parts, &contents.payload())?;
    files.add("payload")?;
    progress(Progress::Step("payload written".into()));
    let bill = sbom::Bill::new(image, parts, rootfs, &crates_path(&options.clone))
        .map_err(|source| BuildError::Sbom { image: image.to_owned(), source })?;
    for (ending, text) in [("spdx.json", bill.spdx()), ("cdx.json", bill.cyclonedx())] {
        write_bytes(&files.path(ending), text.as_bytes())?;
        files.add(ending)?;
    }
    let mut artifacts = files.artifacts;
    artifacts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Built {
        image: image.to_owned(),
        lock_sha256: parts.lock.sha256(),
        origin: options.origin.clone(),
        root_hash,
        command_line,
        kernel_version: rootfs.kernel.version.clone(),
        package_count: parts.packages.len(),
        content_bytes: rootfs.tree.content_bytes(),
        program_count: Audit::clone(&rootfs.audit).programs.len(),
        module_count: rootfs.kernel.module_count,
        artifacts,
    })
}

/// The files of a result, noted as they are written.
struct Files<'a> {
    folder: &'a Path,
    image: &'a str,
    artifacts: Vec<Artifact>,
}

impl Files<'_> {
    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.image))
    }

    /// Notes a file that was written, and gives its path.
    fn add(&mut self, ending: &str) -> Result<PathBuf, OutputError> {
        let path = self.path(ending);
        self.artifacts.push(artifact(&format!("{}.{ending}", self.image), &path)?);
        Ok(path)
    }
}

fn write_root(
    options: &Options,
    image: &str,
    parts: &Parts,
    tree: &Tree,
) -> Result<(), BuildError> {
    let failed = |source| BuildError::Erofs { image: image.to_owned(), source };
    // The executables change with every release; at the end they move nothing else.
    let last = parts
        .manifest
        .binaries
        .values()
        .filter_map(|path| TreePath::from_archive(path.as_bytes()).ok())
        .collect();
    let plan_options = erofs::Options { label: "plinth-root".into(), last };
    let plan = erofs::Plan::new(tree, &plan_options).map_err(failed)?;
    let path = options.out.join(format!("{image}.root.erofs"));
    let mut output = Output::create(&path)?;
    plan.write(output.file()).map_err(failed)?;
    Ok(output.commit()?)
}

fn write_hash_tree(
    options: &Options,
    image: &str,
    root: &Path,
) -> Result<verity::HashTree, BuildError> {
    let failed = |source| BuildError::Verity { image: image.to_owned(), source };
    let file = File::open(root).map_err(OutputError::at("read", root))?;
    let salt = verity::Salt::of(&format!("{image}/root"));
    let tree = verity::HashTree::of(&file, salt, options.thread_count).map_err(failed)?;
    let path = options.out.join(format!("{image}.root.verity"));
    let mut output = Output::create(&path)?;
    tree.write(output.file()).map_err(OutputError::at("write", &path))?;
    output.commit()?;
    Ok(tree)
}

fn write_payload(
    options: &Options,
    image: &str,
    parts: &Parts,
    sources: &[payload::Source],
) -> Result<(), BuildError> {
    let path = options.out.join(format!("{image}.payload"));
    let mut output = Output::create(&path)?;
    payload::write(sources, options.thread_count, output.file())
        .map_err(|source| BuildError::Payload { image: image.to_owned(), source })?;
    let length = output.file().metadata().map_err(OutputError::at("read", &path))?.len();
    let budget = parts.manifest.budget.payload_bytes_max;
    if length > budget {
        return Err(BuildError::Budget { image: image.to_owned(), bytes: length, budget });
    }
    Ok(output.commit()?)
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let mut output = Output::create(path)?;
    io::Write::write_all(output.file(), bytes).map_err(OutputError::at("write", path))?;
    output.commit()
}

/// The text of `IMAGE.json`.
pub(crate) fn description(built: &Built) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(built).expect("a description has only plain values");
    text.push(b'\n');
    text
}

/// A file by its length and hash.
pub(crate) fn artifact(name: &str, path: &Path) -> Result<Artifact, OutputError> {
    let mut file = File::open(path).map_err(OutputError::at("read", path))?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let got = file.read(&mut chunk).map_err(OutputError::at("read", path))?;
        if got == 0 {
            break;
        }
        hasher.update(&chunk[..got]);
        bytes += got as u64;
    }
    Ok(Artifact { name: name.to_owned(), bytes, sha256: hex::encode(hasher.finalize()) })
}
