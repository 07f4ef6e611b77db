//! The policy without a vendor key, claim by claim (docs/decisions/062 and 063).

use crate::releases::{Release, SECRET, allowed, secret};
use crate::swtpm::raw;
use crate::swtpm::relay::{Relay, Way};
use crate::swtpm::{Machine, Plug};
use os_kit_tpm::{Estate, Expect, NvIndex, Owner, Sealed, Tpm, TpmError};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A machine that release 1 has taken, and a secret sealed on it.
fn taken() -> (Machine, Release, Sealed) {
    let machine = Machine::new("node-1");
    let first = Release::new(1);
    let tpm = machine.open();
    first.take(&tpm);
    let sealed = tpm.seal(&secret(), &first.estate.approval()).unwrap();
    (machine, first, sealed)
}

fn refused<T>(result: Result<T, TpmError>) {
    let error = result.map(|_| ()).unwrap_err();
    assert!(matches!(error, TpmError::PolicyRefused { .. }), "{error:?}");
}

fn wrong_auth<T>(result: Result<T, TpmError>) {
    let error = result.map(|_| ()).unwrap_err();
    assert!(matches!(error, TpmError::WrongAuth { .. }), "{error:?}");
}

#[test]
fn a_secret_opens_in_the_allowed_release_as_it_booted_and_in_no_other() {
    let (mut machine, first, sealed) = taken();
    let sealed = Sealed::from_bytes(&sealed.to_bytes()).unwrap();
    let tpm = first.boot(&mut machine);
    assert_eq!(tpm.unseal(&sealed, &first.alone()).unwrap().expose(), SECRET);
    first.measure(&tpm); // Something more is measured: the moment of opening is over.
    refused(tpm.unseal(&sealed, &first.alone()));
    drop(tpm);

    let second = Release::new(2);
    let tpm = second.boot(&mut machine);
    refused(tpm.unseal(&sealed, &first.alone())); // It claims to be release 1.
    refused(tpm.unseal(&sealed, &second.alone())); // It claims to be allowed.
    refused(tpm.unseal(&sealed, &second.proof(&allowed(&[&first, &second]))));
}

#[test]
fn an_upgrade_hands_over_from_release_to_release() {
    let (mut machine, first, sealed) = taken();
    let second = Release::new(2);
    let both = allowed(&[&first, &second]);
    let index = first.estate.allowed;

    let tpm = first.boot(&mut machine);
    tpm.allow_policy(&index, both.digest(), Owner::Approved(&first.alone())).unwrap();
    assert_eq!(tpm.unseal(&sealed, &first.proof(&both)).unwrap().expose(), SECRET);
    drop(tpm);

    let tpm = second.boot(&mut machine);
    assert_eq!(tpm.unseal(&sealed, &second.proof(&both)).unwrap().expose(), SECRET);
    let alone = allowed(&[&second]);
    tpm.allow_policy(&index, alone.digest(), Owner::Approved(&second.proof(&both))).unwrap();
    assert_eq!(tpm.unseal(&sealed, &second.alone()).unwrap().expose(), SECRET);
    drop(tpm);

    // The old release is retired: it opens nothing and owns nothing, whatever it shows.
    let tpm = first.boot(&mut machine);
    for proof in [first.alone(), first.proof(&both)] {
        refused(tpm.unseal(&sealed, &proof));
        refused(tpm.allow_policy(&index, both.digest(), Owner::Approved(&proof)));
    }
}

#[test]
fn nobody_but_an_allowed_release_is_the_owner() {
    let (mut machine, first, _) = taken();
    let intruder = Release::new(9);
    let tpm = intruder.boot(&mut machine);
    let Estate { allowed: index, counter } = first.estate;
    let policy = allowed(&[&intruder]).digest();
    wrong_auth(tpm.allow_policy(&index, policy, Owner::Password));
    wrong_auth(tpm.undefine(&index, Owner::Password));
    wrong_auth(tpm.undefine(&counter, Owner::Password));
    wrong_auth(tpm.increment(&counter, Owner::Password));
    wrong_auth(tpm.define(&NvIndex::counter(0x0180_0001).unwrap(), Owner::Password));
    wrong_auth(tpm.clear());
    // One wrong password closes the lockout's own for a while, and does no harm to its policy.
    assert!(matches!(tpm.reset_lockout(), Err(TpmError::LockedOut { .. })));
    for proof in [intruder.alone(), first.alone()] {
        refused(tpm.allow_policy(&index, policy, Owner::Approved(&proof)));
        refused(tpm.undefine(&index, Owner::Approved(&proof)));
        refused(tpm.increment(&counter, Owner::Approved(&proof)));
    }
    drop(tpm);
    // The index's own password is empty, but it gives no right to write.
    let bytes = [&[0, 34, 0, 0x0b], [0; 32].as_slice(), &[0, 0]].concat();
    let handle = index.handle();
    let (code, _) = machine.raw().command(raw::NV_WRITE, &[handle, handle], &[b""], &bytes);
    assert_eq!(code, 0x12f, "TPM_RC_AUTH_UNAVAILABLE");
}

