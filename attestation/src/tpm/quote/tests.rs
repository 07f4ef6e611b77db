use super::*;
use crate::tpm::{Hierarchy, PcrSet, Public};
use std::fs;
use std::path::PathBuf;

fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/tpm-swtpm").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A quote that is accepted, to be spoiled.
#[derive(Clone)]
struct Case {
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
    pcrs: Vec<u8>,
    policy: QuotePolicy,
}

const NONCE: [u8; 32] = [7; 32];

impl Case {
    fn of(kind: &str) -> Self {
        let selection = PcrSet::new(&[0, 4, 7, 11]).expect("below 24");
        Self {
            key: vector(&format!("ak_{kind}.pub")),
            message: vector(&format!("quote_{kind}.msg")),
            signature: vector(&format!("quote_{kind}.sig")),
            pcrs: vector(&format!("quote_{kind}.pcrs")),
            policy: QuotePolicy::plain(&NONCE, PcrSelection::of(Hash::Sha256, selection)),
        }
    }

    fn verdict(&self) -> Verdict<VerifiedQuote> {
        let Self { key, message, signature, pcrs, policy } = self;
        verify(&QuoteEvidence { signed: SignedBy { key, message, signature }, pcrs }, policy)
    }

    fn clock(&self) -> ClockInfo {
        self.verdict().verified().expect("it is accepted").quote().clock()
    }

    /// The same with one change must be refused by this check, among others or alone.
    fn refused_by(&self, id: &str, change: impl FnOnce(&mut Self)) {
        let mut case = self.clone();
        change(&mut case);
        let verdict = case.verdict();
        assert!(!verdict.is_accepted(), "{id}");
        let ids = verdict.checks().failed_ids();
        assert!(ids.contains(&id), "{id} is not among {ids:?}");
    }

    /// The same with one change must be refused by this check and no other.
    fn refused_only_by(&self, id: &str, change: impl FnOnce(&mut Self)) {
        let mut case = self.clone();
        change(&mut case);
        let verdict = case.verdict();
        assert!(!verdict.is_accepted(), "{id}");
        assert_eq!(verdict.checks().failed_ids(), [id]);
    }
}

const KINDS: [&str; 2] = ["rsa", "ecc"];

#[test]
fn good_quotes_are_accepted() {
    for kind in KINDS {
        let case = Case::of(kind);
        let verdict = case.verdict();
        assert!(verdict.is_accepted(), "{kind}: {:?}", verdict.checks().failed_ids());
        let verified = verdict.verified().expect("accepted");
        let quote = verified.quote();
        assert_eq!(quote.selection().to_string(), "sha256:0,4,7,11");
        assert_eq!(quote.values().count(), 4);
        assert_eq!(quote.firmware_version(), 0x2019_1023_0016_3636);
        assert!(quote.clock().safe);
        assert_eq!(verified.key().bytes(), case.key);
        assert_eq!(verified.key().name().to_bytes()[..2], [0, 0x0b]);
    }
}

#[test]
fn both_forms_of_structures_are_read() {
    for kind in KINDS {
        let mut case = Case::of(kind);
        for bytes in [&mut case.key, &mut case.message] {
            let length = (bytes.len() as u16).to_be_bytes();
            bytes.splice(0..0, length);
        }
        assert!(case.verdict().is_accepted(), "{kind}");
    }
}

/// Offsets in TPMT_PUBLIC of both vectors.
const ATTRIBUTES: usize = 4;
/// Offsets in TPMS_ATTEST of both vectors.
const TYPE_AT: usize = 4;
const SIGNER_AT: usize = 6;
const NONCE_AT: usize = 44;
const RESETS_AT: usize = 84;
const SELECTION_AT: usize = 101;

fn set_attribute(case: &mut Case, bit: u32, on: bool) {
    let bytes = &mut case.key[ATTRIBUTES..ATTRIBUTES + 4];
    let attributes = u32::from_be_bytes(bytes.try_into().expect("four bytes"));
    let changed = if on { attributes | 1 << bit } else { attributes & !(1 << bit) };
    assert_ne!(attributes, changed, "bit {bit} is to change");
    bytes.copy_from_slice(&changed.to_be_bytes());
}

