//! Tests of certificates, with a root subnet and another subnet dealt for the purpose.

use super::*;
use crate::chain_key::ChainKey;
use crate::chain_key::dealt::{Dealt, deal};
use crate::persistent::Tree;
use proptest::prelude::*;
use std::collections::BTreeMap;
use types::{NodeId, Principal};

pub(crate) const SUBNET: &[u8] = b"subnet-1";

/// A subnet of one node.
pub(crate) struct Subnet {
    dealt: Dealt,
    pub(crate) key: ChainKey,
}

impl Subnet {
    pub(crate) fn new(seed: u64) -> Self {
        let dealt = deal(seed, &[NodeId(Principal::anonymous())], 1);
        let key = ChainKey::new(&dealt.transcript).unwrap();
        Self { dealt, key }
    }

    pub(crate) fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    pub(crate) fn certify(&self, tree: HashTree, delegation: Option<Delegation>) -> Certificate {
        let root = tree.digest();
        let shares: BTreeMap<_, _> = self
            .dealt
            .shares
            .iter()
            .map(|(node, share)| (*node, share.sign(Domain::STATE_ROOT, &root)))
            .collect();
        let combined = self.key.combine(Domain::STATE_ROOT, &root, &shares).unwrap();
        Certificate { tree, signature: combined.signature, delegation }
    }
}

/// `55799([[first, last]])`
fn range(first: u8, last: u8) -> Vec<u8> {
    vec![0xd9, 0xd9, 0xf7, 0x81, 0x82, 0x41, first, 0x41, last]
}

/// What the root subnet's state says about the other subnet.
pub(crate) fn root_state(subnet: &Subnet, subnet_type: Option<&str>) -> Tree {
    let mut state = Tree::new();
    state.set(&[&b"subnet"[..], SUBNET, b"public_key"], subnet.public_key().to_der());
    state.set(&[&b"canister_ranges"[..], SUBNET, &[10]], range(10, 19));
    state.set(&[&b"canister_ranges"[..], SUBNET, &[30]], range(30, 39));
    state.set(&[&b"time"[..]], vec![1]);
    if let Some(subnet_type) = subnet_type {
        state.set(&[&b"subnet"[..], SUBNET, b"type"], subnet_type.as_bytes().to_vec());
    }
    state
}

pub(crate) fn delegate(root: &Subnet, state: &Tree) -> Delegation {
    let tree = state.witness(&[vec![&b"subnet"[..], SUBNET], vec![b"canister_ranges", SUBNET]]);
    let certificate = root.certify(tree, None).to_cbor().into();
    Delegation { subnet_id: SUBNET.into(), certificate }
}

fn some_tree() -> HashTree {
    HashTree::labeled(&b"time"[..], HashTree::leaf(&b"1"[..]))
}

#[test]
fn the_root_subnet_certifies_without_delegation() {
    let root = Subnet::new(1);
    let certificate = root.certify(some_tree(), None);
    let certificate = Certificate::from_cbor(&certificate.to_cbor()).unwrap();
    assert!(certificate.verify_for_canister(root.public_key(), &[77]).unwrap().is_none());
    let other = Subnet::new(2);
    let refused = certificate.verify(other.public_key());
    assert!(matches!(refused, Err(CertificateError::Signature(_))));
    let changed = Certificate { tree: HashTree::Empty, ..certificate };
    assert!(matches!(changed.verify(root.public_key()), Err(CertificateError::Signature(_))));
}

#[test]
fn another_subnet_certifies_for_its_canisters() {
    let (root, subnet) = (Subnet::new(1), Subnet::new(2));
    let delegation = delegate(&root, &root_state(&subnet, Some("application")));
    let certificate = subnet.certify(some_tree(), Some(delegation));
    let certificate = Certificate::from_cbor(&certificate.to_cbor()).unwrap();
    let verified = certificate.verify(root.public_key()).unwrap().unwrap();
    assert_eq!((verified.subnet_id(), verified.subnet_type()), (SUBNET, Some(&b"application"[..])));
    for (canister, expected) in
        [(9, false), (10, true), (19, true), (20, false), (30, true), (39, true), (40, false)]
    {
        assert_eq!(verified.covers(&[canister]), expected, "{canister}");
        let outcome = certificate.verify_for_canister(root.public_key(), &[canister]);
        assert_eq!(outcome.is_ok(), expected, "{canister}");
    }
    // Ranges are of byte strings: 10.0 lies between 10 and 19.
    assert!(verified.covers(&[10, 0]) && !verified.covers(&[19, 0]));
}

