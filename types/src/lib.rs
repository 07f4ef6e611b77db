//! Values that two processes must agree on: identifiers, the batch that consensus hands to the
//! deterministic machine, reject and error codes, limits and fees, the subnet's configuration, and the
//! manifest of a release.
//!
//! Pure data: nothing here does I/O, reads a clock, or knows how a value is produced.

mod batch;
mod candid_shape;
mod chain_key;
mod config;
mod cycles;
mod errors;
mod fees;
mod ids;
mod limits;
pub mod release;

pub use batch::{Batch, Randomness};
pub use candid_shape::{CANDID_DEPTH_MAX, CandidShapeError, check_candid_shape};
pub use chain_key::{Transcript, TranscriptError, TranscriptMember};
pub use config::{ConfigError, IDLE_BLOCK_INTERVAL_MS_MAX, Member, SubnetConfig, SubnetType};
pub use cycles::Cycles;
pub use errors::{ErrorCode, RejectCode, UserError};
pub use fees::Fees;
pub use ic_principal::Principal;
pub use ids::{
    CanisterId, Digest, Height, MANAGEMENT_CANISTER, MessageId, NodeId, ReplicaVersion, StateRoot,
    SubnetId, Time,
};
pub use limits::{BLOCK_SIGNATURE_COST_MAX, INGRESS_SIGNATURE_COST_MAX, Limits};

/// A principal as the IC interface uses it: user, canister, node or subnet.
pub type PrincipalId = Principal;
