//! Standardized machines: what each generation must have, what this machine has, and what to do about
//! the difference.
//!
//! ```text
//!  sysfs, /proc, SMBIOS (below a root folder) --+
//!  cpuid, MSRs, /dev/sev ---------registers-----+--probe--> Facts --compare--> Checks, each with its fix
//!  specs/*.yaml --------------------------------------spec--> Spec --/
//! ```
//!
//! - [`spec`]: the specs, read strictly; [`facts`]: what a machine is.
//! - [`probe`]: from a root folder to facts; [`registers`]: what no file tells.
//! - [`smbios`]: the firmware's tables, bytes that are not believed.
//! - [`compare`]: each requirement, met or not.
//!
//! What it must not know: images, releases, keys. It runs no program and changes nothing.

pub mod compare;
pub mod facts;
pub mod probe;
pub mod registers;
pub mod smbios;
pub mod spec;
