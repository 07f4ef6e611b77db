//! The bytes of a regular file, in memory or on disk until a writer needs them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// Where the bytes of a regular file come from. Clones share them.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A range of a file on this machine, such as a member of an unpacked archive. The file must
    /// not change until the images are written.
    Range {
        /// The file.
        path: Arc<Path>,
        /// Where the bytes begin in it.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// Several contents, one after the other, such as the blocks of a file and its end elsewhere.
    Joined(Arc<[Content]>),
}

impl Content {
    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into().into())
    }

    /// A whole file on this machine, as long as it is now.
    pub fn file(path: &Path) -> io::Result<Self> {
        let length = path.metadata()?.len();
        Ok(Self::Range { path: path.into(), offset: 0, length })
    }

    /// How many bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range { length, .. } => *length,
            Self::Joined(parts) => parts.iter().map(Self::length).sum(),
        }
    }

    /// A range of these bytes; what reaches beyond the end is left out.
    pub fn part(&self, start: u64, length: u64) -> Self {
        let start = start.min(self.length());
        let length = length.min(self.length() - start);
        match self {
            Self::Bytes(bytes) => {
                Self::Bytes(bytes[start as usize..(start + length) as usize].into())
            }
            Self::Range { path, offset, .. } => {
                Self::Range { path: path.clone(), offset: offset + start, length }
            }
            Self::Joined(parts) => {
                let (mut start, mut left) = (start, length);
                let mut taken = Vec::new();
                for part in parts.iter() {
                    let piece = part.part(start, left);
                    start = start.saturating_sub(part.length());
                    left -= piece.length();
                    if piece.length() > 0 {
                        taken.push(piece);
                    }
                }
                Self::Joined(taken.into())
            }
        }
    }

    /// Reads it from the beginning.
    pub fn reader(&self) -> io::Result<ContentReader<'_>> {
        let source = match self {
            Self::Bytes(bytes) => Source::Bytes(bytes),
            Self::Range { path, offset, .. } => {
                let mut file = File::open(path).map_err(|error| at(path, error))?;
                file.seek(SeekFrom::Start(*offset)).map_err(|error| at(path, error))?;
                Source::File(file, path)
            }
            Self::Joined(parts) => Source::Joined(None, parts),
        };
        Ok(ContentReader { source, left: self.length() })
    }

    /// All bytes at once, for small files.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Yields exactly [`Content::length`] bytes; a file that has become shorter is an error.
#[derive(Debug)]
pub struct ContentReader<'a> {
    source: Source<'a>,
    left: u64,
}

#[derive(Debug)]
enum Source<'a> {
    Bytes(&'a [u8]),
    File(File, &'a Path),
    /// What is read now, and what comes after it.
    Joined(Option<Box<ContentReader<'a>>>, &'a [Content]),
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let got = match &mut self.source {
            Source::Bytes(bytes) => bytes.read(&mut buffer[..want])?,
            Source::File(file, path) => {
                let got = file.read(&mut buffer[..want]).map_err(|error| at(path, error))?;
                if got == 0 {
                    let shorter = io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "became shorter while the image was built; build again",
                    );
                    return Err(at(path, shorter));
                }
                got
            }
            Source::Joined(now, rest) => loop {
                if let Some(reader) = now {
                    match reader.read(&mut buffer[..want])? {
                        0 => *now = None,
                        got => break got,
                    }
                } else {
                    let (first, others) =
                        rest.split_first().expect("the parts are as long as their sum");
                    *now = Some(Box::new(first.reader()?));
                    *rest = others;
                }
            },
        };
        self.left -= got as u64;
        Ok(got)
    }
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
