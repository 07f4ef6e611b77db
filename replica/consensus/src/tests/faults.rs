//! Members that lie, and a node that computes another state.

use bytes::Bytes;
use proptest::prelude::*;
use replica_crypto::chain_key::{Signature, SignatureShare};
use types::{Height, INGRESS_SIGNATURE_COST_MAX, NodeId, Principal, StateRoot};

use super::network::{COSTLY, GENESIS_S, Network, envelope, forged};
use crate::bounds::{GOSSIP_COST_PER_SECOND, OWN_ROOTS_MAX, WRONG_SIGNATURES_MAX};
use crate::certification::Certifier;
use crate::machine::Phase;
use crate::tape::Tapes;
use crate::{Certification, Message, Tape};

#[test]
fn wrong_shares_cost_a_little_and_stop_nothing() {
    let mut network = Network::dealt(4);
    // Node 0 answers for the tape with shares of the certification and the other way round.
    let mut last = SignatureShare([0; 48]);
    network.filter = Box::new(move |from, _, message| {
        let swapped = match (from, Message::decode(message).expect("own encoding")) {
            (0, Message::TapeShare { height, share }) => {
                Message::TapeShare { height, share: std::mem::replace(&mut last, share) }
            }
            (0, Message::CertificationShare { height, root, share }) => {
                let share = std::mem::replace(&mut last, share);
                Message::CertificationShare { height, root, share }
            }
            (_, other) => other,
        };
        Some(swapped.encode())
    });
    network.rounds(20);
    network.pass_ms(500);
    network.assert_agreement();
    let counters = network.nodes[1].core.standing().counters;
    assert!(counters.bad_signatures >= 20, "{counters:?}");
    assert_eq!(network.nodes[0].core.standing().counters.bad_signatures, 0);
}

#[test]
fn two_silent_members_of_four_stop_certification_and_one_does_not() {
    let mut network = Network::dealt(4);
    network.filter = Box::new(|from, _, message| (from != 0).then(|| message.clone()));
    network.rounds(3);
    assert_eq!(network.certified(1), Height(4));
    network.filter = Box::new(|from, _, message| (from > 1).then(|| message.clone()));
    network.rounds(1);
    network.pass_ms(1_000);
    assert_eq!(network.certified(2), Height(4));
    network.filter = Box::new(|_, _, message| Some(message.clone()));
    network.pass_ms(1_000);
    network.assert_agreement();
}

#[test]
fn a_node_with_another_state_stops_and_shows_why() {
    let mut network = Network::dealt(4);
    network.rounds(3);
    network.nodes[2].corrupt = true;
    network.rounds(2);
    network.pass_ms(500);
    let halt = network.nodes[2].halt.clone().expect("stops");
    let divergence = halt.divergence.expect("with the proof");
    assert_eq!(divergence.height, Height(5));
    assert_eq!(divergence.own_root, network.nodes[2].roots[&Height(5)]);
    assert_eq!(divergence.certified.root, network.nodes[0].roots[&Height(5)]);
    // It does nothing any more.
    let now = network.now;
    assert!(network.nodes[2].core.tick(now).is_empty());
    network.nodes[2].up = false;
    network.assert_agreement();
}

#[test]
fn a_node_with_another_state_that_hears_no_shares_is_told_by_several() {
    let mut network = Network::dealt(4);
    network.rounds(3);
    network.nodes[2].corrupt = true;
    network.filter = Box::new(|_, to, message| match Message::decode(message) {
        Ok(Message::CertificationShare { .. }) if to == 2 => None,
        _ => Some(message.clone()),
    });
    network.rounds(2);
    network.pass_ms(1_000);
    let halt = network.nodes[2].halt.clone().expect("stops");
    assert_eq!(halt.divergence.expect("with the proof").height, Height(5));
}