/// The signature does not cover the public area: what the key may do is known only because the name
/// is certified or activated. Each attribute must be judged on its own.
#[test]
fn keys_that_may_do_more_are_refused() {
    for kind in KINDS {
        let case = Case::of(kind);
        let check = |id: &str, bit: u32, on: bool| {
            case.refused_only_by(id, |case| set_attribute(case, bit, on));
        };
        check("tpm.key.fixed-tpm", 1, false);
        check("tpm.key.fixed-parent", 4, false);
        check("tpm.key.sensitive-data-origin", 5, false);
        check("tpm.key.no-duplication", 11, true);
        check("tpm.key.restricted", 16, false);
        check("tpm.key.not-decrypt", 17, true);
        check("tpm.key.sign", 18, false);
        check("tpm.key.not-x509", 19, true);
        for reserved in [0, 3, 8, 9, 12, 15, 20, 31] {
            check_form(&case, reserved);
        }
    }
}

fn check_form(case: &Case, reserved_bit: u32) {
    case.refused_by("tpm.key.form", |case| set_attribute(case, reserved_bit, true));
}

#[test]
fn malformed_keys_are_refused() {
    let key_form = "tpm.key.form";
    for kind in KINDS {
        let case = Case::of(kind);
        case.refused_by(key_form, |case| case.key.clear());
        case.refused_by(key_form, |case| case.key.truncate(20));
        case.refused_by(key_form, |case| case.key.push(0));
        case.refused_by(key_form, |case| case.key[1] = 0x08); // a keyed hash
        case.refused_by(key_form, |case| case.key[1] = 0x25); // a symmetric cipher
        case.refused_by(key_form, |case| case.key[3] = 0x12); // named by SM3
        case.refused_by(key_form, |case| case.key[9] = 0x01); // a policy of one byte
        case.refused_by(key_form, |case| case.key[11] = 0x26); // another cipher
        case.refused_by(key_form, |case| case.key[13] = 0x15); // RSAES, which encrypts
        case.refused_by(key_form, |case| case.key[15] = 0x12); // signs SM3
    }
    let rsa = Case::of("rsa");
    rsa.refused_by(key_form, |case| case.key[13] = 0x18); // ECDSA by an RSA key
    rsa.refused_by(key_form, |case| case.key[16..18].copy_from_slice(&1024u16.to_be_bytes()));
    rsa.refused_by(key_form, |case| case.key[16..18].copy_from_slice(&3072u16.to_be_bytes()));
    rsa.refused_by(key_form, |case| case.key[21] = 3); // exponent 3
    rsa.refused_by(key_form, |case| case.key[24] = 0); // a shorter modulus
    rsa.refused_by(key_form, |case| *case.key.last_mut().expect("a modulus") ^= 1); // an even one
    let ecc = Case::of("ecc");
    ecc.refused_by(key_form, |case| case.key[13] = 0x14); // RSASSA by an ECC key
    ecc.refused_by(key_form, |case| case.key[17] = 0x01); // P-192
    ecc.refused_by(key_form, |case| case.key[17] = 0x04); // P-384 with a point of P-256
    ecc.refused_by(key_form, |case| case.key[19] = 0x20); // derives keys
    ecc.refused_by(key_form, |case| case.key[30] ^= 1); // a point that is not on the curve
}

#[test]
fn keys_not_bound_to_a_scheme_are_refused() {
    // The scheme TPM_ALG_NULL has no hash after it.
    for kind in KINDS {
        Case::of(kind).refused_by("tpm.key.scheme", |case| {
            case.key[13] = 0x10;
            case.key.drain(14..16);
        });
    }
}

#[test]
fn storage_keys_are_refused() {
    for kind in KINDS {
        Case::of(kind).refused_only_by("tpm.key.no-symmetric", |case| {
            case.key.splice(10..12, [0, 6, 0, 128, 0, 0x43]);
        });
    }
}

