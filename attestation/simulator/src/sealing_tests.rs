//! Disk keys under the rules of the firmware: who gets the same key, and who another or none.

use super::*;
use attestation::snp::{Product, TcbVersion};
use os_kit_snp::{Parameters, Remote, Scope, SealingError, SnpError, SnpGuest, disk_key};
use std::collections::BTreeSet;

const TCB: TcbVersion = TcbVersion { fmc: 0, bootloader: 4, tee: 0, snp: 24, microcode: 219 };
const NEWER: TcbVersion = TcbVersion { snp: 25, ..TCB };
const SCOPE: Scope<'_> = Scope { node: b"node 1", partition: "data", epoch: 1 };

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

fn chip(number: u8, tcb: TcbVersion) -> Chip {
    Chip::new(&Vendor::new(Product::Genoa), [number; 32], tcb)
}

fn key(guest: &dyn SnpGuest, scope: &Scope<'_>) -> [u8; 64] {
    let parameters = Parameters::of(guest, 0).unwrap();
    *disk_key(guest, 0, scope, &parameters).unwrap().expose()
}

fn own(guest: &Guest) -> [u8; 64] {
    key(guest, &SCOPE)
}

#[test]
fn the_same_image_on_the_same_chip_gets_the_same_key() {
    let chip = chip(7, TCB);
    let first = own(&chip.launch(launch()));
    assert_eq!(own(&chip.launch(launch())), first, "after a restart");
    // What is no part of the seal: the host's data, and identity blocks, which anybody can sign.
    let other = Launch { host_data: [9; 32], family_id: [9; 16], image_id: [9; 16], ..launch() };
    assert_eq!(own(&chip.launch(other)), first);
}

#[test]
fn every_other_guest_gets_another_key() {
    let chip_7 = chip(7, TCB);
    let mut keys = vec![own(&chip_7.launch(launch()))];
    keys.push(own(&chip(8, TCB).launch(launch()))); // another chip
    keys.push(own(&chip(7, NEWER).launch(launch()))); // other firmware, committed
    let lower = TcbVersion { microcode: 218, ..TCB };
    keys.push(own(&chip(7, lower).launch(launch()))); // lower firmware
    keys.push(own(&chip_7.launch(Launch { measurement: [0x12; 48], ..launch() })));
    keys.push(own(&chip_7.launch(Launch { guest_svn: 4, ..launch() })));
    keys.push(own(&chip_7.launch(Launch { policy: 0x2_0000, ..launch() }))); // no SMT
    keys.push(own(&chip_7.launch(Launch { policy: 0x13_0000, ..launch() }))); // single socket
    let mitigated = chip(7, TCB);
    mitigated.mitigate(0b101);
    keys.push(own(&mitigated.launch(launch())));
    mitigated.mitigate(0b111);
    keys.push(own(&mitigated.launch(launch())));
    let different: BTreeSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len());
}

#[test]
fn each_scope_has_a_key_of_its_own() {
    let guest = chip(7, TCB).launch(launch());
    let scopes = [
        SCOPE,
        Scope { node: b"node 2", ..SCOPE },
        Scope { partition: "logs", ..SCOPE },
        Scope { epoch: 2, ..SCOPE },
        // Bytes that go from one name to the next.
        Scope { node: b"node 1d", partition: "ata", ..SCOPE },
        Scope { node: b"node ", partition: "1data", ..SCOPE },
    ];
    let keys: BTreeSet<_> = scopes.iter().map(|scope| key(&guest, scope)).collect();
    assert_eq!(keys.len(), scopes.len());
    let parameters = Parameters::of(&guest, 0).unwrap();
    for wrong in [
        Scope { node: b"", ..SCOPE },
        Scope { partition: "", ..SCOPE },
        Scope { node: &[1; 65], ..SCOPE },
    ] {
        let error = disk_key(&guest, 0, &wrong, &parameters).map(|_| ()).unwrap_err();
        assert!(matches!(error, SealingError::Scope), "{error}");
    }
}

