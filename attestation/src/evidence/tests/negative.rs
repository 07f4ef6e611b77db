//! Machines that are wrong in one thing each, and the checks that must refuse them: these and no others.

use super::super::forge::{
    HEIGHT, Hook, Machine, ROOT, ek_certificate, ek_public, sign, sign_again,
};
use super::super::*;
use crate::crypto::Hash;
use crate::tpm::{ClockInfo, Hierarchy, Name, PcrSelection, PcrSet, Public};
use crate::x509::forge::Key;
use serde_json::{Value, json};
use std::rc::Rc;

fn hook<T>(change: impl Fn(&mut T) + 'static) -> Hook<T> {
    Rc::new(change)
}

/// Each role that has what is changed must be refused by exactly these checks.
#[track_caller]
fn refused_in(roles: &[Role], checks: &[&str], change: impl Fn(&mut Machine)) {
    for role in roles {
        let mut machine = Machine::new(*role, 1);
        change(&mut machine);
        assert_eq!(machine.failed(&machine.evidence()), checks, "{role}");
    }
}

const ALL: &[Role] = &Role::ALL;
const WITH_TPM: &[Role] = &[Role::Host, Role::Machine];
const WITH_SNP: &[Role] = &[Role::Guest, Role::Machine];
const MACHINE: &[Role] = &[Role::Machine];

fn part(change: impl Fn(&mut TpmPart) + 'static) -> impl Fn(&mut Machine) {
    let change = hook(change);
    move |machine| machine.part = change.clone()
}

fn signed(change: impl Fn(&mut TpmPart) + 'static) -> impl Fn(&mut Machine) {
    let change = hook(change);
    move |machine| machine.signed = change.clone()
}

fn message(change: impl Fn(&mut super::super::forge::Message) + 'static) -> impl Fn(&mut Machine) {
    let change = hook(change);
    move |machine| machine.message = change.clone()
}

fn snp(change: impl Fn(&mut SnpPart) + 'static) -> impl Fn(&mut Machine) {
    let change = hook(change);
    move |machine| machine.snp = change.clone()
}

fn policy(path: &'static str, value: Value) -> impl Fn(&mut Machine) {
    move |machine| *machine.policy.pointer_mut(path).expect("the policy has it") = value.clone()
}

#[test]
fn role_and_freshness() {
    refused_in(ALL, &["evidence.height"], |machine| machine.known.height = HEIGHT - 1);
    refused_in(ALL, &["evidence.age"], |machine| machine.known.height = HEIGHT + 101);
    refused_in(ALL, &["evidence.age"], |machine| machine.known.height = u64::MAX);
    refused_in(ALL, &["evidence.root"], |machine| machine.known.certified.clear());
    refused_in(ALL, &["evidence.root"], |machine| {
        machine.known.certified = [(HEIGHT, [0x43; 32])].into();
    });
    refused_in(ALL, &["evidence.root"], |machine| {
        machine.known.certified = [(HEIGHT + 1, ROOT)].into();
    });
    refused_in(ALL, &["evidence.root"], |machine| machine.statement.anchor.root[31] ^= 1);
    refused_in(ALL, &["evidence.root"], |machine| machine.statement.anchor.height += 1);
    refused_in(WITH_TPM, &["evidence.role"], |machine| {
        // The other of the two, under the rules of both parts.
        let other = if machine.statement.role == Role::Host { "machine" } else { "host" };
        machine.policy["roles"] = json!([other]);
        let full = Machine::new(Role::Machine, 1).policy;
        machine.policy["snp"] = if other == "machine" { full["snp"].clone() } else { Value::Null };
        if other == "host" {
            machine.policy["roles"] = json!(["host", "guest"]);
            machine.policy["snp"] = full["snp"].clone();
        }
    });
    refused_in(&[Role::Guest], &["evidence.role"], |machine| {
        machine.policy = Machine::new(Role::Machine, 1).policy;
        let report = crate::snp::Report::from_bytes(&machine.chip.report).expect("a report");
        machine.policy["snp"]["host-data"] = json!([hex::encode(report.host_data())]);
    });
    refused_in(&[Role::Guest], &["evidence.role", "evidence.snp.rules"], |machine| {
        machine.policy = Machine::new(Role::Host, 1).policy;
    });
    refused_in(&[Role::Host], &["evidence.role", "evidence.tpm.rules"], |machine| {
        machine.policy = Machine::new(Role::Guest, 1).policy;
    });
}