#[test]
fn other_keys_are_refused() {
    let (rsa, ecc) = (Case::of("rsa"), Case::of("ecc"));
    rsa.refused_by("tpm.signature.valid", |case| case.key.clone_from(&ecc.key));
    rsa.refused_by("tpm.signature.scheme", |case| case.key.clone_from(&ecc.key));
    ecc.refused_by("tpm.signature.valid", |case| case.key.clone_from(&rsa.key));
    // A key of the same kind with another modulus.
    rsa.refused_only_by("tpm.signature.valid", |case| case.key[100] ^= 1);
}

#[test]
fn parts_of_two_quotes_are_refused() {
    let (rsa, ecc) = (Case::of("rsa"), Case::of("ecc"));
    rsa.refused_by("tpm.signature.valid", |case| case.message.clone_from(&ecc.message));
    ecc.refused_by("tpm.signature.valid", |case| case.message.clone_from(&rsa.message));
    rsa.refused_by("tpm.signature.scheme", |case| case.signature.clone_from(&ecc.signature));
    rsa.refused_by("tpm.signature.valid", |case| case.signature.clone_from(&ecc.signature));
    rsa.refused_only_by("tpm.quote.pcrs-digest", |case| {
        case.pcrs[0] ^= 1;
    });
}

#[test]
fn malformed_signatures_are_refused() {
    let form = "tpm.signature.form";
    for kind in KINDS {
        let case = Case::of(kind);
        case.refused_only_by(form, |case| case.signature.clear());
        case.refused_only_by(form, |case| case.signature.truncate(10));
        case.refused_only_by(form, |case| case.signature.push(0));
        case.refused_only_by(form, |case| case.signature[1] = 0x10); // no scheme
        case.refused_only_by(form, |case| case.signature[1] = 0x1a); // ECDAA
        case.refused_only_by(form, |case| case.signature[1] = 0x05); // HMAC
        case.refused_only_by(form, |case| case.signature[3] = 0x12); // SM3
    }
}

#[test]
fn other_schemes_are_refused() {
    let rsa = Case::of("rsa");
    rsa.refused_by("tpm.signature.scheme", |case| case.signature[1] = 0x16); // PSS
    rsa.refused_by("tpm.signature.valid", |case| case.signature[1] = 0x16);
    for kind in KINDS {
        let case = Case::of(kind);
        for (hash, id) in [(0x0c, "SHA-384"), (0x0d, "SHA-512"), (0x04, "SHA-1")] {
            case.refused_by("tpm.signature.scheme", |case| case.signature[3] = hash);
            case.refused_by("tpm.signature.valid", |case| case.signature[3] = hash);
            assert!(!id.is_empty());
        }
        // SHA-1 is refused even for a key that is bound to it.
        case.refused_by("tpm.signature.hash", |case| {
            case.signature[3] = 0x04;
            case.key[15] = 0x04;
        });
    }
}

#[test]
fn wrong_numbers_in_signatures_are_refused() {
    let valid = "tpm.signature.valid";
    let rsa = Case::of("rsa");
    rsa.refused_only_by(valid, |case| case.signature[6..].fill(0));
    rsa.refused_only_by(valid, |case| case.signature[6..].fill(0xff));
    rsa.refused_only_by(valid, |case| {
        case.signature.pop();
        case.signature[5] = 0xff;
        case.signature[4] = 0;
    });
    let ecc = Case::of("ecc");
    let zero = [0; 32];
    ecc.refused_only_by(valid, |case| case.signature[6..38].copy_from_slice(&zero));
    ecc.refused_only_by(valid, |case| case.signature[40..72].copy_from_slice(&zero));
    ecc.refused_only_by(valid, |case| case.signature[6..38].fill(0xff));
    ecc.refused_only_by(valid, |case| case.signature[40..72].fill(0xff));
    // `r` and `s` swapped.
    ecc.refused_only_by(valid, |case| {
        let (r, s) = (case.signature[6..38].to_vec(), case.signature[40..72].to_vec());
        case.signature[6..38].copy_from_slice(&s);
        case.signature[40..72].copy_from_slice(&r);
    });
    // No `r` at all.
    ecc.refused_only_by(valid, |case| {
        case.signature.drain(6..38);
        case.signature[5] = 0;
    });
}

