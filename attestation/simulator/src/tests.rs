use super::*;
use attestation::snp::{
    AbiVersion, Expect, GuestBits, KeyRule, PlatformBits, Product, SnpEvidence, SnpPolicy,
    SnpRoots, TcbMinima, TcbVersion, verify,
};
use attestation::x509::UnixTime;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// 2025-06-15.
const AT: UnixTime = UnixTime(1_750_000_000);

const TCB: TcbVersion = TcbVersion { fmc: 0, bootloader: 4, tee: 0, snp: 24, microcode: 219 };
const NEWER: TcbVersion = TcbVersion { snp: 25, ..TCB };

const DATA: [u8; 64] = [0x5a; 64];

fn launch() -> Launch {
    Launch {
        policy: 0x3_0000,
        measurement: [0x11; 48],
        family_id: [2; 16],
        image_id: [3; 16],
        guest_svn: 5,
        host_data: [4; 32],
    }
}

fn chip() -> Chip {
    Chip::new(&Vendor::new(Product::Milan), [7; 32], TCB)
}

fn policy() -> SnpPolicy {
    SnpPolicy {
        minima: Product::ALL.map(|product| (product, TcbMinima::all(TCB))).into(),
        keys: KeyRule::Chip,
        vmpl: BTreeSet::from([0]),
        guest_may_allow: GuestBits::SMT,
        guest_must_demand: GuestBits::NONE,
        guest_abi_min: AbiVersion::default(),
        platform_required: PlatformBits::ALIAS_CHECK,
        platform_forbidden: PlatformBits::NONE,
        mitigations_required: 0,
        measurement: Expect::exactly([0x11; 48]),
        report_data: Expect::exactly(DATA),
        host_data: Expect::exactly([4; 32]),
        chip_id: Expect::Any,
        id_key: Expect::exactly([0; 48]),
        author_key: Expect::exactly([0; 48]),
        family_id: Expect::exactly([2; 16]),
        image_id: Expect::exactly([3; 16]),
        guest_svn_min: 5,
    }
}

fn failed_under(roots: &SnpRoots, chip: &Chip, report: &[u8]) -> Vec<&'static str> {
    let vendor = chip.vendor();
    let vek = chip.vcek();
    let evidence = SnpEvidence { report, vek: &vek, ask: vendor.ask(), ark: vendor.ark() };
    verify(&evidence, roots, &policy(), AT).checks().failed_ids()
}

fn failed(chip: &Chip, report: &[u8]) -> Vec<&'static str> {
    failed_under(&chip.vendor().roots(), chip, report)
}

fn request(fields: Fields) -> KeyRequest {
    KeyRequest { fields, vmpl: 0, guest_svn: 5, tcb: TCB, launch_mitigations: 0 }
}

const SEALING: Fields =
    Fields::POLICY.and(Fields::MEASUREMENT).and(Fields::GUEST_SVN).and(Fields::TCB);

#[test]
fn reports_pass_the_real_verifier_under_the_simulated_root_alone() {
    for product in Product::ALL {
        let chip = Chip::new(&Vendor::new(product), [7; 32], TCB);
        let report = chip.launch(launch()).report(&DATA, 0).unwrap();
        assert!(failed(&chip, &report).is_empty(), "{product}");
        assert_eq!(failed_under(&SnpRoots::amd(), &chip, &report), ["x509.root"]);
    }
}

#[test]
fn the_host_and_other_guests_are_told_apart() {
    let chip = chip();
    let guest = chip.launch(launch());
    assert_eq!(failed(&chip, &guest.report_for_host(&DATA)), ["snp.vmpl"]);
    let other = chip.launch(Launch { measurement: [0x12; 48], ..launch() });
    let report = other.report(&DATA, 0).unwrap();
    assert_eq!(failed(&chip, &report), ["snp.measurement"]);
    let elsewhere = Chip::new(chip.vendor(), [8; 32], TCB);
    let report = guest.report(&DATA, 0).unwrap();
    assert_eq!(failed(&elsewhere, &report), ["snp.signature", "snp.chip"]);
    let again = chip.launch(launch()).report(&DATA, 0).unwrap();
    assert_ne!(report[0x140..0x160], again[0x140..0x160], "each launch has a name of its own");
}

