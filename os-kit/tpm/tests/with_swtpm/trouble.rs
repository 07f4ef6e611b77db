//! TPMs that are full, locked, absent, silent or gone.

use crate::identity::credential;
use crate::releases::{PCR, Release, SECRET, allowed, secret};
use crate::swtpm::Machine;
use crate::swtpm::raw;
use crate::swtpm::relay::{Relay, Way};
use os_kit_tpm::{
    Bank, EkKind, Expect, Hierarchy, NvIndex, Owner, PcrSelection, Secret, Tpm, TpmAddress,
    TpmError,
};
use std::time::{Duration, Instant};

const INDEX: u32 = 0x0180_0001;

/// Password for reading and writing, and subject to the protection against guessing.
const GUARDED: u32 = 0x0004_0004;

fn quote(tpm: &Tpm) -> Result<(), TpmError> {
    let key = tpm.attestation_key()?;
    tpm.quote(&key, &PcrSelection::of(Bank::Sha256, &[0, PCR])?, b"nonce").map(|_| ())
}

#[test]
fn an_absent_tpm_is_said_to_be_absent() {
    let mut machine = Machine::new("node-1");
    let absent = |address: &TpmAddress| {
        let error = Tpm::open(address, &Expect::AnyTpm).map(|_| ()).unwrap_err();
        assert!(matches!(error, TpmError::Absent { .. }), "{error:?}");
        assert!(error.to_string().contains("enable the TPM"));
    };
    absent(&"device:/dev/tpmrm99".parse().unwrap());
    absent(&TpmAddress::unix(machine.folder().join("nothing")).unwrap());
    machine.switch_off();
    absent(&machine.address());
}

#[test]
fn a_software_tpm_on_a_port_is_one_like_others() {
    let mut machine = Machine::on_a_port("node-1");
    assert!(machine.address().to_string().starts_with("swtpm:tcp:127.0.0.1:"));
    let tpm = machine.open();
    quote(&tpm).unwrap();
    machine.switch_off();
    assert!(matches!(quote(&tpm), Err(TpmError::Vanished { .. })));
    assert!(matches!(machine.try_open().map(|_| ()), Err(TpmError::Absent { .. })));
}

#[test]
fn a_tpm_that_ends_in_the_middle_of_a_command_has_vanished() {
    let mut machine = Machine::new("node-1");
    let tpm = machine.open();
    machine.freeze();
    let asking = std::thread::spawn(move || (quote(&tpm), quote(&tpm)));
    machine.switch_off();
    for result in <[_; 2]>::from(asking.join().unwrap()) {
        assert!(matches!(result, Err(TpmError::Vanished { .. })), "{result:?}");
    }
    machine.switch_on();
    quote(&machine.open()).unwrap();
}

#[test]
fn a_silent_tpm_ends_in_an_error_after_the_time_limit() {
    let machine = Machine::new("node-1");
    let limit = Duration::from_secs(1);
    let tpm = machine.open_within(limit).unwrap();
    quote(&tpm).unwrap();
    machine.freeze();
    let begin = Instant::now();
    let timed_out = |result| assert!(matches!(result, Err(TpmError::TimedOut { .. })));
    timed_out(quote(&tpm));
    assert!(begin.elapsed() >= limit);
    let second = Instant::now();
    timed_out(quote(&tpm)); // The connection is given up: no further waiting.
    assert!(second.elapsed() < limit);
    machine.thaw();
    drop(tpm);
    quote(&machine.open()).unwrap();
}

#[test]
fn a_software_tpm_that_serves_another_program_does_not_hang_us() {
    let machine = Machine::new("node-1");
    let _first = machine.open();
    let second = machine.open_within(Duration::from_millis(200));
    assert!(matches!(second.map(|_| ()), Err(TpmError::TimedOut { .. })));
}

#[test]
fn a_tpm_that_the_firmware_did_not_start_is_told_from_others() {
    let mut machine = Machine::new("node-1");
    machine.switch_off();
    machine.power_without_startup();
    let error = machine.try_open().map(|_| ()).unwrap_err();
    assert!(matches!(error, TpmError::NotStarted { .. }), "{error:?}");
}

