//! A release out of the folder that images were built into: its manifest, `release.json`.
//!
//! ```text
//!  IMAGE.json, artifacts, image.lock --> make --> types::release::Release --> release.json
//! ```
//!
//! Everything in the manifest is computed from the files themselves; what a description says of them must
//! agree. The form of the manifest is the crate `types`' (module `release`), since registries read it too.

#[cfg(test)]
pub(crate) mod tests;
mod text;

pub use text::text;

use crate::build::{Built, crates_path, lock_path};
use crate::lock::{Lock, LockFileError};
use crate::measure::{self, GuestParts};
use crate::output::{Output, OutputError};
use crate::payload::{Index, PayloadError};
use crate::programs::Origin;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;
use types::release::{
    FileDigest, HexBytes, Image, Inputs, LaunchDigests, Measurements, RELEASE_FILE, RELEASE_FORMAT,
    Release, ReleaseError, Version,
};

/// The images that a release has.
pub const IMAGES: [&str; 3] = ["guestos", "hostos", "setupos"];
/// The locks beside the images, by their names in the folder of a release.
pub const LOCK_FILE: &str = "image.lock";
/// The list of crates.
pub const CRATES_FILE: &str = "crates.lock";

/// A release that cannot be made or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MakeError {
    /// A file.
    #[error(transparent)]
    File(#[from] OutputError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockFileError),
    /// An image that is not there, or not whole.
    #[error("{image} is not whole in {}: {problem}; build it there with `plinth image build {image}`", folder.display())]
    Image {
        /// Which image.
        image: String,
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A payload.
    #[error("the payload of {image} cannot be read; build the image again")]
    Payload {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: PayloadError,
    },
    /// What would be measured.
    #[error("what a machine measures of {image} cannot be told: {problem}; build the image again")]
    Measure {
        /// Which image.
        image: String,
        /// What is wrong.
        problem: String,
    },
    /// Images of two locks, source trees or toolchains.
    #[error("{one} and {two} were made of different {what}; build them into an empty folder again")]
    Mixed {
        /// An image.
        one: String,
        /// Another.
        two: String,
        /// What differs.
        what: &'static str,
    },
    /// The manifest itself.
    #[error(transparent)]
    Manifest(#[from] ReleaseError),
}

/// What a release is called; the files do not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Its version.
    pub version: Version,
    /// Rises when older releases must not be run any more.
    pub security_version: u32,
    /// The oldest version that may be upgraded to it.
    pub upgrade_from: Version,
}

/// Makes the manifest of the images in a folder. The locks of the clone that they were built from are copied
/// beside them, since an audit needs them.
pub fn make(
    folder: &Path,
    clone: &Path,
    images: &[&str],
    naming: Naming,
) -> Result<Release, MakeError> {
    let described = images
        .iter()
        .map(|image| Ok(((*image).to_owned(), describe(folder, image)?)))
        .collect::<Result<BTreeMap<String, Built>, MakeError>>()?;
    let inputs = inputs(&described)?;
    let lock = Lock::read(&lock_path(clone))?;
    if HexBytes::from_hex(&lock.sha256()) != Some(inputs.lock_sha256) {
        let image = described.keys().next().cloned().unwrap_or_default();
        let problem = "it was made of another lock than that of the clone".to_owned();
        return Err(MakeError::Image { image, folder: folder.into(), problem });
    }
    let crates = crates_path(clone);
    let crates = fs::read(&crates).map_err(OutputError::at("read", &crates))?;
    let mut files = BTreeMap::new();
    for (name, bytes) in [(LOCK_FILE, lock.text().into_bytes()), (CRATES_FILE, crates)] {
        write(&folder.join(name), &bytes)?;
        files.insert(name.to_owned(), FileDigest::of(&bytes));
    }
    let mut whole = BTreeMap::new();
    for (name, built) in &described {
        whole.insert(name.clone(), image(folder, built)?);
    }
    let release = Release {
        format: RELEASE_FORMAT,
        version: naming.version,
        security_version: naming.security_version,
        upgrade_from: naming.upgrade_from,
        inputs,
        files,
        images: whole,
    };
    release.check()?;
    Ok(release)
}

/// Writes the manifest beside its images, or elsewhere.
pub fn write_manifest(release: &Release, path: &Path) -> Result<(), OutputError> {
    write(path, &release.encode())
}

/// Reads a manifest: a file, or the folder of a release.
pub fn read(path: &Path) -> Result<Release, MakeError> {
    let path = if path.is_dir() { path.join(RELEASE_FILE) } else { path.to_path_buf() };
    let bytes = fs::read(&path).map_err(OutputError::at("read", &path))?;
    Ok(Release::parse(&bytes)?)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let mut output = Output::create(path)?;
    output.file().write_all(bytes).map_err(OutputError::at("write", path))?;
    output.commit()
}

fn describe(folder: &Path, image: &str) -> Result<Built, MakeError> {
    let bad = |problem: String| MakeError::Image {
        image: image.to_owned(),
        folder: folder.into(),
        problem,
    };
    let path = folder.join(format!("{image}.json"));
    let bytes = fs::read(&path).map_err(|error| bad(format!("{} ({error})", path.display())))?;
    let built = Built::parse(&bytes)
        .map_err(|error| bad(format!("its description is damaged ({error})")))?;
    if built.image != image || crate::build::description(&built) != bytes {
        return Err(bad("its description is of another image, or of another version".into()));
    }
    Ok(built)
}

/// What all images were made of, which must be the same.
fn inputs(described: &BTreeMap<String, Built>) -> Result<Inputs, MakeError> {
    let mut first: Option<(&String, Inputs)> = None;
    for (name, built) in described {
        let own = inputs_of(built).map_err(|problem| MakeError::Measure {
            image: name.clone(),
            problem: problem.to_owned(),
        })?;
        let Some((one, inputs)) = &first else {
            first = Some((name, own));
            continue;
        };
        let mixed = |what| MakeError::Mixed { one: (*one).clone(), two: name.clone(), what };
        if own.lock_sha256 != inputs.lock_sha256 {
            return Err(mixed("locks"));
        }
        if own != *inputs {
            return Err(mixed("programs: source, crates or toolchain"));
        }
    }
    let (_, inputs) = first.ok_or_else(|| MakeError::Measure {
        image: "the release".into(),
        problem: "it has no image".into(),
    })?;
    Ok(inputs)
}

fn inputs_of(built: &Built) -> Result<Inputs, &'static str> {
    let hash = |text: &str| HexBytes::from_hex(text).ok_or("a hash of its description is none");
    let lock_sha256 = hash(&built.lock_sha256)?;
    Ok(match &built.origin {
        Origin::Given => {
            Inputs { lock_sha256, toolchain_sha256: None, source_sha256: None, crates_sha256: None }
        }
        Origin::Locked { toolchain_sha256, source_sha256, crates_sha256 } => Inputs {
            lock_sha256,
            toolchain_sha256: Some(hash(toolchain_sha256)?),
            source_sha256: Some(hash(source_sha256)?),
            crates_sha256: Some(hash(crates_sha256)?),
        },
    })
}

