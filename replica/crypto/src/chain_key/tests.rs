//! Tests of the chain key, against the independent verifier `ic-verify-bls-signature`.

use super::dealt::{Dealt, deal};
use super::*;
use crate::domain::Domain;
use proptest::prelude::*;
use std::collections::BTreeMap;
use types::{NodeId, Principal};

const ROOT: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

fn node(n: u8) -> NodeId {
    NodeId(Principal::from_slice(&[n]))
}

fn subnet(size: u8, threshold: usize) -> (Dealt, ChainKey) {
    let members: Vec<NodeId> = (0..size).map(node).collect();
    let dealt = deal(7, &members, threshold);
    let key = ChainKey::new(&dealt.transcript).unwrap();
    (dealt, key)
}

fn shares_of(
    dealt: &Dealt,
    signers: impl IntoIterator<Item = u8>,
) -> BTreeMap<NodeId, SignatureShare> {
    let sign = |n| (node(n), dealt.shares[&node(n)].sign(Domain::STATE_ROOT, ROOT));
    signers.into_iter().map(sign).collect()
}

#[test]
fn any_quorum_makes_the_same_signature_and_others_accept_it() {
    for (size, threshold) in [(1, 1), (4, 3), (13, 9), (40, 34)] {
        let (dealt, key) = subnet(size, threshold);
        let threshold = threshold as u8;
        let first = shares_of(&dealt, 0..threshold);
        let last = shares_of(&dealt, size - threshold..size);
        let combined = key.combine(Domain::STATE_ROOT, ROOT, &first).unwrap();
        assert_eq!(combined, key.combine(Domain::STATE_ROOT, ROOT, &last).unwrap());
        assert_eq!(combined.bad, []);
        let payload = Domain::STATE_ROOT.payload(ROOT);
        ic_verify_bls_signature::verify_bls_signature(
            &combined.signature.0,
            &payload,
            &key.public_key().to_bytes(),
        )
        .unwrap();
    }
}

#[test]
fn a_signature_holds_for_its_key_domain_and_message_alone() {
    let (dealt, key) = subnet(4, 3);
    let signature =
        key.combine(Domain::STATE_ROOT, ROOT, &shares_of(&dealt, 0..3)).unwrap().signature;
    let public = key.public_key();
    assert_eq!(public.verify(Domain::STATE_ROOT, ROOT, &signature), Ok(()));
    assert_eq!(public.verify(Domain::STATE_ROOT, b"other", &signature), Err(VerifyError));
    assert_eq!(public.verify(Domain::REQUEST, ROOT, &signature), Err(VerifyError));
    let other = ChainKey::new(&deal(8, &[node(1)], 1).transcript).unwrap();
    let verified = other.public_key().verify(Domain::STATE_ROOT, ROOT, &signature);
    assert_eq!(verified, Err(VerifyError));
    // The point at infinity is a signature by the key zero; it must never pass.
    let mut infinity = Signature([0; 48]);
    infinity.0[0] = 0xc0;
    assert_eq!(public.verify(Domain::STATE_ROOT, ROOT, &infinity), Err(VerifyError));
}

#[test]
fn bad_shares_are_found_and_left_out() {
    let (dealt, key) = subnet(4, 3);
    let mut shares = shares_of(&dealt, 0..4);
    shares.insert(node(1), dealt.shares[&node(1)].sign(Domain::STATE_ROOT, b"other"));
    let combined = key.combine(Domain::STATE_ROOT, ROOT, &shares).unwrap();
    assert_eq!(combined.bad, [node(1)]);
    assert_eq!(key.public_key().verify(Domain::STATE_ROOT, ROOT, &combined.signature), Ok(()));

    shares.insert(node(2), SignatureShare([0xff; 48]));
    let bad = vec![node(1), node(2)];
    let expected = CombineError::NotEnough { good: 2, threshold: 3, bad };
    assert_eq!(key.combine(Domain::STATE_ROOT, ROOT, &shares), Err(expected));
}