/// A key that was exchanged after the TPM or the chip signed for another.
#[test]
fn keys_are_bound_by_both_parts() {
    type Change = fn(&mut Statement);
    let changes: [Change; 6] = [
        |statement| statement.keys.signing[0] ^= 1,
        |statement| statement.keys.tls[43] ^= 0x80,
        |statement| statement.keys.tls.push(0),
        |statement| {
            if let Some(dealing) = &mut statement.keys.dealing {
                dealing[5] ^= 4;
            }
        },
        |statement| {
            let NodeKeys { tls, dealing, .. } = &mut statement.keys;
            // One byte goes from one key to the next: the lengths are bound.
            if let Some(dealing) = dealing {
                dealing.insert(0, tls.pop().expect("it has bytes"));
            }
        },
        |statement| {
            // Two keys change places.
            if let Some(dealing) = &mut statement.keys.dealing {
                std::mem::swap(&mut statement.keys.tls, dealing);
            }
        },
    ];
    for role in Role::ALL {
        let machine = Machine::new(role, 1);
        let good = machine.evidence();
        for (number, change) in changes.iter().enumerate() {
            let mut statement = good.statement().clone();
            change(&mut statement);
            if statement == *good.statement() {
                assert_eq!((role, number > 2), (Role::Host, true));
                continue;
            }
            let changed =
                Evidence::new(statement, good.tpm().cloned(), good.snp().cloned()).unwrap();
            let expected: &[&str] = match role {
                Role::Host => &["evidence.tpm.answer", "tpm.message.nonce"],
                Role::Guest => &["snp.report-data"],
                Role::Machine => &["evidence.tpm.answer", "tpm.message.nonce", "snp.report-data"],
            };
            assert_eq!(machine.failed(&changed), expected, "{role}, change {number}");
        }
    }
}

/// Everything of the TPM's part that is not signed itself is bound by the nonce.
#[test]
fn the_identity_of_the_tpm_is_bound_by_the_quote() {
    let nonce = ["evidence.tpm.answer", "tpm.message.nonce"];
    refused_in(WITH_TPM, &nonce, signed(|part| part.log.extend([0xff; 4])));
    refused_in(
        WITH_TPM,
        &nonce,
        signed(|part| {
            // The description of the last event, which nothing else looks at.
            *part.log.last_mut().expect("a log") ^= 1;
        }),
    );
    refused_in(WITH_TPM, &nonce, signed(|part| part.issuers.push(part.issuers[0].clone())));
    refused_in(WITH_TPM, &["evidence.tpm.answer"], signed(|part| part.answer[0] ^= 1));
    refused_in(WITH_TPM, &["evidence.tpm.answer"], signed(|part| part.answer = [0; 32]));
    refused_in(
        WITH_TPM,
        &["evidence.tpm.activation", "evidence.tpm.answer", "tpm.message.nonce"],
        signed(|part| part.challenge[31] ^= 1),
    );
}

#[test]
fn the_attestation_key_must_be_in_the_tpm_of_the_endorsement_key() {
    let unknown = ["evidence.tpm.activation", "evidence.tpm.answer"];
    refused_in(WITH_TPM, &unknown, |machine| machine.known.activations.clear());
    refused_in(WITH_TPM, &unknown, |machine| {
        machine.known.activations = vec![Activation::new([9; 32], vec![0x11; 48])];
    });
    refused_in(WITH_TPM, &unknown, |machine| {
        machine.known.activations = vec![Activation::new([1; 32], vec![0x12; 48])];
    });
    // A challenge with randomness of another length is for no key of this kind.
    refused_in(WITH_TPM, &unknown, |machine| {
        machine.known.activations = vec![Activation::new([1; 32], vec![0x11; 47])];
    });
    // One that a guess of the secret answers.
    refused_in(WITH_TPM, &["evidence.tpm.answer"], |machine| {
        machine.signed = hook(|part: &mut TpmPart| part.answer = answer(&[0; 32], &[0; 32]));
    });
    // The challenge was made for another attestation key: a program's, with a TPM's certificates.
    let other = Machine::new(Role::Host, 2);
    refused_in(WITH_TPM, &["evidence.tpm.activation", "evidence.tpm.answer"], |machine| {
        let challenge = {
            let ek = Public::parse(&machine.ek_public).expect("a key");
            let (_, ak) = other.names().expect("keys");
            challenge_id(&machine.activation.challenge(&ek, ak).expect("it encrypts"))
        };
        machine.part = hook(move |part: &mut TpmPart| part.challenge = challenge);
    });
    // The challenge was made for another endorsement key.
    refused_in(WITH_TPM, &["evidence.tpm.activation", "evidence.tpm.answer"], |machine| {
        let challenge = {
            let ek = Public::parse(&other.ek_public).expect("a key");
            let (_, ak) = machine.names().expect("keys");
            challenge_id(&machine.activation.challenge(&ek, ak).expect("it encrypts"))
        };
        machine.part = hook(move |part: &mut TpmPart| part.challenge = challenge);
    });
}

