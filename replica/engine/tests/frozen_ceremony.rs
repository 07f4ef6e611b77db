//! The bytes of a key generation, frozen by hash: dealings and acknowledgements go from node to
//! node and lie on disk, logs stand in blocks. They follow the encoding of the pinned engine
//! crates and have no version of their own.

#[path = "../../../types/conformance.rs"]
mod conformance;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use conformance::{Format, check};
use replica_engine::dkg::Ceremony;
use replica_engine::{Member, NodeSecret, public_key};
use types::NodeId;

#[test]
fn formats_are_frozen() {
    let secrets = [1, 2, 3, 4].map(|seed| NodeSecret::new([seed; 32]));
    let mut members = secrets.each_ref().map(|secret| {
        let public_key = public_key(secret);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        Member { node_id: NodeId::from_public_key(&public_key), public_key, address }
    });
    members.sort_by_key(|member| member.node_id);
    let mut ceremonies = BTreeMap::new();
    for secret in &secrets {
        let id = NodeId::from_public_key(&public_key(secret));
        let ceremony = Ceremony::new(id, secret, &members, [5; 32]).expect("four members can");
        ceremonies.insert(id, ceremony);
    }
    let ids = members.each_ref().map(|member| member.node_id);
    let (mut dealings, mut acknowledgements) = (Vec::new(), Vec::new());
    for dealer in &ids {
        for player in &ids {
            let Some(dealing) = ceremonies[dealer].dealing(player) else { continue };
            let taken =
                ceremonies.get_mut(player).expect("a member").take_dealing(dealer, &dealing);
            let acknowledgement = taken.expect("a good dealing");
            let dealer = ceremonies.get_mut(dealer).expect("a member");
            dealer.take_acknowledgement(player, &acknowledgement).expect("a good one");
            dealings.push(dealing.to_vec());
            acknowledgements.push(acknowledgement.to_vec());
        }
    }
    let log = |id: &NodeId| (*id, ceremonies.get_mut(id).expect("a member").dealer_log());
    let logs: BTreeMap<_, _> = ids.iter().map(log).collect();
    let transcript = ceremonies[&ids[0]].outcome(&logs).expect("all have dealt");
    let share = ceremonies[&ids[0]].secret_share(&logs).expect("it has all dealings");
    let mut outcome = vec![transcript.public_key, share.to_vec()];
    outcome
        .extend(transcript.members.into_iter().map(|m| [&m.point[..], &m.public_share].concat()));
    check(&[
        Format {
            name: "dealings",
            encodings: dealings,
            hash: "0c75bde9415df4a5ba63efcfe0b98d39f0f601d2028619262a03de3e9a84ac2e",
        },
        Format {
            name: "acknowledgements",
            encodings: acknowledgements,
            hash: "4099c71164cc95f436f478acf8430f79496b60416d7764879e6b5e0d10de1036",
        },
        Format {
            name: "dealer logs",
            encodings: logs.into_values().map(|log| log.to_vec()).collect(),
            hash: "94eb0b287c8c79da63ffbbef241c5bf8ccd5dc91abe2ae278633bc7a1ca0a095",
        },
        Format {
            name: "outcome of the same logs",
            encodings: outcome,
            hash: "8f06085f63db22cbfeb3d899a3c4eab550358b14c3159617f9c254e11f405b57",
        },
    ]);
}
