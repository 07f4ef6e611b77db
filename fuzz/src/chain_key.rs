//! Keys and shares of the chain key.

use replica_crypto::Domain;
use replica_crypto::chain_key::dealt::{Dealt, deal};
use replica_crypto::chain_key::{ChainKey, PublicKey, SecretShare, Signature, SignatureShare};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use types::{NodeId, Principal, Transcript};

/// The compressed generator of G1.
pub(crate) const GENERATOR: &str = "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58\
                                    6c55e83ff97a1aeffb3af00adb22c6bb";

const MESSAGE: &[u8] = b"message";

/// A transcript as a node keeps it on disk (JSON), and a secret share (bytes).
pub fn transcript(data: &[u8]) {
    if let Ok(share) = SecretShare::from_bytes(data) {
        assert_eq!(&share.expose_bytes()[..], data);
    }
    let Ok(transcript) = serde_json::from_slice::<Transcript>(data) else { return };
    let Ok(key) = ChainKey::new(&transcript) else { return };
    assert_eq!(transcript.check_form(), Ok(()));
    assert!((1..=transcript.members.len()).contains(&key.threshold()));
    let json = serde_json::to_vec(&transcript).expect("plain data");
    assert_eq!(serde_json::from_slice::<Transcript>(&json).expect("it was written"), transcript);
}

/// Shares of three members in a row, 48 bytes each, under a key that takes two. The first byte
/// puts right shares in the place of some.
pub fn shares(data: &[u8]) {
    let Some((right, rest)) = data.split_first() else { return };
    let mut shares = BTreeMap::new();
    for (at, chunk) in rest.chunks(48).take(3).enumerate() {
        let member = members()[at];
        let share = match right & (1 << at) {
            0 => SignatureShare::from_slice(chunk),
            _ => Some(dealt().shares[&member].sign(Domain::STATE_ROOT, MESSAGE)),
        };
        let Some(share) = share else { return };
        let _ = key().verify_share(&member, Domain::STATE_ROOT, MESSAGE, &share);
        shares.insert(member, share);
    }
    if let Some(signature) = rest.first_chunk().map(|bytes| Signature(*bytes)) {
        let _ = key().public_key().verify(Domain::STATE_ROOT, MESSAGE, &signature);
    }
    if let Ok(combined) = key().combine(Domain::STATE_ROOT, MESSAGE, &shares) {
        let verified = key().public_key().verify(Domain::STATE_ROOT, MESSAGE, &combined.signature);
        assert_eq!(verified, Ok(()));
        assert!(combined.bad.iter().all(|bad| {
            key().verify_share(bad, Domain::STATE_ROOT, MESSAGE, &shares[bad]).is_err()
        }));
    }
    let _ = PublicKey::from_bytes(rest);
}

fn members() -> [NodeId; 3] {
    [1, 2, 3].map(|n| NodeId(Principal::from_slice(&[n])))
}

fn dealt() -> &'static Dealt {
    static DEALT: OnceLock<Dealt> = OnceLock::new();
    DEALT.get_or_init(|| deal(3, &members(), 2))
}

fn key() -> &'static ChainKey {
    static KEY: OnceLock<ChainKey> = OnceLock::new();
    KEY.get_or_init(|| ChainKey::new(&dealt().transcript).expect("a dealt key is good"))
}
