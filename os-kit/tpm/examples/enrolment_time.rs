//! What the steps of an enrolment cost against a software TPM, in medians. For instance
//!
//! ```text
//! cargo run --release -p os-kit-tpm --example enrolment_time
//! ```
//!
//! Two figures for each step: the time of the call (the client's work, the transport and the TPM's, on
//! whatever else the machine does), and the processor time of swtpm alone. The credential is made by
//! tpm2-tools between the steps, and is not counted: that is the registry's work.

#[path = "../tests/swtpm/mod.rs"]
mod swtpm;

use os_kit_tpm::{
    Allowed, ApprovedBy, Bank, Branch, EkKind, Estate, Expect, ObjectName, Owner, PcrSelection,
    Proof, Secret, Tpm,
};
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use swtpm::Machine;

const ROUNDS: usize = 15;

fn main() {
    // The key that a verifier prefers has no RSA in it; the other is what every machine has.
    for kind in [EkKind::P384, EkKind::Rsa2048] {
        let times = RefCell::new(Times::default());
        for _ in 0..ROUNDS {
            enrol(kind, &times);
        }
        println!("enrolment with the {kind:?} endorsement key, medians of {ROUNDS} runs:");
        times.borrow().print();
    }
}

/// One enrolment of a new machine, and what its TPM does every day afterwards.
fn enrol(kind: EkKind, times: &RefCell<Times>) {
    let machine = Machine::new("node-1");
    drop(machine.open()); // swtpm itself is up.
    let address = machine.address();
    let step = |name, group| Step { name, group, machine: &machine, times };

    let open = step("connect, salted session", ENROLMENT);
    let tpm = open.measure(|| Tpm::open(&address, &Expect::AnyTpm));
    let read = step("endorsement key, certificates", ENROLMENT);
    let ek = read.measure(|| tpm.endorsement_key(kind));
    let key = step("attestation key", ENROLMENT).measure(|| tpm.attestation_key());
    let [credential, secret] = credential(machine.folder(), &ek.public, key.name());
    let activate = step("activate credential", ENROLMENT);
    activate.measure(|| tpm.activate_credential(&key, kind, &credential, &secret));
    let pcrs: Vec<u8> = (0..16).collect();
    let selection = PcrSelection::of(Bank::Sha256, &pcrs).expect("PCRs exist");
    let quote = step("quote of 16 registers", ENROLMENT);
    quote.measure(|| tpm.quote(&key, &selection, &[7; 32]));
    drop(key);

    let selection = PcrSelection::of(Bank::Sha256, &[11]).expect("PCRs exist");
    let estate = Estate::usual().expect("the usual handles are the owner's");
    let branch = Branch { pcrs: tpm.read_pcrs(&selection).expect("reads"), counter: None };
    let allowed = Allowed::new(vec![branch.digest()]).expect("one branch");
    step("take ownership", LATER).measure(|| tpm.take_ownership(&estate, &allowed));
    let proof = Proof { branch, allowed, by: ApprovedBy::Nv(estate.allowed) };
    step("confirm ownership", LATER).measure(|| tpm.confirm_ownership(&estate, &proof));
    let secret = Secret::new(vec![7; 32]).expect("32 bytes");
    let sealed = step("seal", LATER).measure(|| tpm.seal(&secret, &estate.approval()));
    step("unseal", LATER).measure(|| tpm.unseal(&sealed, &proof));
    let (index, policy) = (estate.allowed, proof.allowed.digest());
    let owner = Owner::Approved(&proof);
    step("allow a policy", LATER).measure(|| tpm.allow_policy(&index, policy, owner));
    step("increment the counter", LATER).measure(|| tpm.increment(&estate.counter, owner));
    let digest = [(Bank::Sha256, vec![1; 32])];
    step("extend a register", LATER).measure(|| tpm.extend_pcr(12, &digest));
}

const ENROLMENT: &str = "enrolment";
const LATER: &str = "afterwards";

/// Time of the call and of swtpm, of all runs, by group and step in order.
#[derive(Default)]
struct Times(Vec<(&'static str, &'static str, Vec<[Duration; 2]>)>);

struct Step<'a> {
    name: &'static str,
    group: &'static str,
    machine: &'a Machine,
    times: &'a RefCell<Times>,
}

impl Step<'_> {
    fn measure<T, E: std::fmt::Debug>(self, run: impl FnOnce() -> Result<T, E>) -> T {
        let (begin, tpm_begin) = (Instant::now(), self.machine.processor_time());
        let result = run().expect("the software TPM does what it is asked");
        let time = [begin.elapsed(), self.machine.processor_time() - tpm_begin];
        let all = &mut self.times.borrow_mut().0;
        match all.iter_mut().find(|(_, name, _)| *name == self.name) {
            Some((_, _, times)) => times.push(time),
            None => all.push((self.group, self.name, vec![time])),
        }
        result
    }
}

impl Times {
    fn print(&self) {
        for group in [ENROLMENT, LATER] {
            println!("  {group:<32} {:>10} {:>10}", "call", "swtpm");
            let mut total = [Duration::ZERO; 2];
            for (_, name, times) in self.0.iter().filter(|(of, _, _)| *of == group) {
                let medians =
                    [0, 1].map(|column| median(times.iter().map(|t| t[column]).collect()));
                total = [total[0] + medians[0], total[1] + medians[1]];
                print_row(name, medians);
            }
            if group == ENROLMENT {
                print_row("in all", total);
            }
        }
    }
}

fn print_row(name: &str, times: [Duration; 2]) {
    let [call, tpm] = times.map(|time| time.as_secs_f64() * 1e3);
    println!("    {name:<30} {call:>7.2} ms {tpm:>7.2} ms");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A credential by tpm2-tools: the contents of TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET.
fn credential(folder: &Path, ek: &[u8], name: &ObjectName) -> [Vec<u8>; 2] {
    let length = u16::try_from(ek.len()).expect("a public area is short").to_be_bytes();
    fs::write(folder.join("ek.pub"), [&length, ek].concat()).expect("writes");
    fs::write(folder.join("secret"), [7; 32]).expect("writes");
    let name: String = name.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let status = Command::new("tpm2_makecredential")
        .args(["-T", "none", "-u", "ek.pub", "-s", "secret", "-n", &name, "-o", "credential"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "`cargo xtask setup` installs tpm2-tools");
    let bytes = fs::read(folder.join("credential")).expect("reads");
    let mut rest = &bytes[8..]; // After a magic number and a version.
    [(); 2].map(|()| {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        let part = rest[2..2 + length].to_vec();
        rest = &rest[2 + length..];
        part
    })
}