#[test]
fn endorsement_keys() {
    // The certificate of another TPM.
    refused_in(WITH_TPM, &["ek.public.key"], |machine| {
        machine.ek = ek_certificate(&Key::p384(77));
    });
    // A maker that nobody knows.
    refused_in(WITH_TPM, &["ek.path"], |machine| {
        machine.part = hook(|part: &mut TpmPart| {
            part.ek_certificate = ek_certificate(&Key::p384(101)).sign(&Key::p384(66));
        });
    });
    refused_in(WITH_TPM, &["ek.path"], part(|part| part.issuers.clear()));
    refused_in(WITH_TPM, &["evidence.tpm.issuers"], part(|part| part.issuers.push(vec![0x30, 0])));
    refused_in(WITH_TPM, &["ek.form"], part(|part| part.ek_certificate.truncate(100)));
    refused_in(WITH_TPM, &["x509.quirk.padding"], part(|part| part.ek_certificate.push(0)));
    refused_in(WITH_TPM, &["ek.purpose"], |machine| {
        machine.ek.extensions[2].2 = vec![0x30, 4, 6, 2, 0x2a, 3];
    });
    refused_in(WITH_TPM, &["ek.quirk.no-purpose"], |machine| drop(machine.ek.extensions.pop()));
    refused_in(WITH_TPM, &["ek.key-usage"], |machine| {
        // It signs as well.
        machine.ek.extensions[0].2 = vec![3, 2, 3, 0x88];
    });
    refused_in(WITH_TPM, &["ek.alt-name"], |machine| machine.ek.extensions[1].2 = vec![0x30, 0]);
    // Public areas whose attributes are not those of an endorsement key: challenge and names follow them.
    for (bit, check) in [
        (1, "ek.public.fixed"),
        (4, "ek.public.fixed"),
        (5, "ek.public.fixed"),
        (18, "ek.public.storage"),
    ] {
        refused_in(WITH_TPM, &[check], |machine| flip_attribute(&mut machine.ek_public, bit));
    }
}

fn flip_attribute(public: &mut [u8], bit: u32) {
    public[7 - bit as usize / 8] ^= 1 << (bit % 8);
}

#[test]
fn attestation_keys() {
    for (bit, check) in [
        (1, "tpm.key.fixed-tpm"),
        (4, "tpm.key.fixed-parent"),
        (5, "tpm.key.sensitive-data-origin"),
        (11, "tpm.key.no-duplication"),
        (16, "tpm.key.restricted"),
        (17, "tpm.key.not-decrypt"),
        (18, "tpm.key.sign"),
        (19, "tpm.key.not-x509"),
    ] {
        refused_in(WITH_TPM, &[check], |machine| flip_attribute(&mut machine.ak_public, bit));
    }
    // A key below another parent than the endorsement hierarchy.
    for hierarchy in [Hierarchy::Owner, Hierarchy::Null, Hierarchy::Platform] {
        refused_in(WITH_TPM, &["tpm.message.signer"], |machine| {
            let (_, ak) = machine.names().expect("keys");
            machine.message = hook(move |message: &mut super::super::forge::Message| {
                message.signer = ak.qualified_in(hierarchy).to_bytes();
            });
        });
    }
    // With its length before it: a second form of the same key, whose names are the same.
    refused_in(
        WITH_TPM,
        &["evidence.tpm.bare"],
        part(|part| {
            part.ak_public = super::super::forge::sized(&part.ak_public);
        }),
    );
    refused_in(
        WITH_TPM,
        &["evidence.tpm.bare"],
        part(|part| {
            part.ek_public = super::super::forge::sized(&part.ek_public);
        }),
    );
    refused_in(
        WITH_TPM,
        &["evidence.tpm.bare"],
        signed(|part| {
            part.message = super::super::forge::sized(&part.message);
        }),
    );
}

