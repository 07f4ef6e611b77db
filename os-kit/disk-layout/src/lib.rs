//! The disks of a node: which partitions there are, where they lie and how they are found. The only
//! such table; the image builder, the installer, the agents and the early boot all read it.
//!
//! Pure data and arithmetic: it must not know how a disk is read or written, and no device name.
//!
//! ```text
//!  table::HOSTOS --place(contents, disk)--> Placement: checked ranges of sectors --> GPT
//! ```
//!
//! Ids belong to what they name (`hostos/root-a`), not to what a partition holds at the moment:
//! writing another release into a slot leaves the partition table alone.

mod id;
mod place;
pub mod table;

pub use id::Guid;
pub use place::{LayoutError, Placed, Placement};
pub use table::{DISKS, Disk, Kind, Partition, Size};

/// Bytes of a logical sector. All our disks present 512-byte sectors to the firmware.
pub const SECTOR_BYTES: u64 = 512;
/// Every partition begins and ends on this border, a multiple of every erase block we know of.
pub const ALIGNMENT_BYTES: u64 = 1 << 20;
/// Sectors at the beginning that hold the protective record, the header and the 128 entries.
pub const HEAD_SECTORS: u64 = 34;
/// Sectors at the end that hold the copy of the entries and of the header.
pub const TAIL_SECTORS: u64 = 33;
