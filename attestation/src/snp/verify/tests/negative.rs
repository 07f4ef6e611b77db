//! Evidence of a test's chip, wrong in one thing each, and the check that must refuse it.

use super::super::super::forge::{AT, Chip, KEYS, TCB, amd, policy, roots, sign_report, version};
use super::super::super::{
    AbiVersion, Expect, GuestBits, KeyRule, PlatformBits, Product, SnpPolicy, TcbMinima, TcbVersion,
};
use super::super::{verify, verify_report, verify_vek};
use crate::crypto::sparingly;
use crate::x509::UnixTime;
use crate::x509::forge::{CRITICAL, Key, name, sequence, tlv};
use std::collections::BTreeSet;

fn failed_at(chip: &Chip, product: Product, policy: &SnpPolicy, at: UnixTime) -> Vec<&'static str> {
    let signed = chip.sign();
    let verdict = verify(&signed.evidence(), &roots(product), policy, at);
    assert_eq!(verdict.is_accepted(), verdict.checks().all_passed());
    verdict.checks().failed_ids()
}

/// One change to the evidence of a Milan chip must fail this check, and this one alone.
fn refused(check: &str, change: impl FnOnce(&mut Chip)) {
    refused_by(&[check], change);
}

fn refused_by(checks: &[&str], change: impl FnOnce(&mut Chip)) {
    let mut chip = Chip::new(Product::Milan);
    change(&mut chip);
    assert_eq!(failed_at(&chip, Product::Milan, &policy(Product::Milan), AT), checks);
}

/// One change to the policy must fail this check, and this one alone.
fn forbidden(check: &str, change: impl FnOnce(&mut SnpPolicy)) {
    let mut policy = policy(Product::Milan);
    change(&mut policy);
    assert_eq!(failed_at(&Chip::new(Product::Milan), Product::Milan, &policy, AT), [check]);
}

/// Writes into the report before it is signed.
fn put(offset: usize, bytes: &[u8]) -> impl FnOnce(&mut Chip) + use<> {
    let bytes = bytes.to_vec();
    move |chip| chip.report[offset..offset + bytes.len()].copy_from_slice(&bytes)
}

/// Replaces the value of one of AMD's extensions.
fn extension(suffix: &[u8], value: Vec<u8>) -> impl FnOnce(&mut Chip) + use<> {
    let oid = amd(suffix);
    move |chip| {
        let found = chip.vek.extensions.iter_mut().find(|(known, ..)| *known == oid);
        found.expect("the chip has it").2 = value;
    }
}

fn without_extension(suffix: &[u8]) -> impl FnOnce(&mut Chip) + use<> {
    let oid = amd(suffix);
    move |chip| chip.vek.extensions.retain(|(known, ..)| *known != oid)
}

#[test]
fn chips_of_all_generations_are_accepted() {
    for product in Product::ALL {
        let chip = Chip::new(product);
        let policy = policy(product);
        assert!(failed_at(&chip, product, &policy, AT).is_empty(), "{product}");
        let mut five = chip.clone();
        five.report[0] = 5;
        five.report[0x1f8..0x208].fill(7);
        assert!(failed_at(&five, product, &policy, AT).is_empty(), "{product}, version 5");
        let mut two = chip;
        two.report[0] = 2;
        two.report[0x188..0x18b].fill(0);
        assert!(failed_at(&two, product, &policy, AT).is_empty(), "{product}, version 2");
        let vlek = Chip::new(product).with_vlek("provider");
        let accepts = SnpPolicy {
            keys: KeyRule::ChipOrProvider(Expect::exactly("provider".to_owned())),
            chip_id: Expect::exactly([0; 64]),
            ..policy
        };
        assert!(failed_at(&vlek, product, &accepts, AT).is_empty(), "{product}, VLEK");
    }
}