#[test]
fn quotes() {
    let magic = ["evidence.tpm.bare", "tpm.message.magic", "tpm.message.form"];
    refused_in(WITH_TPM, &magic, message(|it| it.magic ^= 1));
    refused_in(WITH_TPM, &["tpm.message.form"], message(|it| it.kind = 0x8019));
    refused_in(WITH_TPM, &["tpm.message.nonce"], message(|it| it.nonce[0] ^= 1));
    refused_in(WITH_TPM, &["tpm.message.nonce"], message(|it| it.nonce.clear()));
    refused_in(WITH_TPM, &["tpm.message.nonce"], message(|it| it.nonce.push(0)));
    refused_in(WITH_TPM, &["tpm.clock.safe"], message(|it| it.clock.safe = false));
    refused_in(WITH_TPM, &["tpm.firmware"], message(|it| it.firmware = 8));
    refused_in(WITH_TPM, &["tpm.quote.pcrs-digest"], message(|it| it.digest[0] ^= 1));
    refused_in(
        WITH_TPM,
        &["tpm.message.signer-form", "tpm.message.signer"],
        message(|it| {
            it.signer.clear();
        }),
    );
    refused_in(WITH_TPM, &["tpm.signature.valid"], signed(|part| part.signature[8] ^= 1));
    refused_in(WITH_TPM, &["tpm.signature.form"], signed(|part| part.signature.truncate(9)));
    refused_in(WITH_TPM, &["tpm.signature.valid"], |machine| {
        let other = Machine::new(Role::Host, 2).ak;
        machine.signed =
            hook(move |part: &mut TpmPart| part.signature = sign(&other, &part.message));
    });
    refused_in(WITH_TPM, &["tpm.quote.pcrs-digest"], signed(|part| part.pcrs[32] ^= 1));
    // The quote is about fewer registers than the values.
    refused_in(
        WITH_TPM,
        &["tpm.quote.selection", "tpm.quote.pcrs-digest"],
        message(|it| {
            it.selection.0.pop();
        }),
    );
    // Values of a bank that was not asked for.
    refused_in(
        WITH_TPM,
        &["evidence.tpm.selection", "tpm.quote.pcrs-form", "tpm.quote.selection"],
        part(|part| {
            let set = PcrSet::new(&[0, 4, 5, 11]).expect("below 24");
            part.selection = PcrSelection(vec![(Hash::Sha256, set)]);
            part.pcrs.truncate(4 * 32);
        }),
    );
}

/// What a machine of another state measures: its own policy does not fit it.
#[test]
fn measured_states() {
    for (pcr, check) in
        [(4, "evidence.tpm.release"), (11, "evidence.tpm.release"), (0, "evidence.tpm.platform")]
    {
        refused_in(WITH_TPM, &[check], |machine| {
            machine.measured.push((pcr, b"something more".to_vec()));
        });
        refused_in(WITH_TPM, &[check], |machine| {
            machine.measured.retain(|(measured, _)| *measured != pcr);
        });
    }
    // Register 4 of one release and register 11 of another are no release.
    refused_in(WITH_TPM, &["evidence.tpm.release"], |machine| {
        let mut old = machine.policy["tpm"]["releases"][0].clone();
        let mut new = old.clone();
        (old["name"], new["name"]) = (json!("old"), json!("new"));
        for bank in ["sha256", "sha384"] {
            let length = if bank == "sha256" { 64 } else { 96 };
            old["pcrs"][bank]["4"] = json!(["00".repeat(length / 2)]);
            new["pcrs"][bank]["11"] = json!(["00".repeat(length / 2)]);
        }
        machine.policy["tpm"]["releases"] = json!([old, new]);
    });
    // One bank is right, the other is not.
    refused_in(
        WITH_TPM,
        &["evidence.tpm.release"],
        policy("/tpm/releases/0/pcrs/sha384/4/0", json!("11".repeat(48))),
    );
    refused_in(
        WITH_TPM,
        &["evidence.tpm.platform"],
        policy("/tpm/platforms/0/pcrs/sha256/0/0", json!("11".repeat(32))),
    );
    refused_in(WITH_TPM, &["tpm.firmware"], policy("/tpm/firmware-versions", json!([6, 8])));
}

