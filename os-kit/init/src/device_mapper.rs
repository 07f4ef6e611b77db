//! What the device mapper is asked for, as the kernel's `include/uapi/linux/dm-ioctl.h` and
//! Documentation/admin-guide/device-mapper/verity.rst have it.

use crate::partitions::Pair;
use crate::superblock::{BLOCK_BYTES, Verity};
use crate::{RootHash, hex};

/// Bytes of `struct dm_ioctl`.
pub const HEADER_BYTES: usize = 312;
/// Bytes of `struct dm_target_spec`.
const TARGET_BYTES: usize = 40;
const SECTOR_BYTES: u64 = 512;
/// The version of the interface that is spoken.
const VERSION: [u32; 3] = [4, 0, 0];
/// The device is read only.
const READ_ONLY: u32 = 1;
/// Where `dev` is in the header.
const DEVICE_AT: usize = 40;

/// The name of the mapped device.
pub const NAME: &str = "root";

/// One verity device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Sectors of 512 bytes.
    pub sector_count: u64,
    /// The parameters of the target.
    pub parameters: String,
    /// Which root it is, for people: label and device.
    pub root: String,
}

impl Mapping {
    /// The mapping of a pair whose tree has the root hash. The error ends a sentence about the pair.
    pub fn new(pair: &Pair, verity: Verity, root_hash: &RootHash) -> Result<Self, String> {
        let count = verity.block_count;
        let sector_count = count * (BLOCK_BYTES as u64 / SECTOR_BYTES);
        if sector_count > pair.data.sector_count {
            return Err(format!("is for {count} blocks, more than {} has", pair.data.label));
        }
        // With anything less than a panic, corrupted blocks are errors of reading that programs would
        // meet one by one, where whoever owns the disk wants them; the panic says which block it was.
        let parameters = format!(
            "1 {} {} {BLOCK_BYTES} {BLOCK_BYTES} {count} 1 sha256 {} {} 1 panic_on_corruption",
            pair.data.number,
            pair.hash.number,
            hex(root_hash),
            hex(&verity.salt),
        );
        let root = format!("{} ({})", pair.data.label, pair.data.device);
        Ok(Self { sector_count, parameters, root })
    }
}

/// A request to make the device, still without a table.
pub fn create() -> Vec<u8> {
    header(HEADER_BYTES, 0)
}

/// A request to give it its table.
pub fn load(mapping: &Mapping) -> Vec<u8> {
    let text_bytes = (mapping.parameters.len() + 1).next_multiple_of(8);
    let mut request = header(HEADER_BYTES + TARGET_BYTES + text_bytes, 1);
    request.extend(0_u64.to_ne_bytes()); // The first sector,
    request.extend(mapping.sector_count.to_ne_bytes()); // and how many.
    request.extend([0; 8]); // A status, which is for answers; and where the next target is: nowhere.
    let mut kind = [0; 16];
    kind[..6].copy_from_slice(b"verity");
    request.extend(kind);
    request.extend(mapping.parameters.bytes());
    request.resize(HEADER_BYTES + TARGET_BYTES + text_bytes, 0);
    request
}

/// A request to use the table. Without the flag that suspends a device, this resumes it.
pub fn resume() -> Vec<u8> {
    header(HEADER_BYTES, 0)
}

/// The minor number in an answer: the device is `/dev/dm-MINOR`.
pub fn minor(answer: &[u8]) -> Option<u32> {
    let device = u64::from_ne_bytes(answer.get(DEVICE_AT..DEVICE_AT + 8)?.try_into().ok()?);
    Some((device & 0xff | device >> 12 & 0xf_ff00) as u32)
}

fn header(bytes: usize, target_count: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(bytes);
    for number in VERSION {
        header.extend(number.to_ne_bytes());
    }
    let (open_count, event, padding) = (0, 0, 0);
    let data_start = HEADER_BYTES as u32;
    for number in [bytes as u32, data_start, target_count, open_count, READ_ONLY, event, padding] {
        header.extend(number.to_ne_bytes());
    }
    header.extend([0; 8]); // `dev`
    header.extend(NAME.bytes());
    header.resize(HEADER_BYTES, 0); // The rest of the name, no uuid.
    header
}