/// No bit is free in any layout of any generation: neither of the report nor of its key's certificate.
#[test]
fn each_bit_of_each_layout_counts() {
    for product in Product::ALL {
        for version in [2, 3, 5] {
            let mut chip = Chip::new(product);
            chip.report[0] = version;
            if version == 2 {
                chip.report[0x188..0x18b].fill(0);
            }
            if version == 5 {
                chip.report[0x1f8..0x208].fill(7);
            }
            let signed = chip.sign();
            let (roots, policy) = (roots(product), policy(product));
            let vek = verify_vek(&signed.evidence(), &roots, AT).into_result().unwrap();
            assert!(verify_report(&signed.report, &vek, &policy, AT).is_accepted());
            let flipped = |bytes: &[u8], bit: usize| {
                let mut bytes = bytes.to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            };
            sparingly(997, || {
                for bit in 0..8 * signed.report.len() {
                    let verdict = verify_report(&flipped(&signed.report, bit), &vek, &policy, AT);
                    assert!(!verdict.is_accepted(), "{product}, version {version}, bit {bit}");
                }
            });
            // The certificate is the same for all layouts.
            if version != 5 {
                continue;
            }
            sparingly(997, || {
                for bit in 0..8 * signed.vek.len() {
                    let mut signed = signed.clone();
                    signed.vek = flipped(&signed.vek, bit);
                    let verdict = verify_vek(&signed.evidence(), &roots, AT);
                    assert!(!verdict.is_accepted(), "{product}, bit {bit} of the certificate");
                }
            });
        }
    }
}

#[test]
fn layouts() {
    for unknown in [0u32, 1, 4, 6, 7, 0x0302, u32::MAX] {
        // Versions that are too old or unknown may also have bytes without a meaning.
        let mut chip = Chip::new(Product::Milan);
        chip.report[..4].copy_from_slice(&unknown.to_le_bytes());
        let failed = failed_at(&chip, Product::Milan, &policy(Product::Milan), AT);
        assert!(failed.contains(&"snp.version"), "{unknown}: {failed:?}");
    }
    for offset in [0x4c, 0x4f, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x1f8, 0x207, 0x208, 0x29f] {
        refused("snp.reserved", put(offset, &[1]));
    }
    refused("snp.reserved", put(0x48, &[0x21]));
    refused("snp.reserved", put(0x4b, &[0x80]));
    refused("snp.reserved", |chip| chip.report[0] = 2);
    refused("snp.length", |chip| chip.after = |report| report.truncate(0x4a0 - 1));
    refused("snp.length", |chip| chip.after = |report| report.push(0));
    refused("snp.length", |chip| chip.after = |report| report.clear());
    refused("snp.length", |chip| chip.after = |report| report.truncate(0x2a0));
}

#[test]
fn signatures() {
    for algorithm in [0u32, 2, 0x101, u32::MAX] {
        refused("snp.algorithm", put(0x34, &algorithm.to_le_bytes()));
    }
    refused("snp.signature.padding", |chip| chip.after = |report| report[0x2d0] = 1);
    refused("snp.signature.padding", |chip| chip.after = |report| report[0x2e7] = 1);
    refused("snp.signature.padding", |chip| chip.after = |report| report[0x318] = 1);
    refused("snp.signature.padding", |chip| chip.after = |report| report[0x330] = 1);
    refused("snp.signature.padding", |chip| chip.after = |report| report[0x49f] = 0x80);
    refused("snp.signature.form", |chip| chip.after = |report| report[0x2a0..0x2d0].fill(0));
    refused("snp.signature.form", |chip| chip.after = |report| report[0x2e8..0x318].fill(0));
    refused("snp.signature.form", |chip| chip.after = |report| report[0x2a0..0x2d0].fill(0xff));
    refused("snp.signature.form", |chip| chip.after = |report| report[0x2e8..0x318].fill(0xff));
    refused("snp.signature", |chip| chip.after = |report| report[0x2a0] ^= 1);
    refused("snp.signature", |chip| chip.after = |report| report[0x2e8] ^= 1);
    refused("snp.signature", |chip| {
        chip.after = |report| {
            // Big endian, as everywhere else.
            report[0x2a0..0x2d0].reverse();
            report[0x2e8..0x318].reverse();
        };
    });
    refused("snp.signature", |chip| {
        chip.after = |report| {
            for offset in 0..48 {
                report.swap(0x2a0 + offset, 0x2e8 + offset);
            }
        };
    });
    refused("snp.signature", |chip| {
        chip.after = |report| sign_report(&Key::p384(78), report);
    });
    refused("snp.signature", |chip| chip.after = |report| report[0x140] ^= 1);
    refused_by(&["snp.signature", "snp.measurement"], |chip| {
        chip.after = |report| report[0x90] ^= 1;
    });
}

