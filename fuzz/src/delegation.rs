//! Chains of delegations that are right enough to reach the checks of each link.

use crate::{NOW, gate};
use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use replica_ingress::envelope::{Common, Delegation, SignedDelegation};
use replica_ingress::{AdmissionError, CallContent, Envelope, Targets};
use types::{CanisterId, Principal, Time};

/// Calls whose sender is that of the key, with a chain made of the bytes.
pub fn delegation(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let Ok(envelope) = call(&mut from) else { return };
    let chain = envelope.sender_delegation.clone().unwrap_or_default();
    match gate().admit_call(&envelope.to_cbor(), NOW) {
        Ok(admitted) => {
            for link in &chain {
                assert!(admitted.valid_until() <= link.delegation.expiration);
                assert_ne!(link.delegation.permissions.as_deref(), Some("queries"));
                if let Some(targets) = &link.delegation.targets {
                    assert!(targets.contains(&envelope.content.canister_id));
                    assert_ne!(admitted.targets(), &Targets::All);
                }
            }
        }
        Err(error) => assert!(!matches!(error, AdmissionError::OtherSender { .. })),
    }
}

fn call(from: &mut Unstructured<'_>) -> Result<Envelope<CallContent>> {
    let key = key(from)?;
    let content = CallContent {
        common: Common {
            sender: Principal::self_authenticating(&key),
            ingress_expiry: NOW.plus_ms(1_000),
            nonce: None,
        },
        canister_id: canister(from)?,
        method_name: "method".to_owned(),
        arg: Bytes::new(),
        sender_info: None,
    };
    let links = from.int_in_range(0..=21)?;
    let chain = (0..links).map(|_| link(from)).collect::<Result<_>>()?;
    Ok(Envelope {
        content,
        sender_pubkey: Some(key),
        sender_delegation: Some(chain),
        sender_sig: Some(blob(from)?),
    })
}

fn link(from: &mut Unstructured<'_>) -> Result<SignedDelegation> {
    let expiration = match from.int_in_range(0..=3)? {
        0 => Time(from.arbitrary()?),
        _ => NOW.plus_ms(from.int_in_range(0..=2_000)?),
    };
    let targets = match from.arbitrary()? {
        false => None,
        true => {
            let count = from.int_in_range(0..=3)?;
            Some((0..count).map(|_| canister(from)).collect::<Result<_>>()?)
        }
    };
    let permissions = match from.int_in_range(0..=3)? {
        0 => None,
        1 => Some("all".to_owned()),
        2 => Some("queries".to_owned()),
        _ => Some(from.arbitrary()?),
    };
    let delegation = Delegation { pubkey: key(from)?, expiration, targets, permissions };
    Ok(SignedDelegation { delegation, signature: blob(from)? })
}

/// A good Ed25519 key, one of small order (under it signatures of zeros hold), or any bytes.
fn key(from: &mut Unstructured<'_>) -> Result<Bytes> {
    let point = match from.int_in_range(0..=3)? {
        0 => return blob(from),
        1 => [0; 32],
        2 => {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }
        _ => from.arbitrary()?,
    };
    let prefix = hex::decode("302a300506032b6570032100").expect("the prefix is hexadecimal");
    Ok([&prefix[..], &point].concat().into())
}

fn canister(from: &mut Unstructured<'_>) -> Result<CanisterId> {
    Ok(CanisterId::from_index(from.int_in_range(0..=3)?))
}

fn blob(from: &mut Unstructured<'_>) -> Result<Bytes> {
    match from.arbitrary()? {
        true => Ok(vec![0; 64].into()),
        false => Ok(from.arbitrary::<Vec<u8>>()?.into()),
    }
}
