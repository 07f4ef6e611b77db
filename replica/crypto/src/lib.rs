//! Cryptography of the replica: what is signed, by whom, and how it is checked.
//!
//! Pure functions over bytes: nothing here does I/O, reads a clock or draws randomness, and
//! nothing knows how a state is made or how a message travels.
//!
//! ```text
//!  shares of the nodes --combine--> chain_key signature over a root
//!  persistent::Tree --witness--> hash_tree::HashTree --+--> certificate::Certificate --> client
//!  client --> signatures (user keys, delegations) over request_id of the content
//! ```
//!
//! - [`chain_key`]: the subnet's threshold BLS12-381 key.
//! - [`persistent`]: the labelled tree that a node keeps and changes, digests cached.
//! - [`hash_tree`]: the partial tree that a client gets and checks.
//! - [`certificate`]: a partial tree, signed by the subnet.
//! - [`request_id`]: the hash by which a request is signed and known.
//! - [`signatures`]: public keys of users, canister signatures, node keys.
//! - [`cbor`]: the strict CBOR steps that the formats above share with other parts.

pub mod cbor;
pub mod certificate;
pub mod chain_key;
mod domain;
pub mod hash_tree;
pub mod persistent;
pub mod request_id;
pub mod signatures;

pub use domain::Domain;
