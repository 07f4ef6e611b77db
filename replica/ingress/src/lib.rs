//! Who may enter: requests of users, from bytes to [`Admitted`].
//!
//! ```text
//!  bytes --decode--> Envelope<C> --Gate::admit(now)--> Admitted<C>   (HTTP, gossip, others' blocks)
//!  bytes --decode_included--> Included                               (blocks of a quorum)
//! ```
//!
//! A [`Gate`] is the only maker of an [`Admitted`] request: whoever holds one knows that its sender
//! signed it and that it was valid at the time of admission. Blocks that are final were checked by
//! a quorum and are not checked again; their messages are [`Included`].
//!
//! - [`envelope`]: what a request looks like and how it is read.
//! - [`admit`]: who is the sender, and is the request valid now.
//! - [`effective_id`]: by which canister id a request is routed.
//!
//! Nothing here knows what a state is, reads a clock or does I/O.

pub mod admit;
pub mod effective_id;
pub mod envelope;

pub use admit::{AdmissionError, Admitted, Gate, Targets, signature_cost};
pub use effective_id::{EffectiveId, EffectiveIdError};
pub use envelope::{
    CallContent, Content, DecodeError, Envelope, Included, QueryContent, ReadStateContent,
    decode_included,
};
