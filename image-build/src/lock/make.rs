//! Makes a lock: signed indexes in, chosen packages out.

use super::{
    FORMAT, Lock, LockedImage, LockedIndex, LockedPackage, LockedToolchain, request_sha256,
    time_text, toolchain_request_sha256,
};
use crate::archive::{Compression, Decoder};
use crate::debian::resolve::{Chosen, ResolveError, Suites, kernel_of, resolve};
use crate::debian::{Index, Keyring, Now, Relation, ReleaseError, SignatureError, SignedRelease};
use crate::manifest::{Manifest, Variant};
use crate::store::{Location, LocationError, Mirrors};
use crate::toolchain::Description;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes of an `InRelease`.
const RELEASE_BYTES_MAX: u64 = 8 << 20;
/// Bytes of an index, compressed or not; sid's has 60 MB.
const INDEX_BYTES_MAX: u64 = 512 << 20;
/// The index that images are made of, below a suite.
const INDEX: &str = "main/binary-amd64/Packages";

/// A lock that cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// The description of the archive, or a keyring.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The description of the archive.
    #[error("{} is not as it must be", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_yaml::Error,
    },
    /// The keyring.
    #[error("the keyring of the archive cannot be used")]
    Keyring(#[from] SignatureError),
    /// Nobody said where the archive is.
    #[error(
        "no mirror of {area} is known; name one with --mirror {area}=http://host/path or \
         --mirror {area}=FOLDER"
    )]
    NoMirror {
        /// Which archive.
        area: String,
    },
    /// No mirror has a file.
    #[error("suite {suite}: no mirror has {path}: {}", .problems.join("; "))]
    Fetch {
        /// Which suite.
        suite: String,
        /// Which file.
        path: String,
        /// What each mirror said.
        problems: Vec<String>,
    },
    /// A release that cannot be trusted.
    #[error("suite {suite}")]
    Release {
        /// Which suite.
        suite: String,
        /// The cause.
        #[source]
        source: Box<ReleaseError>,
    },
    /// A request that cannot be met.
    #[error("image {image}")]
    Resolve {
        /// Which image.
        image: String,
        /// The cause.
        #[source]
        source: Box<ResolveError>,
    },
    /// A suite that is not described.
    #[error("image {image} takes {package} from {suite}, which {file} does not describe")]
    UnknownSuite {
        /// Which image.
        image: String,
        /// Which package.
        package: String,
        /// Which suite.
        suite: String,
        /// Where suites are described.
        file: &'static str,
    },
    /// Two images would have different packages of one name.
    #[error(
        "{name} would be both {first} and {second}; take both from one suite, or omit one of them"
    )]
    TwoVersions {
        /// The package.
        name: String,
        /// One version.
        first: String,
        /// The other.
        second: String,
    },
}

/// The archive that images are made of: `images/debian.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Keyrings beside the file, of whose keys one must have signed each release.
    pub keyrings: Vec<String>,
    /// The suites.
    pub suites: Vec<Suite>,
}

/// One suite of the archive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its code name.
    pub name: String,
    /// The archive it belongs to, by the last name of its address.
    pub area: String,
    /// Whether images are made of it. Of others only inputs come that name them.
    pub images: bool,
}

impl Archive {
    /// Reads the description; unknown fields are refused.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LockError::Read { path: path.into(), source })?;
        serde_yaml::from_str(&text)
            .map_err(|source| LockError::Format { path: path.into(), source })
    }

    /// Reads the keyrings; their paths count from a folder.
    pub fn keyring(&self, folder: &Path) -> Result<Keyring, LockError> {
        let mut keyrings = Vec::new();
        for name in &self.keyrings {
            let path = folder.join(name);
            let bytes = std::fs::read(&path)
                .map_err(|source| LockError::Read { path: path.clone(), source })?;
            keyrings.push(bytes);
        }
        Ok(Keyring::read(keyrings.iter().map(Vec::as_slice))?)
    }
}

/// A suite whose signature was checked.
struct Loaded {
    suite: Suite,
    index: Index,
    locked: LockedIndex,
    date_s: u64,
}

