//! The disks of a node: which partitions there are, where they lie and how they are found. The only
//! such table; the image builder, the installer, the agents and the early boot all read it.
//!
//! Pure data and arithmetic: it must not know how a disk is read or written, and no device name.

mod id;

pub use id::Guid;
