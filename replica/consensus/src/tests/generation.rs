//! The generation of the chain key.

use types::Height;

use super::network::{GENESIS_S, Network, envelope};
use crate::bounds::{DEALER_LOG_WAIT_MS, KEY_GENERATION_GRACE_BLOCKS};
use crate::{BlockContext, Message, Payload, Verdict};

fn has_key(network: &Network, at: usize) -> bool {
    network.nodes[at].core.standing().has_key
}

/// Rounds until the nodes that are up have a key.
fn generate(network: &mut Network) -> u64 {
    for round in 1..=2 * KEY_GENERATION_GRACE_BLOCKS {
        network.rounds(1);
        if (0..network.nodes.len()).all(|at| !network.nodes[at].up || has_key(network, at)) {
            return round;
        }
    }
    panic!("no key");
}

fn assert_runs(network: &mut Network) {
    let message = envelope(GENESIS_S + 100, b"after the key");
    network.ingress(1, &message);
    network.rounds(network.nodes.len() as u64);
    network.pass_ms(300);
    network.assert_agreement();
    assert_eq!(network.times_executed(1, &message), 1);
}

#[test]
fn all_members_make_the_key_in_the_first_blocks() {
    for nodes in [1, 4] {
        let mut network = Network::keyless(nodes);
        network.pass_ms(50);
        assert_eq!(generate(&mut network), 1, "the first block can hold all logs");
        network.pass_ms(100);
        assert_eq!(network.certified(0), Height(1), "the genesis state is certified");
        if nodes == 4 {
            assert_runs(&mut network);
        }
    }
}

#[test]
fn an_absent_member_delays_the_key_and_gets_its_share_when_it_comes() {
    let mut network = Network::keyless(4);
    network.nodes[3].up = false;
    network.pass_ms(DEALER_LOG_WAIT_MS + 100);
    assert!(generate(&mut network) > KEY_GENERATION_GRACE_BLOCKS);
    network.nodes[3].up = true;
    network.pass_ms(1_000);
    assert!(has_key(&network, 3));
    assert_runs(&mut network);
}

#[test]
fn two_absent_members_of_four_prevent_the_key() {
    let mut network = Network::keyless(4);
    network.nodes[2].up = false;
    network.nodes[3].up = false;
    network.pass_ms(20_000);
    network.rounds(2 * KEY_GENERATION_GRACE_BLOCKS);
    assert!(!has_key(&network, 0));
    network.nodes[2].up = true;
    network.pass_ms(20_000);
    generate(&mut network);
}

#[test]
fn restarts_during_the_generation_are_harmless() {
    let mut network = Network::keyless(4);
    network.filter = Box::new(|from, _, message| match Message::decode(message) {
        Ok(Message::DealingAcknowledged(_)) if from == 2 => None,
        _ => Some(message.clone()),
    });
    network.pass_ms(50);
    network.rounds(2);
    assert!(!has_key(&network, 0));
    network.filter = Box::new(|_, _, message| Some(message.clone()));
    (0..4).for_each(|at| network.restart(at, None));
    network.pass_ms(500);
    generate(&mut network);
    network.restart(1, None);
    network.pass_ms(500);
    assert_runs(&mut network);
}

#[test]
fn a_key_that_fails_with_all_logs_ends_the_subnet() {
    let mut network = Network::keyless(4);
    let now = network.now;
    // Two dealers of four dealt wrongly (their logs say 0).
    let logs = [[0, 1, 0], [1, 1, 0], [2, 0, 0], [3, 0, 0]];
    let dealer_logs = logs.iter().map(|log| log.to_vec().into()).collect();
    network.finalize(Payload { time: now, dealer_logs, ingress: Vec::new() }.encode());
    assert!(network.nodes[0].halt.as_ref().expect("stops").reason.contains("key generation"));
}

#[test]
fn blocks_above_an_unfinal_key_carry_ingress_only_once_it_is_final() {
    let mut network = Network::keyless(4);
    network.pass_ms(50);
    let with_logs = network.propose(0).expect("logs wait");
    assert_eq!(Payload::decode(&with_logs).expect("good").dealer_logs.len(), 4);
    let ctx = BlockContext {
        height: Height(2),
        view: 9,
        parent: with_logs.clone(),
        ancestors: Vec::new(),
    };
    let time = network.now.plus_ms(10);
    let check = |network: &mut Network, logs: Vec<_>, ingress: Vec<_>| {
        let block = Payload { time, dealer_logs: logs, ingress }.encode();
        network.nodes[1].core.validate(&ctx, &block, time)
    };
    let message = envelope(GENESIS_S + 100, b"early");
    assert_eq!(check(&mut network, vec![], vec![]), Verdict::Valid);
    assert_eq!(check(&mut network, vec![], vec![message.clone()]), Verdict::Pending);
    let late_log = vec![vec![0, 1, 0].into()];
    assert!(matches!(check(&mut network, late_log, vec![]), Verdict::Invalid(_)));
    network.finalize(with_logs);
    assert_eq!(check(&mut network, vec![], vec![message]), Verdict::Valid);
}

#[test]
fn a_log_stands_in_the_chain_once_and_by_a_member() {
    let mut network = Network::keyless(4);
    let time = network.now;
    let check = |network: &mut Network, logs: &[&[u8]], ingress: &[&[u8]]| {
        let owned = |list: &[&[u8]]| list.iter().map(|one| one.to_vec().into()).collect();
        let block = Payload { time, dealer_logs: owned(logs), ingress: owned(ingress) }.encode();
        let ctx = network.context();
        matches!(network.nodes[1].core.validate(&ctx, &block, time), Verdict::Valid)
    };
    assert!(check(&mut network, &[&[0, 1, 0]], &[]));
    assert!(!check(&mut network, &[&[0, 1, 0], &[0, 1, 1]], &[]));
    assert!(!check(&mut network, &[&[4, 1, 0]], &[]));
    assert!(!check(&mut network, &[&[0, 1]], &[]));
    assert!(!check(&mut network, &[], &[&envelope(GENESIS_S + 100, b"early")]));
}

#[test]
fn a_peer_cannot_bring_the_log_of_another_dealer() {
    let mut network = Network::keyless(4);
    let first_seen = |network: &Network| network.nodes[1].core.standing().counters.malformed;
    network.inject(2, 1, Message::DealerLog(vec![0, 1, 0].into()).encode());
    assert_eq!(first_seen(&network), 1);
    network.inject(2, 1, Message::Dealing(vec![1].into()).encode());
    network.inject(2, 1, Message::DealingAcknowledged(vec![1].into()).encode());
    assert_eq!(first_seen(&network), 3);
}
