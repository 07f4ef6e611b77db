//! A whole machine for tests: a software TPM that measured a boot, a simulated guest on a simulated chip, and
//! the file that judges it. Include it with `#[path = "…/os-kit/evidence/tests/machine/mod.rs"] mod machine;`.
#![allow(dead_code, reason = "each program that includes this uses a part of it")]

#[path = "../../../tpm/tests/swtpm/mod.rs"]
pub mod swtpm;

use attestation::crypto::{Digest, Hash};
use attestation::evidence::{Activation, Anchor, NodeKeys, Role, Statement, host_data};
use attestation::snp::{Product, TcbVersion};
use attestation::tpm::{PcrSelection, PcrSet, Public, extend, hash_id};
use attestation::x509::Certificate;
use attestation_simulator::{Chip, Guest, Launch, Vendor};
use os_kit_evidence::Identity;
use os_kit_tpm::{Bank, EkKind, Tpm};
use serde_json::{Value, json};
use std::fs;

pub const HEIGHT: u64 = 1000;
pub const ROOT: [u8; 32] = [0x42; 32];
pub const MEASUREMENT: [u8; 48] = [0x11; 48];
pub const BANKS: [Hash; 2] = [Hash::Sha256, Hash::Sha384];
pub const QUOTED: [u8; 4] = [0, 4, 7, 11];

const TCB: TcbVersion = TcbVersion { fmc: 0, bootloader: 4, tee: 0, snp: 24, microcode: 219 };

/// What firmware and stub measure: register and data.
pub const MEASURED: [(u8, &[u8]); 4] =
    [(0, b"firmware"), (4, b"kernel image"), (7, b"secure boot"), (11, b"sections")];

pub struct Machine {
    pub tpm: swtpm::Machine,
    pub chip: Chip,
    name: &'static str,
}

impl Machine {
    /// A machine that has booted: what it measured is in its registers. `number` is that of its chip.
    pub fn new(name: &'static str, number: u8) -> Self {
        let tpm = swtpm::Machine::new(name);
        let opened = tpm.open();
        for (pcr, data) in MEASURED {
            extend_pcr(&opened, pcr, data);
        }
        drop(opened);
        let chip = Chip::new(&Vendor::new(Product::Genoa), [number; 32], TCB);
        Self { tpm, chip, name }
    }

    /// A guest whose launch names this TPM.
    pub fn launch(&self, identity: &Identity) -> Guest {
        let (ek, ak) = identity.names().unwrap();
        self.chip.launch(Launch {
            policy: 0x3_0000,
            measurement: MEASUREMENT,
            family_id: [0; 16],
            image_id: [0; 16],
            guest_svn: 1,
            host_data: host_data(ek, ak),
        })
    }

    /// Root and issuer of the TPM's maker, in PEM.
    pub fn authorities(&self) -> [String; 2] {
        let ca = swtpm::manufactured(self.name).join("ca");
        ["swtpm-localca-rootca-cert.pem", "issuer.pem"]
            .map(|file| fs::read_to_string(ca.join(file)).unwrap())
    }

    /// The file that judges a machine like this, in the form of docs/evidence.md.
    pub fn rules(&self, role: Role, activations: &[&Activation]) -> Value {
        let [root, issuer] = self.authorities();
        let ark = Certificate::from_der(self.chip.vendor().ark()).unwrap();
        let activations: Vec<Value> = activations
            .iter()
            .map(|made| {
                let (secret, randomness) =
                    (hex::encode(made.secret()), hex::encode(made.randomness()));
                json!({"secret": secret, "randomness": randomness})
            })
            .collect();
        json!({
            "policy": {
                "version": 1,
                "roles": [role.name()],
                "age-heights-max": 100,
                "tpm": if role.has_tpm() { tpm_rules() } else { Value::Null },
                "snp": if role.has_snp() { snp_rules() } else { Value::Null },
            },
            "roots": {
                "tpm": [{"label": "swtpm", "certificate": root}],
                "tpm-intermediates": [issuer],
                "snp": [{
                    "label": "simulated",
                    "product": "genoa",
                    "key-sha256": hex::encode(ark.spki_sha256()),
                }],
            },
            "known": {
                "height": HEIGHT + 10,
                "certified": {HEIGHT.to_string(): hex::encode(ROOT)},
                "activations": activations,
                "machine": null,
            },
        })
    }
}

