//! What a listener on the bus hears, and what an interposer can do.

use crate::identity::credential;
use crate::releases::{Release, SECRET, allowed, secret};
use crate::swtpm::Machine;
use crate::swtpm::raw::{self, Raw, sized};
use crate::swtpm::relay::{Relay, Way};
use os_kit_tpm::{EkKind, Expect, Hierarchy, NvIndex, Owner, Secret, Tpm, TpmError};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const CREDENTIAL: &[u8] = b"credential of the registry, 32 b";
const PASSWORD: &[u8] = b"password of the owner, 32 bytes!";

const START_AUTH_SESSION: u32 = 0x176;

/// Everything that carries a secret, once.
fn use_all_secrets(machine: &Machine, tpm: &Tpm) -> Vec<Secret> {
    let mut secrets = vec![secret(), Secret::new(CREDENTIAL.to_vec()).unwrap()];
    let first = Release::new(1);
    first.take(tpm);
    let sealed = tpm.seal(&secret(), &first.estate.approval()).unwrap();
    secrets.push(tpm.unseal(&sealed, &first.alone()).unwrap());

    let key = tpm.attestation_key().unwrap();
    for kind in EkKind::ALL {
        let ek = tpm.endorsement_key(kind).unwrap();
        let [blob, seed] = credential(machine.folder(), &ek.public, key.name(), CREDENTIAL);
        let opened = tpm.activate_credential(&key, kind, &blob, &seed).unwrap();
        assert_eq!(opened.expose(), CREDENTIAL);
    }
    secrets.push(tpm.random_secret().unwrap());
    secrets
}

#[test]
fn a_listener_hears_no_secret() {
    let machine = Machine::new("node-1");
    let relay = Relay::listening(machine.socket());
    let tpm = Tpm::open(&relay.address(), &Expect::AnyTpm).unwrap();
    let mut secrets = use_all_secrets(&machine, &tpm);
    drop(tpm);
    // Authorization values: of the owner, set and then used to define, write and increment.
    machine.clear_by_firmware();
    let mut tpm = Tpm::open(&relay.address(), &Expect::AnyTpm).unwrap();
    let password = Secret::new(PASSWORD.to_vec()).unwrap();
    tpm.set_auth(Hierarchy::Owner, &password).unwrap();
    tpm.set_auth(Hierarchy::Endorsement, &password).unwrap();
    drop(tpm);
    let mut tpm = Tpm::open(&relay.address(), &Expect::AnyTpm).unwrap();
    tpm.know_auth(Hierarchy::Owner, &password).unwrap();
    tpm.know_auth(Hierarchy::Endorsement, &password).unwrap();
    let index = NvIndex::allowed_policy(0x0180_0001).unwrap();
    tpm.define(&index, Owner::Password).unwrap();
    let policy = allowed(&[&Release::new(3)]).digest();
    tpm.allow_policy(&index, policy, Owner::Password).unwrap();
    assert_eq!(tpm.allowed_policy(&index).unwrap(), Some(policy));
    tpm.attestation_key().unwrap();
    secrets.push(password);

    let heard = relay.heard();
    assert!(heard.len() > 20_000, "the recorder heard {} bytes", heard.len());
    for secret in &secrets {
        // A quarter of a secret is one too many.
        for part in secret.expose().chunks(8).filter(|part| part.len() == 8) {
            assert!(!relay.heard_bytes(part), "heard {:?}", String::from_utf8_lossy(part));
        }
    }
    // What is written to an index is encrypted as well, although it is no secret.
    assert!(!relay.heard_bytes(&policy.0));
    // The recorder does hear what is public.
    let key = tpm.attestation_key().unwrap();
    assert!(relay.heard_bytes(&key.public()[key.public().len() - 34..]));
}

