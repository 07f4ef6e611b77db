//! The security processor's part.

use crate::error::MakeError;
use attestation::evidence::{GuestName, SnpPart, Statement};
use attestation::tpm::Name;
use os_kit_snp::{Certificates, SnpGuest};

/// What the SNP part is made of, beside the processor.
pub struct SnpInputs<'a> {
    /// The level that asks.
    pub vmpl: u32,
    /// The names of the TPM's endorsement key and attestation key, in the role of a machine.
    pub tpm: Option<(Name, Name)>,
    /// The chain of the chip's key, where the host does not leave it beside the report.
    pub certificates: Option<&'a Certificates>,
}

/// The guest's own name, for the host to vouch for: from a report without data.
pub fn guest_name(guest: &dyn SnpGuest, vmpl: u32) -> Result<GuestName, MakeError> {
    let signed = guest.report(&[0; 64], vmpl)?;
    GuestName::of_report(&signed.report).ok_or_else(|| MakeError::Unreadable {
        what: "the report",
        reason: "it has another length".into(),
    })
}

/// A report over the statement.
pub fn snp_part(
    guest: &dyn SnpGuest,
    statement: &Statement,
    inputs: &SnpInputs<'_>,
) -> Result<SnpPart, MakeError> {
    let data = statement.report_data(inputs.tpm);
    let signed = guest.report(&data, inputs.vmpl)?;
    let chain = inputs.certificates.cloned().or(signed.certificates).ok_or(MakeError::NoChain)?;
    let Certificates { vek, ask, ark } = chain;
    Ok(SnpPart { report: signed.report, vek, ask, ark })
}