#[test]
fn malformed_messages_are_refused() {
    let form = "tpm.message.form";
    for kind in KINDS {
        let case = Case::of(kind);
        case.refused_by("tpm.message.magic", |case| case.message[0] = 0xfe);
        case.refused_by("tpm.message.magic", |case| case.message[3] = 0x48);
        case.refused_by("tpm.signature.valid", |case| case.message[3] = 0x48);
        case.refused_by(form, |case| case.message.clear());
        case.refused_by(form, |case| case.message.truncate(100));
        case.refused_by(form, |case| case.message.push(0));
        case.refused_by(form, |case| case.message[TYPE_AT + 1] = 0x1c);
        case.refused_by(form, |case| case.message[TYPE_AT + 1] = 0x17); // says it certifies
        case.refused_by(form, |case| case.message[SIGNER_AT] = 0xff); // an endless name
        case.refused_by(form, |case| case.message[RESETS_AT + 8] = 2); // neither safe nor not
        case.refused_by(form, |case| case.message[SELECTION_AT + 3] = 17); // banks without end
        case.refused_by(form, |case| case.message[SELECTION_AT + 5] = 0x12); // SM3
        case.refused_by(form, |case| case.message[SELECTION_AT + 6] = 0); // no bitmap
    }
}

#[test]
fn other_names_of_the_signer_are_refused() {
    for kind in KINDS {
        let case = Case::of(kind);
        let name = Public::parse(&case.key).expect("a public area").name();
        // The vectors' keys are children of endorsement keys that are not among the vectors.
        for hierarchy in [Hierarchy::Owner, Hierarchy::Null, Hierarchy::Endorsement] {
            let wanted = name.qualified_in(hierarchy);
            case.refused_only_by("tpm.message.signer", |case| case.policy.signer = Some(wanted));
        }
        case.refused_by("tpm.message.signer-form", |case| case.message[SIGNER_AT + 3] = 0x0c);
        let mut known = case.clone();
        known.policy.signer = Name::from_bytes(&case.message[SIGNER_AT + 2..SIGNER_AT + 36]);
        assert!(known.policy.signer.is_some() && known.verdict().is_accepted());
    }
}

#[test]
fn other_nonces_are_refused() {
    let nonce = "tpm.message.nonce";
    for kind in KINDS {
        let case = Case::of(kind);
        case.refused_only_by(nonce, |case| case.policy.nonce[31] ^= 1);
        case.refused_only_by(nonce, |case| case.policy.nonce.truncate(31));
        case.refused_only_by(nonce, |case| case.policy.nonce.push(7));
        case.refused_only_by(nonce, |case| case.policy.nonce.clear());
        case.refused_by(nonce, |case| case.message[NONCE_AT] ^= 1);
    }
}

fn selecting(banks: &[(Hash, &[u8])]) -> PcrSelection {
    let set = |indices: &[u8]| PcrSet::new(indices).expect("below 24");
    PcrSelection(banks.iter().map(|(bank, indices)| (*bank, set(indices))).collect())
}

#[test]
fn other_selections_are_refused() {
    let selection = "tpm.quote.selection";
    for kind in KINDS {
        let case = Case::of(kind);
        let ask = |banks: &[(Hash, &[u8])]| {
            case.refused_by(selection, |case| {
                case.policy.selection = selecting(banks);
                let count = |(bank, set): &(Hash, PcrSet)| bank.bytes() * set.count();
                case.pcrs = vec![0; case.policy.selection.0.iter().map(count).sum()];
            });
        };
        ask(&[(Hash::Sha256, &[0, 4, 7])]); // the quote has one more
        ask(&[(Hash::Sha256, &[0, 4, 7, 11, 12])]); // one less
        ask(&[(Hash::Sha256, &[0, 4, 7, 12])]); // another
        ask(&[(Hash::Sha1, &[0, 4, 7, 11])]); // another bank
        ask(&[(Hash::Sha384, &[0, 4, 7, 11])]);
        ask(&[(Hash::Sha256, &[0, 4, 7, 11]), (Hash::Sha384, &[0])]); // one more bank
        ask(&[]);
        // The quoted bytes changed, policy as before.
        case.refused_by(selection, |case| case.message[SELECTION_AT + 7] = 0x90);
        case.refused_by(selection, |case| case.message[SELECTION_AT + 9] = 0x01);
        case.refused_by(selection, |case| case.message[SELECTION_AT + 5] = 0x0c);
    }
}