#[test]
fn logs() {
    refused_in(WITH_TPM, &["log.form"], part(|part| part.log = vec![1]));
    refused_in(WITH_TPM, &["log.form"], part(|part| part.log.truncate(part.log.len() - 1)));
    // An event is left out, and so its register is not explained.
    refused_in(
        WITH_TPM,
        &["log.replay"],
        part(|part| {
            let length = part.log.len() - (16 + 2 + 32 + 2 + 48 + b"sections".len());
            part.log.truncate(length);
        }),
    );
    // The log has one bank alone.
    refused_in(
        WITH_TPM,
        &["log.bank"],
        part(|part| {
            let mut head = b"Spec ID Event03\0".to_vec();
            head.extend([0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 0x0b, 0, 32, 0, 0]);
            let mut log = [[0; 4], [3, 0, 0, 0]].concat();
            log.extend([0; 20]);
            log.extend((head.len() as u32).to_le_bytes());
            log.extend(head);
            for (pcr, data) in Machine::new(Role::Host, 1).measured {
                log.extend(u32::from(pcr).to_le_bytes());
                log.extend([0x0d, 0, 0, 0, 1, 0, 0, 0, 0x0b, 0]);
                log.extend(Hash::Sha256.digest(&data).as_bytes());
                log.extend((data.len() as u32).to_le_bytes());
                log.extend(data);
            }
            part.log = log;
        }),
    );
}