/// One image, every file of it hashed.
fn image(folder: &Path, built: &Built) -> Result<Image, MakeError> {
    let bad = |problem: String| MakeError::Image {
        image: built.image.clone(),
        folder: folder.into(),
        problem,
    };
    let mut artifacts = BTreeMap::new();
    for claimed in &built.artifacts {
        let found = digest_of(&folder.join(&claimed.name))?;
        let is_same = found.bytes == claimed.bytes && found.sha256.to_string() == claimed.sha256;
        if !is_same {
            return Err(bad(format!("{} is not what its description says", claimed.name)));
        }
        artifacts.insert(claimed.name.clone(), found);
    }
    let description = format!("{}.json", built.image);
    artifacts.insert(description.clone(), digest_of(&folder.join(&description))?);
    let measured = measured(folder, &built.image)?;
    let hash =
        |text: &str| HexBytes::from_hex(text).ok_or_else(|| bad("its root hash is none".into()));
    Ok(Image {
        artifacts,
        payload_id: payload_id(folder, &built.image)?,
        root_hash: hash(&built.root_hash)?,
        command_line: built
            .command_line
            .clone()
            .ok_or_else(|| bad("it has no boot files".into()))?,
        kernel_version: built.kernel_version.clone(),
        package_count: built.package_count as u64,
        program_count: built.program_count as u64,
        module_count: built.module_count as u64,
        content_bytes: built.content_bytes,
        measurements: measured.measurements,
        launch_digests: measured.launch_digests,
    })
}

