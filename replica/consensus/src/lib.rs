//! What a subnet adds to the ordering of blocks: what a block holds, who may enter it, the chain
//! key and its shares, the random tape, and the certification of state roots.
//!
//! [`Consensus`] is a synchronous state machine. It has no clock, no I/O and no randomness: every
//! input brings the time, and everything it wants done comes back as an [`Effect`]. It answers
//! the ordering engine (propose, validate, finalized), reads the messages of other members, takes
//! ingress from this node's endpoint, and is told the state root of each executed height.
//!
//! ```text
//!  ingress ---> pool --propose--> [ordering engine] --finalized--> key generation, then blocks
//!    |            ^                                                            |
//!    +--gossip--> peers' pools            tape shares of all members --> random tape
//!                                                                              v
//!  Certified <-- combine <-- shares of all members <-- root <-- [executor] <-- Execute(Batch)
//! ```
//!
//! A height lives in this order: its block is final; then, and not before, each member signs the
//! height (the random tape), so nobody knew the randomness when the block was ordered; the batch
//! is executed; each member signs the state root; the combined signature certifies it. Several
//! heights may be under way at once. A member that was away fetches tapes and certifications from
//! the others and checks each with the chain key.
//!
//! It must not know the state, Wasm, HTTP, the engine, or how an envelope is signed: what it needs
//! of them are the traits [`IngressCheck`], [`DkgCeremony`] and [`ArtifactStore`].

mod bounds;
mod catch_up;
mod certification;
#[cfg(test)]
#[path = "../../../types/conformance.rs"]
mod conformance;
mod effect;
mod gossip;
mod key_generation;
mod machine;
mod message;
mod payload;
mod peers;
mod pool;
mod proposal;
mod recent;
mod shares;
mod tape;
#[cfg(test)]
mod tests;
mod traits;

pub use bounds::{
    BLOCK_TIME_DRIFT_MS_MAX, FINALIZED_GAP_HARD, FINALIZED_GAP_SOFT, MESSAGE_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
};
pub use effect::{Divergence, Effect, Halt};
pub use machine::{Consensus, Parts, Recovered, Standing};
pub use message::{Message, MessageError};
pub use payload::{Payload, PayloadError};
pub use peers::{Counters, PeerStatus};
pub use pool::{PoolFull, PoolLoad};
pub use proposal::{Ancestor, BlockContext, Decision, Verdict};
pub use traits::{
    ArtifactStore, Certification, DkgCeremony, IngressCheck, IngressFacts, IngressRefused,
    StoredKey, TAPE_DOMAIN, Tape,
};
