//! The key of a partition: docs/decisions/068.
//!
//! ```text
//!  firmware: derived key over chip, level, policy, launch digest, guest version, TCB (and mitigations)
//!      | HKDF-SHA-384, for: node, partition, epoch, and all of the above once more
//!      v
//!  DiskKey
//! ```
//!
//! The same image on the same chip under the same policy gets the same key, and nothing else does. Versions
//! are chosen by [`Parameters`], which stand beside the partition in plain: a guest can make the key of an
//! older version that it is itself, and never that of a later one.

use crate::error::SnpError;
use crate::guest::{Fields, KeyRequest, SnpGuest};
use attestation::crypto::{Hash, hmac};
use attestation::snp::{GuestBits, Report, ReportError};
use zeroize::Zeroizing;

/// What the keys are for.
const PURPOSE: &[u8] = b"plinth disk key, version 1";
/// Longest name of a node or a partition.
const NAME_BYTES_MAX: usize = 64;

/// What a key is for: no two scopes share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The node: its id.
    pub node: &'a [u8],
    /// The partition: its name.
    pub partition: &'a str,
    /// Counts up when the keys are made new, so that those of before are of no use.
    pub epoch: u64,
}

/// The versions that a key is for. Public; to be kept beside what the key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The firmware version, as reports write it.
    pub tcb: [u8; 8],
    /// The version of the guest.
    pub guest_svn: u32,
    /// The mitigations that were in force when the guest was launched.
    pub launch_mitigations: u64,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The processor.
    #[error("the security processor gives no key")]
    Snp(#[from] SnpError),
    /// What it gave as a report.
    #[error("the security processor gave no report")]
    Report(#[from] ReportError),
    /// The host may read this guest's memory.
    #[error("the host may debug this guest or hand it to a migration agent: it gets no disk key")]
    Exposed,
    /// A name is too long.
    #[error("node and partition have names of 1 to {NAME_BYTES_MAX} bytes")]
    Scope,
}

/// A key of 64 bytes. Wiped when it goes out of scope.
pub struct DiskKey(Zeroizing<[u8; 64]>);

impl DiskKey {
    /// The key.
    pub fn expose(&self) -> &[u8; 64] {
        &self.0
    }
}

impl Parameters {
    /// Those of the guest as it runs: under the committed firmware version, below which the chip does not go.
    pub fn of(guest: &dyn SnpGuest, vmpl: u32) -> Result<Self, SealingError> {
        let report = own_report(guest, vmpl)?;
        let (launch_mitigations, _) = report.mitigations().unwrap_or_default();
        let (tcb, guest_svn) = (report.committed_tcb(), report.guest_svn());
        Ok(Self { tcb, guest_svn, launch_mitigations })
    }
}

/// The key of a partition, for this guest under these versions. `vmpl` is the level that asks.
pub fn disk_key(
    guest: &dyn SnpGuest,
    vmpl: u32,
    scope: &Scope<'_>,
    parameters: &Parameters,
) -> Result<DiskKey, SealingError> {
    let fits = |bytes: &[u8]| (1..=NAME_BYTES_MAX).contains(&bytes.len());
    if !fits(scope.node) || !fits(scope.partition.as_bytes()) {
        return Err(SealingError::Scope);
    }
    let report = own_report(guest, vmpl)?;
    // The key of such a guest would be another one. It is not made either: nothing is to be kept in it.
    if report.policy().0 & GuestBits::DEBUG.and(GuestBits::MIGRATION_AGENT).0 != 0 {
        return Err(SealingError::Exposed);
    }
    let sealed = Fields::POLICY.and(Fields::MEASUREMENT).and(Fields::GUEST_SVN).and(Fields::TCB);
    let mixes = guest.mixes_mitigations();
    let fields = if mixes { sealed.and(Fields::LAUNCH_MITIGATIONS) } else { sealed };
    let Parameters { tcb, guest_svn, launch_mitigations } = *parameters;
    let request = KeyRequest { fields, vmpl, guest_svn, tcb, launch_mitigations };
    let root = guest.derived_key(&request)?;
    let info = info(&report, &request, scope);
    Ok(DiskKey(hkdf_sha384(root.expose(), PURPOSE, &info)))
}

/// Everything that the key depends on, also what the firmware mixes in already. What this kernel's requests
/// cannot name (mitigations) is here at least: an image that was measured tells the truth about itself.
fn info(report: &Report, request: &KeyRequest, scope: &Scope<'_>) -> Vec<u8> {
    let mut info = Vec::new();
    let parts: [&[u8]; 10] = [
        &request.fields.0.to_be_bytes(),
        &request.vmpl.to_be_bytes(),
        &report.policy_raw().to_be_bytes(),
        &report.measurement(),
        &request.guest_svn.to_be_bytes(),
        &request.tcb,
        &request.launch_mitigations.to_be_bytes(),
        scope.node,
        scope.partition.as_bytes(),
        &scope.epoch.to_be_bytes(),
    ];
    for part in parts {
        // Each has at most 64 bytes.
        info.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        info.extend(part);
    }
    info
}

fn own_report(guest: &dyn SnpGuest, vmpl: u32) -> Result<Report, SealingError> {
    let signed = guest.report(&[0; 64], vmpl)?;
    Ok(Report::from_bytes(&signed.report)?)
}

/// RFC 5869 with SHA-384, for 64 bytes.
fn hkdf_sha384(key: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 64]> {
    let mut bytes = Zeroizing::new([0; 64]);
    bytes.copy_from_slice(&hkdf(Hash::Sha384, key, salt, info, 64));
    bytes
}

fn hkdf(hash: Hash, key: &[u8], salt: &[u8], info: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let extracted = Zeroizing::new(hmac(hash, salt, &[key]).as_bytes().to_vec());
    let mut expanded = Zeroizing::new(Vec::new());
    let mut block: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::new());
    for number in 1u8..=u8::MAX {
        if expanded.len() >= length {
            break;
        }
        let next = hmac(hash, &extracted, &[&block, info, &[number]]);
        block = Zeroizing::new(next.as_bytes().to_vec());
        expanded.extend_from_slice(&block);
    }
    expanded.truncate(length);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869, cases 1 and 2: the construction is the same for each hash.
    #[test]
    fn hkdf_is_that_of_rfc_5869() {
        let short = hkdf(
            Hash::Sha256,
            &[0x0b; 22],
            &hex::decode("000102030405060708090a0b0c").unwrap(),
            &hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap(),
            42,
        );
        assert_eq!(
            hex::encode(&*short),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
        let bytes = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
        let long = hkdf(Hash::Sha256, &bytes(0, 0x4f), &bytes(0x60, 0xaf), &bytes(0xb0, 0xff), 82);
        assert_eq!(
            hex::encode(&*long),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6\
             5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
        );
    }
}
