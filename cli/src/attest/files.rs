//! Files of foreign origin, and why one cannot be used.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use attestation::x509::{PemError, RevocationList, certificate_bytes, revocation_lists};
use thiserror::Error;

/// Larger than anything that is checked here.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Input that no verdict can be made of.
#[derive(Debug, Error)]
pub enum Unusable {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{} has more than {bytes_max} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How many are read.
        bytes_max: u64,
    },
    /// The file is not what it must be.
    #[error("{} cannot be used: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}; choose another name, or make its folder", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An option that something else needs.
    #[error("{0}")]
    Option(String),
    /// This machine gives no evidence.
    #[error("{0}")]
    Make(String),
    /// The file holds no certificates.
    #[error("{}: {source}", path.display())]
    Certificates {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: PemError,
    },
    /// The file holds no list of revoked certificates.
    #[error("{}: {source}; give it the list (CRL) itself, in PEM or DER", path.display())]
    RevocationLists {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: PemError,
    },
    /// The file holds several certificates, and which is meant cannot be told.
    #[error(
        "{} holds {count} certificates and not exactly one that can be {wanted}; give a file with \
         that one alone", path.display()
    )]
    Ambiguous {
        /// Which.
        path: PathBuf,
        /// How many it holds.
        count: usize,
        /// What is looked for.
        wanted: &'static str,
    },
}

/// The file's bytes.
pub fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
    read_up_to(path, FILE_BYTES_MAX)
}

/// All lists of revoked certificates of these files.
pub fn read_revocation_lists(paths: &[PathBuf]) -> Result<Vec<RevocationList>, Unusable> {
    let mut lists = Vec::new();
    for path in paths {
        let found = revocation_lists(&read(path)?);
        lists.extend(
            found.map_err(|source| Unusable::RevocationLists { path: path.clone(), source })?,
        );
    }
    Ok(lists)
}

/// The bytes of a file that may have this many.
pub fn read_up_to(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Unusable> {
    let failed = |source| Unusable::Read { path: path.into(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Unusable::TooLarge { path: path.into(), bytes_max });
    }
    Ok(bytes)
}

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Anybody.
    All,
    /// Its owner: it holds a secret.
    Owner,
}

/// Writes a file that appears whole or not at all, in place of one of before.
pub fn write(path: &Path, content: &[u8], readers: Readers) -> Result<(), Unusable> {
    let failed = |source| Unusable::Write { path: path.into(), source };
    let name = path.file_name().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    let mut unfinished = std::ffi::OsString::from(".");
    unfinished.push(name);
    unfinished.push(format!(".{}.unfinished", std::process::id()));
    let unfinished = path.with_file_name(unfinished);
    let mode = if readers == Readers::Owner { 0o600 } else { 0o644 };
    let mut options = std::fs::OpenOptions::new();
    let created = options.write(true).create_new(true).mode(mode).open(&unfinished);
    let written = created.and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    });
    written.map_err(|source| {
        // It may not have been made at all.
        let _ = std::fs::remove_file(&unfinished);
        failed(source)
    })
}

/// The file's bytes, or what they are in hex if the file is a text of hex digits.
pub fn read_binary_or_hex(path: &Path) -> Result<Vec<u8>, Unusable> {
    let bytes = read(path)?;
    let digits: Vec<u8> =
        bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    match hex::decode(&digits) {
        Ok(decoded) if is_hex => Ok(decoded),
        _ => Ok(bytes),
    }
}

/// The certificate in a file of PEM or DER, not yet read. Of several the one that `is_meant`.
pub fn read_certificate(
    path: &Path,
    wanted: &'static str,
    is_meant: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, Unusable> {
    let mut found = certificate_bytes(&read(path)?)
        .map_err(|source| Unusable::Certificates { path: path.into(), source })?;
    let count = found.len();
    if count > 1 {
        found.retain(|der| is_meant(der));
    }
    match <[Vec<u8>; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(_) => Err(Unusable::Ambiguous { path: path.into(), count, wanted }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_decoded_and_all_else_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let check = |content: &[u8], expected: &[u8]| {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read_binary_or_hex(&path).unwrap(), expected);
        };
        check(b"00ff\nA5\n", &[0, 0xff, 0xa5]);
        check(b"00f", b"00f");
        check(b"0x00", b"0x00");
        check(&[0, 1], &[0, 1]);
        check(b"", b"");
        assert!(matches!(read(&dir.path().join("none")), Err(Unusable::Read { .. })));
    }
}