#[test]
fn a_listener_to_plain_commands_hears_the_secret() {
    // The control of the test above: its recorder finds secrets where they are not encrypted.
    let machine = Machine::new("node-1");
    let relay = Relay::listening(machine.socket());
    let mut plain = Raw::connect(&machine.socket().with_extension("relay"));
    let no_pcrs = [0; 6];
    let nothing = sized(&[0; 4]);
    let parameters = [nothing, sized(&raw::STORAGE_KEY), no_pcrs.to_vec()].concat();
    let (code, made) = plain.command(raw::CREATE_PRIMARY, &[raw::OWNER], &[b""], &parameters);
    assert_eq!(code, 0);
    let parent = u32::from_be_bytes(made[..4].try_into().unwrap());
    let sensitive = sized(&[sized(b""), sized(SECRET)].concat());
    let sealed = sized(&[0, 8, 0, 0x0b, 0, 0, 0, 0x52, 0, 0, 0, 0x10, 0, 0]);
    let (code, made) = plain.command(
        raw::CREATE,
        &[parent],
        &[b""],
        &[sensitive, sealed, no_pcrs.to_vec()].concat(),
    );
    assert_eq!(code, 0);
    assert!(relay.heard_bytes(SECRET), "on the way to the TPM");

    let part = |bytes: &[u8]| 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let made = &made[4..];
    let private = part(made);
    let both = private + part(&made[private..]);
    let (code, loaded) = plain.command(raw::LOAD, &[parent], &[b""], &made[..both]);
    assert_eq!(code, 0);
    let object = u32::from_be_bytes(loaded[..4].try_into().unwrap());
    let before = relay.heard().len();
    let (code, _) = plain.command(raw::UNSEAL, &[object], &[b""], &[]);
    assert_eq!(code, 0);
    let heard = &relay.heard()[before..];
    assert!(heard.windows(SECRET.len()).any(|bytes| bytes == SECRET), "on the way back");
}

/// A command on the bus: its number, and the sessions with their attributes.
struct Heard {
    command: u32,
    body: Vec<u8>,
    sessions: Vec<(u32, u8)>,
}