#[test]
fn an_open_owner_would_let_an_intruder_redefine_the_index_and_open_the_secret() {
    // Why the owner hierarchy must be closed: an index defined again has the same name.
    let mut machine = Machine::new("node-1");
    let first = Release::new(1);
    let index = first.estate.allowed;
    let sealed = {
        let tpm = machine.open();
        first.take(&tpm);
        tpm.seal(&secret(), &first.estate.approval()).unwrap()
    };
    let intruder = Release::new(9);
    let policy = allowed(&[&intruder]).digest();
    let attack = |tpm: &Tpm, owner: Owner<'_>| {
        tpm.undefine(&index, owner)?;
        tpm.define(&index, owner)?;
        tpm.allow_policy(&index, policy, owner)?;
        tpm.unseal(&sealed, &intruder.alone())
    };
    // Closed, as `take_ownership` leaves it: the attack fails at its first step.
    wrong_auth(attack(&intruder.boot(&mut machine), Owner::Password));
    // Handed back by the allowed release: the password is empty again.
    let tpm = first.boot(&mut machine);
    tpm.give_up_ownership(&first.alone()).unwrap();
    drop(tpm);
    let tpm = intruder.boot(&mut machine);
    assert_eq!(attack(&tpm, Owner::Password).unwrap().expose(), SECRET);
}

#[test]
fn a_clear_by_the_firmware_frees_the_machine_and_loses_the_secret() {
    let (mut machine, first, sealed) = taken();
    machine.clear_by_firmware();
    let intruder = Release::new(9);
    let tpm = intruder.boot(&mut machine);
    assert!(!tpm.condition().unwrap().owner_auth_set);
    // The intruder takes the machine: index of the same name, policy of its own. The secret was sealed
    // under the owner's old seed, and does not load any more.
    tpm.take_ownership(&first.estate, &allowed(&[&intruder])).unwrap();
    let error = tpm.unseal(&sealed, &intruder.alone()).map(|_| ()).unwrap_err();
    assert!(matches!(error, TpmError::Refused { during: "Load", .. }), "{error:?}");
    let again = tpm.seal(&secret(), &first.estate.approval()).unwrap();
    assert_eq!(tpm.unseal(&again, &intruder.alone()).unwrap().expose(), SECRET);
}

#[test]
fn retiring_by_the_counter_holds_even_when_the_index_allows_the_release() {
    let machine = Machine::new("node-1");
    let tpm = machine.open();
    // The counter is defined when the machine is taken; its first value is not known before.
    let any = Release::new(1);
    any.take(&tpm);
    let start = tpm.counter(&any.estate.counter).unwrap().expect("it was incremented once");
    let first = Release::until(1, start);
    let index = any.estate.allowed;
    let limited = allowed(&[&first]).digest();
    tpm.allow_policy(&index, limited, Owner::Approved(&any.alone())).unwrap();
    let sealed = tpm.seal(&secret(), &any.estate.approval()).unwrap();
    assert_eq!(tpm.unseal(&sealed, &first.alone()).unwrap().expose(), SECRET);

    let moved = tpm.increment(&any.estate.counter, Owner::Approved(&first.alone())).unwrap();
    assert_eq!(moved, start + 1);
    refused(tpm.unseal(&sealed, &first.alone()));
    // A proof that claims a higher limit is another policy than the allowed one.
    refused(tpm.unseal(&sealed, &Release::until(1, moved).alone()));
    assert_eq!(tpm.allowed_policy(&index).unwrap(), Some(limited), "still in the index");
}

