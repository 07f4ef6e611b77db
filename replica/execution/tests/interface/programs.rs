//! Small programs: a test writes the body of a function in the text format, and this adds the
//! imports that it uses, a memory and helpers.
//!
//! In the text `ptr` is the type of addresses, so that most programs exist with 32 and with 64 bits;
//! system functions have their names. `$out`, `$out64`, `$out32` and `$outp` append to the reply,
//! `$call_self` begins a call to a method of one's own.

use replica_execution::meter::Width;
use types::{CanisterId, UserError};

use crate::harness::{Subnet, module};
use crate::table::{Line, lines};

/// Both widths of addresses.
pub const WIDTHS: [Width; 2] = [Width::Bits32, Width::Bits64];
/// Bytes of a program's memory.
pub const MEMORY_BYTES: u64 = 2 << 16;
/// What programs are called with.
pub const ARGUMENT: &[u8] = b"the argument";
/// What `okay` replies.
pub const REPLY: &[u8] = b"the reply";

const HELPERS: &str = r#"
  (func $out (param ptr ptr) (call $msg_reply_data_append (local.get 0) (local.get 1)))
  (func $out64 (param i64)
    (i64.store (ptr.const 65000) (local.get 0))
    (call $out (ptr.const 65000) (ptr.const 8)))
  (func $out32 (param i32) (call $out64 (i64.extend_i32_u (local.get 0))))
  (func $call_self (param $name ptr) (param $size ptr) (param $reply ptr) (param $reject ptr)
    (call $canister_self_copy (ptr.const 61000) (ptr.const 0) (call $canister_self_size))
    (call $call_new (ptr.const 61000) (call $canister_self_size) (local.get $name) (local.get $size)
      (local.get $reply) (ptr.const 0) (local.get $reject) (ptr.const 0)))
"#;
const OUT_ADDRESS_32: &str =
    "(func $outp (param i32) (call $out64 (i64.extend_i32_u (local.get 0))))";
const OUT_ADDRESS_64: &str = "(func $outp (param i64) (call $out64 (local.get 0)))";

/// What a body runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    Update,
    /// A query on one node, with a certificate.
    Query,
    /// The callback of a call to oneself that is answered with [`REPLY`].
    OnReply,
    /// The callback of a call to oneself whose method is missing.
    OnReject,
}

impl Frame {
    pub fn text(self, body: &str) -> String {
        let call_self = |name: &str, size: usize| {
            format!(
                r#"
                (data (ptr.const 60000) "{name}")
                (data (ptr.const 60100) "the reply")
                (table funcref (elem $callback))
                (func $callback (param ptr) {body} (call $msg_reply))
                (func (export "canister_update okay")
                  (call $out (ptr.const 60100) (ptr.const 9)) (call $msg_reply))
                (func (export "canister_update go")
                  (call $call_self
                    (ptr.const 60000) (ptr.const {size}) (ptr.const 0) (ptr.const 0))
                  (drop (call $call_perform)))"#
            )
        };
        match self {
            Self::Update => {
                format!("(func (export \"canister_update go\") {body} (call $msg_reply))")
            }
            Self::Query => {
                format!("(func (export \"canister_query go\") {body} (call $msg_reply))")
            }
            Self::OnReply => call_self("okay", 4),
            Self::OnReject => call_self("nope", 4),
        }
    }
}

/// A module from its functions.
pub fn program(width: Width, text: &str) -> Vec<u8> {
    let (address, memory, out_address) = match width {
        Width::Bits32 => ("i32", "(memory 2)", OUT_ADDRESS_32),
        Width::Bits64 => ("i64", "(memory i64 2)", OUT_ADDRESS_64),
    };
    let text = format!("{HELPERS} {out_address} {text}");
    let functions = lines().into_iter().filter(|line| uses(&text, line.name));
    let imports: String = functions.map(|line| import(&line)).collect();
    module(&format!("(module {imports} {memory} {text})").replace("ptr", address))
}

fn import(line: &Line) -> String {
    let Line { name, parameters, result, .. } = line;
    let result = result.map(|ty| format!("(result {ty})")).unwrap_or_default();
    format!("(import \"ic0\" \"{name}\" (func ${name} (param {}) {result}))", parameters.join(" "))
}

fn uses(text: &str, name: &str) -> bool {
    let name = format!("${name}");
    let is_whole = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    text.match_indices(&name).any(|(at, _)| is_whole(&text[at + name.len()..]))
}

/// Numbers as the helpers append them.
pub fn numbers(list: &[u64]) -> Vec<u8> {
    list.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Installs a program on a new canister.
pub fn install(subnet: &mut Subnet, width: Width, text: &str) -> CanisterId {
    let id = subnet.create();
    let mode = ic_management_canister_types::CanisterInstallMode::Install;
    subnet.install(id, mode, &program(width, text), b"").expect("the program installs");
    id
}

/// Runs a body and returns its reply.
pub fn run(
    subnet: &mut Subnet,
    width: Width,
    frame: Frame,
    body: &str,
) -> Result<Vec<u8>, UserError> {
    let id = install(subnet, width, &frame.text(body));
    match frame {
        Frame::Query => subnet.query_with(id, "go", ARGUMENT, Some(b"the certificate")),
        _ => subnet.update(id, "go", ARGUMENT),
    }
}

/// What a body is expected to come to.
#[derive(Clone, Copy, Debug)]
pub enum Want<'a> {
    /// These numbers, appended by the helpers.
    Numbers(&'a [u64]),
    /// These bytes.
    Bytes(&'a [u8]),
    /// An error of this code whose text contains this.
    Fails(&'a str, &'a str),
}

/// A breach of the interface whose text contains this.
pub fn violates(text: &str) -> Want<'_> {
    Want::Fails("IC0504", text)
}

/// Checks one body.
pub fn check_in(subnet: &mut Subnet, width: Width, frame: Frame, body: &str, want: Want<'_>) {
    let result = run(subnet, width, frame, body);
    let context = format!("{width:?} {frame:?} {body}\nwants {want:?}\ngets {result:?}");
    match (want, result) {
        (Want::Numbers(list), Ok(reply)) => assert!(reply == numbers(list), "{context}"),
        (Want::Bytes(bytes), Ok(reply)) => assert!(reply == bytes, "{context}"),
        (Want::Fails(code, text), Err(error)) => {
            assert!(error.code.to_string() == code && error.message.contains(text), "{context}");
        }
        _ => panic!("{context}"),
    }
}

/// Checks a body as an update, with addresses of both widths.
pub fn check(body: &str, want: Want<'_>) {
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        check_in(&mut subnet, width, Frame::Update, body, want);
    }
}
