//! The bytes of a key generation, changed in transit: dealings, acknowledgements and logs come
//! from members, one of whom may send anything.

#[path = "../../../fuzz/mutations.rs"]
mod mutations;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mutations::for_each_mutant;
use replica_engine::dkg::Ceremony;
use replica_engine::{Member, NodeSecret, public_key};
use types::NodeId;

const SESSION: [u8; 32] = [3; 32];

/// Each mutant costs some milliseconds where it reaches the curve.
const MUTANTS: u64 = 1_500;

fn group() -> (Vec<Member>, BTreeMap<NodeId, NodeSecret>) {
    let mut secrets = BTreeMap::new();
    let mut members = Vec::new();
    for seed in 1..=4 {
        let secret = NodeSecret::new([seed; 32]);
        let public_key = public_key(&secret);
        let node_id = NodeId::from_public_key(&public_key);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        members.push(Member { node_id, public_key, address });
        secrets.insert(node_id, secret);
    }
    members.sort_by_key(|member| member.node_id);
    (members, secrets)
}

#[test]
fn changed_bytes_are_refused_or_are_what_their_sender_signed() {
    let (members, secrets) = group();
    let ids: Vec<NodeId> = members.iter().map(|member| member.node_id).collect();
    let ceremony = |id: &NodeId| {
        Ceremony::new(*id, &secrets[id], &members, SESSION).expect("four members can")
    };
    let (dealer, mut player) = (ceremony(&ids[0]), ceremony(&ids[1]));
    let dealing = dealer.dealing(&ids[1]).expect("for each other member");
    let acknowledgement = player.take_dealing(&ids[0], &dealing).expect("a good dealing");
    let log = ceremony(&ids[2]).dealer_log();
    let samples = [dealing.to_vec(), acknowledgement.to_vec(), log.to_vec()];

    let mut victim = ceremony(&ids[1]);
    let mut sender = ceremony(&ids[0]);
    for_each_mutant(&samples, MUTANTS, |bytes| {
        if victim.take_dealing(&ids[0], bytes).is_ok() {
            // The first good dealing counts; all that is asked again gets the same answer.
            let again = victim.take_dealing(&ids[0], &dealing).expect("the answer that was given");
            assert_eq!(again, victim.take_dealing(&ids[0], bytes).expect("the same"));
            victim = ceremony(&ids[1]);
        }
        if sender.take_acknowledgement(&ids[1], bytes).is_ok() {
            assert_eq!(bytes, &acknowledgement[..], "a signature over something else holds");
        }
        if let Ok(signer) = victim.log_dealer(bytes) {
            assert_eq!(signer, ids[2], "a log whose signer has not signed it");
            let logs = BTreeMap::from([(signer, bytes.to_vec().into())]);
            assert!(victim.outcome(&logs).is_err(), "one log makes no key");
        }
    });
}