#[test]
fn twenty_operations_in_a_row_leave_nothing_in_the_tpm() {
    let machine = Machine::new("node-1");
    let tpm = machine.open();
    let first = Release::new(1);
    first.take(&tpm);
    let sealed = tpm.seal(&secret(), &first.estate.approval()).unwrap();
    let ek = tpm.endorsement_key(EkKind::Rsa2048).unwrap();
    let free = tpm.condition().unwrap().key_slots_free;
    assert!(free <= 3, "swtpm has three");
    let key = tpm.attestation_key().unwrap();
    let [blob, seed] = credential(machine.folder(), &ek.public, key.name(), b"secret");
    drop(key);
    let clean = |round: &str| {
        assert_eq!(tpm.held(), 1, "{round}: the channel alone");
        assert_eq!(tpm.condition().unwrap().key_slots_free, free, "{round}");
    };
    for round in 0..20 {
        quote(&tpm).unwrap();
        assert_eq!(tpm.unseal(&sealed, &first.alone()).unwrap().expose(), SECRET);
        tpm.seal(&secret(), &first.estate.approval()).unwrap();
        tpm.endorsement_key(EkKind::P384).unwrap();
        let key = tpm.attestation_key().unwrap();
        tpm.activate_credential(&key, EkKind::Rsa2048, &blob, &seed).unwrap();
        tpm.certify(&key, &first.estate.counter, b"nonce").unwrap();
        drop(key);
        clean(&format!("round {round}"));
    }
    // And when they fail: at the policy, at the credential, at the password.
    let other = Release::new(2);
    for round in 0..20 {
        let proofs = [other.alone(), first.proof(&allowed(&[&first, &other])), other.alone()];
        for proof in proofs {
            tpm.unseal(&sealed, &proof).map(|_| ()).unwrap_err();
            tpm.increment(&first.estate.counter, Owner::Approved(&proof)).unwrap_err();
        }
        let key = tpm.attestation_key().unwrap();
        tpm.activate_credential(&key, EkKind::Rsa2048, &seed, &blob).map(|_| ()).unwrap_err();
        tpm.activate_credential(&key, EkKind::P384, &blob, &seed).map(|_| ()).unwrap_err();
        drop(key);
        tpm.increment(&first.estate.counter, Owner::Password).unwrap_err();
        let nothing = NvIndex::counter(0x0180_0077).unwrap();
        tpm.counter(&nothing).unwrap_err();
        clean(&format!("failing round {round}"));
    }
}

#[test]
fn a_tpm_without_a_free_slot_says_so_and_works_again_when_one_is_free() {
    let machine = Machine::new("node-1");
    let tpm = machine.open();
    let mut held = Vec::new();
    let error = loop {
        match tpm.attestation_key() {
            Ok(key) => held.push(key),
            Err(error) => break error,
        }
        assert!(held.len() < 10);
    };
    assert!(matches!(error, TpmError::SlotsFull { .. }), "{error:?}");
    held.pop();
    quote(&tpm).unwrap();
}

#[test]
fn programs_that_ended_without_a_word_do_not_fill_a_software_tpm() {
    let machine = Machine::new("node-1");
    let mut plain = machine.raw();
    let parameters = [raw::sized(&[0; 4]), raw::sized(&raw::STORAGE_KEY), vec![0; 6]].concat();
    while plain.command(raw::CREATE_PRIMARY, &[raw::OWNER], &[b""], &parameters).0 == 0 {}
    drop(plain); // All slots for keys are taken.
    quote(&machine.open()).unwrap();
    for _ in 0..10 {
        // The connection ends while the TPM holds its channel.
        let mut answers = 0;
        let relay = Relay::changing(machine.socket(), move |way, message| {
            answers += u32::from(way == Way::FromTpm);
            if answers > 9 {
                message.clear();
            }
        });
        let lost = Tpm::open(&relay.address(), &Expect::AnyTpm).and_then(|tpm| quote(&tpm));
        assert!(matches!(lost, Err(TpmError::Vanished { .. })), "{lost:?}");
    }
    let tpm = machine.open();
    quote(&tpm).unwrap();
    assert_eq!(tpm.condition().unwrap().key_slots_free, 3);
}