/// The signature does not say a height: a true certification under another height proves nothing.
#[test]
fn one_liar_with_an_old_certification_halts_nobody() {
    let mut network = Network::dealt(4);
    network.rounds(3);
    let old = network.nodes[0].certified[&Height(2)];
    // Nodes 1 to 3 execute the next height, and get no shares of it.
    network.filter = Box::new(|_, _, message| match Message::decode(message) {
        Ok(Message::CertificationShare { .. } | Message::Artifacts { .. }) => None,
        _ => Some(message.clone()),
    });
    network.rounds(1);
    network.pass_ms(200);
    let lie = Certification { height: Height(5), ..old };
    let lie = Message::Artifacts { tapes: Vec::new(), certification: Some(lie) }.encode();
    for to in 1..4 {
        network.inject(0, to, lie.clone());
        assert_eq!(network.nodes[to].halt, None);
    }
    network.filter = Box::new(|_, _, message| Some(message.clone()));
    network.pass_ms(500);
    network.assert_agreement();
}

#[test]
fn answers_that_nobody_asked_for_are_not_looked_at() {
    let mut network = Network::dealt(4);
    network.rounds(2);
    network.pass_ms(200);
    let tapes = vec![Tape { height: Height(3), signature: Signature([1; 48]) }];
    network.inject(0, 1, Message::Artifacts { tapes, certification: None }.encode());
    let counters = network.nodes[1].core.standing().counters;
    assert_eq!((counters.unsolicited, counters.bad_signatures), (1, 0));
}

#[test]
fn a_wrong_answer_is_refused_and_another_member_asked() {
    let mut network = Network::dealt(4);
    network.rounds(1);
    network.nodes[3].up = false;
    network.rounds(100);
    network.filter = Box::new(|from, _, message| match (from, Message::decode(message)) {
        (0, Ok(Message::Artifacts { tapes, certification })) => {
            let wrong = |tape: Tape| Tape { height: Height(tape.height.0 + 1), ..tape };
            let tapes = tapes.into_iter().map(wrong).collect();
            Some(Message::Artifacts { tapes, certification }.encode())
        }
        _ => Some(message.clone()),
    });
    network.nodes[3].up = true;
    network.pass_ms(3_000);
    network.assert_agreement();
    assert!(network.nodes[3].core.standing().counters.bad_signatures > 0);
}

#[test]
fn a_flood_of_shares_fills_no_memory() {
    let mut network = Network::dealt(4);
    network.rounds(2);
    let share = SignatureShare([3; 48]);
    for height in (0..5_000).map(Height) {
        network.inject(0, 1, Message::TapeShare { height, share }.encode());
        for root in [1, 2, 3].map(|n| StateRoot([n; 32])) {
            network.inject(0, 1, Message::CertificationShare { height, root, share }.encode());
        }
    }
    let counters = network.nodes[1].core.standing().counters;
    assert!(counters.out_of_window > 4 * 4_900, "{counters:?}");
    let Phase::Running(running) = &network.nodes[1].core.phase else { panic!("has a key") };
    assert!(running.tapes.shares_held() <= 64 + 4, "{}", running.tapes.shares_held());
    assert!(running.certifier.shares_held() <= 64 + 4, "{}", running.certifier.shares_held());
    network.rounds(4);
    network.pass_ms(500);
    network.assert_agreement();
}

#[test]
fn forged_ingress_and_strangers_are_counted() {
    let mut network = Network::dealt(4);
    let good = envelope(GENESIS_S + 200, b"good");
    network.inject(0, 1, Message::Ingress(vec![forged(&good), Bytes::new()]).encode());
    let now = network.now;
    let stranger = NodeId(Principal::from_slice(&[1, 2, 3]));
    let core = &mut network.nodes[1].core;
    assert!(core.receive(stranger, &Message::Ingress(vec![good]).encode(), now).is_empty());
    let counters = core.standing().counters;
    assert_eq!((counters.ingress_refused, counters.strangers), (2, 1));
    assert_eq!(core.standing().pool.count, 0);
}

