//! The ordinary course: ingress in, certified states out.

use replica_crypto::Domain;
use types::Time;

use super::network::{GENESIS_S, Network, envelope};
use crate::bounds::{FINALIZED_GAP_HARD, INGRESS_PUSH_BYTES_MAX};
use crate::{Decision, Payload};

const EXPIRY_S: u64 = GENESIS_S + 200;

#[test]
fn a_message_sent_to_any_node_is_executed_once_by_all() {
    let mut network = Network::dealt(4);
    let messages: Vec<_> = (0..8u8).map(|n| envelope(EXPIRY_S, &[n])).collect();
    for (n, message) in messages.iter().enumerate() {
        network.ingress(n % 4, message);
        // Sent twice, to different nodes.
        network.ingress((n + 1) % 4, message);
        network.round(n % 4);
    }
    network.rounds(4);
    network.pass_ms(200);
    network.assert_agreement();
    for at in 0..4 {
        for message in &messages {
            assert_eq!(network.times_executed(at, message), 1);
        }
        assert_eq!(network.nodes[at].core.standing().pool.count, 0);
    }
}

#[test]
fn every_height_is_certified_under_the_chain_key() {
    for nodes in [1, 2, 4, 7] {
        let mut network = Network::dealt(nodes);
        network.rounds(6);
        network.pass_ms(100);
        network.assert_agreement();
        let node = &network.nodes[0];
        let transcript = node.disk.with(|disk| disk.key.clone()).expect("dealt").0;
        let key = replica_crypto::chain_key::ChainKey::new(&transcript).expect("good");
        assert_eq!(node.certified.len(), 7, "genesis and six blocks with {nodes} nodes");
        for one in node.certified.values() {
            assert_eq!(node.roots[&one.height], one.root);
            key.public_key()
                .verify(Domain::STATE_ROOT, &one.root.0, &one.signature)
                .expect("certified");
        }
        let randomness: std::collections::BTreeSet<_> =
            node.batches.values().map(|batch| batch.randomness.0).collect();
        assert_eq!(randomness.len(), 6, "each height has its own randomness");
    }
}

#[test]
fn ingress_is_proposed_at_once_and_an_empty_block_after_the_interval() {
    let mut network = Network::dealt(4);
    network.rounds(1);
    network.pass_ms(100);
    let parent = Payload::decode(network.chain.last().expect("one")).expect("good").time;
    let ctx = network.context();
    let due = parent.plus_ms(network.config.idle_block_interval_ms);
    let now = network.now;
    assert_eq!(network.nodes[2].core.propose(&ctx, now), Decision::WaitUntil(due));
    let woken = network.nodes[2].woken;
    let message = envelope(EXPIRY_S, b"now");
    network.ingress(0, &message);
    assert!(network.nodes[2].woken > woken, "the leader of the view is told");
    let Decision::Block(block) = network.nodes[2].core.propose(&ctx, now) else {
        panic!("ingress waits");
    };
    assert_eq!(Payload::decode(&block).expect("good").ingress, [message]);
    let Decision::Block(block) = network.nodes[3].core.propose(&ctx, due) else {
        panic!("the interval is over");
    };
    assert_eq!(Payload::decode(&block).expect("good").time, due);
}

#[test]
fn a_large_message_is_fetched_by_those_who_lack_it() {
    let mut network = Network::dealt(4);
    let large = envelope(EXPIRY_S, &vec![5; INGRESS_PUSH_BYTES_MAX + 1]);
    network.ingress(1, &large);
    for node in &network.nodes {
        assert_eq!(node.core.standing().pool.count, 1, "{}", node.id);
    }
    network.rounds(1);
    network.pass_ms(100);
    network.assert_agreement();
    assert_eq!(network.times_executed(3, &large), 1);
}

#[test]
fn a_message_admitted_while_cut_off_is_ordered_after_the_return() {
    let mut network = Network::dealt(4);
    network.nodes[3].up = false;
    let message = envelope(EXPIRY_S, b"alone");
    network.ingress(3, &message);
    network.rounds(5);
    network.nodes[3].up = true;
    network.pass_ms(1_000);
    assert_eq!(network.times_executed(0, &message), 0);
    network.round(3);
    network.pass_ms(200);
    network.assert_agreement();
    assert_eq!(network.times_executed(0, &message), 1);
}

#[test]
fn blocks_keep_to_the_limits_and_what_is_left_comes_next() {
    let mut network = Network::dealt(1);
    let max = network.config.limits.block_ingress_count_max as usize;
    for n in 0..max + 5 {
        network.ingress(0, &envelope(EXPIRY_S, &n.to_be_bytes()));
    }
    network.rounds(2);
    let counts: Vec<_> = network.nodes[0].batches.values().map(|b| b.ingress.len()).collect();
    assert_eq!(counts, [max, 5]);
}

#[test]
fn expired_messages_leave_the_pool() {
    let mut network = Network::dealt(4);
    network.ingress(0, &envelope(GENESIS_S + 10, b"short"));
    assert_eq!(network.nodes[1].core.standing().pool.count, 1);
    network.now = Time::from_secs(GENESIS_S + 11);
    network.pass_ms(50);
    assert_eq!(network.nodes[1].core.standing().pool.count, 0);
}

#[test]
fn leaders_wait_for_execution_and_go_on_when_it_does() {
    let mut network = Network::dealt(4);
    network.rounds(2);
    // Two of four do not execute any more: no quorum does.
    network.nodes[0].executes = false;
    network.nodes[1].executes = false;
    network.pass_ms(1_000);
    while network.round(2).is_some() {
        assert!(network.chain.len() < 1_000, "leaders never stop");
    }
    let executed = network.nodes[0].core.standing().own.executed.0;
    assert_eq!(network.chain.len() as u64, executed + FINALIZED_GAP_HARD + 1);
    // In between, blocks were left empty.
    let message = envelope(EXPIRY_S, b"waits");
    network.ingress(2, &message);
    assert_eq!(network.propose(2), None);
    network.nodes[0].executes = true;
    let woken = network.nodes[2].woken;
    network.pass_ms(1_000);
    assert!(network.nodes[2].woken > woken, "the leader is told");
    network.rounds(2);
    network.nodes[1].executes = true;
    network.pass_ms(1_000);
    network.assert_agreement();
    assert_eq!(network.times_executed(1, &message), 1);
}
