//! A chip for tests, whose certificates and reports can be made wrong in one thing each.

use super::verify::SnpEvidence;
use super::{
    AbiVersion, Expect, GuestBits, KeyRule, PlatformBits, Product, REPORT_BYTES, SnpPolicy,
    SnpRoot, SnpRoots, TcbMinima, TcbVersion,
};
use crate::x509::forge::{Draft, Key, pss_sha384, tlv};
use crate::x509::{Certificate, Pin, TrustRoot, UnixTime};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// 2025-06-15.
pub const AT: UnixTime = UnixTime(1_750_000_000);

/// The versions of all chips, as Milan and Genoa write them, and as Turin does.
pub const TCB: [u8; 8] = [4, 1, 0, 0, 0, 0, 24, 219];
pub const TURIN_TCB: [u8; 8] = [2, 4, 1, 24, 0, 0, 0, 219];

/// Keys of root, intermediate and chip.
pub struct Keys {
    pub ark: Key,
    pub ask: Key,
    pub vek: Key,
}

pub static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys { ark: Key::rsa(), ask: Key::rsa(), vek: Key::p384(77) });

/// An AMD object identifier.
pub fn amd(suffix: &[u8]) -> Vec<u8> {
    [&[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01], suffix].concat()
}

/// An INTEGER of one byte.
pub fn version(value: u8) -> Vec<u8> {
    if value < 0x80 { tlv(2, &[value]) } else { tlv(2, &[0, value]) }
}

/// A chip's evidence before it is signed.
#[derive(Clone)]
pub struct Chip {
    pub vek: Draft,
    pub ask: Draft,
    pub ark: Draft,
    /// What the report says, with room for its signature.
    pub report: Vec<u8>,
    /// Changes the signed report.
    pub after: fn(&mut Vec<u8>),
}

impl Chip {
    pub fn new(product: Product) -> Self {
        let family_model: [u8; 3] = match product {
            Product::Milan => [0x19, 0x01, 1],
            Product::Genoa => [0x19, 0x11, 1],
            Product::Turin => [0x1a, 0x02, 1],
        };
        let mut chip_id = [0; 64];
        chip_id[..product.chip_id_bytes()].fill(0x5c);
        let tcb = if product == Product::Turin { TURIN_TCB } else { TCB };

        let keys = &*KEYS;
        let mut vek = Draft::new("SEV-VCEK", "SEV-Test", &keys.vek, pss_sha384())
            .with(&amd(&[1]), &[], version(0))
            .with(&amd(&[2]), &[], tlv(0x16, product.to_string().as_bytes()));
        let versions: &[(&[u8], u8)] = &[
            (&[3, 1], 4),
            (&[3, 2], 1),
            (&[3, 3], 24),
            (&[3, 5], 0),
            (&[3, 6], 0),
            (&[3, 7], 0),
            (&[3, 8], 219),
        ];
        for (suffix, value) in versions {
            vek = vek.with(&amd(suffix), &[], version(*value));
        }
        vek = match product {
            Product::Turin => vek.with(&amd(&[3, 9]), &[], version(2)),
            _ => vek.with(&amd(&[3, 4]), &[], version(0)),
        };
        vek = vek.with(&amd(&[4]), &[], chip_id[..product.chip_id_bytes()].to_vec());
        vek.serial = tlv(2, &[0]);

        let mut report = vec![0; REPORT_BYTES];
        let mut put = |offset: usize, bytes: &[u8]| {
            report[offset..offset + bytes.len()].copy_from_slice(bytes);
        };
        put(0x00, &3u32.to_le_bytes());
        put(0x04, &7u32.to_le_bytes());
        put(0x08, &0x3_0133u64.to_le_bytes());
        put(0x10, &[0x10; 16]);
        put(0x20, &[0x20; 16]);
        put(0x34, &1u32.to_le_bytes());
        put(0x40, &0x25u64.to_le_bytes());
        put(0x48, &1u32.to_le_bytes());
        put(0x50, &[0x50; 64]);
        put(0x90, &[0x90; 48]);
        put(0xc0, &[0xc0; 32]);
        put(0xe0, &[0xe0; 48]);
        put(0x110, &[0x11; 48]);
        put(0x140, &[0x14; 32]);
        put(0x160, &[0xff; 32]);
        for offset in [0x38, 0x180, 0x1e0, 0x1f0] {
            put(offset, &tcb);
        }
        put(0x188, &family_model);
        put(0x1a0, &chip_id);
        put(0x1e8, &[29, 55, 1, 0, 29, 55, 1, 0]);
        Self {
            vek,
            ask: Draft::new("SEV-Test", "ARK-Test", &keys.ask, pss_sha384()).authority(Some(0)),
            ark: Draft::new("ARK-Test", "ARK-Test", &keys.ark, pss_sha384()).authority(None),
            report,
            after: |_| {},
        }
    }

