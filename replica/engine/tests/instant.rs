//! One node, stepped by hand.

mod recorder;

use bytes::Bytes;
use recorder::{Event, Recorder, Shared};
use replica_engine::instant::{Instant, InstantError, Sent};
use replica_engine::{Injector, TICK_MS, erase};
use types::{Height, NodeId, Principal, Time};

const IDLE_MS: u64 = 100;
const ME: NodeId = NodeId(Principal::management_canister());
const START: Time = Time(1_000_000_000);

fn chain() -> (Instant, Injector<Event>, Shared) {
    let record = Shared::default();
    let (application, injector) = erase(Recorder::new(record.clone(), Height(0), IDLE_MS));
    (Instant::new(ME, b"instant", application), injector, record)
}

/// Steps as a driver would until `until_ms` after the start; gives the times of the blocks in
/// milliseconds after the start.
fn drive(chain: &mut Instant, until_ms: u64) -> Vec<u64> {
    let mut blocks = Vec::new();
    let mut now = START;
    while now.ms_since(START) <= until_ms {
        let stepped = chain.step(now).unwrap();
        blocks.extend(stepped.finalized.map(|_| now.ms_since(START)));
        now = stepped.next.max(now);
    }
    blocks
}

#[test]
fn the_application_sets_the_pace() {
    let (mut chain, _injector, record) = chain();
    assert_eq!(drive(&mut chain, 350), [0, 100, 200, 300]);
    assert_eq!(record.read(|record| record.validated), 4);
}

#[test]
fn an_event_wakes_the_proposal() {
    let (mut chain, injector, _record) = chain();
    let first = chain.step(START).unwrap();
    assert!(first.finalized.is_some());
    assert_eq!(chain.step(START).unwrap().next, START.plus_ms(TICK_MS));
    injector.inject(Event::Order(Bytes::from_static(b"now"))).unwrap();
    let block = chain.step(START.plus_ms(1)).unwrap().finalized.unwrap();
    assert_eq!((block.height, &block.payload[..]), (Height(2), &b"now"[..]));
}

#[test]
fn two_runs_are_equal() {
    let run = || {
        let (mut chain, injector, record) = chain();
        injector.inject(Event::Order(Bytes::from_static(b"a"))).unwrap();
        drive(&mut chain, 500);
        record.read(|record| record.blocks.clone())
    };
    assert_eq!(run(), run());
}

#[test]
fn sends_halts_and_restarts() {
    let (mut chain, injector, record) = chain();
    injector.inject(Event::Broadcast(Bytes::from_static(b"hi"))).unwrap();
    let sent = chain.step(START).unwrap().sent;
    assert_eq!(sent, [Sent { to: None, message: Bytes::from_static(b"hi") }]);
    drive(&mut chain, 500);

    let again = Shared::default();
    let mut slow = Recorder::new(again.clone(), Height(2), IDLE_MS);
    slow.blocks_per_tick = 1;
    let (application, fresh) = erase(slow);
    let later = START.plus_ms(1_000);
    chain.restart(application, Height(2), later).unwrap();
    let stepped = chain.step(later).unwrap();
    assert_eq!((stepped.finalized, stepped.next), (None, later.plus_ms(TICK_MS)));
    assert_eq!(again.read(|record| record.height()), Height(3));
    let mut now = stepped.next;
    while again.read(|record| record.height()) < chain.height() {
        now = chain.step(now).unwrap().next.max(now);
    }
    let blocks = record.read(|record| record.blocks[2..].to_vec());
    assert_eq!(again.read(|record| record.blocks[..blocks.len()].to_vec()), blocks);
    assert!(injector.inject(Event::Panic).is_err());

    fresh.inject(Event::Halt("enough".into())).unwrap();
    assert_eq!(chain.step(now), Err(InstantError::Halted("enough".into())));
}