#[test]
fn either_half_of_s_is_the_same_signature() {
    let order = hex::decode(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    )
    .unwrap();
    let signed = Chip::new(Product::Milan).sign();
    let mut report = signed.report.clone();
    let mut borrow = 0i16;
    for at in 0..48 {
        let digit = i16::from(order[47 - at]) - i16::from(report[0x2e8 + at]) - borrow;
        borrow = i16::from(digit < 0);
        report[0x2e8 + at] = digit.rem_euclid(256) as u8;
    }
    assert_ne!(report, signed.report);
    let vek = verify_vek(&signed.evidence(), &roots(Product::Milan), AT).into_result().unwrap();
    assert!(verify_report(&report, &vek, &policy(Product::Milan), AT).is_accepted());
}

#[test]
fn keys() {
    refused("snp.signing-key", put(0x48, &[1 | 1 << 2]));
    refused("snp.signing-key", put(0x48, &[1 | 2 << 2]));
    refused("snp.signing-key", put(0x48, &[1 | 7 << 2]));
    refused("snp.chip-key-mask", put(0x48, &[1 | 2]));
    let vlek = || Chip::new(Product::Milan).with_vlek("provider");
    let masked = SnpPolicy { chip_id: Expect::exactly([0; 64]), ..policy(Product::Milan) };
    let failed = |chip: &Chip, policy: &SnpPolicy| failed_at(chip, Product::Milan, policy, AT);
    assert_eq!(failed(&vlek(), &masked), ["snp.signing-key.allowed"]);
    let other = KeyRule::ChipOrProvider(Expect::exactly("other".to_owned()));
    let other = SnpPolicy { keys: other, ..masked.clone() };
    assert_eq!(failed(&vlek(), &other), ["snp.signing-key.allowed"]);
    let any = SnpPolicy { keys: KeyRule::ChipOrProvider(Expect::Any), ..masked };
    let mut named_vcek = vlek();
    named_vcek.report[0x48] = 1;
    assert_eq!(failed(&named_vcek, &any), ["snp.signing-key"]);
    assert!(failed(&vlek(), &any).is_empty());
    let mut masked_key = vlek();
    masked_key.report[0x48] |= 2;
    assert!(failed(&masked_key, &any).is_empty(), "a chip's masked key signs nothing here");
}

#[test]
fn products() {
    refused("snp.product", put(0x188, &[0x19, 0x11, 1]));
    refused("snp.product", put(0x188, &[0x1a, 0x02, 1]));
    refused("snp.product", put(0x188, &[0, 0, 0]));
    refused("snp.product", put(0x188, &[0x19, 0x50, 0]));
    refused_by(&["snp.product.root", "snp.product", "snp.product.allowed"], |chip| {
        extension(&[2], tlv(0x16, b"Genoa-B1"))(chip);
    });
    forbidden("snp.product.allowed", |policy| policy.minima.clear());
    forbidden("snp.product.allowed", |policy| {
        let minima = policy.minima.remove(&Product::Milan).unwrap();
        policy.minima.insert(Product::Genoa, minima);
    });
    // A chip of one generation under the root of another.
    let failed = failed_at(&Chip::new(Product::Milan), Product::Genoa, &policy(Product::Milan), AT);
    assert_eq!(failed, ["snp.product.root"]);
}

