//! What a machine will measure: the values that a release demands, computed before any machine boots.
//!
//! ```text
//!  UKI bytes --uki::Uki--> sections, digests --+
//!  secure boot variables ----------------------+--boot::Prediction--> events --fold--> PCR values
//!  load options, initrd, phases ---------------+                          \--> expected events
//! ```
//!
//! - [`pe`]: programs and the digest by which firmware measures them.
//! - [`uki`]: unified kernel images, and what their stub measures.
//! - [`variable`]: secure boot variables as firmware measures them.
//! - [`boot`]: the events of a boot, and the PCR values that follow.

pub mod boot;
mod initrd;
pub mod pe;
pub mod uki;
pub mod variable;