#[test]
fn reports() {
    let put = |offset: usize, bytes: &'static [u8]| {
        move |machine: &mut Machine| {
            machine.chip.report[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
    };
    refused_in(WITH_SNP, &["snp.policy.debug"], put(0x08, &[0x33, 1, 0xb, 0]));
    refused_in(WITH_SNP, &["snp.policy.migration"], put(0x08, &[0x33, 1, 7, 0]));
    refused_in(WITH_SNP, &["snp.vmpl"], put(0x30, &[1, 0, 0, 0]));
    refused_in(WITH_SNP, &["snp.vmpl"], put(0x30, &[0xff; 4]));
    refused_in(WITH_SNP, &["snp.measurement"], put(0x90, &[0x91; 48]));
    refused_in(WITH_SNP, &["snp.platform.required"], put(0x40, &[5]));
    refused_in(WITH_SNP, &["snp.platform.forbidden"], put(0x40, &[0xa5]));
    refused_in(WITH_SNP, &["snp.guest-svn"], put(0x04, &[6, 0, 0, 0]));
    refused_in(WITH_SNP, &["snp.id-key"], put(0xe0, &[0xe1; 48]));
    refused_in(WITH_SNP, &["snp.author-key"], put(0x110, &[0x12; 48]));
    refused_in(WITH_SNP, &["snp.family-id"], put(0x10, &[0x11; 16]));
    refused_in(WITH_SNP, &["snp.image-id"], put(0x20, &[0x21; 16]));
    refused_in(WITH_SNP, &["snp.tcb.launch"], put(0x1f0 + 6, &[23]));
    refused_in(WITH_SNP, &["snp.tcb.committed"], put(0x1e0 + 6, &[23]));
    refused_in(WITH_SNP, &["snp.reserved"], put(0x190, &[1]));
    refused_in(WITH_SNP, &["snp.version"], put(0x00, &[4]));
    refused_in(&[Role::Guest], &["snp.host-data"], put(0xc0, &[0xc1; 32]));
    refused_in(WITH_SNP, &["snp.product.allowed"], |machine| {
        let products = machine.policy["snp"]["products"].as_object_mut().expect("a map");
        let minima = products.remove("milan").expect("it is there");
        products.insert("genoa".into(), minima);
    });
    refused_in(
        WITH_SNP,
        &["snp.tcb.current", "snp.tcb.reported", "snp.tcb.committed", "snp.tcb.launch"],
        |machine| {
            for version in ["current", "reported", "committed", "launch"] {
                machine.policy["snp"]["products"]["milan"][version]["snp"] = json!(25);
            }
        },
    );
    refused_in(WITH_SNP, &["snp.chip.allowed"], policy("/snp/chip-ids", json!(["07".repeat(64)])));
    // What the guest signed for itself: data of the host's making, or none.
    refused_in(
        WITH_SNP,
        &["snp.report-data"],
        snp(|part| {
            part.report[0x50..0x90].fill(0);
            sign_again(&mut part.report);
        }),
    );
    // Bytes that nothing looks at but the signature.
    refused_in(WITH_SNP, &["snp.signature"], snp(|part| part.report[0x1e8] ^= 1));
    refused_in(WITH_SNP, &["snp.signature.padding"], snp(|part| part.report[0x4a0 - 1] = 1));
}

#[test]
fn chains_of_chips() {
    refused_in(WITH_SNP, &["snp.certificate"], snp(|part| part.vek.truncate(50)));
    refused_in(WITH_SNP, &["snp.certificate"], snp(|part| part.ask.push(0)));
    // The intermediate stands in for the root.
    let others = ["x509.path-length", "x509.issuer", "x509.signature", "x509.root"];
    refused_in(WITH_SNP, &others, snp(|part| part.ark = part.ask.clone()));
    // The chip's own key stands in for the intermediate.
    let others = ["x509.authority", "x509.key-usage", "x509.issuer", "x509.signature"];
    refused_in(WITH_SNP, &others, snp(|part| part.ask = part.vek.clone()));
    // A chip of the same number, whose key another authority vouches for.
    refused_in(WITH_SNP, &["x509.signature"], |machine| {
        let vek = machine.chip.vek.sign(&Key::rsa());
        machine.snp = hook(move |part: &mut SnpPart| part.vek = vek.clone());
    });
}

/// Parts of two machines, both of them good, in all ways of joining them.
#[test]
fn parts_of_two_machines_are_not_joined() {
    let (first, second) = (Machine::new(Role::Machine, 1), Machine::new(Role::Machine, 2));
    // Both are enrolled, and the same policy accepts both.
    let mut judge = first.clone();
    judge.known.activations.push(second.activation.clone());
    let (one, two) = (first.evidence(), second.evidence());
    assert!(judge.failed(&one).is_empty());
    assert!(judge.failed(&two).is_empty());
    let join = |statement: &Evidence, tpm: &Evidence, snp: &Evidence| {
        let parts = (tpm.tpm().cloned(), snp.snp().cloned());
        judge.failed(&Evidence::new(statement.statement().clone(), parts.0, parts.1).unwrap())
    };
    let tpm = ["evidence.tpm.answer", "tpm.message.nonce"];
    let snp = ["snp.report-data", "snp.host-data"];
    assert_eq!(join(&one, &one, &two), [&tpm[..], &snp].concat(), "the report of the second");
    assert_eq!(join(&one, &two, &one), [&tpm[..], &snp].concat(), "the TPM of the second");
    assert_eq!(join(&one, &two, &two), [&tpm[..], &snp[..1]].concat(), "the keys of the first");
}

/// A host that lies about its guest, a guest that lies about its host: what one signs for is not enough.
#[test]
fn both_parts_must_name_each_other() {
    let names = Machine::new(Role::Machine, 2).names();
    // The guest signs for another machine's TPM than the one that is shown.
    refused_in(MACHINE, &["snp.report-data", "snp.host-data"], |machine| {
        machine.named = hook(move |named| *named = names);
    });
    // The guest signs for no TPM, as it does in the role of a guest, on any host.
    refused_in(MACHINE, &["snp.report-data", "snp.host-data"], |machine| {
        machine.named = hook(|named| *named = None);
    });
    // It signs for the right one, but was launched by another host.
    refused_in(
        MACHINE,
        &["snp.host-data"],
        snp(|part| {
            part.report[0xc0] ^= 1;
            sign_again(&mut part.report);
        }),
    );
    // The names of both keys change places.
    refused_in(MACHINE, &["snp.report-data", "snp.host-data"], |machine| {
        machine.named = hook(|named: &mut Option<(Name, Name)>| {
            *named = named.map(|(ek, ak)| (ak, ek));
        });
    });
    let nonce = ["evidence.tpm.answer", "tpm.message.nonce"];
    // The host signs for another guest, for another launch of it, for none.
    type Change = fn(&mut Option<GuestName>);
    let changes: [Change; 3] = [
        |guest| guest.as_mut().expect("a guest").chip_id[0] ^= 1,
        |guest| guest.as_mut().expect("a guest").report_id[0] ^= 1,
        |guest| *guest = None,
    ];
    for change in changes {
        refused_in(MACHINE, &nonce, |machine| machine.guest = hook(change));
    }
    // A guest of the same chip and image that was launched later.
    refused_in(
        MACHINE,
        &nonce,
        snp(|part| {
            part.report[0x140..0x160].fill(0x77);
            sign_again(&mut part.report);
        }),
    );
}

/// Evidence of one role is none of another, though it has the part.
#[test]
fn roles_are_bound() {
    let host = Machine::new(Role::Host, 1);
    let guest = Machine::new(Role::Guest, 1);
    let machine = Machine::new(Role::Machine, 1);
    let (h, g, m) = (host.evidence(), guest.evidence(), machine.evidence());
    let nonce = ["evidence.tpm.answer", "tpm.message.nonce"];
    // The host's quote and the guest's report, shown as those of a machine.
    let joined = Evidence::new(m.statement().clone(), h.tpm().cloned(), g.snp().cloned()).unwrap();
    assert_eq!(
        machine.failed(&joined),
        [&nonce[..], &["snp.report-data", "snp.host-data"]].concat()
    );
    // A part of a machine, shown alone.
    let alone = Evidence::new(h.statement().clone(), m.tpm().cloned(), None).unwrap();
    assert_eq!(host.failed(&alone), nonce);
    let alone = Evidence::new(g.statement().clone(), None, m.snp().cloned()).unwrap();
    assert_eq!(guest.failed(&alone), ["snp.report-data", "snp.host-data"]);
}

/// A machine that was registered is this one and no other.
#[test]
fn registered_machines() {
    let other = Machine::new(Role::Machine, 2);
    let (ek, ak) = other.names().expect("keys");
    let record = MachineRecord { ek: None, ak: None, chip_id: None, clock: None };
    let with =
        |record: MachineRecord| move |machine: &mut Machine| machine.known.machine = Some(record);
    let own = Machine::new(Role::Machine, 1);
    let (own_ek, own_ak) = own.names().expect("keys");
    let chip_id = Some([0x51; 64]);
    let known = MachineRecord { ek: Some(own_ek), ak: Some(own_ak), chip_id, clock: None };
    refused_in(MACHINE, &[], with(known));
    refused_in(WITH_TPM, &["evidence.machine.ek"], with(MachineRecord { ek: Some(ek), ..record }));
    refused_in(WITH_TPM, &["evidence.machine.ak"], with(MachineRecord { ak: Some(ak), ..record }));
    let chip_id = Some([0x52; 64]);
    refused_in(WITH_SNP, &["evidence.machine.chip"], with(MachineRecord { chip_id, ..record }));
    // It shows less than it was registered with.
    refused_in(
        &[Role::Guest],
        &["evidence.machine.parts"],
        with(MachineRecord { ek: Some(ek), ..record }),
    );
    refused_in(
        &[Role::Host],
        &["evidence.machine.parts"],
        with(MachineRecord { chip_id, ..record }),
    );
    let clock = |clock_ms, reset_count, restart_count| {
        let clock = Some(ClockInfo { clock_ms, reset_count, restart_count, safe: true });
        with(MachineRecord { clock, ..record })
    };
    refused_in(WITH_TPM, &[], clock(5000, 3, 1));
    refused_in(WITH_TPM, &["tpm.clock.forward"], clock(5001, 3, 1));
    refused_in(WITH_TPM, &["tpm.clock.reset-count"], clock(0, 4, 0));
    refused_in(WITH_TPM, &["tpm.clock.restart-count"], clock(0, 3, 2));
}

/// The chip of a machine is named by a key of its own: a provider's key hides which it is.
#[test]
fn a_machine_has_a_chip_of_its_own() {
    let providers = json!(["AWS"]);
    let vlek = |machine: &mut Machine| {
        machine.chip = machine.chip.clone().with_vlek("AWS");
        machine.policy["snp"]["vlek-providers"] = providers.clone();
    };
    refused_in(&[Role::Guest], &[], vlek);
    refused_in(MACHINE, &["evidence.machine.chip-named"], vlek);
    refused_in(WITH_SNP, &["snp.signing-key.allowed"], |machine| {
        vlek(machine);
        machine.policy["snp"]["vlek-providers"] = json!(["other"]);
        if machine.statement.role == Role::Machine {
            machine.statement.role = Role::Guest;
            machine.policy["roles"] = json!(["guest"]);
            machine.policy["tpm"] = Value::Null;
        }
    });
}

/// A key that stands for another machine does not help: the public area is what names it.
#[test]
fn endorsement_keys_of_two_machines_are_not_exchanged() {
    refused_in(WITH_TPM, &["ek.public.key"], |machine| {
        machine.ek_public = ek_public(&Key::p384(102));
    });
}