#[test]
fn chips() {
    refused_by(&["snp.chip", "snp.chip.allowed"], put(0x1a0, &[0x5d]));
    refused_by(&["snp.chip", "snp.chip.allowed"], put(0x1a0, &[0; 64]));
    refused_by(&["snp.chip", "snp.chip.allowed"], put(0x1df, &[0]));
    refused("snp.chip", extension(&[4], vec![0x5d; 64]));
    forbidden("snp.chip.allowed", |policy| policy.chip_id = Expect::exactly([1; 64]));
    forbidden("snp.chip.allowed", |policy| policy.chip_id = Expect::OneOf(BTreeSet::new()));
    // Turin names a chip by the first eight bytes of the field.
    let any = SnpPolicy { chip_id: Expect::Any, ..policy(Product::Turin) };
    let turin = |at: usize| {
        let mut chip = Chip::new(Product::Turin);
        chip.report[at] ^= 1;
        failed_at(&chip, Product::Turin, &any, AT)
    };
    assert_eq!(turin(0x1a0), ["snp.chip"]);
    assert_eq!(turin(0x1a7), ["snp.chip"]);
    assert!(turin(0x1a8).is_empty());
}

#[test]
fn versions() {
    let changed = |at: usize, value: u8| {
        let mut tcb = TCB;
        tcb[at] = value;
        tcb
    };
    for (offset, check) in
        [(0x38, "snp.tcb.current"), (0x1e0, "snp.tcb.committed"), (0x1f0, "snp.tcb.launch")]
    {
        for (part, value) in [(0, 3), (1, 0), (6, 23), (7, 218)] {
            let checks: &[&str] = match check {
                "snp.tcb.current" => &["snp.tcb.order", "snp.tcb.current"],
                _ => &[check],
            };
            refused_by(checks, put(offset, &changed(part, value)));
        }
        refused("snp.tcb.reserved", put(offset, &changed(3, 1)));
    }
    refused_by(&["snp.tcb", "snp.tcb.reported"], put(0x180, &changed(7, 218)));
    refused_by(&["snp.tcb", "snp.tcb.order"], put(0x180, &changed(7, 220)));
    refused_by(&["snp.tcb", "snp.tcb.reserved"], put(0x180, &changed(2, 1)));
    refused("snp.tcb.order", put(0x1e0, &changed(0, 5)));
    for suffix in [[3, 1], [3, 2], [3, 3], [3, 8], [3, 4], [3, 7]] {
        refused("snp.tcb", extension(&suffix, version(99)));
    }
    for change in [
        TcbVersion { bootloader: 5, ..TcbVersion::default() },
        TcbVersion { tee: 2, ..TcbVersion::default() },
        TcbVersion { snp: 25, ..TcbVersion::default() },
        TcbVersion { microcode: 220, ..TcbVersion::default() },
        TcbVersion { fmc: 1, ..TcbVersion::default() },
    ] {
        let minima = |set: fn(&mut TcbMinima) -> &mut TcbVersion| {
            let mut minima = TcbMinima::default();
            *set(&mut minima) = change;
            minima
        };
        let cases: [(&str, TcbMinima); 4] = [
            ("snp.tcb.current", minima(|minima| &mut minima.current)),
            ("snp.tcb.reported", minima(|minima| &mut minima.reported)),
            ("snp.tcb.committed", minima(|minima| &mut minima.committed)),
            ("snp.tcb.launch", minima(|minima| &mut minima.launch)),
        ];
        for (check, minima) in cases {
            forbidden(check, |policy| {
                policy.minima.insert(Product::Milan, minima);
            });
        }
    }
}

