//! A machine for tests, with a TPM and a chip whose keys are ours: each thing can be made wrong before it
//! is signed.

use super::known::answer;
use super::*;
use crate::crypto::{Digest, Hash};
use crate::snp::forge::{Chip, KEYS, roots as snp_roots};
use crate::snp::{Product, Report};
use crate::tpm::{
    ClockInfo, MAGIC, Name, PcrSelection, PcrSet, PcrValues, Public, extend, hash_id,
};
use crate::x509::forge::{CRITICAL, Draft, Key, ecdsa_sha384, sequence, tlv};
use crate::x509::{Certificate, UnixTime};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// 2025-06-15.
pub const AT: UnixTime = UnixTime(1_750_000_000);
pub const HEIGHT: u64 = 1000;
pub const ROOT: [u8; 32] = [0x42; 32];
pub const BANKS: [Hash; 2] = [Hash::Sha256, Hash::Sha384];
/// The registers that are quoted.
pub const QUOTED: [u8; 4] = [0, 4, 5, 11];

pub type Hook<T> = Rc<dyn Fn(&mut T)>;

pub fn nothing<T>() -> Hook<T> {
    Rc::new(|_| {})
}

/// TPMS_ATTEST of a quote, field by field.
#[derive(Clone)]
pub struct Message {
    pub magic: u32,
    pub kind: u16,
    pub signer: Vec<u8>,
    pub nonce: Vec<u8>,
    pub clock: ClockInfo,
    pub firmware: u64,
    pub selection: PcrSelection,
    pub digest: Vec<u8>,
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_be_bytes().to_vec();
        bytes.extend(self.kind.to_be_bytes());
        bytes.extend(sized(&self.signer));
        bytes.extend(sized(&self.nonce));
        bytes.extend(self.clock.clock_ms.to_be_bytes());
        bytes.extend(self.clock.reset_count.to_be_bytes());
        bytes.extend(self.clock.restart_count.to_be_bytes());
        bytes.push(u8::from(self.clock.safe));
        bytes.extend(self.firmware.to_be_bytes());
        bytes.extend((self.selection.0.len() as u32).to_be_bytes());
        for (bank, set) in &self.selection.0 {
            bytes.extend(hash_id(*bank).to_be_bytes());
            let mut bitmap = [0u8; 3];
            set.indices().for_each(|index| bitmap[usize::from(index / 8)] |= 1 << (index % 8));
            bytes.push(3);
            bytes.extend(bitmap);
        }
        bytes.extend(sized(&self.digest));
        bytes
    }
}

/// A machine, its policy, and what its verifier knows.
#[derive(Clone)]
pub struct Machine {
    pub statement: Statement,
    pub ek: Draft,
    pub ek_public: Vec<u8>,
    pub ak: SigningKey,
    pub ak_public: Vec<u8>,
    pub activation: Activation,
    /// What is measured: register and data.
    pub measured: Vec<(u8, Vec<u8>)>,
    pub chip: Chip,
    /// Changes the TPM's part before the nonce is made, its message, and the part when it is signed.
    pub part: Hook<TpmPart>,
    pub message: Hook<Message>,
    pub signed: Hook<TpmPart>,
    /// Changes the SNP part when it is signed.
    pub snp: Hook<SnpPart>,
    /// Does not name the guest in the TPM's nonce, or another.
    pub guest: Hook<Option<GuestName>>,
    /// Names another TPM in the report and in the host's data.
    pub named: Hook<Option<(Name, Name)>>,
    pub known: Known,
    pub policy: Value,
    pub at: UnixTime,
}

/// The authorities of the TPM's maker.
fn authorities() -> [(Draft, Key); 2] {
    let (root, issuer) = (Key::p384(91), Key::p384(92));
    [
        (Draft::new("TPM root", "TPM root", &root, ecdsa_sha384()).authority(None), root),
        (Draft::new("TPM issuer", "TPM root", &issuer, ecdsa_sha384()).authority(Some(0)), issuer),
    ]
}

