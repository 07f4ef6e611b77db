//! Node images from a lock: packages in, bootable images and update payloads out, the same bytes on
//! every machine.
//!
//! A builder must not know the machine it runs on: no clock, no host name, no user, no order of a
//! directory listing and no tool of the host takes part in what it writes. Time comes from the lock,
//! ids come from the content.
//!
//! ```text
//!  image.lock --> packages --> tree::Tree --> writers --> partitions --> disk image, payload
//! ```
//!
//! - [`build`]: the order of a build.
//! - [`manifest`]: what is in an image; [`lock`]: its packages by the hash of their bytes.
//! - [`debian`]: what the archive says of its packages, and which of them an image needs.
//! - [`store`]: where packages come from; [`archive`]: the formats they come in.
//! - [`rootfs`]: from packages to a tree, without root and without running anything.
//! - [`toolchain`], [`programs`]: our own programs, compiled out of the lock with no tool of the host.
//! - [`sbom`]: every package of an image with its licence and hash.
//! - [`erofs`], [`verity`], [`cpio`], [`fat`], [`gpt`], [`uki`]: the writers, one for each format,
//!   the same bytes for the same input.
//! - [`disk`], [`payload`]: what is shipped: whole disks to install, chunks to update.
//! - [`measure`]: what a machine will measure of an image, computed before it boots.
//! - [`pe`]: executables for firmware, read strictly.
//! - [`output`]: files that exist whole or not at all; [`scratch`]: folders for what is unfinished.
//! - [`tree`]: the files of an image, in one order, under rules that every writer may rely on.

pub mod archive;
pub mod audit;
pub mod build;
pub mod compare;
pub mod cpio;
pub mod debian;
pub mod disk;
pub mod erofs;
pub mod fat;
pub mod gpt;
pub mod lock;
pub mod manifest;
pub mod measure;
pub mod output;
pub mod payload;
pub mod pe;
pub mod place;
pub mod programs;
pub mod release;
pub mod rootfs;
pub mod sbom;
pub mod scratch;
pub mod source;
pub mod store;
pub mod toolchain;
pub mod tree;
pub mod uki;
pub mod verity;