#[test]
fn levels() {
    let guest = chip().launch(launch());
    let lower = guest.at_level(2);
    assert_eq!(lower.report(&DATA, 1), Err(ReportError::Level { wanted: 1, own: 2 }));
    assert!(lower.report(&DATA, 3).is_ok());
    assert_eq!(guest.report(&DATA, 4), Err(ReportError::Level { wanted: 4, own: 0 }));
    let at = |guest: &Guest, vmpl: u32| guest.derived_key(&KeyRequest { vmpl, ..request(SEALING) });
    assert_eq!(at(&lower, 1), Err(DerivedKeyError::Level { wanted: 1, own: 2 }));
    assert_eq!(at(&lower, 3), at(&guest, 3), "a more privileged level can make the key of a lower");
    assert_ne!(at(&guest, 0), at(&guest, 3));
}

/// The policy is no part of the digest: a host may launch the same image so that it can read it.
#[test]
fn a_guest_that_can_be_debugged_gets_another_key_if_the_policy_is_mixed_in() {
    let chip = chip();
    let honest = chip.launch(launch());
    let debugged = chip.launch(Launch { policy: 0xb_0000, ..launch() });
    let report = debugged.report(&DATA, 0).unwrap();
    assert_eq!(failed(&chip, &report), ["snp.policy.debug"]);
    let key = |guest: &Guest, fields: Fields| guest.derived_key(&request(fields)).unwrap();
    assert_ne!(key(&honest, SEALING), key(&debugged, SEALING));
    let careless = Fields::MEASUREMENT.and(Fields::TCB);
    assert_eq!(key(&honest, careless), key(&debugged, careless));
}

#[test]
fn firmware_goes_back_to_the_committed_version_and_no_further() {
    let chip = chip();
    let guest = chip.launch(launch());
    let before = guest.derived_key(&request(SEALING)).unwrap();
    let newer = KeyRequest { tcb: NEWER, ..request(SEALING) };
    let refused = DerivedKeyError::Tcb { wanted: NEWER, committed: TCB };
    chip.run_firmware(NEWER).unwrap();
    assert_eq!(guest.derived_key(&newer), Err(refused), "it runs, and is not committed");
    let report = guest.report(&DATA, 0).unwrap();
    assert!(failed(&chip, &report).is_empty());
    chip.run_firmware(TCB).unwrap();
    chip.run_firmware(NEWER).unwrap();
    chip.commit();
    assert_eq!(chip.run_firmware(TCB), Err(FirmwareError::BelowCommitted { committed: NEWER }));
    assert_ne!(guest.derived_key(&newer).unwrap(), before);
    assert_eq!(guest.derived_key(&request(SEALING)).unwrap(), before, "old data can be opened");
    // Another version is another key, and the old report is not by it.
    assert!(failed(&chip, &report).contains(&"snp.signature"));
    assert!(failed(&chip, &guest.report(&DATA, 0).unwrap()).is_empty());
    chip.report_version(TCB).unwrap();
    let report = guest.report(&DATA, 0).unwrap();
    assert!(failed(&chip, &report).is_empty(), "as verifiers that know no newer version want it");
    let above = TcbVersion { snp: 26, ..TCB };
    assert_eq!(chip.report_version(above), Err(FirmwareError::AboveCommitted { committed: NEWER }));
}

#[test]
fn keys_of_later_versions_of_a_guest_are_out_of_reach() {
    let guest = chip().launch(launch());
    let key = |guest_svn: u32| guest.derived_key(&KeyRequest { guest_svn, ..request(SEALING) });
    assert_eq!(key(6), Err(DerivedKeyError::GuestSvn { wanted: 6, launched: 5 }));
    assert_ne!(key(4).unwrap(), key(5).unwrap());
}

proptest! {
    /// A key depends on the chosen fields, and on no other.
    #[test]
    fn keys_depend_on_the_chosen_fields(bits in 0u64..64, field in 0usize..4) {
        let chip = chip();
        let fields = Fields(bits);
        type Change = (Fields, fn(&mut Launch));
        let change: [Change; 4] = [
            (Fields::POLICY, |launch| launch.policy = 0xb_0000),
            (Fields::IMAGE_ID, |launch| launch.image_id = [9; 16]),
            (Fields::FAMILY_ID, |launch| launch.family_id = [9; 16]),
            (Fields::MEASUREMENT, |launch| launch.measurement = [9; 48]),
        ];
        let (changed, change) = change[field];
        let mut other = launch();
        change(&mut other);
        let key = |launch: Launch| chip.launch(launch).derived_key(&request(fields)).unwrap();
        prop_assert_eq!(key(launch()) == key(other), bits & changed.0 == 0);
        let elsewhere = Chip::new(chip.vendor(), [8; 32], TCB);
        prop_assert_ne!(
            key(launch()),
            elsewhere.launch(launch()).derived_key(&request(fields)).unwrap()
        );
    }
}
