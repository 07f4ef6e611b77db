//! What a machine can prove about itself, and the verifier that decides whether to believe it.
//!
//! Pure functions over bytes: nothing here does I/O, reads a clock or draws randomness. The same
//! code runs in tools, in nodes and, as WebAssembly, inside the registry canister.
//!
//! ```text
//!  received bytes --parse--> values that are not believed --checks + policy--> Verdict<Verified...>
//!                                                             |
//!                                        every check that could be made, passed or failed
//! ```
//!
//! - [`checks`]: the list of checks that every verification yields, and the verdict.
//! - [`crypto`]: digests, signatures and the few other primitives, with two back ends.
//! - [`x509`]: certificates and their chains to pinned roots.
//! - [`snp`]: attestation reports of AMD SEV-SNP.
//! - [`tpm`]: quotes, keys and counters of a TPM 2.0.
//! - [`event_log`]: what firmware says it measured, held against quoted values.
//! - [`evidence`]: all of these in one value, bound to a node's keys and judged as a whole.
//! - [`enrolment`]: how a machine becomes known by its evidence, and stays the same.
//! - [`predict`]: what a machine will measure, computed before it boots.
//! - [`explain`]: why a machine measured something else, for people.
//!
//! What it must not know: where evidence comes from, how a machine is enrolled, and any trust root
//! beyond the data it is given. No flag skips a check: a policy says which values are allowed.

#![forbid(unsafe_code)]

pub mod checks;
pub mod crypto;
mod cursor;
mod der;
pub mod enrolment;
pub mod event_log;
pub mod evidence;
pub mod explain;
pub mod predict;
pub mod snp;
pub mod tpm;
pub mod x509;
