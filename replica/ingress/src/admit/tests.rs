//! Tests of admission: one case for each rule.

use super::*;
use crate::envelope::{
    Common, Delegation, QueryContent, ReadStateContent, SenderInfo, SignedDelegation,
};
use bytes::Bytes;
use ed25519_consensus::SigningKey;
use proptest::prelude::*;
use replica_crypto::certificate::Certificate;
use replica_crypto::chain_key::{ChainKey, dealt};
use replica_crypto::hash_tree::HashTree;
use replica_crypto::persistent::Tree;
use replica_crypto::signatures::{CanisterKey, encode_canister_signature};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use types::NodeId;

const NOW: Time = Time(1_700_000_000_000_000_000);
const CANISTER: CanisterId = CanisterId(Principal::from_slice(&[1, 2, 3]));

/// A user with an Ed25519 key.
struct User(SigningKey);

impl User {
    fn new(number: u8) -> Self {
        Self(SigningKey::from([number; 32]))
    }

    fn der(&self) -> Bytes {
        let prefix = hex::decode("302a300506032b6570032100").unwrap();
        [&prefix[..], self.0.verification_key().as_bytes()].concat().into()
    }

    fn principal(&self) -> Principal {
        Principal::self_authenticating(self.der())
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Bytes {
        self.0.sign(&domain.payload(message)).to_bytes().to_vec().into()
    }

    fn delegate(&self, delegation: Delegation) -> SignedDelegation {
        let signature = self.sign(Domain::REQUEST_DELEGATION, &delegation.hash());
        SignedDelegation { delegation, signature }
    }

    fn delegate_to(&self, other: &User) -> SignedDelegation {
        self.delegate(delegation_to(other))
    }

    fn sign_request<C: Content>(&self, content: C) -> Envelope<C> {
        let signature = self.sign(Domain::REQUEST, &content.message_id().0);
        Envelope {
            sender_pubkey: Some(self.der()),
            sender_sig: Some(signature),
            ..Envelope::anonymous(content)
        }
    }
}

fn delegation_to(user: &User) -> Delegation {
    Delegation { pubkey: user.der(), expiration: NOW, targets: None, permissions: None }
}

/// A subnet with one node: the root of trust of these tests.
fn root() -> (dealt::Dealt, ChainKey) {
    let dealt = dealt::deal(1, &[NodeId(Principal::anonymous())], 1);
    let key = ChainKey::new(&dealt.transcript).unwrap();
    (dealt, key)
}

fn gate() -> Gate {
    Gate::new(*root().1.public_key(), &Limits::default())
}

fn common(sender: Principal) -> Common {
    Common { sender, ingress_expiry: NOW.plus_ms(60_000), nonce: None }
}

fn call(sender: Principal) -> CallContent {
    CallContent {
        common: common(sender),
        canister_id: CANISTER,
        method_name: "m".to_owned(),
        arg: Bytes::from_static(b"arg"),
        sender_info: None,
    }
}

fn query(sender: Principal) -> QueryContent {
    let CallContent { common, canister_id, method_name, arg, sender_info } = call(sender);
    QueryContent { common, canister_id, method_name, arg, sender_info }
}

fn read_state(sender: Principal) -> ReadStateContent {
    ReadStateContent { common: common(sender), paths: vec![] }
}

fn admit<C: Content>(envelope: &Envelope<C>) -> Result<Admitted<C>, AdmissionError> {
    gate().admit(&envelope.to_cbor(), NOW)
}

fn check_refused<C: Content + std::fmt::Debug>(envelope: &Envelope<C>, expected: &str) {
    let text = format!("{:?}", admit(envelope).unwrap_err());
    assert!(text.starts_with(expected), "{text}, not {expected}");
}

#[test]
fn a_signed_call_is_admitted_with_its_facts() {
    let user = User::new(1);
    let envelope = user.sign_request(call(user.principal()));
    let raw = envelope.to_cbor();
    let admitted = gate().admit_call(&raw, NOW).unwrap();
    assert_eq!(admitted.raw(), &raw);
    assert_eq!(admitted.content(), &envelope.content);
    assert_eq!(admitted.sender(), user.principal());
    assert_eq!(admitted.message_id(), envelope.content.message_id());
    assert_eq!(admitted.expiry(), NOW.plus_ms(60_000));
    assert_eq!(admitted.valid_until(), NOW.plus_ms(60_000));
    assert_eq!(admitted.valid_from().plus_ms(330_000), NOW.plus_ms(60_000));
    assert_eq!(admitted.targets(), &Targets::All);
    // The bounds are those of admission.
    for (time, is_good) in [
        (admitted.valid_from(), true),
        (Time(admitted.valid_from().0 - 1), false),
        (admitted.valid_until(), true),
        (Time(admitted.valid_until().0 + 1), false),
    ] {
        assert_eq!(gate().admit_call(&raw, time).is_ok(), is_good, "{time:?}");
    }
}

#[test]
fn the_anonymous_sender_comes_alone() {
    let anonymous = Principal::anonymous();
    assert!(admit(&Envelope::anonymous(call(anonymous))).is_ok());
    let plain = Envelope::anonymous(call(anonymous));
    let some = || Some(Bytes::from_static(b"x"));
    check_refused(&Envelope { sender_pubkey: some(), ..plain.clone() }, "AnonymousSigned");
    check_refused(&Envelope { sender_sig: some(), ..plain.clone() }, "AnonymousSigned");
    let chain = Some(vec![]);
    check_refused(&Envelope { sender_delegation: chain, ..plain.clone() }, "AnonymousSigned");
    let mut with_info = plain;
    with_info.content.sender_info =
        Some(SenderInfo { info: Bytes::new(), signer: CANISTER, sig: Bytes::new() });
    check_refused(&with_info, "SenderInfoWithoutCanister");
}

#[test]
fn another_sender_comes_with_its_key_and_signature() {
    let (user, other) = (User::new(1), User::new(2));
    let good = user.sign_request(call(user.principal()));
    check_refused(&Envelope { sender_sig: None, ..good.clone() }, "NotSigned");
    check_refused(&Envelope { sender_pubkey: None, ..good.clone() }, "NotSigned");
    check_refused(&Envelope::anonymous(good.content.clone()), "NotSigned");
    let garbage = Some(Bytes::from_static(b"x"));
    check_refused(&Envelope { sender_pubkey: garbage.clone(), ..good.clone() }, "SenderKey");
    check_refused(&Envelope { sender_sig: garbage, ..good.clone() }, "Signature");
    check_refused(&other.sign_request(good.content.clone()), "OtherSender");
    let by_other = other.sign_request(good.content.clone()).sender_sig;
    check_refused(&Envelope { sender_sig: by_other, ..good.clone() }, "Signature");
    // A user cannot be the management canister.
    check_refused(&user.sign_request(call(Principal::management_canister())), "OtherSender");
    // The signature covers every field.
    let mut changed = good.clone();
    changed.content.arg = Bytes::from_static(b"brg");
    check_refused(&changed, "Signature");
    let mut changed = good;
    changed.content.common.nonce = Some(Bytes::new());
    check_refused(&changed, "Signature");
}

#[test]
fn an_empty_chain_is_no_chain() {
    let user = User::new(1);
    let envelope = user.sign_request(call(user.principal()));
    assert!(admit(&Envelope { sender_delegation: Some(vec![]), ..envelope }).is_ok());
}

#[test]
fn expiry_bounds_every_request_but_anonymous_reading() {
    let user = User::new(1);
    let last = NOW.plus_ms(330_000);
    let outcome = |expiry: Time, result: Option<AdmissionError>| {
        let text = result.map(|error| {
            assert!(error.is_expiry());
            format!("{error:?}")
        });
        let expected = match expiry {
            expiry if expiry < NOW => Some("Expired"),
            expiry if expiry > last => Some("ExpiryTooFar"),
            _ => None,
        };
        match (text, expected) {
            (None, None) => {}
            (Some(text), Some(expected)) => assert!(text.starts_with(expected), "{text}"),
            (text, expected) => panic!("{text:?}, not {expected:?}, for {expiry:?}"),
        }
    };
    for expiry in [Time(0), Time(NOW.0 - 1), NOW, last, Time(last.0 + 1), Time(u64::MAX)] {
        let at = |mut common: Common| {
            common.ingress_expiry = expiry;
            common
        };
        for sender in [user.principal(), Principal::anonymous()] {
            let common = at(common(sender));
            let is_anonymous = sender == Principal::anonymous();
            let call = CallContent { common: common.clone(), ..call(sender) };
            let query = QueryContent { common: common.clone(), ..query(sender) };
            let reading = ReadStateContent { common, ..read_state(sender) };
            if is_anonymous {
                outcome(expiry, admit(&Envelope::anonymous(call)).err());
                assert!(admit(&Envelope::anonymous(query)).is_ok(), "{expiry:?}");
                assert!(admit(&Envelope::anonymous(reading)).is_ok(), "{expiry:?}");
            } else {
                outcome(expiry, admit(&user.sign_request(call)).err());
                outcome(expiry, admit(&user.sign_request(query)).err());
                outcome(expiry, admit(&user.sign_request(reading)).err());
            }
        }
    }
}

#[test]
fn a_call_is_bounded_in_size() {
    let mut content = call(Principal::anonymous());
    content.arg = vec![0; 2 << 20].into();
    let raw = Envelope::anonymous(content).to_cbor();
    let refused = gate().admit_call(&raw, NOW);
    assert!(matches!(refused, Err(AdmissionError::TooLarge { bytes_max: 2_097_152, .. })));
}

/// A call by the first user, signed by the last one of a chain.
fn delegated<C: Content>(
    users: &[&User],
    chain: Vec<SignedDelegation>,
    content: impl FnOnce(Principal) -> C,
) -> Envelope<C> {
    let (first, last) = (users[0], users[users.len() - 1]);
    let envelope = last.sign_request(content(first.principal()));
    Envelope { sender_pubkey: Some(first.der()), sender_delegation: Some(chain), ..envelope }
}

#[test]
fn a_chain_of_delegations_is_followed() {
    let users: Vec<User> = (1..=21).map(User::new).collect();
    let chain: Vec<_> = users.windows(2).map(|pair| pair[0].delegate_to(&pair[1])).collect();
    let users: Vec<&User> = users.iter().collect();
    assert!(admit(&delegated(&users[..2], chain[..1].to_vec(), call)).is_ok());
    assert!(admit(&delegated(&users, chain.clone(), call)).is_ok());
    // Signed by one in the middle, or by the sender itself.
    check_refused(&delegated(&users[..20], chain.clone(), call), "Signature");
    check_refused(&delegated(&users[..1], chain.clone(), call), "Signature");
    // A link is missing, or two have changed places.
    let gap = [&chain[..1], &chain[2..3]].concat();
    check_refused(&delegated(&users[..4], gap, call), "Delegation(Signature { index: 1");
    let mut swapped = chain[..3].to_vec();
    swapped.swap(0, 1);
    check_refused(&delegated(&users[..4], swapped, call), "Delegation(Signature { index: 0");
    // The chain begins at another user.
    let other = User::new(99);
    check_refused(
        &delegated(&[&other, users[1]], chain[..1].to_vec(), call),
        "Delegation(Signature { index: 0",
    );
}

#[test]
fn a_chain_is_bounded() {
    let users: Vec<User> = (1..=22).map(User::new).collect();
    let chain: Vec<_> = users.windows(2).map(|pair| pair[0].delegate_to(&pair[1])).collect();
    let users: Vec<&User> = users.iter().collect();
    check_refused(&delegated(&users, chain, call), "Decode(TooMany");
}

#[test]
fn no_key_appears_twice() {
    let (a, b) = (User::new(1), User::new(2));
    let to_itself = vec![a.delegate_to(&a)];
    check_refused(&delegated(&[&a, &a], to_itself, call), "Delegation(Cycle { index: 0");
    let back = vec![a.delegate_to(&b), b.delegate_to(&a)];
    check_refused(&delegated(&[&a, &b, &a], back, call), "Delegation(Cycle { index: 1");
    let twice = vec![a.delegate_to(&b), b.delegate_to(&b)];
    check_refused(&delegated(&[&a, &b, &b], twice, call), "Delegation(Cycle { index: 1");
}

#[test]
fn a_delegation_expires() {
    let (a, b) = (User::new(1), User::new(2));
    let until = |expiration: Time| a.delegate(Delegation { expiration, ..delegation_to(&b) });
    let expired = vec![until(Time(NOW.0 - 1))];
    check_refused(&delegated(&[&a, &b], expired, call), "Delegation(Expired { index: 0");
    let admitted = admit(&delegated(&[&a, &b], vec![until(NOW.plus_ms(5))], call)).unwrap();
    assert_eq!(admitted.valid_until(), NOW.plus_ms(5));
    assert_eq!(admitted.expiry(), NOW.plus_ms(60_000));
    let long = vec![until(Time(u64::MAX))];
    let admitted = admit(&delegated(&[&a, &b], long, call)).unwrap();
    assert_eq!(admitted.valid_until(), NOW.plus_ms(60_000));
}

#[test]
fn the_signature_of_a_delegation_covers_all_of_it() {
    let (a, b) = (User::new(1), User::new(2));
    let narrow = Delegation {
        targets: Some(vec![CANISTER]),
        permissions: Some("all".to_owned()),
        ..delegation_to(&b)
    };
    let signed = a.delegate(narrow.clone());
    assert!(admit(&delegated(&[&a, &b], vec![signed.clone()], call)).is_ok());
    for changed in [
        Delegation { targets: None, ..narrow.clone() },
        Delegation { targets: Some(vec![CANISTER, CANISTER]), ..narrow.clone() },
        Delegation { permissions: None, ..narrow.clone() },
        Delegation { expiration: NOW.plus_ms(1), ..narrow.clone() },
    ] {
        let link = SignedDelegation { delegation: changed, ..signed.clone() };
        check_refused(&delegated(&[&a, &b], vec![link], call), "Delegation(Signature { index: 0");
    }
    let bad_key = Delegation { pubkey: Bytes::from_static(b"x"), ..narrow };
    let link = a.delegate(bad_key);
    check_refused(&delegated(&[&a, &b], vec![link], call), "Delegation(Key { index: 0");
}

#[test]
fn targets_are_those_that_all_delegations_allow() {
    let (a, b, c) = (User::new(1), User::new(2), User::new(3));
    let other = CanisterId::from_index(1);
    let third = CanisterId::from_index(2);
    let chain = |first: Option<Vec<CanisterId>>, second: Option<Vec<CanisterId>>| {
        vec![
            a.delegate(Delegation { targets: first, ..delegation_to(&b) }),
            b.delegate(Delegation { targets: second, ..delegation_to(&c) }),
        ]
    };
    let check = |first, second, expected: Option<&[CanisterId]>| {
        let reading = delegated(&[&a, &b, &c], chain(first, second), read_state);
        let targets = admit(&reading).unwrap().targets().clone();
        let expected =
            expected.map_or(Targets::All, |only| Targets::Only(only.iter().copied().collect()));
        assert_eq!(targets, expected);
        let calling = Envelope {
            sender_delegation: reading.sender_delegation,
            ..delegated(&[&a, &b, &c], vec![], call)
        };
        assert_eq!(admit(&calling).is_ok(), targets.include(&CANISTER));
    };
    check(None, None, None);
    check(Some(vec![CANISTER]), None, Some(&[CANISTER]));
    check(None, Some(vec![CANISTER, other]), Some(&[CANISTER, other]));
    check(Some(vec![CANISTER, other]), Some(vec![other, third]), Some(&[other]));
    check(Some(vec![other]), Some(vec![CANISTER]), Some(&[]));
    check(Some(vec![]), None, Some(&[]));
    let refused = delegated(&[&a, &b, &c], chain(Some(vec![other]), None), query);
    check_refused(&refused, "NotATarget");
    // The management canister is a target like others.
    let management =
        |sender| CallContent { canister_id: types::MANAGEMENT_CANISTER, ..call(sender) };
    let only_canister = chain(Some(vec![CANISTER]), None);
    check_refused(&delegated(&[&a, &b, &c], only_canister, management), "NotATarget");
}

#[test]
fn permissions_are_those_that_all_delegations_give() {
    let (a, b, c) = (User::new(1), User::new(2), User::new(3));
    let users = [&a, &b, &c];
    let check = |first: Option<&str>, second: Option<&str>, may_call: bool, may_query: bool| {
        let permit = |word: Option<&str>| word.map(str::to_owned);
        let chain = vec![
            a.delegate(Delegation { permissions: permit(first), ..delegation_to(&b) }),
            b.delegate(Delegation { permissions: permit(second), ..delegation_to(&c) }),
        ];
        let outcomes = [
            (admit(&delegated(&users, chain.clone(), call)).err(), may_call),
            (admit(&delegated(&users, chain.clone(), query)).err(), may_query),
            (admit(&delegated(&users, chain, read_state)).err(), may_query),
        ];
        for (error, may) in outcomes {
            match error {
                None => assert!(may, "{first:?} {second:?}"),
                Some(AdmissionError::NotPermitted(_)) => assert!(!may, "{first:?} {second:?}"),
                Some(error) => panic!("{error:?}"),
            }
        }
    };
    check(None, None, true, true);
    check(Some("all"), None, true, true);
    check(Some("queries"), None, false, true);
    check(Some("queries"), Some("all"), false, true);
    check(Some("all"), Some("queries"), false, true);
    check(Some("updates"), Some("all"), false, false);
    check(None, Some(""), false, false);
}

/// A canister signature over a payload, on a subnet that is the root of trust.
fn canister_signature(key: &CanisterKey, payload: &[u8]) -> Bytes {
    let mut signatures = Tree::new();
    let path = [&b"sig"[..], &Sha256::digest(&key.seed), &Sha256::digest(payload)];
    signatures.set(&path, &b""[..]);
    let mut state = Tree::new();
    let data = signatures.digest().to_vec();
    state.set(&[&b"canister"[..], key.canister_id.as_slice(), b"certified_data"], data);
    let certificate = certify(state.to_hash_tree());
    encode_canister_signature(&certificate, &signatures.to_hash_tree()).into()
}

fn certify(tree: HashTree) -> Certificate {
    let (dealt, key) = root();
    let root = tree.digest();
    let shares: BTreeMap<_, _> = dealt
        .shares
        .iter()
        .map(|(node, share)| (*node, share.sign(Domain::STATE_ROOT, &root)))
        .collect();
    let signature = key.combine(Domain::STATE_ROOT, &root, &shares).unwrap().signature;
    Certificate { tree, signature, delegation: None }
}

/// A call by a user for whom a canister stands, delegated to a session key as wallets do, with
/// information by the canister.
fn call_with_info(change: impl FnOnce(&mut SenderInfo)) -> Envelope<CallContent> {
    let key = CanisterKey { canister_id: CANISTER, seed: b"user 7".to_vec() };
    let session = User::new(5);
    let delegation = delegation_to(&session);
    let signature =
        canister_signature(&key, &Domain::REQUEST_DELEGATION.payload(&delegation.hash()));
    let info = Bytes::from_static(b"verified user");
    let sig = canister_signature(&key, &Domain::SENDER_INFO.payload(&info));
    let mut info = SenderInfo { info, signer: CANISTER, sig };
    change(&mut info);
    let der = Bytes::from(key.to_der());
    let content =
        CallContent { sender_info: Some(info), ..call(Principal::self_authenticating(&der)) };
    Envelope {
        sender_pubkey: Some(der),
        sender_delegation: Some(vec![SignedDelegation { delegation, signature }]),
        ..session.sign_request(content)
    }
}

#[test]
fn sender_info_is_what_the_senders_canister_signed() {
    let admitted = admit(&call_with_info(|_| ())).unwrap();
    assert_eq!(admitted.content().sender_info.as_ref().unwrap().info, "verified user");
    check_refused(&call_with_info(|info| info.info = Bytes::new()), "SenderInfoSignature");
    check_refused(&call_with_info(|info| info.sig = Bytes::new()), "SenderInfoSignature");
    let other = CanisterId::from_index(1);
    check_refused(&call_with_info(|info| info.signer = other), "SenderInfoSigner");
    let user = User::new(1);
    let mut content = call(user.principal());
    content.sender_info = call_with_info(|_| ()).content.sender_info;
    check_refused(&user.sign_request(content), "SenderInfoWithoutCanister");
}

#[test]
fn a_canister_signature_needs_the_root_key() {
    let envelope = call_with_info(|_| ());
    let stranger = dealt::deal(2, &[NodeId(Principal::anonymous())], 1);
    let stranger = *ChainKey::new(&stranger.transcript).unwrap().public_key();
    let refused =
        Gate::new(stranger, &Limits::default()).admit_call(&envelope.to_cbor(), NOW).unwrap_err();
    assert!(matches!(refused, AdmissionError::Delegation(DelegationError::Signature { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// A signed envelope of which one byte is changed is refused, or says the same by the same
    /// sender (a change of the key's or the signature's encoding would be malleability).
    #[test]
    fn changed_bytes_are_refused(at in any::<prop::sample::Index>(), to: u8) {
        let (a, b) = (User::new(1), User::new(2));
        let narrow = Delegation { targets: Some(vec![CANISTER]), ..delegation_to(&b) };
        let raw = delegated(&[&a, &b], vec![a.delegate(narrow)], call).to_cbor();
        let mut changed = raw.to_vec();
        let at = at.index(changed.len());
        changed[at] = to;
        let admitted = gate().admit_call(&changed.into(), NOW);
        prop_assert_eq!(admitted.is_ok(), raw[at] == to);
    }
}

/// The DER of a WebAuthn key for RS256 of 4096 bits; nobody can sign with this one.
fn rsa_key(number: u8) -> Bytes {
    let modulus = [[0x80 | number; 511].as_slice(), &[1]].concat();
    let head = hex::decode("a401030339010020590200").unwrap();
    let cose = [&head[..], &modulus, &hex::decode("2143010001").unwrap()].concat();
    let bits = [&[0x03, 0x82][..], &(cose.len() as u16 + 1).to_be_bytes(), &[0], &cose].concat();
    let algorithm = hex::decode("300c060a2b0601040183b8430101").unwrap();
    let length = ((algorithm.len() + bits.len()) as u16).to_be_bytes();
    [&[0x30, 0x82][..], &length, &algorithm, &bits].concat().into()
}

/// A chain that would cost each node tens of milliseconds is refused before a signature is checked.
#[test]
fn a_chain_is_bounded_in_what_it_costs() {
    let user = User::new(1);
    let chain = |count: u8| {
        let link = |number| {
            let delegation = Delegation { pubkey: rsa_key(number), ..delegation_to(&user) };
            user.delegate(delegation)
        };
        let signed = user.sign_request(call(user.principal()));
        Envelope { sender_delegation: Some((1..=count).map(link).collect()), ..signed }
    };
    check_refused(&chain(5), "TooCostly(201)");
    assert_eq!(signature_cost(&chain(5).to_cbor()), 201);
    // Within the bound: the signatures are looked at, and do not hold.
    check_refused(&chain(4), "Signature");
    let anonymous = Envelope::anonymous(call(Principal::anonymous()));
    assert_eq!(signature_cost(&anonymous.to_cbor()), 1);
    assert_eq!(signature_cost(&Bytes::from_static(b"junk")), 1);
}
