//! What the Debian archive says about itself: signed releases, indexes of packages, dependencies.
//!
//! ```text
//!  InRelease --signature, keyring--> SignedRelease --hash--> index --> resolve --> chosen packages
//! ```
//!
//! [`SignedRelease::verify`] is the only maker of a [`SignedRelease`], and only it opens an [`Index`].

pub mod deb822;
mod index;
mod relation;
mod release;
pub mod resolve;
mod signature;
mod version;

pub use index::{Index, IndexError, Package};
pub use relation::{Clause, Constraint, Relation, RelationError};
pub use release::{Listed, Now, ReleaseError, SignedRelease};
pub use signature::{Keyring, SignatureError};
pub use version::{Version, VersionError};
pub(crate) use {index::is_pool_path, release::is_sha256};
