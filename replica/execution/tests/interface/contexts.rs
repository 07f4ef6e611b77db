//! From where each system function may be called: every function from every entry point, through
//! whole rounds, against the table of the specification. The transform of outcalls alone cannot be
//! entered yet; `system_api/contexts.rs` compares its column.

use std::fmt;

use ic_management_canister_types as ic;
use replica_execution::meter::Width;
use types::{CanisterId, UserError};

use crate::harness::{self, Subnet, admin, nat, upgrade};
use crate::table::{Line, lines};

/// What the entry points that answer answer with.
const DONE: &str = "done";

/// Functions that fail in their own way when they are called as the probe calls them: with zeros,
/// and without a call under construction. That they fail so shows that they were entered.
const OWN_FAILURES: &[(&str, &str)] = &[
    ("call_on_cleanup", "when no call is under construction"),
    ("call_data_append", "when no call is under construction"),
    ("call_with_best_effort_response", "when no call is under construction"),
    ("call_cycles_add", "when no call is under construction"),
    ("call_cycles_add128", "when no call is under construction"),
    ("call_perform", "when no call is under construction"),
    ("msg_reply", "the call is already replied"),
    ("msg_reject", "the call is already replied"),
    ("accept_message", "the function was already called"),
    ("cost_http_request_v2", "this subnet has no HTTPS outcalls"),
    ("env_var_name_size", "index 0 is out of bounds"),
    ("env_var_name_copy", "index 0 is out of bounds"),
    ("env_var_value_size", "Environment variable  not found"),
    ("env_var_value_copy", "Environment variable  not found"),
    ("mint_cycles", "cannot be executed on non Cycles Minting Canister"),
    ("mint_cycles128", "cannot be executed on non Cycles Minting Canister"),
    ("trap", "Canister called `ic0.trap` with message: ''"),
];

/// An entry point, with the letter of its column.
type Cell = (&'static str, &'static str, Outcome);

#[derive(Clone)]
enum Outcome {
    Allowed,
    Refused,
    /// Neither of them, which is always wrong: this is what came.
    Strange(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::Refused => f.write_str("refused"),
            Self::Strange(text) => f.write_str(text),
        }
    }
}

/// A function probed in modules of one width.
struct Probe {
    line: Line,
    width: Width,
}

