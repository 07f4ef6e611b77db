//! Making a payload. Threads compress chunks; their order, and so the bytes, is that of the parts.

use super::index::{Chunk, Index, Part, check_parts};
use super::{CHUNK_BYTES, PayloadError};
use crate::output::read_full;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Of the levels that gain anything on chunks of this size, the last before the time multiplies:
/// decision 071 has the figures.
const LEVEL: i32 = 9;
/// Chunks in memory at once, for each thread.
const BATCH_CHUNKS: usize = 32;
const THREAD_COUNT_MAX: usize = 64;

/// One part and the file it comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The part's name.
    pub name: String,
    /// The file that holds it, and nothing else.
    pub path: PathBuf,
}

/// Writes a payload from the beginning of `to`, which must be empty.
pub fn write(
    sources: &[Source],
    thread_count: usize,
    to: &mut (impl Write + Seek),
) -> Result<Index, PayloadError> {
    let mut parts = Vec::new();
    for source in sources {
        let length = source.path.metadata().map_err(failed(source))?.len();
        parts.push(Part { name: source.name.clone(), length_bytes: length });
    }
    check_parts(&parts)?;
    let data_at = Index::encoded_bytes(&parts);
    to.seek(SeekFrom::Start(data_at)).map_err(PayloadError::Write)?;
    let (mut chunks, mut seen) = (Vec::new(), BTreeSet::new());
    let thread_count = thread_count.clamp(1, THREAD_COUNT_MAX);
    for (source, part) in sources.iter().zip(&parts) {
        let mut file = File::open(&source.path).map_err(failed(source))?.take(part.length_bytes);
        let mut left = part.chunk_count() as usize;
        while left > 0 {
            let batch = read_batch(&mut file, left.min(thread_count * BATCH_CHUNKS), part)
                .map_err(failed(source))?;
            left -= batch.len();
            for (hash, stored) in compress(&batch, thread_count).map_err(PayloadError::Write)? {
                let stored = if seen.insert(hash) { stored } else { Vec::new() };
                to.write_all(&stored).map_err(PayloadError::Write)?;
                chunks.push(Chunk { hash, stored_bytes: stored.len() as u32 });
            }
        }
    }
    let index = Index { parts, chunks };
    to.seek(SeekFrom::Start(0)).map_err(PayloadError::Write)?;
    to.write_all(&index.encode()).map_err(PayloadError::Write)?;
    to.seek(SeekFrom::Start(index.payload_bytes())).map_err(PayloadError::Write)?;
    Ok(index)
}

fn failed(source: &Source) -> impl FnOnce(io::Error) -> PayloadError {
    let name = source.name.clone();
    move |source| PayloadError::Source { name, source }
}

/// The next chunks; a file that has become shorter is an error.
fn read_batch(from: &mut io::Take<File>, count: usize, part: &Part) -> io::Result<Vec<Vec<u8>>> {
    let mut batch = Vec::with_capacity(count);
    for _ in 0..count {
        let expected = CHUNK_BYTES.min(from.limit());
        let mut chunk = vec![0; expected as usize];
        if read_full(from, &mut chunk)? != chunk.len() {
            let name = &part.name;
            let text = format!("{name} became shorter while the payload was made; build again");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        batch.push(chunk);
    }
    Ok(batch)
}

/// Hash and stored form of each chunk, in their order.
fn compress(batch: &[Vec<u8>], thread_count: usize) -> io::Result<Vec<([u8; 32], Vec<u8>)>> {
    let share = batch.len().div_ceil(thread_count).max(1);
    let results: Vec<io::Result<Vec<_>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = batch
            .chunks(share)
            .map(|chunks| {
                scope.spawn(move || {
                    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
                    chunks.iter().map(|chunk| stored(chunk, &mut compressor)).collect()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("compression does not panic")).collect()
    });
    let mut all = Vec::with_capacity(batch.len());
    for result in results {
        all.extend(result?);
    }
    Ok(all)
}

fn stored(
    chunk: &[u8],
    compressor: &mut zstd::bulk::Compressor,
) -> io::Result<([u8; 32], Vec<u8>)> {
    let compressed = compressor.compress(chunk)?;
    let stored = if compressed.len() < chunk.len() { compressed } else { chunk.to_vec() };
    Ok((Sha256::digest(chunk).into(), stored))
}