#[test]
fn ranges_in_one_list_count_too() {
    let (root, subnet) = (Subnet::new(1), Subnet::new(2));
    let mut state = root_state(&subnet, None);
    state.remove(&[b"canister_ranges"]);
    state.set(&[&b"subnet"[..], SUBNET, b"canister_ranges"], range(50, 59));
    let certificate = subnet.certify(some_tree(), Some(delegate(&root, &state)));
    assert!(certificate.verify_for_canister(root.public_key(), &[55]).is_ok());
    assert!(certificate.verify_for_canister(root.public_key(), &[60]).is_err());
}

#[test]
fn a_bad_delegation_is_refused() {
    let (root, subnet, stranger) = (Subnet::new(1), Subnet::new(2), Subnet::new(3));
    let check = |delegation: Delegation, expected: fn(&CertificateError) -> bool| {
        let certificate = subnet.certify(some_tree(), Some(delegation));
        let error = certificate.verify(root.public_key()).unwrap_err();
        assert!(expected(&error), "{error:?}");
    };
    let state = root_state(&subnet, None);
    let good = delegate(&root, &state);
    check(delegate(&stranger, &state), |e| matches!(e, CertificateError::DelegationSignature(_)));
    check(delegate(&root, &root_state(&stranger, None)), |e| {
        matches!(e, CertificateError::Signature(_))
    });
    check(Delegation { subnet_id: (&b"other"[..]).into(), ..good.clone() }, |e| {
        matches!(e, CertificateError::DelegationKey(_))
    });
    check(Delegation { certificate: Bytes::new(), ..good.clone() }, |e| {
        matches!(e, CertificateError::DelegationEncoding(_))
    });
    let mut nested = Certificate::from_cbor(&good.certificate).unwrap();
    nested.delegation = Some(good.clone());
    check(Delegation { certificate: nested.to_cbor().into(), ..good.clone() }, |e| {
        matches!(e, CertificateError::NestedDelegation)
    });
    let mut bad_key = state.clone();
    bad_key.set(&[&b"subnet"[..], SUBNET, b"public_key"], vec![1, 2, 3]);
    check(delegate(&root, &bad_key), |e| matches!(e, CertificateError::DelegationKey(_)));
}

#[test]
fn what_is_not_a_certificate_is_refused() {
    let check = |hex: &str, expected: fn(&DecodeError) -> bool| {
        let error = Certificate::from_cbor(&hex::decode(hex).unwrap()).unwrap_err();
        assert!(expected(&error), "{hex}: {error:?}");
    };
    let tree = "647472656581 00".replace(' ', "");
    let signature = format!("697369676e61747572655830{}", "00".repeat(48));
    let is_cbor = |e: &DecodeError| matches!(e, DecodeError::Cbor(_));
    assert!(Certificate::from_cbor(&hex::decode(format!("a2{tree}{signature}")).unwrap()).is_ok());
    check("", is_cbor);
    check("a0", is_cbor);
    check(&format!("a1{tree}"), is_cbor);
    check(&format!("a1{signature}"), is_cbor);
    check(&format!("a3{tree}{signature}{tree}"), is_cbor);
    check(&format!("a2{tree}{signature}00"), is_cbor);
    check(&format!("bf{tree}{signature}ff"), is_cbor);
    check(&format!("a3{tree}{signature}617800"), is_cbor);
    check("a1697369676e61747572654100", |e| matches!(e, DecodeError::SignatureLength(1)));
    check("a164747265658105", |e| matches!(e, DecodeError::Tree(_)));
}

proptest! {
    #[test]
    fn foreign_bytes_do_not_panic(bytes: Vec<u8>, at in any::<prop::sample::Index>(), to: u8) {
        let _ = Certificate::from_cbor(&bytes);
        let certificate = Certificate {
            tree: some_tree(),
            signature: Signature([7; 48]),
            delegation: Some(Delegation { subnet_id: SUBNET.into(), certificate: Bytes::new() }),
        };
        let mut changed = certificate.to_cbor();
        prop_assert_eq!(&Certificate::from_cbor(&changed).unwrap(), &certificate);
        let at = at.index(changed.len());
        changed[at] = to;
        if let Ok(certificate) = Certificate::from_cbor(&changed) {
            let root = Subnet::new(1);
            prop_assert!(certificate.verify(root.public_key()).is_err());
        }
    }
}