impl Probe {
    fn address(&self) -> &'static str {
        match self.width {
            Width::Bits32 => "i32",
            Width::Bits64 => "i64",
        }
    }

    /// A module whose function `$probe` calls the function; `ptr` is the type of addresses.
    fn module(&self, rest: &str) -> Vec<u8> {
        let Line { name, parameters, result, .. } = &self.line;
        let (types, zeros) = (parameters.join(" "), |ty: &&str| format!("({ty}.const 0)"));
        let call = parameters.iter().map(zeros).collect::<String>();
        let (result, drop) = match result {
            Some(ty) => (format!("(result {ty})"), "drop"),
            None => (String::new(), ""),
        };
        let memory = match self.width {
            Width::Bits32 => "(memory 1)",
            Width::Bits64 => "(memory i64 1)",
        };
        let text = format!(
            r#"(module
              (import "ic0" "{name}" (func $probed (param {types}) {result}))
              {rest}
              {memory}
              (func $probe (call $probed {call}) {drop}))"#
        );
        harness::module(&text.replace("ptr", self.address()))
    }

    fn classify(&self, result: Result<Vec<u8>, String>) -> Outcome {
        let name = self.line.name;
        let own = OWN_FAILURES.iter().find(|(function, _)| *function == name);
        match result {
            Ok(_) => Outcome::Allowed,
            Err(text) if text.contains(&format!("\"ic0_{name}\" cannot be executed in ")) => {
                Outcome::Refused
            }
            Err(text) if own.is_some_and(|(_, failure)| text.contains(failure)) => Outcome::Allowed,
            Err(text) => Outcome::Strange(text),
        }
    }

    fn cell(
        &self,
        letter: &'static str,
        entry: &'static str,
        result: Result<Vec<u8>, String>,
    ) -> Cell {
        (letter, entry, self.classify(result))
    }

    fn cells(&self) -> Vec<Cell> {
        [self.installing(), self.calls(), self.tasks()].concat()
    }

    /// `(start)` and the functions that run while code is installed.
    fn installing(&self) -> Vec<Cell> {
        let empty = self.module("");
        [
            ("s", "start", "(start $probe)"),
            ("I", "init", r#"(export "canister_init" (func $probe))"#),
            ("I", "post_upgrade", r#"(export "canister_post_upgrade" (func $probe))"#),
            ("G", "pre_upgrade", r#"(export "canister_pre_upgrade" (func $probe))"#),
        ]
        .map(|(letter, entry, rest)| {
            let mut subnet = Subnet::new();
            let (id, probing) = (subnet.create(), self.module(rest));
            let install = ic::CanisterInstallMode::Install;
            let result = match entry {
                "start" | "init" => subnet.install(id, install, &probing, b""),
                "post_upgrade" => {
                    subnet.install(id, install, &empty, b"").expect("it does nothing");
                    subnet.install(id, upgrade(None, None), &probing, b"")
                }
                _ => {
                    subnet.install(id, install, &probing, b"").expect("only its upgrade probes");
                    subnet.install(id, upgrade(None, None), &empty, b"")
                }
            };
            self.cell(letter, entry, text_of(result.map(|()| vec![])))
        })
        .to_vec()
    }

    /// Methods and their callbacks, and `canister_inspect_message`.
    fn calls(&self) -> Vec<Cell> {
        let mut subnet = Subnet::new();
        let id = subnet.create();
        let mode = ic::CanisterInstallMode::Install;
        subnet.install(id, mode, &self.module(CALLS), b"").expect("nothing probes yet");
        let mut cells = Vec::new();
        for (letter, method) in [
            ("U", "update"),
            ("RQ", "query"),
            ("Ry", "on_reply"),
            ("Rt", "on_reject"),
            ("C", "cleanup"),
        ] {
            let result = text_of(subnet.update(id, method, b""));
            cells.push(self.cell(letter, method, checked(letter, result)));
        }
        for (letter, method) in [
            ("NRQ", "query"),
            ("CQ", "composite"),
            ("CRy", "on_composite_reply"),
            ("CRt", "on_composite_reject"),
            ("CC", "composite_cleanup"),
        ] {
            let result = text_of(subnet.query_with(id, method, b"", Some(b"certificate")));
            cells.push(self.cell(letter, method, checked(letter, result)));
        }
        let result = text_of(subnet.validate(admin(), id, "update", b"").map(|()| vec![]));
        cells.push(self.cell("F", "inspect", result));
        cells
    }

    /// Heartbeat, timer and the hook for low memory: what became of them is in the log.
    fn tasks(&self) -> Vec<Cell> {
        let mut subnet = Subnet::new();
        let id = subnet.create_with(Some(ic::CanisterSettings {
            wasm_memory_limit: nat(10 << 16),
            wasm_memory_threshold: nat(10 << 16),
            ..harness::controllers(&[admin()])
        }));
        let mode = ic::CanisterInstallMode::Install;
        subnet.install(id, mode, &self.module(TASKS), b"").expect("nothing probes yet");
        subnet.round();
        let task = |name| self.cell("T", name, task_result(&subnet, id, name));
        ["heartbeat", "global_timer", "low_memory"].map(task).to_vec()
    }
}

/// The code after the probe must have run: it answers. A cleanup runs because its callback
/// trapped, and is silent if it ends well.
fn checked(letter: &str, result: Result<Vec<u8>, String>) -> Result<Vec<u8>, String> {
    match result {
        Err(text) if letter.starts_with('C') && letter.ends_with('C') => {
            match text.contains("Canister trapped: unreachable") {
                true if text.contains("call_on_cleanup also failed") => Err(text),
                true => Ok(vec![]),
                false => Err(format!("the callback did not trap: {text}")),
            }
        }
        Ok(reply) if reply != DONE.as_bytes() => Err(format!("the reply is {reply:?}")),
        result => result,
    }
}

fn text_of(result: Result<Vec<u8>, UserError>) -> Result<Vec<u8>, String> {
    result.map_err(|error| error.message)
}

/// What the log says of a task: its name, and then either `done` or why it failed.
fn task_result(subnet: &Subnet, id: CanisterId, name: &str) -> Result<Vec<u8>, String> {
    let records = subnet.state.canister(&id).expect("it is there").system.log.records();
    let lines = records.map(|record| String::from_utf8(record.content.to_vec()));
    let lines: Vec<_> = lines.collect::<Result<_, _>>().expect("the log is text");
    let begun = lines.iter().position(|line| line == name).expect("the task began");
    let ended = lines[begun + 1..].iter().find(|line| !line.is_empty());
    match ended.map(String::as_str) {
        Some(DONE) => Ok(vec![]),
        Some(line) if line.starts_with("[TRAP]: ") => Err(line.into()),
        other => Err(format!("the task did not end: {other:?}")),
    }
}

const CALLS: &str = r#"
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param ptr ptr)))
  (import "ic0" "canister_self_size" (func $self_size (result ptr)))
  (import "ic0" "canister_self_copy" (func $self_copy (param ptr ptr ptr)))
  (import "ic0" "call_new" (func $call_new (param ptr ptr ptr ptr ptr ptr ptr ptr)))
  (import "ic0" "call_on_cleanup" (func $on_cleanup (param ptr ptr)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (import "ic0" "accept_message" (func $accept))
  (data (ptr.const 32) "done")
  (data (ptr.const 16) "okay query")
  (table funcref (elem $probing $trapping $cleaning $idle))
  (func $answer (call $append (ptr.const 32) (ptr.const 4)) (call $reply))
  (func $probe_and_answer (call $probe) (call $answer))
  (func $probing (param ptr) (call $probe_and_answer))
  (func $trapping (param ptr) unreachable)
  (func $cleaning (param ptr) (call $probe))
  (func $idle (param ptr))
  (func $ask (param $name_size ptr) (param $reply ptr) (param $reject ptr) (param $cleanup ptr)
    (call $self_copy (ptr.const 100) (ptr.const 0) (call $self_size))
    (call $call_new (ptr.const 100) (call $self_size) (ptr.const 16) (local.get $name_size)
      (local.get $reply) (ptr.const 0) (local.get $reject) (ptr.const 0))
    (call $on_cleanup (local.get $cleanup) (ptr.const 0))
    (if (call $perform) (then unreachable)))
  (func $ask_for_reply
    (call $ask (ptr.const 4) (ptr.const 0) (ptr.const 3) (ptr.const 3)))
  (func $ask_for_reject
    (call $ask (ptr.const 3) (ptr.const 3) (ptr.const 0) (ptr.const 3)))
  (func $ask_for_trap (call $ask (ptr.const 4) (ptr.const 1) (ptr.const 3) (ptr.const 2)))
  (func (export "canister_query okay") (call $answer))
  (func (export "canister_update update") (call $probe_and_answer))
  (func (export "canister_query query") (call $probe_and_answer))
  (func (export "canister_update on_reply") (call $ask_for_reply))
  (func (export "canister_update on_reject") (call $ask_for_reject))
  (func (export "canister_update cleanup") (call $ask_for_trap))
  (func (export "canister_composite_query composite") (call $probe_and_answer))
  (func (export "canister_composite_query on_composite_reply") (call $ask_for_reply))
  (func (export "canister_composite_query on_composite_reject") (call $ask_for_reject))
  (func (export "canister_composite_query composite_cleanup") (call $ask_for_trap))
  (func (export "canister_inspect_message") (call $probe) (call $accept))
"#;

const TASKS: &str = r#"
  (import "ic0" "debug_print" (func $print (param ptr ptr)))
  (import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
  (data (ptr.const 64) "done")
  (data (ptr.const 16) "heartbeat")
  (data (ptr.const 32) "global_timer")
  (data (ptr.const 48) "low_memory")
  (func $task (param $name ptr) (param $size ptr)
    (call $print (local.get $name) (local.get $size))
    (call $probe)
    (call $print (ptr.const 64) (ptr.const 4)))
  (func (export "canister_init") (drop (call $timer (i64.const 1))))
  (func (export "canister_heartbeat") (call $task (ptr.const 16) (ptr.const 9)))
  (func (export "canister_global_timer") (call $task (ptr.const 32) (ptr.const 12)))
  ;; It runs first, and the probe may have switched the timer off.
  (func (export "canister_on_low_wasm_memory")
    (call $task (ptr.const 48) (ptr.const 10))
    (drop (call $timer (i64.const 1))))
"#;

/// Checks all cells of the functions that modules of this width may import.
fn check(width: Width) {
    let lines = lines().into_iter().filter(|line| width == Width::Bits32 || !line.only_32);
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let probe = Probe { line, width };
        for (letter, entry, outcome) in probe.cells() {
            let Line { name, contexts, .. } = &probe.line;
            count += 1;
            match (contexts.contains(letter), outcome) {
                (true, Outcome::Allowed) | (false, Outcome::Refused) => {}
                (expected, outcome) => {
                    wrong
                        .push(format!("{name} from {entry}: allowed is {expected}, not {outcome}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 1_000, "only {count} cells");
}

#[test]
fn modules_with_32_bit_addresses() {
    check(Width::Bits32);
}

#[test]
fn modules_with_64_bit_addresses() {
    check(Width::Bits64);
}

#[test]
fn functions_for_32_bits_are_refused_to_others() {
    let mut subnet = Subnet::new();
    let id = subnet.create();
    let narrow: Vec<_> = lines().into_iter().filter(|line| line.only_32).collect();
    assert_eq!(narrow.len(), 10);
    for line in narrow {
        let probe = Probe { line, width: Width::Bits64 };
        let mode = ic::CanisterInstallMode::Install;
        let error = subnet.install(id, mode, &probe.module(""), b"").unwrap_err();
        assert_eq!(error.code.to_string(), "IC0505");
        let text = format!(
            "imports ic0.{}, which does not exist for modules of its memory width",
            probe.line.name
        );
        assert!(error.message.contains(&text), "{error}");
    }
}

/// A type with one more parameter, or of the other width, is another function.
#[test]
fn the_types_of_functions_are_checked() {
    let mut subnet = Subnet::new();
    let id = subnet.create();
    for line in lines() {
        let wider = Line { parameters: [&line.parameters[..], &["i32"]].concat(), ..line.clone() };
        let other = Line {
            result: match line.result {
                Some("i32") => Some("i64"),
                Some(_) => None,
                None => Some("i32"),
            },
            ..line
        };
        for line in [wider, other] {
            let probe = Probe { line, width: Width::Bits32 };
            let mode = ic::CanisterInstallMode::Install;
            let error = subnet.install(id, mode, &probe.module(""), b"").unwrap_err();
            let text = format!(
                "imports ic0.{} with another type than the system interface gives it",
                probe.line.name
            );
            assert!(error.message.contains(&text), "{error}");
        }
    }
}
