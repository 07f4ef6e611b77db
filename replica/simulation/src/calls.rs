//! Calls of users, and the canister that they are for.

use bytes::Bytes;
use candid::{CandidType, Decode, Encode, Principal};
use replica_ingress::envelope::Common;
use replica_ingress::{CallContent, Envelope, decode_included};
use serde::Deserialize;
use types::{CanisterId, MANAGEMENT_CANISTER, MessageId, Time};

/// Keeps a count and a hash over all arguments in order. `add` takes eight bytes and answers, like
/// `read`, with the two: so an answer shows how many calls came before, and in which order.
const COUNTER: &str = r#"(module
    (import "ic0" "msg_reply" (func $reply))
    (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
    (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
    (memory 1)
    (func $answer
        (call $append (i32.const 0) (i32.const 16))
        (call $reply))
    (func (export "canister_update add")
        (call $argument (i32.const 16) (i32.const 0) (i32.const 8))
        (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 1)))
        (i64.store (i32.const 8)
            (i64.add (i64.mul (i64.load (i32.const 8)) (i64.const 31)) (i64.load (i32.const 16))))
        (call $answer))
    (func (export "canister_update read") (call $answer)))"#;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Make the canister of this index.
    Create(usize),
    /// Install its code.
    Install(usize),
    /// Add to its count.
    Add(usize),
    /// Read its count, at the end.
    Read(usize),
}

/// A call, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: MessageId,
    pub(crate) envelope: Bytes,
}

/// What a counter answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) count: u64,
    pub(crate) hash: u64,
}

impl Count {
    /// Reads an answer.
    pub(crate) fn read(reply: &[u8]) -> Option<Self> {
        let (count, hash) = reply.split_at_checked(8)?;
        Some(Self {
            count: u64::from_le_bytes(count.try_into().ok()?),
            hash: u64::from_le_bytes(hash.try_into().ok()?),
        })
    }
}

#[derive(CandidType)]
struct CreateArguments {
    amount: Option<candid::Nat>,
}

#[derive(CandidType, Deserialize)]
struct CreateResult {
    canister_id: Principal,
}

#[derive(CandidType)]
#[expect(non_camel_case_types, reason = "the names of the interface specification")]
enum InstallMode {
    install,
}

#[derive(CandidType)]
struct InstallArguments {
    mode: InstallMode,
    canister_id: Principal,
    wasm_module: Vec<u8>,
    arg: Vec<u8>,
}

/// Makes calls that all differ.
pub(crate) struct Caller {
    calls: u64,
}

impl Caller {
    pub(crate) fn new() -> Self {
        Self { calls: 0 }
    }

    pub(crate) fn create(&mut self, expiry: Time) -> Call {
        let arguments = CreateArguments { amount: None };
        let arg = Encode!(&arguments).expect("plain arguments");
        let method = "provisional_create_canister_with_cycles";
        self.call(MANAGEMENT_CANISTER, method, arg, expiry)
    }

    pub(crate) fn install(&mut self, canister: CanisterId, expiry: Time) -> Call {
        let arguments = InstallArguments {
            mode: InstallMode::install,
            canister_id: canister.0,
            wasm_module: wat::parse_str(COUNTER).expect("the text above is a module"),
            arg: Vec::new(),
        };
        let arg = Encode!(&arguments).expect("plain arguments");
        self.call(MANAGEMENT_CANISTER, "install_code", arg, expiry)
    }

    pub(crate) fn add(&mut self, canister: CanisterId, amount: u64, expiry: Time) -> Call {
        self.call(canister, "add", amount.to_le_bytes().to_vec(), expiry)
    }

    pub(crate) fn read(&mut self, canister: CanisterId, expiry: Time) -> Call {
        self.call(canister, "read", Vec::new(), expiry)
    }

    fn call(&mut self, to: CanisterId, method: &str, arg: Vec<u8>, expiry: Time) -> Call {
        self.calls += 1;
        let content = CallContent {
            common: Common {
                sender: Principal::anonymous(),
                ingress_expiry: expiry,
                nonce: Some(Bytes::copy_from_slice(&self.calls.to_be_bytes())),
            },
            canister_id: to,
            method_name: method.into(),
            arg: arg.into(),
            sender_info: None,
        };
        let envelope = Envelope::anonymous(content).to_cbor();
        let id = decode_included(&envelope).expect("an own envelope").id;
        Call { id, envelope }
    }
}

/// The canister that a creation has made.
pub(crate) fn created(reply: &[u8]) -> Option<CanisterId> {
    Decode!(reply, CreateResult).ok().map(|result| CanisterId(result.canister_id))
}
