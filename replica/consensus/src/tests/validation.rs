//! Which blocks get a vote.

use bytes::Bytes;
use types::{Height, Time};

use super::network::{GENESIS_S, Network, envelope, forged};
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
    check(now, &[good.clone(), good.clone()], Err("in the chain already"));
    check(now, std::slice::from_ref(&known), Err("in the chain already"));
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
fn a_message_in_an_ancestor_that_is_not_final_is_not_ordered_again() {
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
    assert!(matches!(core.validate(&ctx, &repeated, now), Verdict::Invalid(_)));
    let later = now.plus_ms(1_000);
    let crate::Decision::Block(own) = core.propose(&ctx, later) else { panic!("idle for long") };
    assert!(Payload::decode(&own).expect("good").ingress.is_empty());
}

/// A repeated message is refused for as long as it could be valid, however many blocks there are.
#[test]
fn a_message_is_not_ordered_twice_before_it_expires() {
    let (mut network, known) = network();
    network.rounds(50);
    let now = network.now;
    assert!(now < Time::from_secs(GENESIS_S + 100));
    let ctx = network.context();
    let again = Payload { time: now, dealer_logs: Vec::new(), ingress: vec![known] }.encode();
    let verdict = network.nodes[1].core.validate(&ctx, &again, now);
    assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");
}
