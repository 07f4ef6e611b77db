//! A trusted dealer: one party makes the chain key and hands out the shares.
//!
//! For tests, simulations and measurements, where the key generation among the nodes is not the
//! subject. The dealer knows the whole key, so no network that anybody relies on may use this.

use super::SecretShare;
use super::scalar::Scalar;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use types::{NodeId, Transcript, TranscriptMember};

/// A chain key with the shares of all members.
pub struct Dealt {
    /// The public part.
    pub transcript: Transcript,
    /// The members' secret shares.
    pub shares: BTreeMap<NodeId, SecretShare>,
}

/// Makes a chain key of `members` from a seed; the same seed gives the same key.
///
/// # Panics
/// When `threshold` is zero or above the number of distinct members.
pub fn deal(seed: u64, members: &[NodeId], threshold: usize) -> Dealt {
    let members: std::collections::BTreeSet<NodeId> = members.iter().copied().collect();
    assert!((1..=members.len()).contains(&threshold), "threshold {threshold} of {}", members.len());
    let polynomial: Vec<Scalar> = (0..threshold).map(|degree| coefficient(seed, degree)).collect();
    let public_key = share_of(polynomial[0]).public_share().to_vec();
    let mut shares = BTreeMap::new();
    let mut places = Vec::new();
    for (node_id, place) in members.into_iter().zip(1..) {
        let point = Scalar::from_u64(place);
        let share = share_of(value_at(&polynomial, point));
        let public_share = share.public_share().to_vec();
        places.push(TranscriptMember { node_id, point: point.to_be_bytes(), public_share });
        shares.insert(node_id, share);
    }
    // The number of members bounds it, and no subnet has four thousand million.
    let threshold = u32::try_from(threshold).expect("a threshold fits 32 bits");
    Dealt { transcript: Transcript { public_key, threshold, members: places }, shares }
}

fn coefficient(seed: u64, degree: usize) -> Scalar {
    let mut hash: [u8; 32] = Sha256::new()
        .chain_update(b"plinth-dealt-chain-key")
        .chain_update(seed.to_be_bytes())
        .chain_update(degree.to_be_bytes())
        .finalize()
        .into();
    hash[0] &= 0x3f;
    Scalar::from_be_bytes(&hash).expect("a number of 254 bits is below the group order")
}

fn value_at(polynomial: &[Scalar], point: Scalar) -> Scalar {
    let sum = Scalar::from_u64(0);
    polynomial.iter().rev().fold(sum, |sum, coefficient| sum.times(point).plus(*coefficient))
}

fn share_of(scalar: Scalar) -> SecretShare {
    SecretShare::from_bytes(&scalar.to_be_bytes()).expect("a hash is zero with no chance")
}
