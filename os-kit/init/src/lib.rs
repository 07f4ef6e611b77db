//! The first program of a node: from the kernel's hands to systemd on a root whose every block is
//! checked against the root hash of the measured command line.
//!
//! ```text
//!  modules --> disks appear --> partition pairs by label --> the pair whose hash tree has the root hash
//!     --> dm-verity --> erofs, read only --> systemd
//! ```
//!
//! The root hash alone decides which slot starts: labels say where to look, and nothing that is read
//! from a disk is believed before it hashes to it. So one image, with one measurement, starts from
//! either slot (docs/decisions/086). What can be decided without a machine is in plain functions:
//!
//! - [`command_line`]: the root hash.
//! - [`partitions`]: what the kernel says of partitions, and the pairs of our disks.
//! - [`superblock`]: whether a hash tree has the root hash.
//! - [`device_mapper`]: the mapping, and the requests that make it; [`machine`] has the system calls.
//!
//! It knows no images, no slots' state and no network, and never gives anyone a shell: what fails is
//! said on every console, and the machine starts again.

pub mod command_line;
pub mod device_mapper;
pub mod machine;
pub mod partitions;
pub mod superblock;

use command_line::CommandLineError;
use device_mapper::Mapping;
use partitions::Pair;
use std::io;
use std::path::PathBuf;
use superblock::Verity;
use thiserror::Error;

/// SHA-256 of a hash tree's first block, with the salt before it.
pub type RootHash = [u8; 32];

/// Why a start ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// The command line does not say what to start.
    #[error(transparent)]
    CommandLine(#[from] CommandLineError),
    /// A step of the kernel's that has no reason to fail on a machine that can run the image.
    #[error("cannot {action} {}; the image does not fit this machine or is damaged", path.display())]
    System {
        /// What was tried, such as `mount`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No disk has a root for this hash.
    #[error(
        "no partition has the root that the command line names ({}): {}",
        hex(root_hash),
        seen(found)
    )]
    NoRoot {
        /// What was looked for.
        root_hash: RootHash,
        /// What was found instead, for each pair of partitions.
        found: Vec<String>,
    },
}

impl InitError {
    /// For `map_err`.
    pub fn at(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(nix::errno::Errno) -> Self {
        let path = path.into();
        move |errno| Self::System { action, path, source: errno.into() }
    }

    /// For `map_err`, from what the standard library says.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::System { action, path, source }
    }
}

fn seen(found: &[String]) -> String {
    if found.is_empty() {
        return "no disk with our partitions was seen; check that the disk is connected, and that \
                its driver is in the image"
            .into();
    }
    format!("{}; install the image again, or start the other slot", found.join("; "))
}

/// What is found in the hash partition of one pair.
pub type Examined = (Pair, Result<Verity, String>);

/// The mapping to start from: that of the first pair whose hash tree has the root hash. Two slots with
/// one release are equal byte for byte, so that it does not matter which it is.
pub fn choose(examined: Vec<Examined>, root_hash: &RootHash) -> Result<Mapping, InitError> {
    let mut found = Vec::new();
    for (pair, verity) in examined {
        let name = format!("{} on {}", pair.hash.label, pair.hash.disk);
        match verity.and_then(|verity| Mapping::new(&pair, verity, root_hash)) {
            Ok(mapping) => return Ok(mapping),
            Err(problem) => found.push(format!("{name} {problem}")),
        }
    }
    Err(InitError::NoRoot { root_hash: *root_hash, found })
}

/// Bytes as small hexadecimal letters.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
