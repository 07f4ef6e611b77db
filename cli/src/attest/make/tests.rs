//! Evidence from beginning to end, with a software TPM and a simulated processor.

#[path = "../../../../os-kit/evidence/tests/machine/mod.rs"]
mod machine;

use super::*;
use crate::attest::AttestCommand;
use crate::error::Error;
use attestation_simulator::Service;
use clap::Parser;
use machine::{Machine, extend_pcr};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: AttestCommand,
}

/// Runs a command as from the command line.
fn plinth(words: &[&str]) -> Result<(), Error> {
    let line = Line::try_parse_from(["attest"].iter().chain(words))
        .map_err(|error| Error::Unusable(error.to_string()))?;
    crate::attest::run(&line.command)
}

/// A folder of files for one machine.
struct Desk {
    folder: TempDir,
    machine: Machine,
    service: Option<Service>,
}

impl Desk {
    fn new(name: &'static str, number: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::new(name, number);
        fs::write(folder.path().join("log"), machine::log()).unwrap();
        Self { folder, machine, service: None }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn tpm(&self) -> String {
        self.machine.tpm.address().to_string()
    }

    /// The machine says who it is, somebody makes a challenge, a guest is launched.
    fn prepare(&mut self, kind: &str) -> Result<(), Error> {
        let (tpm, identity) = (self.tpm(), self.at("identity"));
        plinth(&["identity", "--tpm", &tpm, "--ek", kind, "--out", &identity])?;
        self.challenge()?;
        let read = crate::attest::forms::IdentityFile::read(self.at("identity").as_ref());
        let identity = read.map_err(|error| Error::Unusable(error.to_string()))?;
        let guest = self.machine.launch(&identity);
        self.service =
            Some(Service::start(&guest, self.folder.path().join("snp").as_path()).unwrap());
        Ok(())
    }

    fn challenge(&self) -> Result<(), Error> {
        let (identity, out, activation) =
            (self.at("identity"), self.at("challenge"), self.at("activation"));
        plinth(&["challenge", "--identity", &identity, "--out", &out, "--activation", &activation])
    }

    fn make(&self, role: &str, changes: &[(&str, &str)]) -> Result<(), Error> {
        let mut options = vec![
            ("--role", role.to_owned()),
            ("--tpm", self.tpm()),
            ("--challenge", self.at("challenge")),
            ("--pcrs", "sha384:0,4,7,11+sha256:0,4,7,11".to_owned()),
            ("--log", self.at("log")),
            ("--snp", format!("unix:{}", self.at("snp"))),
            ("--signing-key", "01".repeat(32)),
            ("--tls-key", "02".repeat(44)),
            ("--height", machine::HEIGHT.to_string()),
            ("--root", hex::encode(machine::ROOT)),
            ("--out", self.at("evidence")),
        ];
        if role != "host" {
            options.push(("--dealing-key", "03".repeat(96)));
        }
        for (name, value) in changes {
            options.retain(|(known, _)| known != name);
            if !value.is_empty() {
                options.push((name, (*value).to_owned()));
            }
        }
        let words: Vec<&str> =
            options.iter().flat_map(|(name, value)| [*name, value.as_str()]).collect();
        plinth(&[&["make"], words.as_slice()].concat())
    }

    fn rules(&self, role: Role) -> Value {
        self.machine.rules(role, &[])
    }

    /// Verifies at a day of 2027; gives the text of the refusal.
    fn verify(&self, rules: &Value, with_activation: bool) -> Result<(), Error> {
        fs::write(self.at("policy"), serde_yaml::to_string(rules).unwrap()).unwrap();
        let (evidence, policy, activation) =
            (self.at("evidence"), self.at("policy"), self.at("activation"));
        let mut words = vec!["verify", &evidence, "--policy", &policy];
        words.extend(["--at", "2027-01-15T08:00:00Z", "--json"]);
        if with_activation {
            words.extend(["--activation", &activation]);
        }
        plinth(&words)
    }
}

fn refusal(outcome: Result<(), Error>) -> String {
    let error = outcome.expect_err("it is refused");
    assert_eq!(error.exit_code(), 1, "{error}");
    error.to_string()
}

fn unusable(outcome: Result<(), Error>) -> String {
    let error = outcome.expect_err("it is unusable");
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

#[test]
fn evidence_is_made_verified_and_shown() {
    for kind in ["p384", "rsa2048"] {
        let mut desk = Desk::new("node-1", 7);
        desk.prepare(kind).unwrap();
        for role in Role::ALL {
            desk.make(role.name(), &[]).unwrap();
            let rules = desk.rules(role);
            desk.verify(&rules, true).unwrap();
            for json in [&[][..], &["--json"]] {
                plinth(&[&["show", &desk.at("evidence")], json].concat()).unwrap();
            }
            if role.has_tpm() {
                let without = refusal(desk.verify(&rules, false));
                assert!(without.contains("evidence.tpm.activation"), "{without}");
                // Another challenge than the one that was answered.
                desk.challenge().unwrap();
                let other = refusal(desk.verify(&rules, true));
                assert!(other.contains("evidence.tpm.activation"), "{other}");
            }
        }
    }
}

#[test]
fn what_the_policy_does_not_accept_is_refused() {
    let mut desk = Desk::new("node-1", 7);
    desk.prepare("p384").unwrap();
    desk.make("machine", &[]).unwrap();
    let good = desk.rules(Role::Machine);
    desk.verify(&good, true).unwrap();
    for (path, value, check) in [
        ("/known/height", json!(999), "evidence.height"),
        ("/known/height", json!(5000), "evidence.age"),
        ("/known/certified/1000", json!("00".repeat(32)), "evidence.root"),
        ("/policy/tpm/releases/0/pcrs/sha256/11/0", json!("00".repeat(32)), "evidence.tpm.release"),
        ("/policy/snp/releases/0/measurements/0", json!("00".repeat(48)), "snp.measurement"),
        ("/roots/tpm", json!([]), "ek.path"),
        ("/roots/snp", json!([]), "x509.root"),
    ] {
        let mut rules = good.clone();
        *rules.pointer_mut(path).unwrap() = value;
        let text = refusal(desk.verify(&rules, true));
        assert!(text.contains(check), "{path}: {text}");
    }
    let mut bytes = fs::read(desk.at("evidence")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(desk.at("evidence"), &bytes).unwrap();
    assert!(refusal(desk.verify(&good, true)).contains("x509."));
    bytes.push(0);
    fs::write(desk.at("evidence"), &bytes).unwrap();
    assert!(refusal(desk.verify(&good, true)).contains("evidence.form"));
    // The machine goes on, and measures something that no release does.
    extend_pcr(&desk.machine.tpm.open(), 11, b"a shell");
    desk.make("machine", &[]).unwrap();
    assert!(refusal(desk.verify(&good, true)).contains("evidence.tpm.release"));
}

#[test]
fn evidence_of_another_machine_is_not_made_with_this_challenge() {
    let mut desk = Desk::new("node-1", 7);
    desk.prepare("p384").unwrap();
    let mut other = Desk::new("node-2", 8);
    other.prepare("p384").unwrap();
    let challenge = desk.at("challenge");
    let text = unusable(other.make("host", &[("--challenge", &challenge)]));
    assert!(text.contains("the TPM gives no evidence"), "{text}");
    assert!(fs::metadata(other.at("evidence")).is_err(), "nothing is written");
    // This machine's TPM with the other machine's guest.
    let guest = format!("unix:{}", other.at("snp"));
    desk.make("machine", &[("--snp", &guest)]).unwrap();
    let text = refusal(desk.verify(&desk.rules(Role::Machine), true));
    assert!(text.contains("snp.host-data"), "{text}");
}

#[test]
fn what_is_missing_or_malformed_is_said() {
    let mut desk = Desk::new("node-1", 7);
    desk.prepare("p384").unwrap();
    let check = |changes: &[(&str, &str)], part: &str| {
        let text = unusable(desk.make("machine", changes));
        assert!(text.contains(part), "{part}: {text}");
    };
    check(&[("--challenge", "")], "needs --challenge");
    check(&[("--pcrs", "")], "needs --pcrs");
    check(&[("--dealing-key", "")], "needs a dealing key");
    check(&[("--log", "/nonexistent")], "cannot read /nonexistent");
    check(&[("--snp", "unix:/nonexistent")], "/nonexistent");
    check(&[("--snp", "simulated")], "no address of a security processor");
    check(&[("--tpm", "swtpm:unix:/nonexistent")], "/nonexistent");
    check(&[("--challenge", &desk.at("identity"))], "cannot be used");
    check(&[("--pcrs", "sha256")], "write it as");
    check(&[("--pcrs", "sha256:0+sha256:1")], "is there twice");
    check(&[("--pcrs", "sha256:24")], "PCRs are 0 to 23");
    check(&[("--root", "00")], "not 32");
    check(&[("--out", "/nonexistent/evidence")], "cannot write");
    assert!(unusable(desk.make("host", &[("--dealing-key", "030303")])).contains("no dealing key"));
    desk.make("host", &[]).unwrap();
    fs::write(desk.at("policy"), "policy: {}\n").unwrap();
    let (evidence, policy) = (desk.at("evidence"), desk.at("policy"));
    let text = unusable(plinth(&["verify", &evidence, "--policy", &policy]));
    assert!(text.contains("missing field `version`"), "{text}");
    let mut rules = desk.rules(Role::Host);
    rules["policy"]["more"] = json!(1);
    assert!(unusable(desk.verify(&rules, true)).contains("unknown field"));
    let text = unusable(plinth(&["show", &policy]));
    assert!(text.contains("no evidence"), "{text}");
    // The secret is its owner's alone.
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(desk.at("activation")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(desk.folder.path()).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains("unfinished")));
}