impl Machine {
    /// A machine that is accepted. Machines of different numbers have nothing in common but the vendors.
    pub fn new(role: Role, number: u8) -> Self {
        let keys = NodeKeys {
            signing: [number; 32],
            tls: vec![number.wrapping_add(1); 44],
            dealing: (role != Role::Host).then(|| vec![number.wrapping_add(2); 96]),
        };
        let anchor = Anchor { height: HEIGHT, root: ROOT };
        let ek_key = Key::p384(100 + number);
        let ak = SigningKey::from_slice(&[number; 32]).expect("a scalar");
        let mut chip = Chip::new(Product::Milan);
        chip.report[0x1a0..0x1e0].fill(0x50 + number);
        let id = crate::snp::forge::amd(&[4]);
        let found = chip.vek.extensions.iter_mut().find(|(oid, ..)| *oid == id);
        found.expect("it has one").2 = vec![0x50 + number; 64];
        chip.report[0x140..0x160].fill(0x70 + number);
        let mut machine = Self {
            statement: Statement { role, anchor, keys },
            ek: ek_certificate(&ek_key),
            ek_public: ek_public(&ek_key),
            ak_public: ak_public(&ak),
            ak,
            activation: Activation::new([number; 32], vec![0x11; 48]),
            measured: vec![
                (0, b"firmware 7".to_vec()),
                (4, b"kernel 1.2.0".to_vec()),
                (5, b"partitions".to_vec()),
                (11, b"sections".to_vec()),
            ],
            chip,
            part: nothing(),
            message: nothing(),
            signed: nothing(),
            snp: nothing(),
            guest: nothing(),
            named: nothing(),
            known: Known {
                height: HEIGHT + 50,
                certified: BTreeMap::from([(HEIGHT, ROOT)]),
                activations: Vec::new(),
                machine: None,
            },
            policy: Value::Null,
            at: AT,
        };
        machine.known.activations.push(machine.activation.clone());
        machine.policy = machine.accepting_policy();
        machine
    }

    /// The values of the quoted registers.
    pub fn values(&self) -> PcrValues {
        let mut values = PcrValues::default();
        for bank in BANKS {
            for pcr in QUOTED {
                let own = self.measured.iter().filter(|(measured, _)| *measured == pcr);
                let value = own.fold(Digest::zero(bank), |value, (_, data)| {
                    extend(&value, bank.digest(data).as_bytes())
                });
                values.set(pcr, value);
            }
        }
        values
    }

    fn log(&self) -> Vec<u8> {
        let mut head = b"Spec ID Event03\0".to_vec();
        head.extend([0, 0, 0, 0, 0, 2, 0, 2, 2, 0, 0, 0]);
        for bank in BANKS {
            head.extend(hash_id(bank).to_le_bytes());
            head.extend((bank.bytes() as u16).to_le_bytes());
        }
        head.push(0);
        let mut log = [[0; 4], 3u32.to_le_bytes()].concat();
        log.extend([0; 20]);
        log.extend((head.len() as u32).to_le_bytes());
        log.extend(head);
        for (pcr, data) in &self.measured {
            log.extend(u32::from(*pcr).to_le_bytes());
            log.extend(0x0du32.to_le_bytes());
            log.extend(2u32.to_le_bytes());
            for bank in BANKS {
                log.extend(hash_id(bank).to_le_bytes());
                log.extend(bank.digest(data).as_bytes());
            }
            log.extend((data.len() as u32).to_le_bytes());
            log.extend(data);
        }
        log
    }

    pub fn names(&self) -> Option<(Name, Name)> {
        let name = |bytes: &[u8]| Public::parse(bytes).ok().map(|public| public.name());
        Some((name(&self.ek_public)?, name(&self.ak_public)?))
    }

