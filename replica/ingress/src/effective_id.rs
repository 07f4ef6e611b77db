//! Effective canister ids: by which canister id a request is routed.
//!
//! Rules followed here ("Effective canister id", "Effective subnet id"): a request to a canister
//! is routed by it; one to the management canister by the canister that its argument names;
//! creation of canisters, which concerns none yet, and listing of canisters by any id. Methods that
//! concern no canister and are not for users are let through by any canister's id, to be rejected
//! with a code.

use crate::envelope::{CallContent, QueryContent};
use candid::{CandidType, DecoderConfig, Deserialize, Principal};
use serde_bytes::ByteBuf;
use types::{CanisterId, MANAGEMENT_CANISTER, check_candid_shape};

/// Methods that make a canister: any id routes them, as the canister does not exist yet.
const CREATIONS: [&str; 2] = ["create_canister", "provisional_create_canister_with_cycles"];

/// Methods that name no canister, or need not, and that only canisters can call.
const NAMING_NO_CANISTER: [&str; 14] = [
    "raw_rand",
    "subnet_info",
    "http_request",
    "flexible_http_request",
    "ecdsa_public_key",
    "sign_with_ecdsa",
    "schnorr_public_key",
    "sign_with_schnorr",
    "vetkd_public_key",
    "vetkd_derive_key",
    "node_metrics_history",
    "subnet_metrics",
    "bitcoin_get_utxos",
    "bitcoin_get_balance",
];

/// Work that is spent on the fields of an argument that are read, in candid's unit (about one byte
/// of a value each): a little more than the largest argument that an ingress message carries.
const DECODING_QUOTA: usize = 6_000_000;

/// Work that is spent on the fields of an argument that are skipped. Skipping a blob costs much
/// more than reading it, so the large ones are read (see [`Canister`]) and this bound is low.
const SKIPPING_QUOTA: usize = 1_000_000;

/// By which canister id a request must be routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectiveId {
    /// Any, also that of the management canister.
    Any,
    /// Any canister's.
    AnyCanister,
    /// This one.
    Canister(CanisterId),
}

/// Why a request may not be sent by the id it was sent by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EffectiveIdError {
    /// The argument of a management call names no canister.
    #[error(
        "the argument of {method:?} of aaaaa-aa is not a Candid record with a field {field:?} of type principal"
    )]
    NoCanister {
        /// The method.
        method: String,
        /// The field that is wanted.
        field: &'static str,
    },
    /// The request was sent by another id.
    #[error("the effective canister id of this request is {expected}; it was sent by {found}")]
    Other {
        /// As it must be.
        expected: CanisterId,
        /// As it is.
        found: CanisterId,
    },
    /// The request cannot be routed by a subnet id.
    #[error("method {method:?} of canister {canister} cannot be sent by a subnet id")]
    NotForSubnet {
        /// The canister.
        canister: CanisterId,
        /// The method.
        method: String,
    },
}

impl EffectiveId {
    /// Of a call.
    pub fn of_call(call: &CallContent) -> Result<Self, EffectiveIdError> {
        if call.canister_id != MANAGEMENT_CANISTER {
            return Ok(EffectiveId::Canister(call.canister_id));
        }
        match call.method_name.as_str() {
            method if CREATIONS.contains(&method) => Ok(EffectiveId::Any),
            method if NAMING_NO_CANISTER.contains(&method) => Ok(EffectiveId::AnyCanister),
            method @ "install_chunked_code" => {
                let target = |record: TargetCanister| record.target_canister;
                named(target, method, "target_canister", &call.arg)
            }
            method => of_canister_record(method, &call.arg),
        }
    }

    /// Of a query.
    pub fn of_query(query: &QueryContent) -> Result<Self, EffectiveIdError> {
        if query.canister_id != MANAGEMENT_CANISTER {
            return Ok(EffectiveId::Canister(query.canister_id));
        }
        match query.method_name.as_str() {
            "list_canisters" => Ok(EffectiveId::Any),
            method => of_canister_record(method, &query.arg),
        }
    }

    /// Checks the id by which the request was sent.
    pub fn check(&self, found: &CanisterId) -> Result<(), EffectiveIdError> {
        match self {
            EffectiveId::Canister(expected) if expected != found => {
                Err(EffectiveIdError::Other { expected: *expected, found: *found })
            }
            EffectiveId::Canister(_) | EffectiveId::AnyCanister | EffectiveId::Any => Ok(()),
        }
    }
}

/// Checks that a call may be sent by a subnet id: only the creation of canisters.
pub fn check_subnet_call(call: &CallContent) -> Result<(), EffectiveIdError> {
    let is_creation = CREATIONS.contains(&call.method_name.as_str());
    check_subnet(is_creation, call.canister_id, &call.method_name)
}