#[test]
fn a_counter_that_is_defined_again_never_comes_back_to_an_old_value() {
    let machine = Machine::new("node-1");
    let tpm = machine.open();
    let counter = NvIndex::counter(0x0180_0001).unwrap();
    tpm.define(&counter, Owner::Password).unwrap();
    assert_eq!(tpm.counter(&counter).unwrap(), None, "not incremented yet");
    let mut last = 0;
    for _ in 0..5 {
        let value = tpm.increment(&counter, Owner::Password).unwrap();
        assert!(value > last);
        last = value;
    }
    tpm.undefine(&counter, Owner::Password).unwrap();
    assert!(matches!(tpm.counter(&counter), Err(TpmError::Missing { .. })));
    tpm.define(&counter, Owner::Password).unwrap();
    assert!(tpm.increment(&counter, Owner::Password).unwrap() > last);
    // So the first value is not the same on every machine, and a policy that a vendor signs for all
    // machines cannot name a value: `CounterLimit` is a matter of each machine.
    let other = NvIndex::counter(0x0180_0002).unwrap();
    tpm.define(&other, Owner::Password).unwrap();
    assert!(tpm.increment(&other, Owner::Password).unwrap() > last);
}

#[test]
fn an_index_that_is_not_as_we_defined_it_is_not_used() {
    let machine = Machine::new("node-1");
    let index = NvIndex::allowed_policy(0x0180_0001).unwrap();
    // An index of the right size whose own password gives the right to write.
    assert_eq!(machine.raw().define(index.handle(), 0x0204_0004, 34, b""), 0);
    let tpm = machine.open();
    let foreign = |result: Result<(), TpmError>| {
        assert!(matches!(result, Err(TpmError::Foreign { .. })), "{result:?}");
    };
    foreign(tpm.define(&index, Owner::Password));
    foreign(tpm.allowed_policy(&index).map(|_| ()));
    let policy = allowed(&[&Release::new(1)]).digest();
    foreign(tpm.allow_policy(&index, policy, Owner::Password));
}

/// Runs something on new machines, one for each command that it sends: that command is carried out, but
/// its answer does not come through and the power is gone. Returns after a run without a loss.
fn lose_power_at_each_command(
    prepare: impl Fn(&mut Machine),
    run: impl Fn(&Tpm) -> Result<(), TpmError>,
    mut check: impl FnMut(usize, &mut Machine),
) {
    for last_command in 1.. {
        let mut machine = Machine::new("node-1");
        prepare(&mut machine);
        let sent = Arc::new(AtomicUsize::new(0));
        let lost = Arc::new(AtomicBool::new(false));
        let relay = {
            let (sent, lost) = (sent.clone(), lost.clone());
            Relay::changing(machine.socket(), move |way, message| match way {
                Way::ToTpm => {
                    sent.fetch_add(1, Ordering::SeqCst);
                }
                Way::FromTpm if sent.load(Ordering::SeqCst) == last_command => {
                    lost.store(true, Ordering::SeqCst);
                    message.clear();
                }
                Way::FromTpm => {}
            })
        };
        let tpm = loop {
            // Opening a connection is not what is interrupted here.
            match Tpm::open(&relay.address(), &Expect::AnyTpm) {
                Ok(tpm) => break tpm,
                Err(_) => assert!(lost.swap(false, Ordering::SeqCst)),
            }
        };
        lost.store(false, Ordering::SeqCst);
        sent.store(0, Ordering::SeqCst);
        let result = run(&tpm);
        if !lost.load(Ordering::SeqCst) {
            result.unwrap();
            return;
        }
        drop(tpm);
        check(last_command, &mut machine);
    }
}

#[test]
fn a_power_loss_at_any_command_of_taking_ownership_is_made_good_by_repeating_it() {
    let first = Release::new(1);
    let take = |tpm: &Tpm| tpm.take_ownership(&first.estate, &allowed(&[&first]));
    let (mut completed, mut taken) = (0, 0);
    lose_power_at_each_command(
        |_| {},
        take,
        |last_command, machine| {
            let tpm = first.boot(machine);
            match take(&tpm) {
                Ok(()) => completed += 1,
                Err(TpmError::Taken) => taken += 1, // The last step was done.
                Err(error) => panic!("after command {last_command}: {error:?}"),
            }
            tpm.confirm_ownership(&first.estate, &first.alone()).unwrap();
            let condition = tpm.condition().unwrap();
            assert!(condition.owner_auth_set && condition.lockout_auth_set, "after {last_command}");
            let sealed = tpm.seal(&secret(), &first.estate.approval()).unwrap();
            assert_eq!(tpm.unseal(&sealed, &first.alone()).unwrap().expose(), SECRET);
            tpm.increment(&first.estate.counter, Owner::Approved(&first.alone())).unwrap();
        },
    );
    assert!(completed > 20 && taken >= 1, "{completed} completed, {taken} taken");
}