/// The policy is no part of the launch digest: a host can launch the same image so that it can read its
/// memory. Our code does not ask for a key then; code that asks all the same gets another one.
#[test]
fn a_guest_that_can_be_debugged_gets_neither_key_nor_root() {
    let chip = chip(7, TCB);
    let (honest, debugged) =
        (chip.launch(launch()), chip.launch(Launch { policy: 0xb_0000, ..launch() }));
    let migrated = chip.launch(Launch { policy: 0x7_0000, ..launch() });
    let parameters = Parameters::of(&honest, 0).unwrap();
    for exposed in [&debugged, &migrated] {
        let error = disk_key(exposed, 0, &SCOPE, &parameters).map(|_| ()).unwrap_err();
        assert!(matches!(error, SealingError::Exposed), "{error}");
        let fields = os_kit_snp::Fields(0x79);
        let request = os_kit_snp::KeyRequest {
            fields,
            vmpl: 0,
            guest_svn: 5,
            tcb: parameters.tcb,
            launch_mitigations: 0,
        };
        let root = |guest: &Guest| *SnpGuest::derived_key(guest, &request).unwrap().expose();
        assert_ne!(root(exposed), root(&honest));
    }
}

#[test]
fn old_data_opens_after_an_update_of_firmware_and_new_data_not_before() {
    let chip = chip(7, TCB);
    let guest = chip.launch(launch());
    let before = Parameters::of(&guest, 0).unwrap();
    let old = *disk_key(&guest, 0, &SCOPE, &before).unwrap().expose();
    chip.run_firmware(NEWER).unwrap();
    assert_eq!(Parameters::of(&guest, 0).unwrap(), before, "it is not committed yet");
    chip.commit();
    let after = Parameters::of(&guest, 0).unwrap();
    assert_ne!(after, before);
    assert_eq!(*disk_key(&guest, 0, &SCOPE, &before).unwrap().expose(), old);
    assert_ne!(*disk_key(&guest, 0, &SCOPE, &after).unwrap().expose(), old);
    // Versions that the guest has not: the firmware gives nothing.
    let refused = |parameters: Parameters| {
        let error = disk_key(&guest, 0, &SCOPE, &parameters).map(|_| ()).unwrap_err();
        assert!(matches!(error, SealingError::Snp(SnpError::Refused { .. })), "{error}");
    };
    refused(Parameters { guest_svn: 6, ..after });
    refused(Parameters { launch_mitigations: 1, ..after });
    let mut newest = after;
    newest.tcb[6] += 1;
    refused(newest);
}

#[test]
fn guests_of_one_chip_answer_on_sockets_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let chip = chip(7, TCB);
    let guests =
        [chip.launch(launch()), chip.launch(Launch { measurement: [0x12; 48], ..launch() })];
    let paths = ["first", "second"].map(|name| folder.path().join(name));
    let services: Vec<Service> = guests
        .iter()
        .zip(&paths)
        .map(|(guest, path)| Service::start(guest, path).unwrap())
        .collect();
    for (guest, path) in guests.iter().zip(&paths) {
        let remote = Remote::new(path);
        let (far, near) =
            (remote.report(&[5; 64], 1).unwrap(), SnpGuest::report(guest, &[5; 64], 1).unwrap());
        // Signatures have a nonce of their own, but for what is signed all is the same.
        assert_eq!(far.report[..0x2a0], near.report[..0x2a0]);
        assert_eq!(far.certificates.unwrap().ark, near.certificates.unwrap().ark);
        assert_eq!(key(&remote, &SCOPE), own(guest));
        let error = remote.report(&[5; 64], 4).unwrap_err();
        assert!(error.to_string().contains("not between 0 and 3"), "{error}");
    }
    assert_ne!(own(&guests[0]), own(&guests[1]));
    drop(services);
    let error = Remote::new(&paths[0]).report(&[5; 64], 0).unwrap_err();
    assert!(matches!(error, SnpError::Socket { action: "reach", .. }), "{error}");
}