/// A member may cost the others only so much work, whatever it sends.
#[test]
fn the_work_for_a_members_gossip_is_bounded() {
    let mut network = Network::dealt(4);
    let costly = |n: u64| forged(&envelope(GENESIS_S + 200, &[COSTLY, &n.to_be_bytes()].concat()));
    let part = GOSSIP_COST_PER_SECOND / 3;
    let checked = part / (INGRESS_SIGNATURE_COST_MAX + 1);
    let good = |n: u64| envelope(GENESIS_S + 200, &n.to_be_bytes());
    network.inject(0, 1, Message::Ingress((0..=checked).map(costly).collect()).encode());
    // Its part is used up: even what is good is not looked at, and another member's is.
    network.inject(0, 1, Message::Ingress((0..200).map(good).collect()).encode());
    let waiting = network.nodes[1].core.standing().pool.count;
    assert!(waiting < 200, "{waiting}");
    network.inject(2, 1, Message::Ingress((200..400).map(good).collect()).encode());
    assert_eq!(network.nodes[1].core.standing().pool.count, waiting + 200);
    // It fills up again.
    network.now = network.now.plus_ms(1_000);
    network.inject(0, 1, Message::Ingress((0..200).map(good).collect()).encode());
    assert_eq!(network.nodes[1].core.standing().pool.count, 400);
}

/// Wrong shares of a suspect are not stored, so it could send the same ones for ever.
#[test]
fn wrong_shares_are_not_checked_for_ever() {
    let mut network = Network::dealt(4);
    network.rounds(2);
    let liar = network.nodes[0].id;
    network.nodes[1].core.peers.suspect(&liar);
    let share = SignatureShare([3; 48]);
    let height = Height(network.chain.len() as u64 + 2);
    for _ in 0..10 * WRONG_SIGNATURES_MAX {
        network.inject(0, 1, Message::TapeShare { height, share }.encode());
    }
    let counters = network.nodes[1].core.standing().counters;
    assert!(counters.bad_signatures <= WRONG_SIGNATURES_MAX, "{counters:?}");
    network.filter = Box::new(|from, _, message| (from != 0).then(|| message.clone()));
    network.rounds(4);
    network.pass_ms(500);
    assert!(network.certified(1) == Height(network.chain.len() as u64));
}

/// While no certification comes, roots are forgotten, and what belongs to them too.
#[test]
fn shares_of_forgotten_roots_are_dropped() {
    let mut network = Network::dealt(4);
    let me = network.nodes[1].id;
    let core = &mut network.nodes[1].core;
    let Phase::Running(running) = &mut core.phase else { panic!("has a key") };
    let mut certifier = Certifier::new(me, Height(0), 1);
    for height in (1..=OWN_ROOTS_MAX as u64 + 50).map(Height) {
        certifier.executed_height(height, StateRoot([1; 32]));
        certifier.own_share(height, &running.keyed, &mut core.peers);
    }
    assert_eq!(certifier.shares_held(), OWN_ROOTS_MAX);
}

/// A height whose tape is known needs no shares, and nothing would drop them.
#[test]
fn no_shares_are_made_where_the_tape_is_known() {
    let mut network = Network::dealt(4);
    let me = network.nodes[1].id;
    let core = &mut network.nodes[1].core;
    let Phase::Running(running) = &mut core.phase else { panic!("has a key") };
    let mut tapes = Tapes::new(me, Height(0));
    tapes.add_block(Height(1), network.now, Vec::new());
    tapes.add_block(Height(2), network.now, Vec::new());
    tapes.add_tape(Tape { height: Height(2), signature: Signature([1; 48]) });
    assert_eq!(tapes.own_share(Height(2), &running.keyed, &mut core.peers), None);
    assert_eq!(tapes.shares_held(), 0);
    assert!(tapes.own_share(Height(1), &running.keyed, &mut core.peers).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn foreign_bytes_never_panic(messages in proptest::collection::vec((0u64..11, proptest::collection::vec(any::<u8>(), 0..80)), 1..20)) {
        let mut network = Network::dealt(4);
        for (kind, tail) in messages {
            let head = [0x83, 1, kind as u8];
            network.inject(0, 1, [&head[..], &tail].concat().into());
        }
        network.rounds(2);
        network.pass_ms(300);
        network.assert_agreement();
    }
}
