//! Losses, absence and restarts.

use types::Height;

use super::network::{GENESIS_S, Network, envelope};
use crate::Message;
use crate::bounds::BLOCKS_WAITING_MAX;

/// A fixed sequence of numbers that looks random.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn lost_messages_are_asked_for() {
    let mut network = Network::dealt(4);
    let mut noise = Noise(77);
    network.filter = Box::new(move |_, _, message| (noise.below(3) > 0).then(|| message.clone()));
    for n in 0..20u8 {
        network.ingress(usize::from(n) % 4, &envelope(GENESIS_S + 200, &[n]));
        network.rounds(1);
    }
    network.filter = Box::new(|_, _, message| Some(message.clone()));
    network.rounds(4);
    network.pass_ms(1_000);
    network.assert_agreement();
    for n in 0..20u8 {
        assert_eq!(network.times_executed(2, &envelope(GENESIS_S + 200, &[n])), 1);
    }
}

#[test]
fn all_shares_of_a_height_lost_do_not_stop_it() {
    let mut network = Network::dealt(4);
    network.filter = Box::new(|_, _, message| match Message::decode(message) {
        Ok(Message::TapeShare { .. } | Message::CertificationShare { .. }) => None,
        _ => Some(message.clone()),
    });
    network.rounds(1);
    assert_eq!(network.certified(0), Height(1));
    network.filter = Box::new(|_, _, message| Some(message.clone()));
    network.pass_ms(500);
    network.assert_agreement();
}

#[test]
fn a_node_away_for_long_catches_up_with_few_questions() {
    let mut network = Network::dealt(4);
    network.rounds(3);
    network.nodes[3].up = false;
    network.rounds(600);
    network.nodes[3].up = true;
    let before = network.sent;
    network.pass_ms(10_000);
    network.assert_agreement();
    // 32 tapes an answer, and the reports of four nodes in ten seconds.
    assert!(network.sent - before < 1_000, "{} messages", network.sent - before);
    assert_eq!(network.nodes[3].batches, network.nodes[0].batches);
}

#[test]
fn a_node_that_catches_up_takes_blocks_as_it_can_use_them() {
    let mut network = Network::dealt(4);
    network.rounds(1);
    network.nodes[3].up = false;
    network.rounds(BLOCKS_WAITING_MAX as u64 + 50);
    network.filter = Box::new(|_, to, message| (to != 3).then(|| message.clone()));
    network.nodes[3].up = true;
    network.pass_ms(500);
    assert!(!network.nodes[3].core.takes_block());
    let finalized = network.nodes[3].core.standing().own.finalized;
    assert_eq!(finalized, Height(2 + BLOCKS_WAITING_MAX as u64));
    network.filter = Box::new(|_, _, message| Some(message.clone()));
    network.pass_ms(3_000);
    network.assert_agreement();
}

#[test]
fn a_restarted_node_replays_from_its_own_disk() {
    let mut network = Network::dealt(4);
    network.ingress(0, &envelope(GENESIS_S + 200, b"once"));
    network.rounds(20);
    network.pass_ms(200);
    let roots = network.nodes[2].roots.clone();
    network.restart(2, Some(Height(10)));
    network.filter = Box::new(|_, to, message| (to != 2).then(|| message.clone()));
    network.pass_ms(50);
    assert_eq!(network.nodes[2].roots, roots);
    network.assert_agreement();
}

#[test]
fn all_nodes_restart_and_go_on() {
    let mut network = Network::dealt(4);
    network.rounds(10);
    // The last tape and certification are on nobody's disk.
    network.filter = Box::new(|_, _, _| None);
    network.rounds(1);
    for at in 0..4 {
        network.restart(at, Some(Height(4 + at as u64)));
    }
    network.filter = Box::new(|_, _, message| Some(message.clone()));
    network.pass_ms(1_000);
    network.assert_agreement();
    network.rounds(4);
    network.pass_ms(200);
    network.assert_agreement();
}

#[test]
fn every_second_height_restarts_somebody() {
    let mut network = Network::dealt(4);
    let mut noise = Noise(5);
    for n in 0..40u8 {
        network.ingress(usize::from(n) % 4, &envelope(GENESIS_S + 200, &[n]));
        network.rounds(1);
        if n % 2 == 0 {
            let at = noise.below(4) as usize;
            let executed = network.nodes[at].core.standing().own.executed.0;
            network.restart(at, Some(Height(1 + noise.below(executed))));
        }
        network.pass_ms(100);
    }
    network.rounds(4);
    network.pass_ms(2_000);
    network.assert_agreement();
    for n in 0..40u8 {
        assert_eq!(network.times_executed(0, &envelope(GENESIS_S + 200, &[n])), 1, "{n}");
    }
}
