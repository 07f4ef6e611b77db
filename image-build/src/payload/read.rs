//! Reading a payload: every chunk is checked against the index before it is used.

use super::index::Index;
use super::{CHUNK_BYTES, PayloadError};
use crate::output::read_full;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};

/// An open payload whose index is good. Its data may still be damaged or not there yet.
#[derive(Debug)]
pub struct Payload<R> {
    from: R,
    index: Index,
    /// Where the stored bytes of each chunk begin, and how many there are.
    places: Vec<(u64, u32)>,
}

/// What an extraction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Chunks that were there already.
    pub kept_chunks: usize,
    /// Chunks that were written.
    pub written_chunks: usize,
}

impl<R: Read + Seek> Payload<R> {
    /// Reads the index. With `id`, only the payload of that id is taken: whoever has it from a
    /// release manifest needs to trust nothing else.
    pub fn open(mut from: R, id: Option<&[u8; 32]>) -> Result<Self, PayloadError> {
        from.seek(SeekFrom::Start(0)).map_err(PayloadError::Read)?;
        let index = Index::read(&mut std::io::BufReader::new(&mut from))?;
        if id.is_some_and(|id| *id != index.id()) {
            return Err(PayloadError::Index { problem: "it is the payload of another release" });
        }
        let mut at = Index::encoded_bytes(&index.parts);
        let mut first: BTreeMap<[u8; 32], (u64, u32)> = BTreeMap::new();
        let mut places = Vec::with_capacity(index.chunks.len());
        for chunk in &index.chunks {
            places.push(*first.entry(chunk.hash).or_insert((at, chunk.stored_bytes)));
            at += u64::from(chunk.stored_bytes);
        }
        Ok(Self { from, index, places })
    }

    /// What it consists of.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The bytes of one chunk.
    pub fn chunk(&mut self, number: usize) -> Result<Vec<u8>, PayloadError> {
        let place = self.index.place(number);
        let (part, start_bytes, length) =
            place.ok_or(PayloadError::Index { problem: "it has no chunk of this number" })?;
        let damaged = || PayloadError::Chunk { number, part: part.name.clone(), start_bytes };
        let (at, stored_bytes) = self.places[number];
        self.from.seek(SeekFrom::Start(at)).map_err(PayloadError::Read)?;
        let mut stored = vec![0; stored_bytes as usize];
        let got = read_full(&mut self.from, &mut stored).map_err(PayloadError::Read)?;
        if got < stored.len() {
            return Err(damaged());
        }
        let bytes = if u64::from(stored_bytes) == length {
            stored
        } else {
            zstd::bulk::decompress(&stored, length as usize).map_err(|_| damaged())?
        };
        let is_right = Sha256::digest(&bytes)[..] == self.index.chunks[number].hash;
        if is_right { Ok(bytes) } else { Err(damaged()) }
    }

    /// The numbers of all chunks that are damaged or missing: what is left to fetch.
    pub fn damaged(&mut self) -> Result<Vec<usize>, PayloadError> {
        let mut damaged = Vec::new();
        for number in 0..self.index.chunks.len() {
            match self.chunk(number) {
                Ok(_) => {}
                Err(PayloadError::Chunk { .. }) => damaged.push(number),
                Err(error) => return Err(error),
            }
        }
        Ok(damaged)
    }

    /// Writes a part from the beginning of `to`. Chunks that are there already stay, so that an
    /// interrupted extraction goes on where it was. What lies behind the part is left as it is, as
    /// in a partition.
    pub fn extract(
        &mut self,
        name: &str,
        to: &mut (impl Read + Write + Seek),
    ) -> Result<Extracted, PayloadError> {
        let numbers = self.index.chunks_of(name).ok_or_else(|| PayloadError::Part {
            name: name.to_owned(),
            problem: "is not in this payload",
        })?;
        let mut extracted = Extracted::default();
        let mut there = vec![0; CHUNK_BYTES as usize];
        for number in numbers {
            let (_, start, length) = self.index.place(number).expect("the part has this chunk");
            let there = &mut there[..length as usize];
            to.seek(SeekFrom::Start(start)).map_err(PayloadError::Read)?;
            let got = read_full(to, there).map_err(PayloadError::Read)?;
            if got == there.len() && Sha256::digest(&*there)[..] == self.index.chunks[number].hash {
                extracted.kept_chunks += 1;
                continue;
            }
            let bytes = self.chunk(number)?;
            to.seek(SeekFrom::Start(start)).map_err(PayloadError::Write)?;
            to.write_all(&bytes).map_err(PayloadError::Write)?;
            extracted.written_chunks += 1;
        }
        to.flush().map_err(PayloadError::Write)?;
        Ok(extracted)
    }
}