#[test]
fn guest_policies() {
    let raw = |bits: u64| put(0x08, &bits.to_le_bytes());
    let good = 0x3_0133;
    refused("snp.policy.debug", raw(good | 1 << 19));
    refused("snp.policy.migration", raw(good | 1 << 18));
    refused("snp.policy.cxl", raw(good | 1 << 21));
    refused("snp.policy.reserved", raw(good & !(1 << 17)));
    refused("snp.policy.reserved", raw(good | 1 << 26));
    refused("snp.policy.reserved", raw(good | 1 << 63));
    refused("snp.policy.abi", raw(0x3_0132));
    refused("snp.policy.abi", raw(0x3_00ff));
    refused_by(&["snp.policy.debug", "snp.policy.migration"], raw(good | 3 << 18));
    for harmless in [1 << 20, 1 << 22, 1 << 23, 1 << 24, 1 << 25] {
        let mut chip = Chip::new(Product::Milan);
        raw(good | harmless)(&mut chip);
        assert!(failed_at(&chip, Product::Milan, &policy(Product::Milan), AT).is_empty());
    }
    forbidden("snp.policy.smt", |policy| policy.guest_may_allow = GuestBits::NONE);
    forbidden("snp.policy.single-socket", |policy| {
        policy.guest_must_demand = GuestBits::SINGLE_SOCKET;
    });
    for demanded in [
        GuestBits::AES_256_XTS,
        GuestBits::RAPL_OFF,
        GuestBits::CIPHERTEXT_HIDING,
        GuestBits::NO_PAGE_SWAP,
    ] {
        forbidden("snp.policy.demands", |policy| policy.guest_must_demand = demanded);
    }
    forbidden("snp.policy.abi", |policy| {
        policy.guest_abi_min = AbiVersion { major: 1, minor: 52 };
    });
    forbidden("snp.policy.abi", |policy| {
        policy.guest_abi_min = AbiVersion { major: 2, minor: 0 };
    });
    // What is never accepted is refused though a policy names it.
    let mut names_all = policy(Product::Milan);
    names_all.guest_may_allow = GuestBits(u64::MAX);
    let mut chip = Chip::new(Product::Milan);
    raw(good | 1 << 19 | 1 << 18 | 1 << 40)(&mut chip);
    assert_eq!(
        failed_at(&chip, Product::Milan, &names_all, AT),
        ["snp.policy.reserved", "snp.policy.debug", "snp.policy.migration"]
    );
}

#[test]
fn platforms() {
    refused("snp.platform.required", put(0x40, &[0x05]));
    refused("snp.platform.forbidden", put(0x40, &[0xa5]));
    forbidden("snp.platform.required", |policy| {
        policy.platform_required = PlatformBits::CIPHERTEXT_HIDING;
    });
    forbidden("snp.platform.forbidden", |policy| policy.platform_forbidden = PlatformBits::SMT);
    forbidden("snp.mitigations", |policy| policy.mitigations_required = 1);
    let demands = SnpPolicy { mitigations_required: 6, ..policy(Product::Milan) };
    let five = |launch: u8, current: u8| {
        let mut chip = Chip::new(Product::Milan);
        chip.report[0] = 5;
        chip.report[0x1f8] = launch;
        chip.report[0x200] = current;
        failed_at(&chip, Product::Milan, &demands, AT)
    };
    assert!(five(7, 6).is_empty());
    assert_eq!(five(7, 5), ["snp.mitigations"]);
    assert_eq!(five(1, 7), ["snp.mitigations"]);
    refused("snp.migration-agent", put(0x160, &[0xfe]));
    refused("snp.migration-agent", put(0x160, &[0x33; 32]));
}

#[test]
fn contents() {
    for level in [1u32, 2, 3, 4, 0x100, u32::MAX] {
        refused("snp.vmpl", put(0x30, &level.to_le_bytes()));
    }
    let mut names_the_host = policy(Product::Milan);
    names_the_host.vmpl = BTreeSet::from([0, 4, u32::MAX]);
    let mut chip = Chip::new(Product::Milan);
    put(0x30, &[0xff; 4])(&mut chip);
    assert_eq!(failed_at(&chip, Product::Milan, &names_the_host, AT), ["snp.vmpl"]);
    refused("snp.measurement", put(0xbf, &[0]));
    refused("snp.report-data", put(0x50, &[0]));
    refused("snp.report-data", put(0x8f, &[0]));
    refused("snp.host-data", put(0xdf, &[0]));
    refused("snp.id-key", put(0xe0, &[0; 48]));
    refused("snp.author-key", put(0x110, &[0; 48]));
    refused("snp.author-key.flag", put(0x48, &[0]));
    refused("snp.family-id", put(0x1f, &[0]));
    refused("snp.image-id", put(0x2f, &[0]));
    refused("snp.guest-svn", put(0x04, &[6]));
    forbidden("snp.guest-svn", |policy| policy.guest_svn_min = 8);
    forbidden("snp.vmpl", |policy| policy.vmpl.clear());
    forbidden("snp.measurement", |policy| policy.measurement = Expect::OneOf(BTreeSet::new()));
    forbidden("snp.report-data", |policy| policy.report_data = Expect::exactly([0; 64]));
    forbidden("snp.host-data", |policy| policy.host_data = Expect::exactly([0; 32]));
}