#[test]
fn too_few_shares_and_shares_of_strangers_do_not_count() {
    let (dealt, key) = subnet(4, 3);
    let mut shares = shares_of(&dealt, 0..2);
    shares.insert(node(99), shares[&node(0)]);
    let expected = CombineError::NotEnough { good: 2, threshold: 3, bad: vec![] };
    assert_eq!(key.combine(Domain::STATE_ROOT, ROOT, &shares), Err(expected));
}

#[test]
fn a_share_is_checked_against_its_signer() {
    let (dealt, key) = subnet(4, 3);
    let share = dealt.shares[&node(0)].sign(Domain::STATE_ROOT, ROOT);
    let verify = |signer| key.verify_share(&node(signer), Domain::STATE_ROOT, ROOT, &share);
    assert_eq!(verify(0), Ok(()));
    assert_eq!(verify(1), Err(ShareError::Invalid(node(1))));
    assert_eq!(verify(9), Err(ShareError::NotAMember(node(9))));
    assert!(key.owns(&node(0), &dealt.shares[&node(0)]));
    assert!(!key.owns(&node(1), &dealt.shares[&node(0)]));
}

#[test]
fn a_wrong_transcript_is_refused() {
    let (dealt, _) = subnet(4, 3);
    let check = |change: &dyn Fn(&mut types::Transcript), expected: ChainKeyError| {
        let mut transcript = dealt.transcript.clone();
        change(&mut transcript);
        assert_eq!(ChainKey::new(&transcript).unwrap_err(), expected);
    };
    let point = PublicKeyError::Point;
    check(&|t| t.public_key = vec![0; 96], ChainKeyError::GroupKey(point));
    check(&|t| t.members[2].public_share[5] ^= 1, ChainKeyError::PublicShare(node(2), point));
    check(&|t| t.members[2].point = [0xff; 32], ChainKeyError::Point(node(2)));
    check(
        &|t| t.threshold = 5,
        ChainKeyError::Form(types::TranscriptError::Threshold { threshold: 5, members: 4 }),
    );
}

#[test]
fn a_group_key_of_another_sharing_is_noticed() {
    let (dealt, _) = subnet(4, 3);
    let mut transcript = dealt.transcript.clone();
    transcript.public_key = deal(8, &[node(0)], 1).transcript.public_key;
    let key = ChainKey::new(&transcript).unwrap();
    let combined = key.combine(Domain::STATE_ROOT, ROOT, &shares_of(&dealt, 0..3));
    assert_eq!(combined, Err(CombineError::InconsistentTranscript));
}

#[test]
fn der_of_the_key() {
    let (_, key) = subnet(4, 3);
    let der = key.public_key().to_der();
    assert_eq!(der.len(), 133);
    assert_eq!(PublicKey::from_der(&der), Ok(*key.public_key()));
    assert_eq!(PublicKey::from_der(&der[..132]), Err(PublicKeyError::Point));
    assert_eq!(PublicKey::from_der(&[&der[..], &[0]].concat()), Err(PublicKeyError::Point));
    assert_eq!(PublicKey::from_der(b""), Err(PublicKeyError::Der));
}

#[test]
fn a_secret_share_survives_its_bytes_and_zero_is_refused() {
    let (dealt, _) = subnet(4, 3);
    let share = &dealt.shares[&node(0)];
    let again = SecretShare::from_bytes(&share.expose_bytes()[..]).unwrap();
    assert_eq!(again.public_share(), share.public_share());
    assert_eq!(SecretShare::from_bytes(&[0; 32]).err(), Some(SecretShareError));
    assert_eq!(SecretShare::from_bytes(&[0xff; 32]).err(), Some(SecretShareError));
    assert_eq!(SecretShare::from_bytes(&[1; 31]).err(), Some(SecretShareError));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn foreign_bytes_are_refused_without_panic(bytes: Vec<u8>, point: [u8; 32]) {
        prop_assert!(PublicKey::from_der(&bytes).is_err());
        prop_assert!(PublicKey::from_bytes(&bytes).is_err());
        let (_, key) = subnet(1, 1);
        let mut share = [0xa0; 48];
        share[16..].copy_from_slice(&point);
        let shares = BTreeMap::from([(node(0), SignatureShare(share))]);
        prop_assert!(key.combine(Domain::STATE_ROOT, ROOT, &shares).is_err());
    }
}
