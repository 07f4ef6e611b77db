//! The index of a payload: which chunks its parts consist of.

use super::{CHUNK_BYTES, CHUNK_COUNT_MAX, PART_COUNT_MAX, PayloadError};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Read;

const MAGIC: &[u8; 16] = b"plinth-payload-1";
/// Bytes of a part's name.
const NAME_BYTES_MAX: usize = 36;

/// One part: the content of a partition or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Such as `root`; 1 to 36 of a-z, 0-9 and `-`.
    pub name: String,
    /// Bytes of its content.
    pub length_bytes: u64,
}

impl Part {
    /// How many chunks it consists of.
    pub fn chunk_count(&self) -> u64 {
        self.length_bytes.div_ceil(CHUNK_BYTES)
    }
}

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// SHA-256 of its bytes, not compressed.
    pub hash: [u8; 32],
    /// Bytes that the payload has of it; 0 if an earlier chunk is the same.
    pub stored_bytes: u32,
}

/// What a payload consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// In their order.
    pub parts: Vec<Part>,
    /// Of all parts, one after the other.
    pub chunks: Vec<Chunk>,
}

/// What a node with one release must fetch for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Numbers of the chunks whose bytes it has nowhere.
    pub chunks: Vec<usize>,
    /// Bytes to fetch: the index and these chunks.
    pub fetch_bytes: u64,
    /// Bytes of the whole payload.
    pub payload_bytes: u64,
}

impl Index {
    /// Bytes of an index of such parts.
    pub fn encoded_bytes(parts: &[Part]) -> u64 {
        let names: u64 = parts.iter().map(|part| 1 + part.name.len() as u64 + 8).sum();
        let chunks: u64 = parts.iter().map(Part::chunk_count).sum();
        MAGIC.len() as u64 + 4 + 4 + names + chunks * 36 + 32
    }

