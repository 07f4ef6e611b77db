//! Which blocks get a vote.

use bytes::Bytes;
use types::{BLOCK_SIGNATURE_COST_MAX, Height, INGRESS_SIGNATURE_COST_MAX, Time};

use super::network::{COSTLY, GENESIS_S, Network, envelope, forged};
use crate::bounds::BLOCK_TIME_DRIFT_MS_MAX;
use crate::{Ancestor, BlockContext, Payload, Verdict};

/// What node 1 says about a block of this content on top of one block with a known message.
fn check(time: Time, ingress: &[Bytes], expected: Result<Verdict, &str>) {
    let (mut network, _) = network();
    let block = Payload { time, dealer_logs: Vec::new(), ingress: ingress.to_vec() }.encode();
    let (ctx, now) = (network.context(), network.now);
    let verdict = network.nodes[1].core.validate(&ctx, &block, now);
    match (verdict, expected) {
        (Verdict::Invalid(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
        (verdict, Ok(expected)) => assert_eq!(verdict, expected),
        (verdict, Err(part)) => panic!("{verdict:?}, expected {part}"),
    }
}

fn network() -> (Network, Bytes) {
    let mut network = Network::dealt(4);
    let known = envelope(GENESIS_S + 100, b"known");
    network.ingress(0, &known);
    network.rounds(1);
    network.pass_ms(100);
    (network, known)
}

#[test]
fn times() {
    let (network, _) = network();
    let parent = Payload::decode(&network.chain[1]).expect("good").time;
    let drift = network.now.plus_ms(BLOCK_TIME_DRIFT_MS_MAX);
    check(parent, &[], Err("not above the parent's"));
    check(Time(parent.0 - 1), &[], Err("not above the parent's"));
    check(Time(parent.0 + 1), &[], Ok(Verdict::Valid));
    check(drift, &[], Ok(Verdict::Valid));
    check(Time(drift.0 + 1), &[], Ok(Verdict::Pending));
}

#[test]
fn ingress() {
    let (network, known) = network();
    let now = network.now;
    let good = envelope(GENESIS_S + 100, b"good");
    check(now, std::slice::from_ref(&good), Ok(Verdict::Valid));
    check(now, &[good.clone(), good.clone()], Err("twice in the block"));
    check(now, &[forged(&known)], Err("may not be ordered"));
    check(now, &[forged(&good)], Err("may not be ordered"));
    check(now, &[envelope(GENESIS_S - 1, b"expired")], Err("may not be ordered"));
    check(now, &[envelope(GENESIS_S + 10_000, b"too far ahead")], Err("may not be ordered"));
    check(now, &[Bytes::from_static(b"x")], Err("no envelope"));
    let large = network.config.limits.ingress_bytes_max as usize;
    check(now, &[envelope(GENESIS_S + 100, &vec![0; large])], Err("bytes"));
    let most = network.config.limits.block_ingress_count_max;
    let many: Vec<_> = (0..=most).map(|n| envelope(GENESIS_S + 100, &n.to_be_bytes())).collect();
    check(now, &many[1..], Ok(Verdict::Valid));
    check(now, &many, Err("above the limit"));
}

#[test]
fn bytes_that_are_no_payload() {
    let (mut network, _) = network();
    let (ctx, now) = (network.context(), network.now);
    let verdict = network.nodes[1].core.validate(&ctx, b"junk", now);
    assert!(matches!(verdict, Verdict::Invalid(_)));
    let logs = Payload { time: now, dealer_logs: vec![Bytes::new()], ingress: Vec::new() };
    let verdict = network.nodes[1].core.validate(&ctx, &logs.encode(), now);
    assert!(matches!(verdict, Verdict::Invalid(_)));
}

#[test]
fn a_message_in_an_ancestor_that_is_not_final_is_not_proposed_again() {
    let (mut network, _) = network();
    let now = network.now;
    let message = envelope(GENESIS_S + 100, b"pending");
    network.ingress(1, &message);
    let block = |time, ingress: &[&Bytes]| {
        let ingress = ingress.iter().map(|one| (*one).clone()).collect();
        Payload { time, dealer_logs: Vec::new(), ingress }.encode()
    };
    let ancestor = Ancestor { height: Height(3), payload: block(now, &[&message]) };
    let ctx = BlockContext {
        height: Height(5),
        view: 50,
        parent: block(now.plus_ns(1), &[]),
        ancestors: vec![ancestor],
    };
    let repeated = block(now.plus_ns(2), &[&message]);
    let core = &mut network.nodes[1].core;
    assert_eq!(core.validate(&ctx, &repeated, now), Verdict::Valid);
    let later = now.plus_ms(1_000);
    let crate::Decision::Block(own) = core.propose(&ctx, later) else { panic!("idle for long") };
    assert!(Payload::decode(&own).expect("good").ingress.is_empty());
}

/// What a node remembers of the ids in the chain depends on its life, so no verdict may.
#[test]
fn a_restarted_node_judges_like_one_that_never_stopped() {
    let (mut network, known) = network();
    network.rounds(20);
    let tip = Height(network.chain.len() as u64);
    network.restart(2, Some(tip));
    let now = network.now;
    assert!(now < Time::from_secs(GENESIS_S + 100));
    let ctx = network.context();
    let (time, ingress) = (now.plus_ns(1), vec![known]);
    let again = Payload { time, dealer_logs: Vec::new(), ingress }.encode();
    let verdicts = [1, 2].map(|at| network.nodes[at].core.validate(&ctx, &again, now));
    assert_eq!(verdicts, [Verdict::Valid, Verdict::Valid]);
}

/// Leaders avoid what they know to be in the chain, for as long as it could be ordered.
#[test]
fn a_message_is_not_proposed_twice_before_it_expires() {
    let (mut network, known) = network();
    for at in 0..4 {
        network.ingress(at, &known);
    }
    network.rounds(50);
    assert!(network.now < Time::from_secs(GENESIS_S + 100));
    assert_eq!(network.times_executed(1, &known), 1);
}

#[test]
fn the_signatures_of_a_block_are_bounded_in_what_they_cost() {
    let (network, _) = network();
    let now = network.now;
    let costly = |n: u64| envelope(GENESIS_S + 100, &[COSTLY, &n.to_be_bytes()].concat());
    let most = BLOCK_SIGNATURE_COST_MAX / INGRESS_SIGNATURE_COST_MAX;
    let block: Vec<_> = (0..=most).map(costly).collect();
    check(now, &block, Err("too costly"));
    check(now, &block[1..], Ok(Verdict::Valid));
}

#[test]
fn a_leader_proposes_no_more_than_may_be_checked() {
    let mut network = Network::dealt(4);
    let costly = |n: u64| envelope(GENESIS_S + 100, &[COSTLY, &n.to_be_bytes()].concat());
    let most = BLOCK_SIGNATURE_COST_MAX / INGRESS_SIGNATURE_COST_MAX;
    let cheap = envelope(GENESIS_S + 100, b"cheap");
    (0..most + 10).for_each(|n| network.ingress(0, &costly(n)));
    let last = network.propose(0).expect("there is something to order");
    let payload = Payload::decode(&last).expect("good");
    assert_eq!(payload.ingress.len() as u64, most);
    network.ingress(0, &cheap);
    network.rounds(4);
    assert_eq!(network.times_executed(1, &cheap), 1);
    assert!((0..most + 10).all(|n| network.times_executed(1, &costly(n)) == 1));
}