    fn tpm_part(&self) -> TpmPart {
        let [_, (issuer, issuer_key)] = authorities();
        let challenge =
            Public::parse(&self.ek_public).ok().zip(self.names()).map(|(ek, (_, ak))| {
                challenge_id(&self.activation.challenge(&ek, ak).expect("the key encrypts"))
            });
        let selection = PcrSelection(
            BANKS.map(|bank| (bank, PcrSet::new(&QUOTED).expect("below 24"))).to_vec(),
        );
        let values = self.values();
        let pcrs = values.iter().flat_map(|(_, value)| value.as_bytes().to_vec()).collect();
        let mut part = TpmPart {
            ek_certificate: self.ek.sign(&issuer_key),
            issuers: vec![issuer.sign(&authorities()[0].1)],
            ek_public: self.ek_public.clone(),
            ak_public: self.ak_public.clone(),
            challenge: challenge.unwrap_or_default(),
            answer: [0; 32],
            message: vec![0],
            signature: vec![0],
            selection,
            pcrs,
            log: self.log(),
        };
        (self.part)(&mut part);
        let mut guest = self.statement.role.has_snp().then(|| {
            GuestName::of_report(&self.chip.report).expect("it has the length of a report")
        });
        (self.guest)(&mut guest);
        let nonce = self.statement.tpm_nonce(&part.identity(), guest.as_ref());
        part.answer = answer(self.activation.secret(), &nonce);
        let signer = self
            .names()
            .map(|(_, ak)| ak.qualified_in(crate::tpm::Hierarchy::Endorsement).to_bytes());
        let digest = values.digest(&part.selection, Hash::Sha256);
        let mut message = Message {
            magic: MAGIC,
            kind: 0x8018,
            signer: signer.unwrap_or_default(),
            nonce: nonce.to_vec(),
            clock: ClockInfo { clock_ms: 5000, reset_count: 3, restart_count: 1, safe: true },
            firmware: 7,
            selection: part.selection.clone(),
            digest: digest.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default(),
        };
        (self.message)(&mut message);
        part.message = message.encode();
        part.signature = sign(&self.ak, &part.message);
        (self.signed)(&mut part);
        part
    }

    fn snp_part(&self) -> SnpPart {
        let mut chip = self.chip.clone();
        let mut tpm = self.statement.role.has_tpm().then(|| self.names()).flatten();
        (self.named)(&mut tpm);
        chip.report[0x50..0x90].copy_from_slice(&self.statement.report_data(tpm));
        if let Some((ek, ak)) = tpm {
            chip.report[0xc0..0xe0].copy_from_slice(&host_data(ek, ak));
        }
        let signed = chip.sign();
        let mut part =
            SnpPart { report: signed.report, vek: signed.vek, ask: signed.ask, ark: signed.ark };
        (self.snp)(&mut part);
        part
    }

    pub fn evidence(&self) -> Evidence {
        let role = self.statement.role;
        let tpm = role.has_tpm().then(|| self.tpm_part());
        let snp = role.has_snp().then(|| self.snp_part());
        Evidence::new(self.statement.clone(), tpm, snp).expect("all is within its bounds")
    }

    pub fn roots(&self) -> Roots {
        let [(root, root_key), _] = authorities();
        let root = Certificate::from_der(&root.sign(&root_key)).expect("we made it");
        Roots::new([("TPM root".to_owned(), root)], [], snp_roots(Product::Milan))
    }

    /// The policy, from its text.
    pub fn read_policy(&self) -> Policy {
        serde_json::from_value(self.policy.clone()).expect("the policy is one")
    }