/// Resolves all images, with both variants of each, and the toolchain. `now_s` is the time by which releases are judged;
/// releases of suites in `accept_expired` may be older than they say. `progress` hears what is done.
pub fn make(
    (manifests, toolchain): (&[Manifest], &Description),
    archive: &Archive,
    keyring: &Keyring,
    mirrors: &Mirrors,
    (now_s, accept_expired): (u64, &BTreeSet<String>),
    progress: &mut dyn FnMut(&str),
) -> Result<Lock, LockError> {
    let used: BTreeSet<&str> = manifests
        .iter()
        .flat_map(|manifest| manifest.inputs.values())
        .filter_map(|input| input.suite.as_deref())
        .collect();
    let mut loaded = Vec::new();
    for suite in archive.suites.iter().filter(|s| s.images || used.contains(s.name.as_str())) {
        progress(&format!("{}: fetching and checking its index", suite.name));
        let now = Now { seconds: now_s, accept_expired: accept_expired.contains(&suite.name) };
        loaded.push(load(suite, keyring, mirrors, now)?);
    }
    let mut packages: BTreeMap<String, LockedPackage> = BTreeMap::new();
    let mut images = BTreeMap::new();
    for manifest in manifests {
        for variant in [Variant::Production, Variant::Dev] {
            let name = manifest.name(variant);
            let image = lock_image(&name, &manifest.variant(variant), &loaded, &mut packages)?;
            progress(&format!("{name}: {} packages", image.install.len()));
            images.insert(name, image);
        }
    }
    let toolchain = lock_toolchain(toolchain, &loaded, &mut packages)?;
    progress(&format!("toolchain: {} packages", toolchain.packages.len()));
    let mut indexes: Vec<_> = loaded.iter().map(|loaded| loaded.locked.clone()).collect();
    indexes.sort_by(|a, b| a.suite.cmp(&b.suite));
    Ok(Lock {
        format: FORMAT,
        time_s: loaded.iter().map(|loaded| loaded.date_s).max().unwrap_or(0),
        indexes,
        images,
        toolchain,
        packages: packages.into_values().collect(),
    })
}

fn lock_image(
    name: &str,
    manifest: &Manifest,
    loaded: &[Loaded],
    packages: &mut BTreeMap<String, LockedPackage>,
) -> Result<LockedImage, LockError> {
    let unmet = |source| LockError::Resolve { image: name.to_owned(), source: Box::new(source) };
    let usual = suites(loaded, |suite| suite.images);
    let installed = resolve(&usual, &manifest.request()).map_err(unmet)?;
    let kernel = kernel_of(&usual, &manifest.kernel.package).map_err(unmet)?;
    let mut inputs = Vec::new();
    for (package, input) in &manifest.inputs {
        let from = match &input.suite {
            None => suites(loaded, |suite| suite.images),
            Some(wanted) => suites(loaded, |suite| suite.name == *wanted),
        };
        if from.indexes.is_empty() {
            return Err(LockError::UnknownSuite {
                image: name.to_owned(),
                package: package.clone(),
                suite: input.suite.clone().unwrap_or_default(),
                file: "images/debian.yaml",
            });
        }
        let relation = Relation { name: package.clone(), version: None };
        let chosen = from.latest(&relation).map_err(unmet)?;
        inputs.push(chosen.ok_or_else(|| unmet(ResolveError::Unknown { name: package.clone() }))?);
    }
    let image = LockedImage {
        request_sha256: request_sha256(manifest),
        kernel: kernel.package.name.clone(),
        install: installed.keys().cloned().collect(),
        inputs: inputs.iter().map(|chosen| chosen.package.name.clone()).collect(),
    };
    for chosen in installed.into_values().chain(inputs).chain([kernel]) {
        add(packages, chosen)?;
    }
    Ok(image)
}

fn lock_toolchain(
    description: &Description,
    loaded: &[Loaded],
    packages: &mut BTreeMap<String, LockedPackage>,
) -> Result<LockedToolchain, LockError> {
    let usual = suites(loaded, |suite| suite.images);
    let chosen = resolve(&usual, &description.request()).map_err(|source| LockError::Resolve {
        image: "toolchain".into(),
        source: source.into(),
    })?;
    let toolchain = LockedToolchain {
        request_sha256: toolchain_request_sha256(description),
        packages: chosen.keys().cloned().collect(),
    };
    for chosen in chosen.into_values() {
        add(packages, chosen)?;
    }
    Ok(toolchain)
}