/// The number of handles before the sessions.
fn handle_count(command: u32) -> usize {
    match command {
        0x17b => 0, // GetRandom
        // EvictControl, NV_UndefineSpace, NV_Increment, NV_Write, ActivateCredential, NV_Read,
        // PolicySecret
        0x120 | 0x122 | 0x134 | 0x137 | 0x147 | 0x14e | 0x151 => 2,
        0x149 | 0x184 | 0x192 => 3, // PolicyNV, NV_Certify, PolicyAuthorizeNV
        _ => 1,
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

fn parse(message: &[u8]) -> Heard {
    let command = number(&message[6..]);
    let body = message[10..].to_vec();
    let mut sessions = Vec::new();
    if message[..2] == [0x80, 0x02] {
        let area = &body[4 * handle_count(command)..];
        let mut area = &area[4..4 + usize::try_from(number(area)).unwrap()];
        while !area.is_empty() {
            let nonce = usize::from(u16::from_be_bytes([area[4], area[5]]));
            let attributes = area[6 + nonce];
            let hmac = usize::from(u16::from_be_bytes([area[7 + nonce], area[8 + nonce]]));
            sessions.push((number(area), attributes));
            area = &area[9 + nonce + hmac..];
        }
    }
    Heard { command, body, sessions }
}

#[test]
fn only_the_salted_session_encrypts() {
    // A session without a salt has an empty key here: a listener could decrypt what it encrypts.
    let machine = Machine::new("node-1");
    let commands = Arc::new(Mutex::new(Vec::new()));
    let heard = commands.clone();
    let relay = Relay::changing(machine.socket(), move |way, message| {
        heard.lock().unwrap().push((way, message.clone()));
    });
    let tpm = Tpm::open(&relay.address(), &Expect::AnyTpm).unwrap();
    use_all_secrets(&machine, &tpm);
    drop(tpm);

    let (mut salted, mut encrypting) = (BTreeSet::new(), BTreeSet::new());
    let mut starting = None;
    for (way, message) in commands.lock().unwrap().iter() {
        match way {
            Way::ToTpm => {
                let heard = parse(message);
                starting = (heard.command == START_AUTH_SESSION).then(|| {
                    let nonce = 8 + 2 + usize::from(heard.body[9]);
                    let salt = u16::from_be_bytes([heard.body[nonce], heard.body[nonce + 1]]);
                    (number(&heard.body), salt)
                });
                let flagged = heard.sessions.iter().filter(|session| session.1 & 0x60 != 0);
                encrypting.extend(flagged.map(|session| (heard.command, session.0)));
            }
            Way::FromTpm => {
                if let Some((key, salt)) = starting.take()
                    && salt > 0
                {
                    assert_eq!(key, 0x8101_0016, "the endorsement key on P-384");
                    salted.insert(number(&message[10..]));
                }
            }
        }
    }
    assert_eq!(salted.len(), 1);
    let commands: BTreeSet<u32> = encrypting.iter().map(|(command, _)| *command).collect();
    // HierarchyChangeAuth, SetPrimaryPolicy, NV_Write, ActivateCredential, NV_Read, Create, Unseal,
    // GetRandom.
    let expected = [0x129, 0x12e, 0x137, 0x147, 0x14e, 0x153, 0x15e, 0x17b];
    assert_eq!(commands, BTreeSet::from(expected));
    assert!(encrypting.iter().all(|(_, session)| salted.contains(session)));
}

#[test]
fn an_interposer_who_changes_an_answer_is_noticed() {
    let machine = Machine::new("node-1");
    let first = Release::new(1);
    let sealed = {
        let tpm = machine.open();
        first.take(&tpm);
        tpm.seal(&secret(), &first.estate.approval()).unwrap()
    };
    // Which answer to spoil, counted back from the last; how far into it from its end.
    let answers = Arc::new(AtomicUsize::new(0));
    let spoil = Arc::new(AtomicUsize::new(usize::MAX));
    let relay = {
        let (answers, spoil) = (answers.clone(), spoil.clone());
        Relay::changing(machine.socket(), move |way, message| {
            if way == Way::FromTpm {
                let number = answers.fetch_add(1, Ordering::SeqCst);
                if number == spoil.load(Ordering::SeqCst) {
                    let last = message.len() - 1;
                    message[last] ^= 1; // The end of the HMAC.
                }
            }
        })
    };
    let open = || {
        let tpm = Tpm::open(&relay.address(), &Expect::AnyTpm)?;
        answers.store(0, Ordering::SeqCst);
        tpm.unseal(&sealed, &first.alone())
    };
    assert_eq!(open().unwrap().expose(), SECRET);
    // Where the answer to Unseal is: only flushes come after it.
    let total = answers.load(Ordering::SeqCst);
    let mut noticed = 0;
    for number in 0..total {
        spoil.store(number, Ordering::SeqCst);
        match open() {
            Ok(secret) => assert_eq!(secret.expose(), SECRET, "answer {number}"),
            Err(error) => {
                assert!(!matches!(error, TpmError::Absent { .. }), "{error}");
                noticed += 1;
            }
        }
    }
    assert!(noticed >= 4, "{noticed} of {total} spoilt answers were noticed");
}

#[test]
fn an_interposer_cannot_put_its_own_key_under_the_expected_name() {
    // The salt is encrypted to a public area that comes over the bus: it must be the one that the
    // expected name is the hash of. The interposer has a TPM of its own, whose private keys it may use.
    const KEPT: u32 = 0x8101_0016;
    let machine = Machine::new("node-1");
    let name = machine.open().endorsement_key(EkKind::P384).unwrap().name;
    let strangers = Machine::new("node-2").raw().read_public(KEPT);
    for with_the_expected_name in [false, true] {
        let strangers = strangers.clone();
        let salted_with = Arc::new(Mutex::new(Vec::new()));
        let (mut reading, keys) = (false, salted_with.clone());
        let relay = Relay::changing(machine.socket(), move |way, message| match way {
            Way::ToTpm => {
                let (command, handle) = (number(&message[6..]), message.get(10..14).map(number));
                reading = command == raw::READ_PUBLIC && handle == Some(KEPT);
                if command == START_AUTH_SESSION {
                    keys.lock().unwrap().push(handle.unwrap());
                }
            }
            Way::FromTpm if reading => {
                let right = std::mem::replace(message, strangers.clone());
                if with_the_expected_name {
                    // The name follows TPM2B_PUBLIC; both keys have areas of the same length.
                    let end = 12 + usize::from(u16::from_be_bytes([right[10], right[11]]));
                    message[end..].copy_from_slice(&right[end..]);
                }
            }
            Way::FromTpm => {}
        });
        // It is passed over, and the right key is made from its template.
        let tpm = Tpm::open(&relay.address(), &Expect::Endorsement(name.clone())).unwrap();
        tpm.random_secret().unwrap();
        drop(tpm);
        let keys = std::mem::take(&mut *salted_with.lock().unwrap());
        assert!(!keys.contains(&KEPT), "{keys:x?}");
        // Whoever expects no key in particular takes it. The TPM does not know that salt, so that nothing
        // works unless the interposer answers in its place.
        let tpm = Tpm::open(&relay.address(), &Expect::AnyTpm).unwrap();
        tpm.random_secret().map(|_| ()).unwrap_err();
        drop(tpm);
        assert!(salted_with.lock().unwrap().contains(&KEPT));
    }
}