#[test]
fn a_power_loss_at_any_command_of_giving_up_or_confirming_is_made_good_by_repeating_it() {
    let first = Release::new(1);
    let owned = |machine: &mut Machine| first.take(&machine.open());
    let mut interrupted = 0;
    lose_power_at_each_command(
        owned,
        |tpm| tpm.confirm_ownership(&first.estate, &first.alone()),
        |_, machine| {
            let tpm = first.boot(machine);
            tpm.confirm_ownership(&first.estate, &first.alone()).unwrap();
            interrupted += 1;
        },
    );
    lose_power_at_each_command(
        owned,
        |tpm| tpm.give_up_ownership(&first.alone()),
        |last_command, machine| {
            let tpm = first.boot(machine);
            tpm.give_up_ownership(&first.alone()).unwrap();
            let condition = tpm.condition().unwrap();
            assert!(!condition.owner_auth_set && !condition.lockout_auth_set, "{last_command}");
            tpm.take_ownership(&first.estate, &allowed(&[&first])).unwrap();
            interrupted += 1;
        },
    );
    assert!(interrupted > 20, "{interrupted} commands were interrupted");
}

fn pull_after(plug: Plug, time: Duration) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let begin = Instant::now();
        while begin.elapsed() < time {
            std::hint::spin_loop();
        }
        plug.pull();
    })
}

#[test]
fn a_power_loss_in_the_middle_of_a_write_leaves_the_old_policy_or_the_new_one() {
    let (mut machine, first, sealed) = taken();
    let second = Release::new(2);
    let both = allowed(&[&first, &second]);
    let index = first.estate.allowed;
    let (mut old, mut new) = (0, 0);
    for round in 0..40u64 {
        let tpm = first.boot(&mut machine);
        // Where the last round ended, then back to the beginning.
        let current = tpm.allowed_policy(&index).unwrap().unwrap();
        let held = if current == both.digest() { both.clone() } else { allowed(&[&first]) };
        assert_eq!(current, held.digest(), "one of the two");
        assert_eq!(tpm.unseal(&sealed, &first.proof(&held)).unwrap().expose(), SECRET);
        let alone = allowed(&[&first]).digest();
        tpm.allow_policy(&index, alone, Owner::Approved(&first.proof(&held))).unwrap();

        drop(tpm);
        // The power goes when the write comes to the TPM, when its answer is on the way back, or some
        // time after it came.
        let plug = machine.plug();
        let pulling = Arc::new(Mutex::new(None));
        let relay = Relay::changing(machine.socket(), {
            let (mut written, pulling) = (false, pulling.clone());
            move |way, message| match way {
                Way::ToTpm if message[6..10] == raw::NV_WRITE.to_be_bytes() => {
                    written = true;
                    match round % 4 {
                        0 => plug.pull(),
                        1 => {}
                        _ => {
                            let later = pull_after(plug, Duration::from_micros(20 * round));
                            *pulling.lock().unwrap() = Some(later);
                        }
                    }
                }
                Way::FromTpm if written && round % 4 == 1 => {
                    plug.pull();
                    message.clear();
                }
                _ => {}
            }
        });
        let tpm = Tpm::open(&relay.address(), &Expect::AnyTpm).unwrap();
        let policy = both.digest();
        let written = tpm.allow_policy(&index, policy, Owner::Approved(&first.alone()));
        drop(tpm);
        if let Some(later) = pulling.lock().unwrap().take() {
            later.join().unwrap();
        }
        machine.restart();
        let found = machine.open().allowed_policy(&index).unwrap().unwrap();
        if found == policy {
            new += 1;
        } else {
            assert_eq!(found, alone, "neither the old nor the new policy");
            assert!(written.is_err(), "a write that was acknowledged is lost");
            old += 1;
        }
    }
    assert!(old >= 10 && new >= 10, "{old} old, {new} new");
}