pub fn extend_pcr(tpm: &Tpm, pcr: u8, data: &[u8]) {
    let digests =
        [(Bank::Sha1, Hash::Sha1), (Bank::Sha256, Hash::Sha256), (Bank::Sha384, Hash::Sha384)]
            .map(|(bank, hash)| (bank, hash.digest(data).as_bytes().to_vec()));
    tpm.extend_pcr(pcr, &digests).unwrap();
}

pub fn selection() -> PcrSelection {
    PcrSelection(BANKS.map(|bank| (bank, PcrSet::new(&QUOTED).unwrap())).to_vec())
}

/// A crypto-agile log of what was measured.
pub fn log() -> Vec<u8> {
    let mut head = b"Spec ID Event03\0".to_vec();
    head.extend([0, 0, 0, 0, 0, 2, 0, 2, 2, 0, 0, 0]);
    for bank in BANKS {
        head.extend(hash_id(bank).to_le_bytes());
        head.extend(u16::try_from(bank.bytes()).unwrap().to_le_bytes());
    }
    head.push(0);
    let mut log = [[0; 4], 3u32.to_le_bytes()].concat();
    log.extend([0; 20]);
    log.extend(u32::try_from(head.len()).unwrap().to_le_bytes());
    log.extend(head);
    for (pcr, data) in MEASURED {
        log.extend(u32::from(pcr).to_le_bytes());
        log.extend(0x0du32.to_le_bytes());
        log.extend(2u32.to_le_bytes());
        for bank in BANKS {
            log.extend(hash_id(bank).to_le_bytes());
            log.extend(bank.digest(data).as_bytes());
        }
        log.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        log.extend(data);
    }
    log
}

pub fn statement(role: Role, number: u8) -> Statement {
    let keys = NodeKeys {
        signing: [number; 32],
        tls: vec![number; 44],
        dealing: (role != Role::Host).then(|| vec![number; 96]),
    };
    Statement { role, anchor: Anchor { height: HEIGHT, root: ROOT }, keys }
}

/// A challenge for a TPM: how it is made.
pub fn activation(identity: &Identity, number: u8) -> Activation {
    let ek = Public::parse(&identity.ek_public).unwrap();
    let count = attestation::tpm::credential::randomness_bytes(&ek);
    Activation::new([number; 32], vec![0x11; count])
}

pub fn challenge(
    identity: &Identity,
    made: &Activation,
) -> attestation::tpm::credential::Challenge {
    let (_, ak) = identity.names().unwrap();
    made.challenge(&Public::parse(&identity.ek_public).unwrap(), ak).unwrap()
}

pub const KIND: EkKind = EkKind::P384;

fn values(pcrs: &[u8]) -> Value {
    let bank = |bank: Hash| {
        let values = pcrs.iter().map(|pcr| {
            let own = MEASURED.iter().filter(|(measured, _)| measured == pcr);
            let value = own.fold(Digest::zero(bank), |value, (_, data)| {
                extend(&value, bank.digest(data).as_bytes())
            });
            (pcr.to_string(), json!([value.to_string()]))
        });
        (bank.to_string(), Value::Object(values.collect()))
    };
    Value::Object(BANKS.map(bank).into_iter().collect())
}

fn tpm_rules() -> Value {
    json!({
        "selection": {"sha256": QUOTED, "sha384": QUOTED},
        "releases": [{"name": "hostos 1", "pcrs": values(&[4, 7, 11])}],
        "platforms": [{"name": "board 1", "pcrs": values(&[0])}],
        "unjudged": {},
        "explained-by-log": QUOTED,
        "firmware-versions": "any",
        "x509-quirks": [],
        "ek-quirks": [],
    })
}

fn snp_rules() -> Value {
    let tcb = json!({"fmc": 0, "bootloader": 4, "tee": 0, "snp": 24, "microcode": 219});
    json!({
        "products": {"genoa": {"current": tcb, "reported": tcb, "committed": tcb, "launch": tcb}},
        "vlek-providers": [],
        "vmpl": [0],
        "guest-may-allow": ["smt"],
        "guest-must-demand": [],
        "guest-abi-min": {"major": 0, "minor": 0},
        "platform-required": ["alias-check"],
        "platform-forbidden": [],
        "mitigations-required": 0,
        "releases": [{"name": "guestos 1", "measurements": [hex::encode(MEASUREMENT)]}],
        "host-data": "any",
        "chip-ids": "any",
        "id-keys": ["00".repeat(48)],
        "author-keys": ["00".repeat(48)],
        "family-ids": "any",
        "image-ids": "any",
        "guest-svn-min": 1,
    })
}