    /// The checks that fail for some evidence.
    pub fn failed(&self, evidence: &Evidence) -> Vec<&'static str> {
        let bytes = evidence.encode();
        let verdict = verify(&bytes, &self.read_policy(), &self.roots(), &self.known, self.at);
        assert_eq!(verdict.is_accepted(), verdict.checks().all_passed());
        verdict.checks().failed_ids()
    }

    fn accepting_policy(&self) -> Value {
        let values = self.values();
        let of = |pcrs: &[u8]| {
            let bank = |bank: Hash| {
                let values = pcrs.iter().map(|pcr| {
                    let value = values.get(bank, *pcr).expect("it is quoted");
                    (pcr.to_string(), json!([value.to_string()]))
                });
                (bank.to_string(), values.collect::<serde_json::Map<_, _>>().into())
            };
            Value::Object(BANKS.map(bank).into_iter().collect())
        };
        let report = Report::from_bytes(&self.chip.report).expect("a report");
        let tcb = json!({"fmc": 0, "bootloader": 4, "tee": 1, "snp": 24, "microcode": 219});
        let role = self.statement.role;
        let tpm = json!({
            "selection": {"sha256": QUOTED, "sha384": QUOTED},
            "releases": [{"name": "host 1.2.0", "pcrs": of(&[4, 11])}],
            "platforms": [{"name": "board 7", "pcrs": of(&[0])}],
            "unjudged": {"sha256": [5], "sha384": [5]},
            "explained-by-log": [0, 4, 5, 11],
            "firmware-versions": [7],
            "x509-quirks": [],
            "ek-quirks": [],
        });
        let snp = json!({
            "products": {"milan": {"current": tcb, "reported": tcb, "committed": tcb, "launch": tcb}},
            "vlek-providers": [],
            "vmpl": [0],
            "guest-may-allow": ["smt"],
            "guest-must-demand": [],
            "guest-abi-min": {"major": 1, "minor": 51},
            "platform-required": ["alias-check"],
            "platform-forbidden": ["trusted-io"],
            "mitigations-required": 0,
            "releases": [{"name": "guest 1.2.0", "measurements": [hex::encode(report.measurement())]}],
            "host-data": [hex::encode(report.host_data())],
            "chip-ids": "any",
            "id-keys": [hex::encode(report.id_key_digest())],
            "author-keys": [hex::encode(report.author_key_digest())],
            "family-ids": [hex::encode(report.family_id())],
            "image-ids": [hex::encode(report.image_id())],
            "guest-svn-min": 7,
        });
        json!({
            "version": 1,
            "roles": [role.name()],
            "age-heights-max": 100,
            "tpm": if role.has_tpm() { tpm } else { Value::Null },
            "snp": if role.has_snp() { snp } else { Value::Null },
        })
    }
}

pub fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let signature: Signature = key.sign(message);
    let numbers = signature.to_bytes();
    let (r, s) = numbers.split_at(32);
    [&[0, 0x18, 0, 0x0b], sized(r).as_slice(), &sized(s)].concat()
}

/// ECDSA on P-256 with SHA-256, restricted, as our nodes' attestation keys are.
pub fn ak_public(key: &SigningKey) -> Vec<u8> {
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    let mut bytes = vec![0, 0x23, 0, 0x0b];
    bytes.extend(0x0005_0472u32.to_be_bytes());
    bytes.extend([0, 0, 0, 0x10, 0, 0x18, 0, 0x0b, 0, 3, 0, 0x10]);
    [bytes, sized(x), sized(y)].concat()
}

/// A storage key on P-384 with a name of SHA-256.
pub fn ek_public(key: &Key) -> Vec<u8> {
    let Key::P384(key) = key else { panic!("the endorsement keys here are on P-384") };
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(48);
    let mut bytes = vec![0, 0x23, 0, 0x0b];
    bytes.extend(0x0003_0072u32.to_be_bytes());
    bytes.extend([0, 0, 0, 6, 0, 128, 0, 0x43, 0, 0x10, 0, 4, 0, 0x10]);
    [bytes, sized(x), sized(y)].concat()
}

pub fn ek_certificate(key: &Key) -> Draft {
    let attribute = |part: u8, text: &str| {
        let pair = sequence(&[&tlv(6, &[0x67, 0x81, 5, 2, part]), &tlv(0x0c, text.as_bytes())]);
        tlv(0x31, &pair)
    };
    let name = sequence(&[
        &attribute(1, "id:504C4E00"),
        &attribute(2, "forged"),
        &attribute(3, "id:00000007"),
    ]);
    let alt_name = sequence(&[&tlv(0xa4, &name)]);
    let purpose = sequence(&[&tlv(6, &[0x67, 0x81, 5, 8, 1])]);
    Draft::new("", "TPM issuer", key, ecdsa_sha384())
        .with(&[0x55, 0x1d, 15], &CRITICAL, vec![3, 2, 3, 8])
        .with(&[0x55, 0x1d, 17], &CRITICAL, alt_name)
        .with(&[0x55, 0x1d, 37], &[], purpose)
}

pub fn sized(bytes: &[u8]) -> Vec<u8> {
    [(bytes.len() as u16).to_be_bytes().as_slice(), bytes].concat()
}

/// Signs a changed report again with the chip's key.
pub fn sign_again(report: &mut [u8]) {
    crate::snp::forge::sign_report(&KEYS.vek, report);
}
