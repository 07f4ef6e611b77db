//! Writing what was planned: metadata first, then the blocks of files, at last the id.

use super::inode::Encoded;
use super::plan::{File, Plan};
use super::{BLOCK_BYTES, ErofsError, xattr};
use crate::tree::Node;
use os_kit_disk_layout::Guid;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom, Write};

pub(super) const SUPERBLOCK_AT: usize = 1024;
pub(super) const MAGIC: u32 = 0xe0f5_e1e2;
/// The superblock has a checksum; inodes of 64 bytes carry times of modification.
const FEATURES: u32 = 1 | 2;
pub(super) const BLOCK_BITS: u8 = 12;
/// Offsets in the superblock.
const CHECKSUM_AT: usize = SUPERBLOCK_AT + 4;
const ID_AT: usize = SUPERBLOCK_AT + 48;

impl Plan<'_> {
    /// Writes the file system from the beginning of `to`, which must be empty. Yields its id, which
    /// is derived from every byte of it but the id itself and the checksum.
    pub fn write(&self, to: &mut (impl Write + Seek)) -> Result<Guid, ErofsError> {
        let metadata = self.metadata()?;
        let mut output = Hashed { to, hash: Sha256::new(), at: 0, ends_in_hole: false };
        output.write_all(&metadata)?;
        for index in &self.data_order {
            let file = &self.files[*index];
            output.zeros_until(u64::from(file.first_block) * BLOCK_BYTES)?;
            self.write_blocks(file, &mut output)?;
        }
        output.zeros_until(self.length_bytes())?;
        output.end()?;
        let id = Guid::derived("erofs", &output.hash.finalize());
        to.seek(SeekFrom::Start(0))?;
        to.write_all(&finished(&metadata, id))?;
        to.seek(SeekFrom::Start(self.length_bytes()))?;
        Ok(id)
    }

    /// Everything before the blocks of files, in whole blocks: superblock, inodes with what lies
    /// beside them, shared attributes.
    fn metadata(&self) -> Result<Vec<u8>, ErofsError> {
        let mut bytes = vec![0; SUPERBLOCK_AT];
        bytes.extend(self.superblock());
        for (index, file) in self.files.iter().enumerate() {
            bytes.resize(file.at as usize, 0);
            let encoded = Encoded {
                meta: &file.inode.meta,
                node: &file.inode.node,
                length_bytes: file.length_bytes,
                link_count: file.link_count,
                layout: file.layout,
                first_block: file.first_block,
                number: index as u32 + 1,
                xattr_icount: xattr::icount(file.xattrs.len()).expect("the plan checked it"),
            };
            bytes.extend(encoded.encode(file.compact));
            bytes.extend(&file.xattrs);
            self.copy(file, file.block_bytes()..file.length_bytes, &mut bytes)?;
        }
        bytes.resize(self.shared_block as usize * BLOCK_BYTES as usize, 0);
        bytes.extend(&self.shared);
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES as usize), 0);
        Ok(bytes)
    }

    fn superblock(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(MAGIC.to_le_bytes());
        bytes.extend([0; 4]); // The checksum, set at the end.
        bytes.extend(FEATURES.to_le_bytes());
        bytes.extend([BLOCK_BITS, 0]);
        bytes.extend(self.root_slot().to_le_bytes());
        bytes.extend((self.files.len() as u64).to_le_bytes());
        bytes.extend(self.tree.time_s().to_le_bytes());
        bytes.extend([0; 4]); // Nanoseconds.
        bytes.extend(self.block_count.to_le_bytes());
        bytes.extend([0; 4]); // Inodes are counted from the beginning of the image.
        bytes.extend(self.shared_block.to_le_bytes());
        bytes.extend([0; 16]); // The id, set at the end.
        bytes.extend(self.label.as_bytes());
        bytes.resize(128, 0);
        bytes
    }

    fn write_blocks(
        &self,
        file: &File,
        output: &mut Hashed<'_, impl Write + Seek>,
    ) -> Result<(), ErofsError> {
        self.copy(file, 0..file.block_bytes(), output)?;
        Ok(output.zeros_until(output.at.next_multiple_of(BLOCK_BYTES))?)
    }

    /// Copies a range of a file's bytes.
    fn copy(
        &self,
        file: &File,
        range: std::ops::Range<u64>,
        to: &mut impl Write,
    ) -> Result<(), ErofsError> {
        let bytes: Cow<[u8]> = match (&file.inode.node, &file.directory) {
            (Node::File(content), _) => {
                let failed = |source| ErofsError::Content { path: file.path.clone(), source };
                let part = content.part(range.start, range.end - range.start);
                let mut reader = part.reader().map_err(failed)?;
                let mut buffer = vec![0; COPY_BYTES.min((range.end - range.start) as usize)];
                loop {
                    match reader.read(&mut buffer).map_err(failed)? {
                        0 => return Ok(()),
                        got => to.write_all(&buffer[..got])?,
                    }
                }
            }
            (Node::Symlink(target), _) => Cow::Borrowed(target),
            (Node::Directory, directory) => {
                let directory = directory.as_ref().expect("every directory has its entries");
                Cow::Owned(directory.encode(|inode| self.files[inode].node_number()))
            }
        };
        Ok(to.write_all(&bytes[range.start as usize..range.end as usize])?)
    }
}

/// Enough that system calls do not count, small enough for a cache.
const COPY_BYTES: usize = 1 << 18;

/// The first block with id and checksum.
fn finished(metadata: &[u8], id: Guid) -> Vec<u8> {
    let mut block = metadata[..BLOCK_BYTES as usize].to_vec();
    block[ID_AT..ID_AT + 16].copy_from_slice(&id.bytes());
    let checksum = crc32c(&block[SUPERBLOCK_AT..]);
    block[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// CRC-32C without the final inversion, as the kernel computes it. Once per image, over 3 KiB: a
/// table or a library would not pay.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
        })
    })
}

/// Hashes what it writes, knows where it is, and leaves blocks of zeros as holes.
struct Hashed<'a, W> {
    to: &'a mut W,
    hash: Sha256,
    at: u64,
    /// Whether the last bytes were a hole, so that `to` ends too early.
    ends_in_hole: bool,
}

impl<W: Write + Seek> Hashed<'_, W> {
    fn zeros_until(&mut self, end: u64) -> io::Result<()> {
        while self.at < end {
            let length = (end - self.at).min(ZEROS.len() as u64);
            self.write_all(&ZEROS[..length as usize])?;
        }
        Ok(())
    }

    /// Makes `to` as long as what was written.
    fn end(&mut self) -> io::Result<()> {
        if self.ends_in_hole {
            self.to.seek(SeekFrom::Start(self.at - 1))?;
            self.to.write_all(&[0])?;
        }
        Ok(())
    }
}

const ZEROS: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];

impl<W: Write + Seek> Write for Hashed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_hole = |bytes: &[u8]| *bytes == ZEROS[..bytes.len()];
        self.ends_in_hole = bytes.chunks(ZEROS.len()).all(is_hole);
        if self.ends_in_hole {
            self.to.seek(SeekFrom::Current(bytes.len() as i64))?;
        } else {
            self.to.write_all(bytes)?;
        }
        self.hash.update(bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn checksum_of_a_known_text() {
        // The check value of CRC-32C is e3069283 with the final inversion.
        assert_eq!(super::crc32c(b"123456789"), !0xe306_9283);
    }
}