#[test]
fn a_tpm_whose_persistent_memory_is_full_says_so() {
    let machine = Machine::new("node-1");
    let mut index = INDEX;
    {
        let mut other = machine.raw();
        for bytes in [2048, 256, 1] {
            let refused = loop {
                match other.define(index, GUARDED, bytes, b"") {
                    0 => index += 1,
                    code => break code,
                }
            };
            assert_eq!(refused, 0x14b, "TPM_RC_NV_SPACE");
        }
    }
    assert!(index > INDEX + 3);
    let tpm = machine.open();
    let wanted = NvIndex::allowed_policy(index).unwrap();
    let error = tpm.define(&wanted, Owner::Password).unwrap_err();
    assert!(matches!(error, TpmError::NvFull { .. }), "{error:?}");
    let first = Release::new(1);
    let error = tpm.take_ownership(&first.estate, &allowed(&[&first])).unwrap_err();
    assert!(matches!(error, TpmError::NvFull { .. }), "{error:?}");
    assert!(!tpm.condition().unwrap().owner_auth_set, "not closed before all is in place");
    quote(&tpm).unwrap();
}

/// Guesses passwords until the TPM locks itself.
fn lock_out(machine: &Machine) {
    let mut other = machine.raw();
    let bytes = [0, 1, 0, 0];
    for _ in 0..50 {
        let (code, _) = other.command(raw::NV_READ, &[INDEX, INDEX], &[b"guess"], &bytes);
        if code == 0x921 {
            return;
        }
        assert_eq!(code & 0xbf, 0x8e, "TPM_RC_AUTH_FAIL");
    }
    panic!("the TPM does not lock itself");
}

#[test]
fn a_locked_tpm_still_attests_and_opens_and_an_approved_release_unlocks_it() {
    let machine = Machine::new("node-1");
    assert_eq!(machine.raw().define(INDEX, GUARDED, 8, b"password"), 0);
    let first = Release::new(1);
    let (sealed, credentials) = {
        let tpm = machine.open();
        first.take(&tpm);
        let key = tpm.attestation_key().unwrap();
        let credentials = EkKind::ALL.map(|kind| {
            let ek = tpm.endorsement_key(kind).unwrap();
            (kind, credential(machine.folder(), &ek.public, key.name(), b"secret"))
        });
        (tpm.seal(&secret(), &first.estate.approval()).unwrap(), credentials)
    };
    lock_out(&machine);
    let tpm = machine.open();
    assert!(tpm.condition().unwrap().locked_out);
    quote(&tpm).unwrap();
    assert_eq!(tpm.unseal(&sealed, &first.alone()).unwrap().expose(), SECRET);
    let key = tpm.attestation_key().unwrap();
    for (kind, [blob, seed]) in &credentials {
        let opened = tpm.activate_credential(&key, *kind, blob, seed);
        assert_eq!(opened.unwrap().expose(), b"secret", "{kind:?}");
    }
    tpm.reset_lockout().unwrap_err();
    tpm.reset_lockout_as(&Release::new(2).alone()).unwrap_err();
    tpm.reset_lockout_as(&first.alone()).unwrap();
    assert!(!tpm.condition().unwrap().locked_out);
}

#[test]
fn a_lockout_is_reset_by_the_empty_password_before_the_machine_is_taken() {
    let machine = Machine::new("node-1");
    assert_eq!(machine.raw().define(INDEX, GUARDED, 8, b"password"), 0);
    lock_out(&machine);
    let tpm = machine.open();
    assert!(tpm.condition().unwrap().locked_out);
    tpm.reset_lockout().unwrap();
    assert!(!tpm.condition().unwrap().locked_out);
}

#[test]
fn passwords_that_another_system_set_are_named_and_can_be_told() {
    let machine = Machine::new("node-1");
    let password = Secret::new(b"password of another system".to_vec()).unwrap();
    let mut tpm = machine.open();
    tpm.set_auth(Hierarchy::Endorsement, &password).unwrap();
    tpm.set_auth(Hierarchy::Owner, &password).unwrap();
    drop(tpm);
    let mut tpm = machine.open(); // The persistent endorsement key needs no password.
    let wrong_auth = |result: Result<(), TpmError>| {
        assert!(matches!(result, Err(TpmError::WrongAuth { .. })), "{result:?}");
    };
    let first = Release::new(1);
    wrong_auth(tpm.attestation_key().map(|_| ()));
    let take = |tpm: &Tpm| tpm.take_ownership(&first.estate, &allowed(&[&first]));
    assert!(matches!(take(&tpm), Err(TpmError::Taken)));
    tpm.know_auth(Hierarchy::Endorsement, &password).unwrap();
    quote(&tpm).unwrap();
    let too_long = Secret::new(vec![1; 100]).unwrap();
    assert!(matches!(tpm.set_auth(Hierarchy::Owner, &too_long), Err(TpmError::BadInput { .. })));
}

