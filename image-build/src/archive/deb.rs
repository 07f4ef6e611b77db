//! A package: `debian-binary`, then the control member, then the data member.

use super::ar::{ArError, ArReader, Member};
use super::compression::{Compression, Decoder};
use super::tar::{EntryKind, TarError, TarReader};
use std::collections::BTreeMap;
use std::io::{self, Read};
use thiserror::Error;

/// Bytes of the uncompressed control member.
const CONTROL_BYTES_MAX: u64 = 16 << 20;
/// Bytes of the uncompressed data member; the largest package of our images has 600 MB.
const DATA_BYTES_MAX: u64 = 4 << 30;

/// A package that is not as it must be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DebError {
    /// The outer archive.
    #[error("the package's ar archive is damaged")]
    Ar(#[from] ArError),
    /// One of the inner archives.
    #[error("the package's {member} member is damaged")]
    Tar {
        /// `control` or `data`.
        member: &'static str,
        /// The cause.
        #[source]
        source: TarError,
    },
    /// A member could not be read.
    #[error("cannot read the package's {member} member")]
    Read {
        /// Which one.
        member: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The members are not those of a package.
    #[error("is no Debian package of format 2.0: {0}")]
    Format(String),
    /// Something in the control member that has no place there.
    #[error("the control member holds {0}, which has no meaning there")]
    Control(String),
}

/// The files of a control member by name: `control`, `conffiles`, maintainer scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    files: BTreeMap<String, Vec<u8>>,
}

impl Control {
    /// The bytes of one file.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// All files in the order of their names.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}

/// A package whose control member is read and whose data comes next.
pub struct Deb<R: Read> {
    /// What its control member holds.
    pub control: Control,
    data: Decoder<ArReader<R>>,
}

impl<R: Read> Deb<R> {
    /// Reads a package up to its data.
    pub fn open(reader: R) -> Result<Self, DebError> {
        let mut ar = ArReader::new(reader)?;
        check_format(&mut ar)?;
        let compression = member(&mut ar, "control.tar")?;
        let control = read_control(&mut ar, compression)?;
        let compression = member(&mut ar, "data.tar")?;
        let data = Decoder::new(compression, ar, DATA_BYTES_MAX)
            .map_err(|source| DebError::Read { member: "data", source })?;
        Ok(Self { control, data })
    }

    /// The uncompressed data archive. Its end is the end of the package only once it was read whole.
    pub fn into_data(self) -> (Control, Decoder<ArReader<R>>) {
        (self.control, self.data)
    }
}

fn check_format(ar: &mut ArReader<impl Read>) -> Result<(), DebError> {
    let first = ar.next_member()?.ok_or_else(|| DebError::Format("it is empty".into()))?;
    let mut version = Vec::new();
    // Longer than any version; the rest is skipped.
    Read::take(&mut *ar, 16)
        .read_to_end(&mut version)
        .map_err(|source| DebError::Read { member: "debian-binary", source })?;
    if first.name != b"debian-binary" || version != b"2.0\n" {
        let name = first.name.escape_ascii();
        return Err(DebError::Format(format!("its first member is {name}, not debian-binary 2.0")));
    }
    Ok(())
}

/// Goes to the member that must come next; how it is compressed.
fn member(ar: &mut ArReader<impl Read>, stem: &'static str) -> Result<Compression, DebError> {
    let Some(Member { name, .. }) = ar.next_member()? else {
        return Err(DebError::Format(format!("it ends before {stem}")));
    };
    name.strip_prefix(stem.as_bytes()).and_then(Compression::from_ending).ok_or_else(|| {
        DebError::Format(format!(
            "it has {} where {stem}, {stem}.gz, .xz or .zst must be",
            name.escape_ascii()
        ))
    })
}

fn read_control(
    ar: &mut ArReader<impl Read>,
    compression: Compression,
) -> Result<Control, DebError> {
    let broken = |source| DebError::Tar { member: "control", source };
    let decoder = Decoder::new(compression, ar, CONTROL_BYTES_MAX)
        .map_err(|source| DebError::Read { member: "control", source })?;
    let mut tar = TarReader::new(decoder);
    let mut control = Control::default();
    while let Some(entry) = tar.next_entry().map_err(broken)? {
        let odd = || DebError::Control(entry.path.escape_ascii().to_string());
        let path = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
        match entry.kind {
            EntryKind::Directory if path.is_empty() || path == b"." => continue,
            EntryKind::File => {}
            _ => return Err(odd()),
        }
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        if path.is_empty() || !path.iter().all(is_name) {
            return Err(odd());
        }
        let name = String::from_utf8(path.to_vec()).map_err(|_| odd())?;
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes)
            .map_err(|source| DebError::Read { member: "control", source })?;
        if control.files.insert(name, bytes).is_some() {
            return Err(odd());
        }
    }
    Ok(control)
}

#[cfg(test)]
mod tests;
