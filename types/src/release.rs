//! The release manifest: what a release consists of, by digest, and what its machines will measure.
//!
//! It is one file, and the SHA-256 of its bytes names the release. The form is canonical (RFC 8785, of
//! which this uses objects, arrays, strings, whole numbers and booleans): there is one sequence of bytes
//! for each manifest, and any other is refused. docs/release-manifest.md has the schema for people.

mod canonical;
mod check;
mod hex_bytes;
mod measured;
#[cfg(test)]
mod tests;
mod version;

pub use check::ReleaseError;
pub use hex_bytes::HexBytes;
pub use measured::{
    EventContent, LaunchDigest, LaunchDigests, MeasuredEvent, Measurements, PcrValue,
};
pub use version::Version;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The form that this version writes and reads.
pub const RELEASE_FORMAT: u32 = 1;
/// Bytes of a manifest; ours have some 100 KB.
pub const RELEASE_BYTES_MAX: usize = 4 << 20;
/// What a manifest is called in the folder of its release.
pub const RELEASE_FILE: &str = "release.json";

/// A release: images for every kind of machine, made of one lock and one source tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// [`RELEASE_FORMAT`].
    pub format: u32,
    /// Its name, such as `1.4.0`.
    pub version: Version,
    /// Rises when an older release must not be run any more, whatever its version.
    pub security_version: u32,
    /// The oldest version that may be upgraded to this one.
    pub upgrade_from: Version,
    /// What it was made of.
    pub inputs: Inputs,
    /// Files that belong to the release as a whole, by name: its locks.
    pub files: BTreeMap<String, FileDigest>,
    /// By name: `guestos`, `hostos`, `setupos`.
    pub images: BTreeMap<String, Image>,
}

/// What a release was made of, as digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// SHA-256 of `image.lock`: every Debian package by its hash.
    pub lock_sha256: HexBytes<32>,
    /// SHA-256 that stands for compiler, linker and C libraries of our own programs; none if these were
    /// not built from the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toolchain_sha256: Option<HexBytes<32>>,
    /// The same for the source tree that they were built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sha256: Option<HexBytes<32>>,
    /// The same for the crates of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crates_sha256: Option<HexBytes<32>>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its files, by name, its bills of materials and its description among them.
    pub artifacts: BTreeMap<String, FileDigest>,
    /// The id of its update payload: the hash of the payload's index, which has those of all chunks.
    pub payload_id: HexBytes<32>,
    /// The root hash of its root file system.
    pub root_hash: HexBytes<32>,
    /// The kernel's command line.
    pub command_line: String,
    /// The kernel's release, as `uname -r` shows it.
    pub kernel_version: String,
    /// Packages of Debian that are installed.
    pub package_count: u64,
    /// Programs in the root.
    pub program_count: u64,
    /// Modules of the kernel in the root.
    pub module_count: u64,
    /// Bytes of all files in the root.
    pub content_bytes: u64,
    /// What a TPM holds after the image has booted; for images with a unified kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurements: Option<Measurements>,
    /// The launch digests as a confidential guest; for images that are booted directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_digests: Option<LaunchDigests>,
}

/// A file by its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: HexBytes<32>,
}

impl FileDigest {
    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, sha256: HexBytes(Sha256::digest(bytes).into()) }
    }
}

impl Release {
    /// Reads a manifest; refuses all bytes but those that [`Self::encode`] gives.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReleaseError> {
        if bytes.len() > RELEASE_BYTES_MAX {
            return Err(ReleaseError::TooLarge { bytes: bytes.len() });
        }
        let release: Self = serde_json::from_slice(bytes).map_err(ReleaseError::Format)?;
        let canonical = canonical::encode(&release);
        if canonical != bytes {
            let pairs = canonical.iter().zip(bytes);
            let at = pairs.take_while(|(a, b)| a == b).count();
            return Err(ReleaseError::NotCanonical { at });
        }
        release.check()?;
        Ok(release)
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// What names the release: SHA-256 of its file.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.encode()).into()
    }

    /// Every file of the release by name, whether of an image or of all.
    pub fn all_files(&self) -> impl Iterator<Item = (&str, &FileDigest)> {
        let of_images = self.images.values().flat_map(|image| &image.artifacts);
        self.files.iter().chain(of_images).map(|(name, file)| (name.as_str(), file))
    }
}