/// Checks that a query may be sent by a subnet id: only the list of canisters.
pub fn check_subnet_query(query: &QueryContent) -> Result<(), EffectiveIdError> {
    check_subnet(query.method_name == "list_canisters", query.canister_id, &query.method_name)
}

fn check_subnet(is_good: bool, canister: CanisterId, method: &str) -> Result<(), EffectiveIdError> {
    match is_good && canister == MANAGEMENT_CANISTER {
        true => Ok(()),
        false => Err(EffectiveIdError::NotForSubnet { canister, method: method.to_owned() }),
    }
}

/// The first field is what is wanted; the others are the large fields of the management canister's
/// methods.
#[derive(CandidType, Deserialize)]
struct Canister {
    canister_id: Principal,
    wasm_module: Option<ByteBuf>,
    arg: Option<ByteBuf>,
    chunk: Option<ByteBuf>,
}

#[derive(CandidType, Deserialize)]
struct TargetCanister {
    target_canister: Principal,
    arg: Option<ByteBuf>,
}

fn of_canister_record(method: &str, arg: &[u8]) -> Result<EffectiveId, EffectiveIdError> {
    named(|record: Canister| record.canister_id, method, "canister_id", arg)
}

fn named<'a, T: CandidType + Deserialize<'a>>(
    canister: impl FnOnce(T) -> Principal,
    method: &str,
    field: &'static str,
    arg: &'a [u8],
) -> Result<EffectiveId, EffectiveIdError> {
    let refuse = || EffectiveIdError::NoCanister { method: method.to_owned(), field };
    // The decoder looks at the stack of this thread; what passes here never needs much of it.
    check_candid_shape(arg).map_err(|_| refuse())?;
    let mut config = DecoderConfig::new();
    config.set_decoding_quota(DECODING_QUOTA).set_skipping_quota(SKIPPING_QUOTA);
    // Otherwise an error carries the whole argument as hexadecimal text.
    config.set_full_error_message(false);
    candid::utils::decode_one_with_config(arg, &config)
        .map(|record| EffectiveId::Canister(CanisterId(canister(record))))
        .map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Common;
    use bytes::Bytes;
    use candid::Encode;
    use types::Time;

    const ID: CanisterId = CanisterId(Principal::from_slice(&[1, 2, 3]));

    fn call(canister_id: CanisterId, method: &str, arg: Vec<u8>) -> CallContent {
        let sender = Principal::anonymous();
        CallContent {
            common: Common { sender, ingress_expiry: Time(1), nonce: None },
            canister_id,
            method_name: method.to_owned(),
            arg: arg.into(),
            sender_info: None,
        }
    }

    fn query(canister_id: CanisterId, method: &str, arg: Vec<u8>) -> QueryContent {
        let CallContent { common, canister_id, method_name, arg, sender_info } =
            call(canister_id, method, arg);
        QueryContent { common, canister_id, method_name, arg, sender_info }
    }

    #[derive(CandidType)]
    struct CanisterRecord {
        canister_id: Principal,
    }

    #[derive(CandidType)]
    struct TargetRecord {
        target_canister: Principal,
    }

    fn canister_record() -> Vec<u8> {
        Encode!(&CanisterRecord { canister_id: ID.0 }).unwrap()
    }

    fn no_canister(method: &str, field: &'static str) -> Result<EffectiveId, EffectiveIdError> {
        Err(EffectiveIdError::NoCanister { method: method.to_owned(), field })
    }

    #[test]
    fn of_calls() {
        let check = |canister, method, arg, expected| {
            assert_eq!(EffectiveId::of_call(&call(canister, method, arg)), expected, "{method}");
        };
        let management = MANAGEMENT_CANISTER;
        check(ID, "anything", vec![], Ok(EffectiveId::Canister(ID)));
        check(ID, "create_canister", vec![], Ok(EffectiveId::Canister(ID)));
        check(management, "create_canister", vec![], Ok(EffectiveId::Any));
        check(management, "provisional_create_canister_with_cycles", vec![1], Ok(EffectiveId::Any));
        check(management, "start_canister", canister_record(), Ok(EffectiveId::Canister(ID)));
        check(management, "list_canisters", vec![], no_canister("list_canisters", "canister_id"));
        check(management, "raw_rand", Encode!().unwrap(), Ok(EffectiveId::AnyCanister));
        let target = Encode!(&TargetRecord { target_canister: ID.0 }).unwrap();
        check(management, "install_chunked_code", target, Ok(EffectiveId::Canister(ID)));
        check(
            management,
            "install_chunked_code",
            canister_record(),
            no_canister("install_chunked_code", "target_canister"),
        );
    }

    #[test]
    fn of_queries() {
        let check = |canister, method, arg, expected| {
            assert_eq!(EffectiveId::of_query(&query(canister, method, arg)), expected, "{method}");
        };
        check(ID, "anything", vec![], Ok(EffectiveId::Canister(ID)));
        check(MANAGEMENT_CANISTER, "list_canisters", vec![], Ok(EffectiveId::Any));
        let of_record = Ok(EffectiveId::Canister(ID));
        check(MANAGEMENT_CANISTER, "fetch_canister_logs", canister_record(), of_record);
        let refused = no_canister("create_canister", "canister_id");
        check(MANAGEMENT_CANISTER, "create_canister", vec![], refused);
    }

    fn of_install_code(arg: Vec<u8>) -> Result<EffectiveId, EffectiveIdError> {
        EffectiveId::of_call(&call(MANAGEMENT_CANISTER, "install_code", arg))
    }

    #[test]
    fn an_argument_of_full_size_is_read() {
        #[derive(CandidType)]
        struct InstallCode {
            mode: Option<u8>,
            canister_id: Principal,
            wasm_module: ByteBuf,
            arg: ByteBuf,
            chunk_hashes_list: Vec<ChunkHash>,
        }
        #[derive(CandidType, Clone)]
        struct ChunkHash {
            hash: ByteBuf,
        }
        let arg = Encode!(&InstallCode {
            mode: Some(1),
            canister_id: ID.0,
            wasm_module: vec![7; 1_900_000].into(),
            arg: vec![9; 1000].into(),
            chunk_hashes_list: vec![ChunkHash { hash: vec![1; 32].into() }; 100],
        });
        assert_eq!(of_install_code(arg.unwrap()), Ok(EffectiveId::Canister(ID)));
    }

    #[test]
    fn an_argument_that_costs_too_much_to_skip_is_refused() {
        #[derive(CandidType)]
        struct Padded {
            canister_id: Principal,
            padding: ByteBuf,
        }
        let arg = Encode!(&Padded { canister_id: ID.0, padding: vec![7; 1_900_000].into() });
        assert_eq!(of_install_code(arg.unwrap()), no_canister("install_code", "canister_id"));
    }

    /// The decoder would take or refuse it by the stack that this thread has left.
    #[test]
    fn an_argument_of_a_type_that_contains_itself_is_refused() {
        // record { canister_id : principal; 4294967295 : T } with T = opt T
        let mut arg =
            b"DIDL\x02\x6c\x02\xb3\xc4\xb1\xf2\x04\x68\xff\xff\xff\xff\x0f\x01\x6e\x01".to_vec();
        arg.extend([1, 0, 1, 3, 1, 2, 3]);
        arg.extend([1, 1, 1, 0]);
        assert_eq!(of_install_code(arg), no_canister("install_code", "canister_id"));
    }

    #[test]
    fn arguments_that_are_not_such_a_record_are_refused() {
        let check = |arg: Vec<u8>| {
            let found = EffectiveId::of_call(&call(MANAGEMENT_CANISTER, "stop_canister", arg));
            assert_eq!(found, no_canister("stop_canister", "canister_id"));
        };
        check(vec![]);
        check(b"DIDL".to_vec());
        check(Encode!(&ID.0).unwrap());
        check(Encode!().unwrap());
        check(Encode!(&Some(CanisterRecord { canister_id: ID.0 })).unwrap());
        let record = canister_record();
        check(record[..record.len() - 1].to_vec());
        check([&record[..], &[0]].concat());
    }

    #[test]
    fn an_expected_id_is_compared() {
        let other = CanisterId::from_index(5);
        assert_eq!(EffectiveId::Any.check(&other), Ok(()));
        assert_eq!(EffectiveId::Canister(ID).check(&ID), Ok(()));
        let refused = EffectiveIdError::Other { expected: ID, found: other };
        assert_eq!(EffectiveId::Canister(ID).check(&other), Err(refused));
    }

    #[test]
    fn by_subnet_only_creation_and_listing() {
        let create = |canister| check_subnet_call(&call(canister, "create_canister", vec![]));
        assert_eq!(create(MANAGEMENT_CANISTER), Ok(()));
        assert!(create(ID).is_err());
        assert!(check_subnet_call(&call(MANAGEMENT_CANISTER, "stop_canister", vec![])).is_err());
        let list = |canister| check_subnet_query(&query(canister, "list_canisters", vec![]));
        assert_eq!(list(MANAGEMENT_CANISTER), Ok(()));
        assert!(list(ID).is_err());
        let status = query(MANAGEMENT_CANISTER, "canister_status", Bytes::new().to_vec());
        assert!(check_subnet_query(&status).is_err());
    }
}