    /// The same chip with a provider's key.
    pub fn with_vlek(mut self, provider: &str) -> Self {
        let hardware_id = amd(&[4]);
        self.vek.extensions.retain(|(oid, ..)| *oid != hardware_id);
        self.vek = self.vek.with(&amd(&[5]), &[], tlv(0x16, provider.as_bytes()));
        self.vek.subject = crate::x509::forge::name("SEV-VLEK");
        self.report[0x48] |= 4;
        self.report[0x1a0..0x1e0].fill(0);
        self
    }

    pub fn sign(&self) -> Signed {
        let keys = &*KEYS;
        let mut report = self.report.clone();
        sign_report(&keys.vek, &mut report);
        (self.after)(&mut report);
        Signed {
            report,
            vek: self.vek.sign(&keys.ask),
            ask: self.ask.sign(&keys.ark),
            ark: self.ark.sign(&keys.ark),
        }
    }
}

/// Puts the signature into a report that has room for it.
pub fn sign_report(key: &Key, report: &mut [u8]) {
    use p384::ecdsa::signature::Signer as _;
    let Key::P384(key) = key else { panic!("reports are signed on P-384") };
    if report.len() < REPORT_BYTES {
        return;
    }
    let signature: p384::ecdsa::Signature = key.sign(&report[..0x2a0]);
    let bytes = signature.to_bytes();
    for (field, number) in [(0x2a0, &bytes[..48]), (0x2e8, &bytes[48..])] {
        report[field..field + 72].fill(0);
        for (to, from) in report[field..].iter_mut().zip(number.iter().rev()) {
            *to = *from;
        }
    }
}

/// Evidence in bytes.
#[derive(Clone)]
pub struct Signed {
    pub report: Vec<u8>,
    pub vek: Vec<u8>,
    pub ask: Vec<u8>,
    pub ark: Vec<u8>,
}

impl Signed {
    pub fn evidence(&self) -> SnpEvidence<'_> {
        SnpEvidence { report: &self.report, vek: &self.vek, ask: &self.ask, ark: &self.ark }
    }
}

/// The test root, as one for this generation.
pub fn roots(product: Product) -> SnpRoots {
    let ark = Certificate::from_der(&Chip::new(product).ark.sign(&KEYS.ark)).expect("we made it");
    roots_of(&ark, product)
}

/// A certificate as the only root, for this generation.
pub fn roots_of(ark: &Certificate, product: Product) -> SnpRoots {
    let root = TrustRoot { label: "test".into(), pin: Pin::PublicKey(ark.spki_sha256()) };
    SnpRoots::new([SnpRoot { root, product }])
}

/// A policy that accepts exactly the chip's report.
pub fn policy(product: Product) -> SnpPolicy {
    let report = super::Report::from_bytes(&Chip::new(product).report)
        .expect("it has the length of a report");
    let tcb = TcbVersion::from_raw(report.current_tcb(), product);
    SnpPolicy {
        minima: BTreeMap::from([(product, TcbMinima::all(tcb))]),
        keys: KeyRule::Chip,
        vmpl: BTreeSet::from([0]),
        guest_may_allow: GuestBits::SMT,
        guest_must_demand: GuestBits::NONE,
        guest_abi_min: AbiVersion { major: 1, minor: 51 },
        platform_required: PlatformBits::ALIAS_CHECK,
        platform_forbidden: PlatformBits::TRUSTED_IO,
        mitigations_required: 0,
        measurement: Expect::exactly(report.measurement()),
        report_data: Expect::exactly(report.report_data()),
        host_data: Expect::exactly(report.host_data()),
        chip_id: Expect::exactly(report.chip_id()),
        id_key: Expect::exactly(report.id_key_digest()),
        author_key: Expect::exactly(report.author_key_digest()),
        family_id: Expect::exactly(report.family_id()),
        image_id: Expect::exactly(report.image_id()),
        guest_svn_min: 7,
    }
}
