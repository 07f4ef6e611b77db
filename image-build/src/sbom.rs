//! Bills of materials: every package of an image with its licence and hash, in SPDX 2.3 and CycloneDX 1.5.
//!
//! ```text
//!  lock + copyright files --> Debian packages \
//!  crates.lock            --> crates          +--> Bill --> spdx(), cyclonedx()
//! ```
//!
//! Sorted, without a clock and without random ids: the same image has the same bills.

pub mod crates;
mod cyclonedx;
mod licence;
mod spdx;
#[cfg(test)]
mod tests;

use crate::lock::{LockedPackage, time_text};
use crate::rootfs::{Parts, Rootfs, Unpacked};
use crates::{Crate, CratesError};
use licence::Licence;
use std::collections::BTreeMap;
use std::path::Path;
use thiserror::Error;

/// A bill that cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SbomError {
    /// The crates.
    #[error(transparent)]
    Crates(#[from] CratesError),
}

/// Everything that is in an image.
#[derive(Clone, Debug)]
pub struct Bill {
    image: String,
    /// The hash of the lock stands for the version of what was put together.
    version: String,
    created: String,
    components: Vec<Component>,
    /// Texts of licences that have no identifier of SPDX, by the one that we give them.
    texts: BTreeMap<String, String>,
}

/// One package or crate.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Component {
    name: String,
    version: String,
    /// Its address, such as `pkg:deb/debian/libc6@2.41-12?arch=amd64`.
    purl: String,
    sha256: String,
    /// An expression of SPDX; none if nobody says.
    licence: Option<String>,
    supplier: Supplier,
    /// What it was built from.
    source: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supplier {
    Debian,
    Crates,
}

impl Bill {
    /// The bill of an assembled image.
    pub fn new(
        image: &str,
        parts: &Parts,
        rootfs: &Rootfs,
        crates_lock: &Path,
    ) -> Result<Self, SbomError> {
        let all = parts.packages.iter().chain([&parts.kernel]).chain(&parts.inputs);
        let packages: Vec<&LockedPackage> = all.map(|(package, _)| *package).collect();
        let programs = parts.manifest.programs();
        let binaries = programs.iter().map(String::as_str).collect::<Vec<_>>();
        let crates = match binaries.is_empty() {
            true => Vec::new(),
            false => crates::read(crates_lock, &parts.clone.join("Cargo.lock"), &binaries)?,
        };
        let (version, time_s) = (parts.lock.sha256(), parts.lock.time_s);
        Ok(Self::of(image, (version, time_s), &packages, &rootfs.unpacked, &crates))
    }

    pub(crate) fn of(
        image: &str,
        (version, time_s): (String, u64),
        packages: &[&LockedPackage],
        unpacked: &[Unpacked],
        crates: &[Crate],
    ) -> Self {
        let copyrights = Copyrights::of(packages, unpacked);
        let mut texts = BTreeMap::new();
        let mut components: Vec<Component> = packages
            .iter()
            .map(|package| {
                let licence = copyrights.of_package(package).map(licence::read);
                debian(package, licence.unwrap_or_default(), &mut texts)
            })
            .collect();
        components.extend(crates.iter().map(rust));
        components.sort_by(|a, b| a.purl.cmp(&b.purl));
        components.dedup();
        Self { image: image.to_owned(), version, created: time_text(time_s), components, texts }
    }

    /// SPDX 2.3 as JSON.
    pub fn spdx(&self) -> String {
        text(&spdx::document(self))
    }

    /// CycloneDX 1.5 as JSON.
    pub fn cyclonedx(&self) -> String {
        text(&cyclonedx::document(self))
    }
}

fn text(document: &serde_json::Value) -> String {
    // Objects of serde_json are sorted by key.
    let text = serde_json::to_string_pretty(document).expect("a document has only plain values");
    format!("{text}\n")
}

/// Copyright files; a package without one has that of another package of its source.
struct Copyrights<'a> {
    by_package: BTreeMap<&'a str, &'a [u8]>,
    by_source: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> Copyrights<'a> {
    fn of(packages: &[&'a LockedPackage], unpacked: &'a [Unpacked]) -> Self {
        let by_package: BTreeMap<&str, &[u8]> = unpacked
            .iter()
            .filter_map(|found| Some((found.package.as_str(), found.copyright.as_deref()?)))
            .collect();
        let mut by_source = BTreeMap::new();
        for package in packages {
            if let Some(text) = by_package.get(package.name.as_str()) {
                by_source.entry(package.source.as_str()).or_insert(*text);
            }
        }
        Self { by_package, by_source }
    }

    fn of_package(&self, package: &LockedPackage) -> Option<&'a [u8]> {
        let own = self.by_package.get(package.name.as_str());
        own.or_else(|| self.by_source.get(package.source.as_str())).copied()
    }
}

fn debian(
    package: &LockedPackage,
    licence: Licence,
    texts: &mut BTreeMap<String, String>,
) -> Component {
    for (id, text) in licence.texts {
        texts.entry(id).or_insert(text);
    }
    Component {
        name: package.name.clone(),
        version: package.version.clone(),
        purl: debian_purl(package),
        sha256: package.sha256.clone(),
        licence: licence.expression,
        supplier: Supplier::Debian,
        source: Some(format!("{} {}", package.source, package.source_version)),
    }
}

fn rust(found: &Crate) -> Component {
    Component {
        name: found.name.clone(),
        version: found.version.clone(),
        purl: crate_purl(found),
        sha256: found.sha256.clone(),
        licence: found.licence.clone(),
        supplier: Supplier::Crates,
        source: None,
    }
}

/// The address of a package of Debian.
pub(crate) fn debian_purl(package: &LockedPackage) -> String {
    let LockedPackage { name, version, architecture, .. } = package;
    format!("pkg:deb/debian/{}@{}?arch={architecture}", quoted(name), quoted(version))
}

/// The address of a crate.
pub(crate) fn crate_purl(found: &Crate) -> String {
    format!("pkg:cargo/{}@{}", quoted(&found.name), quoted(&found.version))
}

/// As addresses of packages write what is not plain.
fn quoted(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
