//! What machines will measure when they run an image, computed from the artifacts before any machine
//! boots: the values that a release promises, with all that explains them.
//!
//! ```text
//!  HostOS, SetupOS:  IMAGE.efi -----------------------> Measurements: PCR values and events
//!  GuestOS:  firmware, kernel, initrd, command line --> LaunchDigests: base, models x processors
//! ```
//!
//! - [`data`]: the two as plain data for files, and nothing else.
//! - [`boot_archive`]: kernel, initrd and command line out of `guestos.boot.cpio`.
//!
//! The rules of measuring are the crate `attestation`'s, the same that the verifier runs.

pub mod boot_archive;
pub mod data;
mod guest;
mod uki;
mod variables;

pub use data::{
    Content, Hex, LaunchDigest, LaunchDigests, MeasuredEvent, Measurements, PcrValue,
    SecureBootState,
};
pub use guest::{GuestParts, LaunchFault, PROCESSOR_COUNTS, PROCESSORS, launch_digests};
pub use uki::{Conditions, MeasurementsFault, PHASES, measurements};
pub use variables::{Variables, authority_of_log, variables_of_log};
