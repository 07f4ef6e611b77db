//! The `tar` format: POSIX ustar with the extensions that package builders write (GNU long names,
//! pax headers), read strictly from front to back.
//!
//! Devices, pipes and sparse files are refused: an image has none of them. A header whose checksum
//! is wrong, a number that is none, an unknown pax record and an end that is not marked are errors.

mod header;
mod pax;
#[cfg(test)]
mod tests;

use super::ar::read_up_to;
use header::{BLOCK_BYTES, Header};
use pax::Records;
use std::collections::BTreeMap;
use std::io::{self, Read};
use thiserror::Error;

/// Bytes of a long name or of a set of pax records.
const EXTENSION_BYTES_MAX: u64 = 1 << 20;
/// Entries in one archive; the largest packages have about 20,000.
const ENTRY_COUNT_MAX: u64 = 1 << 20;
/// Zeros behind the end mark: archives are filled up to blocks of at most this many bytes.
const PADDING_BYTES_MAX: u64 = 1 << 20;

/// An archive that is not as it must be, or that holds what an image must not.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TarError {
    /// The bytes could not be read or decompressed.
    #[error("cannot read the archive at byte {offset}")]
    Read {
        /// Where, in the uncompressed archive.
        offset: u64,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The archive ends within an entry or without its end mark.
    #[error("the archive ends early, at byte {offset}, {within}; fetch the package again")]
    Truncated {
        /// Where it ends.
        offset: u64,
        /// What is missing.
        within: &'static str,
    },
    /// A header that cannot be understood.
    #[error("the header at byte {offset} is damaged: {problem}")]
    Header {
        /// Where it begins.
        offset: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A kind of file that no image has.
    #[error("{path} is a {kind}; images hold files, directories and links only: drop the package")]
    Kind {
        /// The path, escaped.
        path: String,
        /// What it is.
        kind: String,
    },
    /// More entries than a package can have.
    #[error("the archive has more than {ENTRY_COUNT_MAX} entries")]
    TooMany,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file; its content follows.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A further name of the entry that is named.
    HardLink(Vec<u8>),
}

/// One entry of an archive. The path is as the archive writes it: nothing is checked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// The low twelve bits of its mode.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970; an earlier time counts as 0.
    pub mtime_s: u64,
    /// Bytes of content; 0 for all but files.
    pub size: u64,
    /// Where the content begins in the uncompressed archive.
    pub content_offset: u64,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Reads an archive from front to back.
#[derive(Debug)]
pub struct TarReader<R> {
    inner: R,
    offset: u64,
    /// Bytes of the current content that were not read yet.
    left: u64,
    /// Bytes that fill the current content up to a block.
    padding: u64,
    entry_count: u64,
    ended: bool,
}

impl<R: Read> TarReader<R> {
    /// A reader at the beginning of an uncompressed archive.
    pub fn new(inner: R) -> Self {
        Self { inner, offset: 0, left: 0, padding: 0, entry_count: 0, ended: false }
    }

    /// What it reads from.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// Goes to the next entry, over what is left of the current content; none behind the end mark.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut records = Records::default();
        let mut long_path = None;
        let mut long_target = None;
        loop {
            self.skip_rest()?;
            let at = self.offset;
            let Some(header) = self.next_header()? else {
                if !records.is_empty() || long_path.is_some() || long_target.is_some() {
                    return Err(damaged(at, "the entry it extends is missing"));
                }
                return Ok(None);
            };
            match header.kind {
                b'x' => records.parse(&self.extension(&header)?).map_err(|p| damaged(at, p))?,
                b'g' => pax::check_global(&self.extension(&header)?).map_err(|p| damaged(at, p))?,
                b'L' => long_path = Some(self.long_name(at, &header)?),
                b'K' => long_target = Some(self.long_name(at, &header)?),
                _ => {
                    let path = records.path.take().or(long_path).unwrap_or(header.path.clone());
                    let target =
                        records.target.take().or(long_target).unwrap_or(header.target.clone());
                    return self.entry(at, &header, records, path, target).map(Some);
                }
            }
        }
    }

    fn entry(
        &mut self,
        at: u64,
        header: &Header,
        records: Records,
        path: Vec<u8>,
        target: Vec<u8>,
    ) -> Result<Entry, TarError> {
        let size = records.size.unwrap_or(header.size);
        let kind = match header.kind {
            // Before POSIX a directory was a file whose name ends with a slash.
            b'0' | b'7' | 0 if !path.ends_with(b"/") => EntryKind::File,
            b'0' | 0 | b'5' => EntryKind::Directory,
            b'2' => EntryKind::Symlink(target),
            b'1' => EntryKind::HardLink(target),
            other => {
                let (path, kind) = (path.escape_ascii().to_string(), kind_name(other));
                return Err(TarError::Kind { path, kind });
            }
        };
        if size > 0 && kind != EntryKind::File {
            return Err(damaged(at, "only a file has content"));
        }
        if path.is_empty() {
            return Err(damaged(at, "it has no name"));
        }
        self.begin_content(at, size)?;
        Ok(Entry {
            path,
            kind,
            mode: header.mode,
            uid: records.uid.unwrap_or(header.uid),
            gid: records.gid.unwrap_or(header.gid),
            mtime_s: records.mtime_s.unwrap_or(header.mtime_s),
            size,
            content_offset: self.offset,
            xattrs: records.xattrs,
        })
    }

    /// The next header that is none of zeros; none at the end mark.
    fn next_header(&mut self) -> Result<Option<Header>, TarError> {
        if self.ended {
            return Ok(None);
        }
        self.entry_count += 1;
        if self.entry_count > ENTRY_COUNT_MAX {
            return Err(TarError::TooMany);
        }
        let at = self.offset;
        let block = self.block("without an end mark")?;
        if block.iter().any(|byte| *byte != 0) {
            return header::parse(&block).map(Some).map_err(|problem| damaged(at, problem));
        }
        if self.block("within its end mark")?.iter().any(|byte| *byte != 0) {
            return Err(damaged(at, "a single block of zeros is no end mark"));
        }
        self.ended = true;
        self.check_padding()?;
        Ok(None)
    }

    fn block(&mut self, within: &'static str) -> Result<[u8; BLOCK_BYTES], TarError> {
        let mut block = [0; BLOCK_BYTES];
        let got = read_up_to(&mut self.inner, &mut block)
            .map_err(|source| TarError::Read { offset: self.offset, source })?;
        self.offset += got as u64;
        if got < BLOCK_BYTES {
            return Err(TarError::Truncated { offset: self.offset, within });
        }
        Ok(block)
    }

    /// Behind the end mark there are zeros only.
    fn check_padding(&mut self) -> Result<(), TarError> {
        let mut seen = 0;
        loop {
            let at = self.offset;
            let mut block = [0; BLOCK_BYTES];
            let got = read_up_to(&mut self.inner, &mut block)
                .map_err(|source| TarError::Read { offset: at, source })?;
            self.offset += got as u64;
            seen += got as u64;
            if block.iter().any(|byte| *byte != 0) || seen > PADDING_BYTES_MAX {
                return Err(damaged(at, "something follows the end mark"));
            }
            if got < BLOCK_BYTES {
                return Ok(());
            }
        }
    }

    fn begin_content(&mut self, at: u64, size: u64) -> Result<(), TarError> {
        // No archive ends beyond what a 63-bit file offset can name.
        if size > i64::MAX as u64 - self.offset - BLOCK_BYTES as u64 {
            return Err(damaged(at, "its size is beyond any file"));
        }
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK_BYTES as u64) - size;
        Ok(())
    }

    fn skip_rest(&mut self) -> Result<(), TarError> {
        let rest = self.left + self.padding;
        let copied = io::copy(&mut (&mut self.inner).take(rest), &mut io::sink())
            .map_err(|source| TarError::Read { offset: self.offset, source })?;
        self.offset += copied;
        if copied < rest {
            return Err(TarError::Truncated { offset: self.offset, within: "within a file" });
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    /// The content of a header that extends the next one.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, TarError> {
        let at = self.offset;
        if header.size > EXTENSION_BYTES_MAX {
            return Err(damaged(
                at,
                format!("it extends by more than {EXTENSION_BYTES_MAX} bytes"),
            ));
        }
        self.begin_content(at, header.size)?;
        let mut bytes = Vec::new();
        (&mut *self)
            .take(header.size)
            .read_to_end(&mut bytes)
            .map_err(|source| TarError::Read { offset: at, source })?;
        Ok(bytes)
    }

    /// A GNU long name: it ends with a NUL.
    fn long_name(&mut self, at: u64, header: &Header) -> Result<Vec<u8>, TarError> {
        let mut name = self.extension(header)?;
        match name.iter().position(|byte| *byte == 0) {
            Some(end) if end > 0 && end + 1 == name.len() => name.truncate(end),
            _ => return Err(damaged(at, "a long name must end with its only NUL")),
        }
        Ok(name)
    }
}

/// The content of the current entry.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let got = self.inner.read(&mut buffer[..want])?;
        if got == 0 && want > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends early, within a file; fetch the package again",
            ));
        }
        self.left -= got as u64;
        self.offset += got as u64;
        Ok(got)
    }
}

fn damaged(offset: u64, problem: impl Into<String>) -> TarError {
    TarError::Header { offset, problem: problem.into() }
}

fn kind_name(kind: u8) -> String {
    match kind {
        b'3' => "character device".to_owned(),
        b'4' => "block device".to_owned(),
        b'6' => "named pipe".to_owned(),
        b'S' => "sparse file".to_owned(),
        other => format!("file of kind '{}'", other.escape_ascii()),
    }
}
