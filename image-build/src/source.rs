//! What strict readers (decision 074) have in common: bytes that can be read at any place, one kind of
//! error, and the check that the writer would have written these very bytes.

mod comparing;

pub use comparing::Comparing;

use crate::tree::Content;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use thiserror::Error;

/// Bytes that can be read at any place. Opened once, so that many small reads cost little.
#[derive(Debug)]
pub struct Source {
    content: Content,
    file: Option<File>,
}

impl Source {
    /// Opens the bytes.
    pub fn open(content: &Content) -> io::Result<Self> {
        let file = match content {
            Content::Range { path, .. } => Some(File::open(path)?),
            _ => None,
        };
        Ok(Self { content: content.clone(), file })
    }

    /// How many bytes.
    pub fn length(&self) -> u64 {
        self.content.length()
    }

    /// A range of them, to be read later.
    pub fn part(&self, start: u64, length: u64) -> Content {
        self.content.part(start, length)
    }

    /// Reads a range; none if it reaches beyond the end.
    pub fn read(&self, start: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
        let fits = start.checked_add(length as u64).is_some_and(|end| end <= self.length());
        if !fits {
            return Ok(None);
        }
        if let (Content::Range { offset, .. }, Some(file)) = (&self.content, &self.file) {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset + start)?;
            return Ok(Some(bytes));
        }
        self.content.part(start, length as u64).read().map(Some)
    }
}

impl Source {
    /// Reads it from the beginning, or from wherever it is sought.
    pub fn reader(&self) -> SourceReader<'_> {
        SourceReader { source: self, at: 0 }
    }
}

/// A source as a stream.
#[derive(Debug)]
pub struct SourceReader<'a> {
    source: &'a Source,
    at: u64,
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.source.length().saturating_sub(self.at);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let bytes = self.source.read(self.at, length)?.unwrap_or_default();
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for SourceReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.source.length().checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// Bytes that no writer of ours wrote.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// They cannot be read.
    #[error("cannot read the {format}")]
    Read {
        /// Such as `erofs file system`.
        format: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// They are not as our writer would have written them.
    #[error("this is no {format} of ours: at byte {at}, {problem}; fetch or build it again")]
    Damaged {
        /// Such as `erofs file system`.
        format: &'static str,
        /// Where it was seen.
        at: u64,
        /// What is wrong.
        problem: String,
    },
}

/// A source that is read as one format: errors name it, and what is cut off is an error.
#[derive(Debug)]
pub(crate) struct Reader {
    pub source: Source,
    pub format: &'static str,
}

impl Reader {
    pub fn open(content: &Content, format: &'static str) -> Result<Self, ReadError> {
        let source = Source::open(content).map_err(|source| ReadError::Read { format, source })?;
        Ok(Self { source, format })
    }

    pub fn damaged(&self, at: u64, problem: impl Into<String>) -> ReadError {
        ReadError::Damaged { format: self.format, at, problem: problem.into() }
    }

    pub fn failed(&self, source: io::Error) -> ReadError {
        ReadError::Read { format: self.format, source }
    }

    pub fn bytes(&self, at: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let bytes = self.source.read(at, length).map_err(|error| self.failed(error))?;
        bytes.ok_or_else(|| self.damaged(at, "it ends too early"))
    }

    pub fn array<const N: usize>(&self, at: u64) -> Result<[u8; N], ReadError> {
        Ok(self.bytes(at, N)?.try_into().expect("the length is that of the array"))
    }

    /// That the writer, given what was read, writes these very bytes.
    pub fn check_rewritten<E>(
        &self,
        write: impl FnOnce(&mut Comparing<'_>) -> Result<(), E>,
    ) -> Result<(), ReadError>
    where
        E: std::error::Error,
    {
        let mut comparing = Comparing::new(&self.source);
        let written = write(&mut comparing);
        let difference = comparing.finish().map_err(|error| self.failed(error))?;
        match (written, difference) {
            (Err(error), _) => Err(self.damaged(0, error.to_string())),
            (Ok(()), Some(at)) => Err(self.damaged(at, "the writer would have put another byte")),
            (Ok(()), None) => Ok(()),
        }
    }
}

/// Little-endian numbers at a place of some bytes; the caller has made sure of their length.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
