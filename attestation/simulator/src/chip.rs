//! One chip: a secret, and versions of firmware that only go up once committed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use attestation::crypto::{Hash, hmac};
use attestation::snp::{Product, TcbVersion};
use p384::ecdsa::SigningKey;
use thiserror::Error;

use crate::certificate::{extension, integer, p384_spki, value};
use crate::guest::{AtLaunch, Guest, Launch};
use crate::vendor::Vendor;

/// 1.3.6.1.4.1.3704.1.
const AMD: [u8; 8] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];

/// A version that the chip does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FirmwareError {
    /// Firmware below the committed version.
    #[error("the chip does not go back below {committed}")]
    BelowCommitted {
        /// The version that it has committed to.
        committed: TcbVersion,
    },
    /// A reported version above the committed one.
    #[error("the chip reports no version above {committed}")]
    AboveCommitted {
        /// The version that it has committed to.
        committed: TcbVersion,
    },
}

/// Versions of a chip's firmware.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions {
    pub current: TcbVersion,
    pub committed: TcbVersion,
    pub reported: TcbVersion,
    pub launches: u64,
    pub mitigations: u64,
}

/// A chip. Clones are the same chip, as its guests hold it too.
#[derive(Clone)]
pub struct Chip {
    inner: Arc<Inner>,
}

struct Inner {
    vendor: Vendor,
    secret: [u8; 32],
    versions: Mutex<Versions>,
}

impl Chip {
    /// A chip of this vendor. Chips with different secrets are different chips.
    pub fn new(vendor: &Vendor, secret: [u8; 32], tcb: TcbVersion) -> Self {
        let versions =
            Versions { current: tcb, committed: tcb, reported: tcb, launches: 0, mitigations: 0 };
        let inner = Inner { vendor: vendor.clone(), secret, versions: Mutex::new(versions) };
        Self { inner: Arc::new(inner) }
    }

    /// The generation.
    pub fn product(&self) -> Product {
        self.inner.vendor.product()
    }

    /// What reports name it by; on Turin eight bytes and zeros.
    pub fn id(&self) -> [u8; 64] {
        let mut id = [0; 64];
        let bytes = self.product().chip_id_bytes();
        let derived = self.derive(Hash::Sha512, b"chip id", &[]);
        id[..bytes].copy_from_slice(&derived[..bytes]);
        id
    }

    /// Starts other firmware: newer, or older as far as the committed version.
    pub fn run_firmware(&self, tcb: TcbVersion) -> Result<(), FirmwareError> {
        let mut versions = self.versions_mut();
        let committed = versions.committed;
        if !tcb.is_at_least(&committed) {
            return Err(FirmwareError::BelowCommitted { committed });
        }
        versions.current = tcb;
        Ok(())
    }

    /// Commits to the firmware that runs: there is no way back.
    pub fn commit(&self) {
        let mut versions = self.versions_mut();
        versions.committed = versions.current;
        versions.reported = versions.current;
    }

    /// Puts these mitigations in force, as a restart of the machine with other firmware does.
    pub fn mitigate(&self, mitigations: u64) {
        self.versions_mut().mitigations = mitigations;
    }

    /// Reports an older version than the committed one, for verifiers that know no newer one.
    pub fn report_version(&self, tcb: TcbVersion) -> Result<(), FirmwareError> {
        let mut versions = self.versions_mut();
        let committed = versions.committed;
        if !committed.is_at_least(&tcb) {
            return Err(FirmwareError::AboveCommitted { committed });
        }
        versions.reported = tcb;
        Ok(())
    }

    /// Launches a guest.
    pub fn launch(&self, launch: Launch) -> Guest {
        let mut versions = self.versions_mut();
        versions.launches += 1;
        let id = self.derive(Hash::Sha256, b"report id", &[&versions.launches.to_le_bytes()]);
        let mut report_id = [0; 32];
        report_id.copy_from_slice(&id);
        let at_launch = AtLaunch { tcb: versions.current, mitigations: versions.mitigations };
        Guest::new(self.clone(), launch, at_launch, report_id)
    }

    /// The certificate of its key for the reported version, in DER.
    pub fn vcek(&self) -> Vec<u8> {
        let reported = self.versions().reported;
        let point = self.signing_key().verifying_key().to_sec1_point(false);
        let product = self.product();
        let amd = |suffix: &[u8], content: &[u8]| {
            extension(&[AMD.as_slice(), suffix].concat(), false, content)
        };
        let mut extensions = [
            amd(&[1], &integer(0)),
            amd(&[2], &value(0x16, product.to_string().as_bytes())),
            amd(&[3, 1], &integer(reported.bootloader)),
            amd(&[3, 2], &integer(reported.tee)),
            amd(&[3, 3], &integer(reported.snp)),
            amd(&[3, 8], &integer(reported.microcode)),
            amd(&[4], &self.id()[..product.chip_id_bytes()]),
        ]
        .concat();
        if product == Product::Turin {
            extensions.extend(amd(&[3, 9], &integer(reported.fmc)));
        }
        self.inner.vendor.certify(&p384_spki(point.as_bytes()), &extensions)
    }

    /// Who vouches for it.
    pub fn vendor(&self) -> &Vendor {
        &self.inner.vendor
    }

    pub(crate) fn versions(&self) -> Versions {
        *self.versions_mut()
    }

    /// The key for the reported version: another version is another key.
    pub(crate) fn signing_key(&self) -> SigningKey {
        let reported = raw(self.versions().reported, self.product());
        let mut scalar = self.derive(Hash::Sha384, b"vcek", &[&reported]);
        // A scalar below the order, whatever the digest is.
        scalar[0] &= 0x7f;
        SigningKey::from_slice(&scalar).expect("half of the order, and not zero but by a miracle")
    }

    /// A value of the chip's own, for this purpose and these inputs.
    pub(crate) fn derive(&self, hash: Hash, purpose: &[u8], inputs: &[&[u8]]) -> Vec<u8> {
        let length = [u8::try_from(purpose.len()).unwrap_or(u8::MAX)];
        let parts: Vec<&[u8]> =
            [length.as_slice(), purpose].into_iter().chain(inputs.iter().copied()).collect();
        hmac(hash, &self.inner.secret, &parts).as_bytes().to_vec()
    }

    fn versions_mut(&self) -> MutexGuard<'_, Versions> {
        // Whoever held it had no half-made change: all are single assignments.
        self.inner.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A version as reports write it.
pub(crate) fn raw(tcb: TcbVersion, product: Product) -> [u8; 8] {
    let TcbVersion { fmc, bootloader, tee, snp, microcode } = tcb;
    match product {
        Product::Milan | Product::Genoa => [bootloader, tee, 0, 0, 0, 0, snp, microcode],
        Product::Turin => [fmc, bootloader, tee, snp, 0, 0, 0, microcode],
    }
}
