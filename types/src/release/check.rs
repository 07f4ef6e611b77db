//! What a manifest must keep beyond its form.

use super::{FileDigest, HexBytes, Image, RELEASE_FORMAT, Release};
use std::collections::BTreeMap;
use thiserror::Error;

/// Files and images of one release: ours have three images of about ten files.
const COUNT_MAX: usize = 64;
/// Bytes of a file's or an image's name.
const NAME_BYTES_MAX: usize = 64;
/// The largest whole number that every reader of JSON takes exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Bytes that are no manifest of ours.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// Far beyond any of ours.
    #[error("the release manifest has {bytes} bytes, more than the 4 MiB that one may have")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// No JSON, or not these fields.
    #[error("the release manifest cannot be read; fetch it again, or use the Plinth that made it")]
    Format(#[source] serde_json::Error),
    /// Another spelling of the same values.
    #[error(
        "the release manifest is not in its canonical form from byte {at} on; fetch it again, it must \
         not be edited or reformatted"
    )]
    NotCanonical {
        /// The first byte that differs.
        at: usize,
    },
    /// A value that contradicts another one, or that cannot be meant.
    #[error("the release manifest is wrong at {place}: {problem}")]
    Meaning {
        /// Which value.
        place: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Release {
    /// The rules of a manifest that its form does not show.
    pub fn check(&self) -> Result<(), ReleaseError> {
        let wrong =
            |place: &str, problem| Err(ReleaseError::Meaning { place: place.to_owned(), problem });
        if self.format != RELEASE_FORMAT {
            return wrong("format", "it is not 1; use the Plinth that made this release");
        }
        if self.upgrade_from > self.version {
            return wrong("upgrade_from", "it is newer than the release itself");
        }
        if self.images.is_empty() || self.images.len() > COUNT_MAX {
            return wrong("images", "there is none, or more than 64");
        }
        check_files("files", &self.files, |_| true)?;
        if let Some(lock) = self.files.get("image.lock")
            && lock.sha256 != self.inputs.lock_sha256
        {
            return wrong("files/image.lock", "it is not the lock of inputs/lock_sha256");
        }
        for (name, image) in &self.images {
            check_image(name, image)?;
        }
        Ok(())
    }
}

fn check_image(name: &str, image: &Image) -> Result<(), ReleaseError> {
    let wrong = |problem| Err(ReleaseError::Meaning { place: format!("images/{name}"), problem });
    if !is_name(name) || name.contains('.') {
        return wrong("its name is not 1 to 64 of a-z, 0-9 and -");
    }
    let belongs =
        |file: &str| file.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')).is_some();
    check_files(&format!("images/{name}/artifacts"), &image.artifacts, belongs)?;
    for ending in ["root.erofs", "root.verity", "payload", "json", "spdx.json", "cdx.json"] {
        if !image.artifacts.contains_key(&format!("{name}.{ending}")) {
            return wrong("it lacks one of root.erofs, root.verity, payload and its descriptions");
        }
    }
    // What is measured must be told, and nothing else.
    let has = |ending: &str| image.artifacts.contains_key(&format!("{name}.{ending}"));
    if has("efi") != image.measurements.is_some() {
        return wrong("it has a unified kernel and no measurements, or the other way round");
    }
    if has("firmware.fd") != image.launch_digests.is_some() {
        return wrong("it has a guest firmware and no launch digests, or the other way round");
    }
    if let Some(launch) = &image.launch_digests
        && launch.command_line != image.command_line
    {
        return wrong("its launch digests are those of another command line");
    }
    let root_word = format!("plinth.roothash={}", image.root_hash);
    if !image.command_line.split(' ').any(|word| word == root_word) {
        return wrong("its command line does not name its root hash");
    }
    let counts =
        [image.package_count, image.program_count, image.module_count, image.content_bytes];
    if counts.iter().any(|count| *count > NUMBER_MAX) {
        return wrong("a count exceeds 2^53");
    }
    Ok(())
}

fn check_files(
    place: &str,
    files: &BTreeMap<String, FileDigest>,
    belongs: impl Fn(&str) -> bool,
) -> Result<(), ReleaseError> {
    for (name, file) in files {
        let wrong =
            |problem| Err(ReleaseError::Meaning { place: format!("{place}/{name}"), problem });
        if !is_name(name) {
            return wrong("a file's name is not 1 to 64 of a-z, 0-9, - and .");
        }
        if !belongs(name) {
            return wrong("a file of an image begins with the name of the image and a dot");
        }
        if file.bytes > NUMBER_MAX {
            return wrong("its length exceeds 2^53");
        }
        if file.sha256 == HexBytes([0; 32]) {
            return wrong("its hash is zero");
        }
    }
    match files.len() > COUNT_MAX {
        true => Err(ReleaseError::Meaning {
            place: place.to_owned(),
            problem: "it has more than 64 files",
        }),
        false => Ok(()),
    }
}

/// A plain name, which is no path and no hidden file.
fn is_name(name: &str) -> bool {
    let good = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(good) && !name.starts_with('.')
}