#[test]
fn hierarchies_that_the_firmware_switched_off_are_named() {
    let mut machine = Machine::new("node-1");
    let switch_off = |machine: &Machine, hierarchy: u32| {
        let parameters = [hierarchy.to_be_bytes().as_slice(), &[0]].concat();
        let mut firmware = machine.raw();
        let (code, _) =
            firmware.command(raw::HIERARCHY_CONTROL, &[raw::PLATFORM], &[b""], &parameters);
        assert_eq!(code, 0);
    };
    let off = |result: Result<(), TpmError>| {
        assert!(matches!(result, Err(TpmError::HierarchyOff { .. })), "{result:?}");
    };
    let first = Release::new(1);
    switch_off(&machine, raw::OWNER);
    let tpm = machine.open();
    quote(&tpm).unwrap();
    off(tpm.take_ownership(&first.estate, &allowed(&[&first])));
    drop(tpm);
    machine.restart();
    let tpm = machine.open();
    first.take(&tpm);
    let sealed = tpm.seal(&secret(), &first.estate.approval()).unwrap();
    drop(tpm);
    switch_off(&machine, raw::OWNER);
    off(machine.open().unseal(&sealed, &first.alone()).map(|_| ()));
    switch_off(&machine, raw::ENDORSEMENT);
    let tpm = machine.open(); // The kept endorsement keys are gone, too: salted by another key.
    off(quote(&tpm));
    off(tpm.endorsement_key(EkKind::P384).map(|_| ()));
}

/// Numbers from a seed, the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

/// Damages a response: a bit, a number at its edge, a wrong length, or noise.
fn damage(message: &mut Vec<u8>, numbers: &mut Numbers) {
    let at = numbers.next(message.len());
    match numbers.next(5) {
        0 => message[at] ^= 1 << numbers.next(8),
        1 => message[at] = 0xff,
        2 => message.truncate(at.max(1)),
        3 => message.extend(vec![0; 1 + numbers.next(64)]),
        _ => {
            for byte in message.iter_mut().skip(10) {
                *byte = u8::try_from(numbers.next(256)).unwrap();
            }
        }
    }
    // Mostly the length is right again, so that more than the header is looked at.
    if numbers.next(8) != 0 && message.len() >= 6 {
        let length = u32::try_from(message.len()).unwrap();
        message[2..6].copy_from_slice(&length.to_be_bytes());
    }
}

/// Some damage does no harm: bytes behind the end of a response, or in a part that nobody reads.
#[test]
fn damaged_responses_are_errors_and_nothing_worse() {
    let mut machine = Machine::new("node-1");
    let first = Release::new(1);
    let sealed = {
        let tpm = machine.open();
        first.take(&tpm);
        tpm.seal(&secret(), &first.estate.approval()).unwrap()
    };
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..60 {
        let mut numbers = Numbers(seed);
        let target = numbers.next(36);
        let mut responses = 0;
        let relay = Relay::changing(machine.socket(), move |way, message| {
            if way == Way::FromTpm {
                if responses == target {
                    damage(message, &mut numbers);
                }
                responses += 1;
            }
        });
        // A lost connection leaves its sessions in swtpm, which has no resource manager.
        first.boot(&mut machine);
        let limit = Duration::from_secs(1);
        let result = Tpm::open_within(&relay.address(), &Expect::AnyTpm, limit).and_then(|tpm| {
            tpm.endorsement_key(EkKind::P384)?;
            let key = tpm.attestation_key()?;
            tpm.quote(&key, &PcrSelection::of(Bank::Sha256, &[0, PCR])?, b"nonce")?;
            tpm.certify(&key, &first.estate.counter, b"nonce")?;
            tpm.unseal(&sealed, &first.alone())
        });
        match result {
            Ok(secret) => {
                assert_eq!(secret.expose(), SECRET, "seed {seed}");
                right += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty(), "seed {seed}");
                wrong += 1;
            }
        }
    }
    assert!(right > 3 && wrong > 20, "{right} right, {wrong} wrong");
}