#[test]
fn other_values_are_refused() {
    for kind in KINDS {
        let case = Case::of(kind);
        for at in [0, 31, 32, 64, 127] {
            case.refused_only_by("tpm.quote.pcrs-digest", |case| case.pcrs[at] ^= 0x80);
        }
        // Two values swapped.
        case.refused_by("tpm.quote.pcrs-digest", |case| {
            case.pcrs = [&case.pcrs[32..64], &case.pcrs[..32], &case.pcrs[64..]].concat();
            case.pcrs[0] ^= u8::from(case.pcrs[..32] == case.pcrs[32..64]);
        });
        case.refused_only_by("tpm.quote.pcrs-form", |case| case.pcrs.truncate(127));
        case.refused_only_by("tpm.quote.pcrs-form", |case| case.pcrs.push(0));
        case.refused_only_by("tpm.quote.pcrs-form", |case| case.pcrs.clear());
    }
}

#[test]
fn judged_values_must_be_allowed_and_selected() {
    let bank = Hash::Sha256;
    for kind in KINDS {
        let case = Case::of(kind);
        let own = Digest::from_bytes(bank, &case.pcrs[32..64]).expect("32 bytes");
        let other = Digest::zero(bank);
        let mut allowed = case.clone();
        allowed.policy.expected.insert((bank, 4), vec![Hash::Sha256.digest(b"old"), own]);
        assert!(allowed.verdict().is_accepted());
        case.refused_only_by("tpm.quote.pcr-expected", |case| {
            case.policy.expected.insert((bank, 4), vec![Hash::Sha256.digest(b"old")]);
        });
        case.refused_only_by("tpm.quote.pcr-expected", |case| {
            case.policy.expected.insert((bank, 4), Vec::new());
        });
        case.refused_by("tpm.quote.pcr-selected", |case| {
            case.policy.expected.insert((bank, 5), vec![other]);
        });
        case.refused_by("tpm.quote.pcr-selected", |case| {
            case.policy.expected.insert((Hash::Sha384, 4), vec![Digest::zero(Hash::Sha384)]);
        });
    }
}

#[test]
fn other_firmware_is_refused() {
    for kind in KINDS {
        let case = Case::of(kind);
        let mut allowed = case.clone();
        allowed.policy.firmware = Some(BTreeSet::from([1, 0x2019_1023_0016_3636]));
        assert!(allowed.verdict().is_accepted());
        case.refused_only_by("tpm.firmware", |case| {
            case.policy.firmware = Some(BTreeSet::from([1]));
        });
        case.refused_only_by("tpm.firmware", |case| case.policy.firmware = Some(BTreeSet::new()));
    }
}

