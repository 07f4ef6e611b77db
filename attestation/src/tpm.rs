//! What a TPM 2.0 proves: quotes, certified keys and counters, endorsement keys.
//!
//! ```text
//!  EK certificate chain --ek::verify--> VerifiedEk --make_credential(AK name, secret)--> challenge
//!  AK, message, signature, PCR values --quote::verify--> VerifiedQuote --event_log::verify--> ...
//!                                    \--certify::verify--> VerifiedObject (a key in the same TPM)
//!                                     \-nv::verify--> VerifiedCounter (against rollback)
//! ```
//!
//! All structures are read from the received bytes and never written again: what is hashed and what
//! is verified is what was received. Names of keys are computed here, never taken from a message.
//!
//! A quote proves that a key with certain attributes signed certain PCR values. That the key is in a
//! TPM of a known maker follows only from the activated credential (see [`credential`]).

mod algorithm;
mod attest;
mod bare_key;
pub mod certify;
pub mod credential;
pub mod ek;
mod name;
pub mod nv;
mod pcr;
mod pcr_file;
mod plain_signature;
mod public;
pub mod quote;
mod signature;
mod signed;

pub use algorithm::{SignatureScheme, hash_from_id, hash_from_name, hash_id};
pub use attest::{Attest, AttestError, Attested, ClockInfo, MAGIC};
pub use bare_key::public_key_from_file;
pub use name::{Hierarchy, Name};
pub use pcr::{PCR_COUNT, PcrSelection, PcrSet, PcrValues, extend};
pub use pcr_file::pcr_values_from_file;
pub use plain_signature::signature_with_scheme;
pub use public::{AesCfb, Attributes, Public, PublicError};
pub use quote::{QuoteEvidence, QuotePolicy, VerifiedQuote};
pub use signature::{Signature, SignatureError, SignatureValue};
pub use signed::{ClockRule, SignedBy};

pub(crate) use algorithm::alg::SM3_256 as SM3_ID;
pub(crate) use signed::reasons;