    /// The index as it stands at the beginning of a payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((CHUNK_BYTES as u32).to_le_bytes());
        bytes.extend((self.parts.len() as u32).to_le_bytes());
        for part in &self.parts {
            bytes.push(part.name.len() as u8);
            bytes.extend(part.name.as_bytes());
            bytes.extend(part.length_bytes.to_le_bytes());
        }
        for chunk in &self.chunks {
            bytes.extend(chunk.hash);
            bytes.extend(chunk.stored_bytes.to_le_bytes());
        }
        let id: [u8; 32] = Sha256::digest(&bytes).into();
        bytes.extend(id);
        bytes
    }

    /// What stands for the whole payload.
    pub fn id(&self) -> [u8; 32] {
        let encoded = self.encode();
        encoded[encoded.len() - 32..].try_into().expect("an index ends with its hash")
    }

    /// Reads and checks the index at the beginning of a payload. Takes memory for what is there, not
    /// for what it claims.
    pub fn read(from: &mut impl Read) -> Result<Self, PayloadError> {
        let mut reader = Reader { from, bytes: Vec::new() };
        let bad = |problem| PayloadError::Index { problem };
        if reader.array()? != *MAGIC {
            return Err(bad("it does not begin as a payload"));
        }
        if u64::from(u32::from_le_bytes(reader.array()?)) != CHUNK_BYTES {
            return Err(bad("its chunks are not 128 KiB"));
        }
        let part_count = u32::from_le_bytes(reader.array()?) as usize;
        if part_count > PART_COUNT_MAX {
            return Err(bad("it has more than 16 parts"));
        }
        let mut parts = Vec::with_capacity(part_count);
        for _ in 0..part_count {
            let [length] = reader.array()?;
            let name = String::from_utf8(reader.vec(length.into())?)
                .map_err(|_| bad("the name of a part is no text"))?;
            parts.push(Part { name, length_bytes: u64::from_le_bytes(reader.array()?) });
        }
        check_parts(&parts).map_err(|_| bad("its parts are not as they may be"))?;
        let chunk_count: u64 = parts.iter().map(Part::chunk_count).sum();
        let mut chunks = Vec::new();
        for _ in 0..chunk_count {
            let (hash, stored_bytes) = (reader.array()?, u32::from_le_bytes(reader.array()?));
            chunks.push(Chunk { hash, stored_bytes });
        }
        let id: [u8; 32] = Sha256::digest(&reader.bytes).into();
        if reader.array()? != id {
            return Err(bad("its hash is another"));
        }
        let index = Self { parts, chunks };
        index.check_stored()?;
        Ok(index)
    }

    /// Which part a chunk belongs to, where it begins there, and how long it is.
    pub fn place(&self, number: usize) -> Option<(&Part, u64, u64)> {
        let mut left = number as u64;
        for part in &self.parts {
            if left < part.chunk_count() {
                let start = left * CHUNK_BYTES;
                return Some((part, start, CHUNK_BYTES.min(part.length_bytes - start)));
            }
            left -= part.chunk_count();
        }
        None
    }

    /// The numbers of a part's chunks.
    pub fn chunks_of(&self, name: &str) -> Option<std::ops::Range<usize>> {
        let mut start = 0;
        for part in &self.parts {
            let end = start + part.chunk_count() as usize;
            if part.name == name {
                return Some(start..end);
            }
            start = end;
        }
        None
    }

    /// Bytes of the whole payload.
    pub fn payload_bytes(&self) -> u64 {
        let stored: u64 = self.chunks.iter().map(|chunk| u64::from(chunk.stored_bytes)).sum();
        Self::encoded_bytes(&self.parts) + stored
    }

    /// What must be fetched by whoever has the release `old`, none for nothing.
    pub fn delta(&self, old: Option<&Index>) -> Delta {
        let mut have: BTreeSet<[u8; 32]> =
            old.into_iter().flat_map(|old| &old.chunks).map(|chunk| chunk.hash).collect();
        let mut delta = Delta {
            chunks: Vec::new(),
            fetch_bytes: Self::encoded_bytes(&self.parts),
            payload_bytes: self.payload_bytes(),
        };
        for (number, chunk) in self.chunks.iter().enumerate() {
            if have.insert(chunk.hash) {
                delta.chunks.push(number);
                delta.fetch_bytes += u64::from(chunk.stored_bytes);
            }
        }
        delta
    }

    /// A chunk is stored where its hash is first seen, in no more bytes than it has.
    fn check_stored(&self) -> Result<(), PayloadError> {
        let mut seen = BTreeSet::new();
        for (number, chunk) in self.chunks.iter().enumerate() {
            let (_, _, length) = self.place(number).expect("the count was checked");
            let is_first = seen.insert(chunk.hash);
            if is_first != (chunk.stored_bytes > 0) || u64::from(chunk.stored_bytes) > length {
                return Err(PayloadError::Index { problem: "a chunk is stored twice, or never" });
            }
        }
        Ok(())
    }
}

/// Names, lengths and counts within their bounds.
pub(super) fn check_parts(parts: &[Part]) -> Result<(), PayloadError> {
    let mut names = BTreeSet::new();
    let mut chunk_count = 0_u64;
    for part in parts {
        let bad = |problem| Err(PayloadError::Part { name: part.name.clone(), problem });
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=NAME_BYTES_MAX).contains(&part.name.len());
        if !is_name || !part.name.bytes().all(good) {
            return bad("is not named by 1 to 36 of a-z, 0-9 and -");
        }
        if !names.insert(&part.name) {
            return bad("has the name of another one");
        }
        chunk_count = chunk_count.saturating_add(part.chunk_count());
        if chunk_count > CHUNK_COUNT_MAX {
            return bad("makes the payload larger than 64 GiB");
        }
    }
    if parts.len() > PART_COUNT_MAX {
        return Err(PayloadError::Part {
            name: parts[16].name.clone(),
            problem: "is one too many",
        });
    }
    Ok(())
}

/// Reads, and keeps what it read for the hash.
struct Reader<'a, R> {
    from: &'a mut R,
    bytes: Vec<u8>,
}

impl<R: Read> Reader<'_, R> {
    fn vec(&mut self, length: usize) -> Result<Vec<u8>, PayloadError> {
        let mut bytes = vec![0; length];
        self.from.read_exact(&mut bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                PayloadError::Index { problem: "it ends too early" }
            }
            _ => PayloadError::Read(error),
        })?;
        self.bytes.extend(&bytes);
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PayloadError> {
        Ok(self.vec(N)?.try_into().expect("the length is that of the array"))
    }
}