/// The description of an image as its manifest has it: the bytes of `IMAGE.json`.
pub(crate) fn description(release: &Release, name: &str, image: &Image) -> Vec<u8> {
    let own = format!("{name}.json");
    let artifact = |(name, file): (&String, &FileDigest)| crate::build::Artifact {
        name: name.clone(),
        bytes: file.bytes,
        sha256: file.sha256.to_string(),
    };
    crate::build::description(&Built {
        image: name.to_owned(),
        lock_sha256: release.inputs.lock_sha256.to_string(),
        origin: origin(&release.inputs),
        root_hash: image.root_hash.to_string(),
        command_line: Some(image.command_line.clone()),
        kernel_version: image.kernel_version.clone(),
        package_count: image.package_count as usize,
        content_bytes: image.content_bytes,
        program_count: image.program_count as usize,
        module_count: image.module_count as usize,
        artifacts: image.artifacts.iter().filter(|(name, _)| **name != own).map(artifact).collect(),
    })
}

/// Where programs come from, as the manifest's inputs say it.
fn origin(inputs: &Inputs) -> Origin {
    match (inputs.toolchain_sha256, inputs.source_sha256, inputs.crates_sha256) {
        (Some(toolchain), Some(source), Some(crates)) => Origin::Locked {
            toolchain_sha256: toolchain.to_string(),
            source_sha256: source.to_string(),
            crates_sha256: crates.to_string(),
        },
        _ => Origin::Given,
    }
}

/// Length and hash of a file.
pub fn digest_of(path: &Path) -> Result<FileDigest, OutputError> {
    let found = crate::build::artifact("", path)?;
    let sha256 = HexBytes::from_hex(&found.sha256).expect("a hash is written in hexadecimal");
    Ok(FileDigest { bytes: found.bytes, sha256 })
}

fn payload_id(folder: &Path, image: &str) -> Result<HexBytes<32>, MakeError> {
    let path = folder.join(format!("{image}.payload"));
    let file = File::open(&path).map_err(OutputError::at("read", &path))?;
    let index = Index::read(&mut BufReader::new(file))
        .map_err(|source| MakeError::Payload { image: image.to_owned(), source })?;
    Ok(HexBytes(index.id()))
}

/// What machines measure of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    pub measurements: Option<Measurements>,
    pub launch_digests: Option<LaunchDigests>,
}

/// Computes what machines will measure of the image in a folder, from its artifacts alone.
pub(crate) fn measured(folder: &Path, image: &str) -> Result<Measured, MakeError> {
    let bad = |problem: String| MakeError::Measure { image: image.to_owned(), problem };
    let path = |ending: &str| folder.join(format!("{image}.{ending}"));
    let read = |path: &Path| fs::read(path).map_err(OutputError::at("read", path));
    let mut found = Measured { measurements: None, launch_digests: None };
    if path("efi").exists() {
        let unified = read(&path("efi"))?;
        let measurements = measure::measurements(&unified, &measure::Conditions::default())
            .map_err(|error| bad(chain(&error)))?;
        found.measurements = Some(carried(&measurements));
    }
    if path("firmware.fd").exists() {
        let (firmware, archive) = (read(&path("firmware.fd"))?, read(&path("boot.cpio"))?);
        let archive = measure::boot_archive::BootArchive::parse(&archive)
            .map_err(|error| bad(chain(&error)))?;
        let digests = measure::launch_digests(&GuestParts {
            firmware: &firmware,
            kernel: archive.kernel,
            initrd: archive.initrd,
            command_line: archive.command_line,
        })
        .map_err(|error| bad(chain(&error)))?;
        found.launch_digests = Some(carried(&digests));
    }
    Ok(found)
}

/// Measurements in the form that the manifest carries. Both forms have one schema, which a test checks.
fn carried<T: DeserializeOwned>(measured: &impl Serialize) -> T {
    let value = serde_json::to_value(measured).expect("measurements have only plain values");
    serde_json::from_value(value).expect("the manifest's form of measurements has the same schema")
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