#[test]
fn certificates_of_signing_keys() {
    refused("snp.vek", without_extension(&[2]));
    refused("snp.vek", extension(&[2], tlv(0x16, b"Rome-B0")));
    refused("snp.vek", extension(&[2], tlv(0x0c, b"Milan")));
    refused("snp.vek", extension(&[2], tlv(0x16, &[0xff, 0xfe])));
    for suffix in [[3, 1], [3, 2], [3, 3], [3, 8]] {
        refused("snp.vek", without_extension(&suffix));
        refused("snp.vek", extension(&suffix, tlv(2, &[1, 0])));
        refused("snp.vek", extension(&suffix, tlv(2, &[0xff])));
        refused("snp.vek", extension(&suffix, vec![2, 2, 0, 4]));
        refused("snp.vek", extension(&suffix, vec![2, 1, 4, 0]));
        refused("snp.vek", extension(&suffix, tlv(4, &[4])));
    }
    refused("snp.vek", extension(&[3, 5], tlv(4, &[0])));
    refused("snp.vek", without_extension(&[4]));
    refused("snp.vek", extension(&[4], vec![0x5c; 63]));
    refused("snp.vek", extension(&[4], vec![0x5c; 8]));
    refused("snp.vek", extension(&[4], vec![0; 64]));
    refused("snp.vek", |chip| chip.vek.subject = name("SEV-VLEK"));
    refused("snp.vek", |chip| chip.vek.subject = name("SEV-Something"));
    refused("snp.vek", |chip| {
        let provider = tlv(0x16, b"provider");
        chip.vek = chip.vek.clone().with(&amd(&[5]), &[], provider);
    });
    refused("snp.vek", |chip| {
        chip.vek = chip.vek.clone().with(&amd(&[3, 9]), &[], version(1));
    });
    for bad in [b"".as_slice(), b"two\nlines", &[0xc3, 0xa9]] {
        let vlek = Chip::new(Product::Milan).with_vlek("p");
        let mut vlek = vlek;
        extension(&[5], tlv(0x16, bad))(&mut vlek);
        let any = SnpPolicy {
            keys: KeyRule::ChipOrProvider(Expect::Any),
            chip_id: Expect::Any,
            ..policy(Product::Milan)
        };
        assert_eq!(failed_at(&vlek, Product::Milan, &any, AT), ["snp.vek"]);
    }
    // The same id inside of an octet string.
    let mut wrapped = Chip::new(Product::Milan);
    extension(&[4], tlv(4, &[0x5c; 64]))(&mut wrapped);
    assert!(failed_at(&wrapped, Product::Milan, &policy(Product::Milan), AT).is_empty());
    // Turin's own rules.
    let turin = |change: &dyn Fn(&mut Chip)| {
        let mut chip = Chip::new(Product::Turin);
        change(&mut chip);
        failed_at(&chip, Product::Turin, &policy(Product::Turin), AT)
    };
    assert_eq!(turin(&|chip| without_extension(&[3, 9])(chip)), ["snp.vek"]);
    assert_eq!(turin(&|chip| extension(&[4], vec![0x5c; 64])(chip)), ["snp.vek"]);
    assert_eq!(turin(&|chip| extension(&[3, 9], version(1))(chip)), ["snp.tcb"]);
    assert_eq!(turin(&|chip| extension(&[3, 5], version(1))(chip)), ["snp.tcb"]);
    assert_eq!(
        turin(&|chip| chip.vek = chip.vek.clone().with(&amd(&[3, 4]), &[], version(1))),
        ["snp.vek"]
    );
}

