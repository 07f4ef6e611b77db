//! A whole disk as zstd, without ever having it whole: most of it is empty, and an installed host's is 21 GiB.
//!
//! The file is a row of frames that any zstd reads. Contents are cut at every 4 MiB, so that threads can share
//! them out; holes are one frame of zeros again and again. The bytes do not depend on the threads.

use super::{DiskError, failed, lengths};
use crate::gpt::{self, GptError, Table};
use crate::output::{Output, OutputError, copy_sparse, read_full};
use os_kit_disk_layout::{Disk, HEAD_SECTORS, Placement, SECTOR_BYTES, TAIL_SECTORS};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The level of payloads: decision 071 has the figures.
const LEVEL: i32 = 9;
/// Bytes of one frame of content.
const CONTENT_BYTES: usize = 4 << 20;
/// Bytes of one frame of zeros.
const HOLE_BYTES: u64 = 16 << 20;
const THREAD_COUNT_MAX: usize = 64;

/// Writes the disk of an image, compressed. See [`super::write`].
pub fn write_compressed(
    disk: &Disk,
    contents: &BTreeMap<&str, &Path>,
    disk_bytes: Option<u64>,
    thread_count: usize,
    to: &mut impl Write,
) -> Result<Placement, DiskError> {
    let lengths = lengths(contents)?;
    let placement = disk.place(&lengths, disk_bytes)?;
    let table = Table::of(&placement);
    let threads = thread_count.clamp(1, THREAD_COUNT_MAX);
    let hole = zstd::bulk::compress(&vec![0; HOLE_BYTES as usize], LEVEL)?;
    let mut frames = Frames { to, threads, hole, at: 0 };
    frames.content(&mut table.head().as_slice())?;
    debug_assert_eq!(frames.at, HEAD_SECTORS * SECTOR_BYTES);
    for partition in placement.partitions() {
        let Some(path) = contents.get(partition.label) else { continue };
        frames.hole_until(partition.start_bytes)?;
        let failed = || failed(partition.label);
        frames.content(&mut File::open(path).map_err(failed())?)?;
        let copied = frames.at - partition.start_bytes;
        if Some(&copied) != lengths.get(partition.label) {
            return Err(failed()(io::Error::other("its length changed meanwhile; build again")));
        }
    }
    frames.hole_until(placement.disk_bytes - TAIL_SECTORS * SECTOR_BYTES)?;
    frames.content(&mut table.tail().as_slice())?;
    Ok(placement)
}

struct Frames<'a, W> {
    to: &'a mut W,
    threads: usize,
    /// The frame of [`HOLE_BYTES`] zeros.
    hole: Vec<u8>,
    /// Bytes of the disk that are written.
    at: u64,
}

impl<W: Write> Frames<'_, W> {
    fn hole_until(&mut self, end: u64) -> io::Result<()> {
        while end - self.at >= HOLE_BYTES {
            self.to.write_all(&self.hole)?;
            self.at += HOLE_BYTES;
        }
        let rest = end - self.at;
        if rest > 0 {
            self.to.write_all(&zstd::bulk::compress(&vec![0; rest as usize], LEVEL)?)?;
            self.at = end;
        }
        Ok(())
    }

    fn content(&mut self, from: &mut impl Read) -> io::Result<()> {
        loop {
            let mut batch = Vec::with_capacity(self.threads);
            for _ in 0..self.threads {
                let mut chunk = vec![0; CONTENT_BYTES];
                let length = read_full(from, &mut chunk)?;
                chunk.truncate(length);
                if length > 0 {
                    self.at += length as u64;
                    batch.push(chunk);
                }
            }
            if batch.is_empty() {
                return Ok(());
            }
            for frame in compress(&batch)? {
                self.to.write_all(&frame)?;
            }
        }
    }
}

/// One frame for each chunk, in their order.
fn compress(batch: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = batch
            .iter()
            .map(|chunk| scope.spawn(move || zstd::bulk::compress(chunk, LEVEL)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<_>| {
            thread.join().expect("compressing does not panic")
        };
        threads.into_iter().map(join).collect()
    })
}

/// A compressed disk that cannot be unpacked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// It cannot be read, or is no zstd.
    #[error("cannot unpack {}; it is damaged or no disk of ours: fetch or build it again", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// What comes out is no disk.
    #[error("what {} holds is no whole disk; fetch or build it again", path.display())]
    NoDisk {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: GptError,
    },
    /// The disk cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Unpacks a disk into a file whose empty parts are holes; checks that it has its partition table at both ends.
/// Gives the bytes of the disk.
pub fn unpack(compressed: &Path, to: &Path) -> Result<u64, UnpackError> {
    let broken = |source| UnpackError::Read { path: compressed.into(), source };
    let file = File::open(compressed).map_err(broken)?;
    let mut decoder = zstd::Decoder::new(BufReader::new(file)).map_err(broken)?;
    let mut output = Output::create(to)?;
    let mut reader = Attributed { from: &mut decoder, failed: None };
    let copied = copy_sparse(&mut reader, output.file(), 0);
    if let Some(source) = reader.failed {
        return Err(broken(source));
    }
    let bytes = copied.map_err(OutputError::at("write", to))?;
    output.file().set_len(bytes).map_err(OutputError::at("write", to))?;
    gpt::read(output.file())
        .map_err(|source| UnpackError::NoDisk { path: compressed.into(), source })?;
    output.commit()?;
    Ok(bytes)
}

/// Keeps errors of reading apart from those of writing.
struct Attributed<'a, R> {
    from: &'a mut R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Attributed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }
}
