//! Packages as the Debian archive keeps them: an `ar` of two compressed `tar`s.
//!
//! Everything here reads foreign bytes: what is not exactly as the formats say is an error, nothing
//! panics, and memory and output are bounded whatever a header claims.
//!
//! ```text
//!  .deb --ar--> control.tar.xz --decompress--> tar --> control file, maintainer scripts
//!           \-> data.tar.xz    --decompress--> tar --> files
//! ```

pub mod ar;
pub mod compression;
pub mod deb;
pub mod tar;
#[cfg(test)]
pub(crate) mod testing;

pub use compression::{Compression, Decoder};
pub use deb::{Control, Deb, DebError};
pub use tar::{Entry, EntryKind, TarError, TarReader};