#[test]
fn chains() {
    refused("snp.vek.key", |chip| {
        let p256 = include_str!("../../../../vectors/keys/p256.spki.hex");
        chip.vek.spki = hex::decode(p256.trim()).unwrap();
    });
    refused("x509.end", |chip| {
        let constraints = sequence(&[&CRITICAL]);
        chip.vek = chip.vek.clone().with(&[0x55, 0x1d, 19], &CRITICAL, constraints);
    });
    refused("x509.critical", |chip| chip.vek.extensions[0].1 = CRITICAL.to_vec());
    refused("x509.issuer", |chip| chip.vek.issuer = name("SEV-Other"));
    refused("x509.issuer", |chip| chip.ask.issuer = name("ARK-Other"));
    refused("x509.root.signature", |chip| chip.ark.issuer = name("ARK-Other"));
    let expired = || sequence(&[&tlv(0x17, b"200101000000Z"), &tlv(0x17, b"210101000000Z")]);
    refused("x509.validity", |chip| chip.vek.validity = expired());
    refused("x509.validity", |chip| chip.ask.validity = expired());
    refused("x509.validity", |chip| chip.ark.validity = expired());
    refused("x509.quirk.serial-too-long", |chip| chip.vek.serial = tlv(2, &[1; 21]));
    for which in 0..3 {
        let mut signed = Chip::new(Product::Milan).sign();
        let der = [&mut signed.vek, &mut signed.ask, &mut signed.ark];
        for (index, der) in der.into_iter().enumerate() {
            if index == which {
                der.push(0);
            }
        }
        let verdict =
            verify(&signed.evidence(), &roots(Product::Milan), &policy(Product::Milan), AT);
        assert_eq!(verdict.checks().failed_ids(), ["snp.certificate"]);
    }
    // Signed by the root itself, without the intermediate.
    let chip = Chip::new(Product::Milan);
    let mut signed = chip.sign();
    signed.vek = chip.vek.sign(&KEYS.ark);
    let verdict = verify(&signed.evidence(), &roots(Product::Milan), &policy(Product::Milan), AT);
    assert_eq!(verdict.checks().failed_ids(), ["x509.signature"]);
    // The signing key as its own root.
    signed.ark = signed.vek.clone();
    signed.ask = signed.vek.clone();
    let verdict = verify(&signed.evidence(), &roots(Product::Milan), &policy(Product::Milan), AT);
    assert!(verdict.checks().failed_ids().contains(&"x509.root"));
}

#[test]
fn a_chain_is_kept_for_as_long_as_it_is_valid() {
    let signed = Chip::new(Product::Milan).sign();
    let vek = verify_vek(&signed.evidence(), &roots(Product::Milan), AT).into_result().unwrap();
    let policy = policy(Product::Milan);
    let failed = |at: &str| {
        let at = UnixTime::from_rfc3339(at).unwrap();
        verify_report(&signed.report, &vek, &policy, at).checks().failed_ids()
    };
    assert!(failed("2039-12-31T00:00:00Z").is_empty());
    assert_eq!(failed("2040-01-01T00:00:01Z"), ["snp.chain.validity"]);
    assert_eq!(failed("2019-12-31T00:00:00Z"), ["snp.chain.validity"]);
}

#[test]
fn a_verified_report_says_what_was_checked() {
    let signed = Chip::new(Product::Turin).sign();
    let verified = verify(&signed.evidence(), &roots(Product::Turin), &policy(Product::Turin), AT)
        .into_result()
        .unwrap();
    assert_eq!(verified.product(), Product::Turin);
    assert_eq!(verified.report().report_data(), [0x50; 64]);
    assert_eq!(
        verified.chip_id().unwrap()[..9],
        [0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0]
    );
    let expected = TcbVersion { fmc: 2, bootloader: 4, tee: 1, snp: 24, microcode: 219 };
    assert_eq!(verified.reported_tcb(), expected);
    assert_eq!(verified.vek().root(), "test");
    assert_eq!(verified.at(), AT);
}