#[test]
fn power_may_be_lost_between_the_two_writes_of_an_upgrade() {
    let (mut machine, first, sealed) = taken();
    let second = Release::new(2);
    let both = allowed(&[&first, &second]);
    let index = first.estate.allowed;
    // Before the first write, after it, and after the second: which releases can run.
    let can_run = |machine: &mut Machine, release: &Release, allowed: &os_kit_tpm::Allowed| {
        let tpm = release.boot(machine);
        tpm.unseal(&sealed, &release.proof(allowed)).is_ok()
    };
    let only_first = allowed(&[&first]);
    assert!(can_run(&mut machine, &first, &only_first));
    assert!(!can_run(&mut machine, &second, &both));
    {
        let tpm = first.boot(&mut machine);
        tpm.allow_policy(&index, both.digest(), Owner::Approved(&first.alone())).unwrap();
    }
    assert!(can_run(&mut machine, &first, &both), "the upgrade may return");
    assert!(can_run(&mut machine, &second, &both));
    {
        let tpm = second.boot(&mut machine);
        let proof = second.proof(&both);
        let alone = allowed(&[&second]).digest();
        tpm.allow_policy(&index, alone, Owner::Approved(&proof)).unwrap();
    }
    assert!(!can_run(&mut machine, &first, &both));
    assert!(can_run(&mut machine, &second, &allowed(&[&second])));
}

#[test]
fn the_counter_is_certified_by_the_attestation_key() {
    use p256::ecdsa::signature::hazmat::PrehashVerifier;
    use sha2::Digest;
    let (machine, first, _) = taken();
    let tpm = machine.open();
    let key = tpm.attestation_key().unwrap();
    let statement = tpm.certify(&key, &first.estate.counter, b"a nonce of the verifier").unwrap();
    // TPMS_ATTEST: magic, type, signer, nonce; then clock and firmware; then the index and its bytes.
    let message = &statement.message;
    assert_eq!(&message[..6], [0xff, b'T', b'C', b'G', 0x80, 0x14]);
    let nonce = message.windows(23).any(|bytes| bytes == b"a nonce of the verifier");
    let value = tpm.counter(&first.estate.counter).unwrap().unwrap();
    let name = first.estate.counter.name();
    let end = [&[0, 34], name.as_slice(), &[0, 0, 0, 8], &value.to_be_bytes()].concat();
    assert!(nonce && message.ends_with(&end));
    // TPMT_SIGNATURE: ECDSA, SHA-256, r, s. TPMT_PUBLIC ends with x and y.
    let signature = &statement.signature;
    assert_eq!(&signature[..4], [0, 0x18, 0, 0x0b]);
    let (r, s) = (&signature[6..38], &signature[40..72]);
    let signature = p256::ecdsa::Signature::from_slice(&[r, s].concat()).unwrap();
    let public = key.public();
    let (x, y) = (&public[public.len() - 66..][..32], &public[public.len() - 32..]);
    let point = [&[4], x, y].concat();
    let verifier = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
    verifier.verify_prehash(&sha2::Sha256::digest(message), &signature).unwrap();

    let unwritten = NvIndex::counter(0x0180_0005).unwrap();
    tpm.define(&unwritten, Owner::Approved(&first.alone())).unwrap();
    let missing = tpm.certify(&key, &unwritten, b"");
    assert!(matches!(missing, Err(TpmError::Missing { .. })), "{missing:?}");
}

/// What a former holder of the machine does, by plain commands: an empty password becomes a known one,
/// and the policy is the one that the machine will have.
fn set_up_alike(machine: &Machine, policy: &[u8; 32]) {
    let mut raw = machine.raw();
    for hierarchy in [raw::LOCKOUT, raw::OWNER] {
        let parameters = [raw::sized(policy), vec![0, 0x0b]].concat();
        let set = raw.command(raw::SET_PRIMARY_POLICY, &[hierarchy], &[b""], &parameters);
        assert_eq!(set.0, 0);
        let known = raw::sized(b"known");
        let set = raw.command(raw::HIERARCHY_CHANGE_AUTH, &[hierarchy], &[b""], &known);
        assert_eq!(set.0, 0);
    }
}