#[test]
fn clocks_do_not_go_back() {
    for kind in KINDS {
        let case = Case::of(kind);
        let now = case.clock();
        let since = |change: &dyn Fn(&mut ClockInfo)| {
            let mut last = now;
            change(&mut last);
            let mut case = case.clone();
            case.policy.clock = ClockRule::Since(last);
            case.verdict().checks().failed_ids()
        };
        let none: [&str; 0] = [];
        assert_eq!(since(&|_| {}), none);
        assert_eq!(since(&|last| last.clock_ms -= 1), none);
        assert_eq!(since(&|last| last.reset_count -= 1), none);
        // After a reset restarts are counted anew.
        assert_eq!(
            since(&|last| {
                last.reset_count -= 1;
                last.restart_count = 9;
            }),
            none
        );
        assert_eq!(since(&|last| last.clock_ms += 1), ["tpm.clock.forward"]);
        assert_eq!(since(&|last| last.reset_count += 1), ["tpm.clock.reset-count"]);
        assert_eq!(since(&|last| last.restart_count += 1), ["tpm.clock.restart-count"]);
        // A clock that is not safe changes what is signed, so the signature fails as well.
        case.refused_by("tpm.clock.safe", |case| {
            case.policy.clock = ClockRule::Safe;
            case.message[RESETS_AT + 8] = 0;
        });
        let mut safe = case.clone();
        safe.policy.clock = ClockRule::Safe;
        assert!(safe.verdict().is_accepted());
    }
}

type Part = fn(&mut Case) -> &mut Vec<u8>;

/// Every bit of every part is flipped. Nothing is accepted but in bytes that mean nothing to anyone:
/// the key's attributes and policy that allow what is not judged, each listed here.
#[test]
fn every_flipped_bit_is_refused() {
    for kind in KINDS {
        let case = Case::of(kind);
        let parts: [(&str, Part); 4] = [
            ("key", |case| &mut case.key),
            ("message", |case| &mut case.message),
            ("signature", |case| &mut case.signature),
            ("pcrs", |case| &mut case.pcrs),
        ];
        let mut accepted = Vec::new();
        for (name, part) in parts {
            for bit in 0..8 * part(&mut case.clone()).len() {
                let mut case = case.clone();
                part(&mut case)[bit / 8] ^= 1 << (bit % 8);
                if case.verdict().is_accepted() {
                    accepted.push((name, bit));
                }
            }
        }
        let free: Vec<_> = FREE_ATTRIBUTES
            .iter()
            .map(|bit| ("key", 8 * (ATTRIBUTES + 3 - *bit / 8) + bit % 8))
            .collect();
        let mut free = free;
        free.sort_unstable();
        accepted.sort_unstable();
        assert_eq!(accepted, free, "{kind}");
        // With the name of the key known, as it is after the enrolment, there is no free bit.
        let mut enrolled = case.clone();
        enrolled.policy.key_name = Public::parse(&case.key).map(|key| key.name()).ok();
        assert!(enrolled.verdict().is_accepted());
        for (_, bit) in free {
            enrolled.refused_only_by("tpm.key.name", |case| case.key[bit / 8] ^= 1 << (bit % 8));
        }
    }
}

/// Attributes of a key that no check is about: stClear, userWithAuth, adminWithPolicy, noDA. They say
/// how the key is unlocked, not what it signs. They are part of the key's name, which the activated
/// credential is bound to: a key with one of them flipped is another key, that no TPM activated.
const FREE_ATTRIBUTES: [usize; 4] = [2, 6, 7, 10];

#[test]
fn bare_keys_give_no_verified_quote_but_the_same_checks() {
    let case = Case::of("rsa");
    let Case { message, signature, pcrs, policy, .. } = &case;
    let spki = vector_spki(&case.key);
    let signed = SignedBy { key: &spki, message, signature };
    let evidence = QuoteEvidence { signed, pcrs };
    let verdict = verify_by_bare_key(&evidence, policy);
    assert!(verdict.is_accepted(), "{:?}", verdict.checks().failed_ids());
    let mut other = policy.clone();
    other.nonce.clear();
    let refused = verify_by_bare_key(&evidence, &other);
    assert_eq!(refused.checks().failed_ids(), ["tpm.message.nonce"]);
    let tpm = verify_by_bare_key(
        &QuoteEvidence { signed: SignedBy { key: &case.key, ..signed }, ..evidence },
        policy,
    );
    assert_eq!(tpm.checks().failed_ids(), ["tpm.key.form"]);
}

/// The SubjectPublicKeyInfo of an RSA-2048 public area.
fn vector_spki(public: &[u8]) -> Vec<u8> {
    let header = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let mut der = hex::decode(header).expect("hex");
    der.extend(&public[24..280]);
    der.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    der
}