fn suites(loaded: &[Loaded], wanted: impl Fn(&Suite) -> bool) -> Suites<'_> {
    let found = loaded.iter().filter(|loaded| wanted(&loaded.suite));
    Suites { indexes: found.map(|l| (l.suite.name.clone(), &l.index)).collect() }
}

fn add(packages: &mut BTreeMap<String, LockedPackage>, chosen: Chosen) -> Result<(), LockError> {
    let Chosen { package, suite } = chosen;
    let locked = LockedPackage {
        name: package.name,
        version: package.version.to_string(),
        architecture: package.architecture,
        suite,
        path: package.path,
        size: package.size,
        sha256: package.sha256,
        source: package.source,
        source_version: package.source_version,
    };
    match packages.get(&locked.name) {
        Some(known) if *known != locked => Err(LockError::TwoVersions {
            name: locked.name,
            first: known.version.clone(),
            second: locked.version,
        }),
        _ => {
            packages.insert(locked.name.clone(), locked);
            Ok(())
        }
    }
}

fn load(
    suite: &Suite,
    keyring: &Keyring,
    mirrors: &Mirrors,
    now: Now,
) -> Result<Loaded, LockError> {
    let places = mirrors.of(&suite.area);
    if places.is_empty() {
        return Err(LockError::NoMirror { area: suite.area.clone() });
    }
    let untrusted =
        |source| LockError::Release { suite: suite.name.clone(), source: Box::new(source) };
    let release = fetch(suite, places, "InRelease", RELEASE_BYTES_MAX)?;
    let release = SignedRelease::verify(&release, &suite.name, keyring, now).map_err(untrusted)?;
    let bytes = fetch_index(suite, places, &release)?;
    let index = release.index(INDEX, bytes).map_err(untrusted)?;
    let locked = LockedIndex {
        suite: suite.name.clone(),
        area: suite.area.clone(),
        date: time_text(release.date_s()),
        release_sha256: release.sha256().to_owned(),
        packages_sha256: index.sha256().to_owned(),
        signed_by: release.signers().to_vec(),
    };
    Ok(Loaded { suite: suite.clone(), index, locked, date_s: release.date_s() })
}

/// The uncompressed index, in the form that a mirror has: its name never changes while a mirror is
/// being updated if it is named by its hash.
fn fetch_index(
    suite: &Suite,
    places: &[Location],
    release: &SignedRelease,
) -> Result<Vec<u8>, LockError> {
    let compressed = format!("{INDEX}.xz");
    let mut forms = Vec::new();
    if let Some(listed) = release.file(&compressed) {
        let folder = INDEX.rsplit_once('/').map_or("", |(folder, _)| folder);
        forms.push((format!("{folder}/by-hash/SHA256/{}", listed.sha256), Compression::Xz));
        forms.push((compressed, Compression::Xz));
    }
    forms.push((INDEX.to_owned(), Compression::None));
    let mut problems = Vec::new();
    for (path, compression) in forms {
        let bytes = match fetch(suite, places, &path, INDEX_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(LockError::Fetch { problems: found, .. }) => {
                problems.extend(found);
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut text = Vec::new();
        let decoded = Decoder::new(compression, bytes.as_slice(), INDEX_BYTES_MAX)
            .and_then(|mut decoder| decoder.read_to_end(&mut text));
        match decoded {
            Ok(_) => return Ok(text),
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    Err(LockError::Fetch { suite: suite.name.clone(), path: INDEX.into(), problems })
}

fn fetch(
    suite: &Suite,
    places: &[Location],
    path: &str,
    bytes_max: u64,
) -> Result<Vec<u8>, LockError> {
    let mut problems = Vec::new();
    for place in places {
        let file = place.join(&format!("dists/{}/{path}", suite.name));
        match file.read(bytes_max) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => problems.push(format!("{file}: {}", with_cause(&error))),
        }
    }
    Err(LockError::Fetch { suite: suite.name.clone(), path: path.to_owned(), problems })
}

fn with_cause(error: &LocationError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