#[test]
fn confirming_ownership_shuts_out_who_set_the_machine_up_alike() {
    let (mut machine, first, _) = taken();
    let tpm = first.boot(&mut machine);
    tpm.give_up_ownership(&first.alone()).unwrap();
    drop(tpm);
    set_up_alike(&machine, &first.estate.approval().digest().0);

    let known = os_kit_tpm::Secret::new(b"known".to_vec()).unwrap();
    let as_former_holder = |machine: &Machine| {
        let mut tpm = machine.open();
        tpm.know_auth(os_kit_tpm::Hierarchy::Owner, &known).unwrap();
        tpm.increment(&first.estate.counter, Owner::Password)
    };
    as_former_holder(&machine).unwrap();
    let tpm = first.boot(&mut machine);
    let again = tpm.take_ownership(&first.estate, &allowed(&[&first]));
    assert!(matches!(again, Err(TpmError::Taken)), "{again:?}");
    tpm.confirm_ownership(&first.estate, &first.alone()).unwrap();
    tpm.increment(&first.estate.counter, Owner::Approved(&first.alone())).unwrap();
    drop(tpm);
    wrong_auth(as_former_holder(&machine));
}

#[test]
fn ownership_is_confirmed_by_the_allowed_release_alone_and_only_of_our_own_policy() {
    let (mut machine, first, _) = taken();
    let second = Release::new(2);
    let tpm = second.boot(&mut machine);
    for proof in [first.alone(), second.alone()] {
        refused(tpm.confirm_ownership(&first.estate, &proof));
    }
    drop(tpm);
    let tpm = first.boot(&mut machine);
    tpm.confirm_ownership(&first.estate, &first.alone()).unwrap();
    tpm.confirm_ownership(&first.estate, &first.alone()).unwrap();
    tpm.give_up_ownership(&first.alone()).unwrap();
    drop(tpm);
    set_up_alike(&machine, &[7; 32]);
    let tpm = first.boot(&mut machine);
    let taken = tpm.confirm_ownership(&first.estate, &first.alone());
    assert!(matches!(taken, Err(TpmError::Taken)), "{taken:?}");
}

#[test]
fn a_storage_key_of_another_hierarchy_is_not_used() {
    // It would outlive TPM2_Clear, after which anybody is the owner.
    let machine = Machine::new("node-1");
    let mut raw = machine.raw();
    let parameters = [raw::sized(&[0; 4]), raw::sized(&raw::STORAGE_KEY), vec![0; 6]].concat();
    let (code, made) = raw.command(raw::CREATE_PRIMARY, &[raw::ENDORSEMENT], &[b""], &parameters);
    assert_eq!(code, 0);
    let key = u32::from_be_bytes(made[..4].try_into().unwrap());
    let handle = os_kit_tpm::STORAGE_HANDLE.to_be_bytes();
    let (code, _) = raw.command(raw::EVICT_CONTROL, &[raw::OWNER, key], &[b""], &handle);
    assert_eq!(code, 0);
    drop(raw);
    let tpm = machine.open();
    let first = Release::new(1);
    let foreign = |result: Result<(), TpmError>| {
        assert!(matches!(result, Err(TpmError::Foreign { .. })), "{result:?}");
    };
    foreign(tpm.seal(&secret(), &first.estate.approval()).map(|_| ()));
    foreign(tpm.take_ownership(&first.estate, &allowed(&[&first])));
}

#[test]
fn an_open_platform_hierarchy_can_destroy_and_not_open() {
    // Firmware closes this hierarchy when it starts the system; swtpm leaves it open.
    let (mut machine, first, sealed) = taken();
    let index = first.estate.allowed.handle();
    let intruder = Release::new(9);
    let policy = allowed(&[&intruder]).digest();
    let content = [&[0, 34, 0, 0x0b], policy.0.as_slice(), &[0, 0]].concat();
    {
        let mut raw = machine.raw();
        let (code, _) = raw.command(raw::NV_WRITE, &[raw::PLATFORM, index], &[b""], &content);
        assert_eq!(code, 0x149, "TPM_RC_NV_AUTHORIZATION");
        let (code, _) = raw.command(raw::NV_UNDEFINE_SPACE, &[raw::PLATFORM, index], &[b""], &[]);
        assert_eq!(code, 0, "it may destroy the index");
        // And define one at its place, but that one says whose it is.
        let platforms = raw.define_by(raw::PLATFORM, index, 0x4206_1001, 34, b"");
        assert_eq!(platforms, 0);
        let (code, _) = raw.command(raw::NV_WRITE, &[raw::PLATFORM, index], &[b""], &content);
        assert_eq!(code, 0);
    }
    let tpm = intruder.boot(&mut machine);
    let error = tpm.unseal(&sealed, &intruder.alone()).map(|_| ()).unwrap_err();
    assert!(matches!(error, TpmError::Foreign { .. }), "{error:?}");
}
