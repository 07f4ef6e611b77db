//! Tests of the queues.

use super::*;
use crate::message::{CallbackId, ResponsePayload};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use types::{MessageId, PrincipalId};

const CAPACITY: u64 = 3;

fn id(n: u64) -> CanisterId {
    CanisterId::from_index(n)
}

fn request(sender: u64, receiver: u64, callback: u64) -> Arc<Request> {
    Arc::new(Request {
        receiver: id(receiver),
        sender: id(sender),
        callback: CallbackId(callback),
        method: "m".into(),
        payload: Bytes::new(),
        cycles: Cycles(1),
        deadline: None,
    })
}

fn response(request: &Request) -> Arc<Response> {
    Arc::new(request.respond(ResponsePayload::Reply(Bytes::new()), Cycles::ZERO))
}

fn ingress(n: u8, expiry: u64) -> Arc<Ingress> {
    Arc::new(Ingress {
        message_id: MessageId([n; 32]),
        sender: PrincipalId::anonymous(),
        sender_info: None,
        receiver: id(0),
        effective_canister: Some(id(0)),
        method: "m".into(),
        payload: Bytes::new(),
        expiry: Time(expiry),
    })
}

/// The callback numbers of canister messages, 1000 and more for ingress.
fn number(input: Input) -> u64 {
    match input {
        Input::Ingress(ingress) => 1000 + u64::from(ingress.message_id.0[0]),
        Input::Canister(CanisterMessage::Request(request)) => request.callback.0,
        Input::Canister(CanisterMessage::Response(response)) => 100 + response.callback.0,
    }
}

#[test]
fn senders_take_turns_and_keep_their_order() {
    let mut queues = CanisterQueues::default();
    for (sender, callback) in [(1, 1), (1, 2), (2, 3), (1, 4), (2, 5)] {
        queues.push_input_request(request(sender, 0, callback), CAPACITY).unwrap();
    }
    for n in 0..3 {
        queues.push_ingress(ingress(n, 9));
    }
    assert_eq!(queues.input_count(), 8);
    let order: Vec<_> = std::iter::from_fn(|| queues.pop_input()).map(number).collect();
    assert_eq!(order, [1000, 1, 1001, 3, 1002, 2, 5, 4]);
    assert!(!queues.has_input());
}

#[test]
fn requests_are_bounded_in_both_directions() {
    let mut queues = CanisterQueues::default();
    for callback in 0..CAPACITY {
        queues.push_output_request(request(0, 1, callback), CAPACITY).unwrap();
    }
    let full = Err(QueueFull { capacity: CAPACITY });
    assert_eq!(queues.push_output_request(request(0, 1, 9), CAPACITY), full);
    assert_eq!(queues.push_output_request(request(0, 2, 9), CAPACITY), Ok(()));
    assert_eq!(queues.take_output().len(), 4);
    // The requests are gone, but their responses are still owed.
    assert_eq!(queues.push_output_request(request(0, 1, 9), CAPACITY), full);
    queues.push_input_response(response(&request(0, 1, 0)));
    assert_eq!(queues.push_output_request(request(0, 1, 9), CAPACITY), full);
    assert_eq!(queues.pop_input().map(number), Some(100));
    assert_eq!(queues.push_output_request(request(0, 1, 9), CAPACITY), Ok(()));
}

#[test]
fn a_receiver_takes_no_more_than_it_can_answer() {
    let mut queues = CanisterQueues::default();
    for callback in 0..CAPACITY {
        queues.push_input_request(request(1, 0, callback), CAPACITY).unwrap();
        queues.pop_input().unwrap();
    }
    let next = request(1, 0, 9);
    assert!(queues.push_input_request(next.clone(), CAPACITY).is_err());
    queues.push_output_response(response(&request(1, 0, 0)));
    assert!(queues.push_input_request(next.clone(), CAPACITY).is_err());
    assert_eq!(queues.take_output().len(), 1);
    assert!(queues.push_input_request(next, CAPACITY).is_ok());
}

#[test]
#[should_panic(expected = "no reserved slot")]
fn a_second_response_is_our_bug() {
    let mut queues = CanisterQueues::default();
    let question = request(1, 0, 1);
    queues.push_input_request(question.clone(), CAPACITY).unwrap();
    queues.push_output_response(response(&question));
    queues.push_output_response(response(&question));
}

#[test]
fn expired_ingress_is_taken_out() {
    let mut queues = CanisterQueues::default();
    for (n, expiry) in [(1, 5), (2, 7), (3, 4)] {
        queues.push_ingress(ingress(n, expiry));
    }
    let expired: Vec<_> =
        queues.take_expired_ingress(Time(6)).iter().map(|m| m.message_id.0[0]).collect();
    assert_eq!(expired, [1, 3]);
    assert_eq!(queues.ingress_count(), 1);
    assert!(queues.take_expired_ingress(Time(7)).is_empty());
}

#[test]
fn queues_are_idle_again_when_all_is_answered() {
    let mut queues = CanisterQueues::default();
    let question = request(1, 0, 1);
    queues.push_input_request(question.clone(), CAPACITY).unwrap();
    queues.pop_input().unwrap();
    assert!(!queues.is_idle());
    queues.push_output_response(response(&question));
    assert_eq!(queues.take_output().len(), 1);
    assert!(queues.is_idle());
}

#[derive(Clone, Debug)]
enum Step {
    Call { from: u64, to: u64 },
    Deliver { from: u64 },
    Execute { at: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..3u64, 0..3u64).prop_map(|(from, to)| Step::Call { from, to }),
        2 => (0..3u64).prop_map(|from| Step::Deliver { from }),
        3 => (0..3u64).prop_map(|at| Step::Execute { at }),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// Three canisters call each other at random: every call is answered once, and every pair
    /// sees its requests in order, whatever the interleaving.
    #[test]
    fn every_call_is_answered_once_and_in_order(steps in steps()) {
        let mut all: Vec<_> = (0..3).map(|_| CanisterQueues::default()).collect();
        let mut sent: BTreeMap<(CanisterId, CanisterId), VecDeque<u64>> = BTreeMap::new();
        let (mut next, mut open) = (0, std::collections::BTreeSet::new());
        let index = |canister: CanisterId| canister.index().unwrap() as usize;
        let drain = (0..40).flat_map(|_| {
            (0..3).flat_map(|n| [Step::Deliver { from: n }, Step::Execute { at: n }])
        });
        for step in steps.into_iter().chain(drain) {
            match step {
                Step::Call { from, to } => {
                    let call = request(from, to, next);
                    if all[from as usize].push_output_request(call, CAPACITY).is_ok() {
                        sent.entry((id(from), id(to))).or_default().push_back(next);
                        open.insert(next);
                    }
                    next += 1;
                }
                Step::Deliver { from } => {
                    for message in all[from as usize].take_output() {
                        let receiver = index(message.receiver());
                        match message {
                            CanisterMessage::Request(request) => {
                                all[receiver].push_input_request(request, CAPACITY).unwrap();
                            }
                            CanisterMessage::Response(response) => {
                                all[receiver].push_input_response(response);
                            }
                        }
                    }
                }
                Step::Execute { at } => match all[at as usize].pop_input() {
                    Some(Input::Canister(CanisterMessage::Request(call))) => {
                        let expected = sent.get_mut(&(call.sender, call.receiver)).unwrap();
                        prop_assert_eq!(expected.pop_front(), Some(call.callback.0));
                        all[at as usize].push_output_response(response(&call));
                    }
                    Some(Input::Canister(CanisterMessage::Response(answer))) => {
                        prop_assert!(open.remove(&answer.callback.0));
                    }
                    _ => {}
                },
            }
        }
        prop_assert!(open.is_empty());
        prop_assert!(all.iter().all(CanisterQueues::is_idle));
    }
}

/// Who counts on a free slot after this check must find it, whether the callee is known or not.
#[test]
fn a_check_for_room_agrees_with_the_queue() {
    for known in [false, true] {
        for capacity in 0..3 {
            let mut queues = CanisterQueues::default();
            if known {
                queues.push_output_request(request(0, 1, 0), CAPACITY).unwrap();
            }
            let has_room = queues.can_call(&id(1), capacity);
            let pushed = queues.push_output_request(request(0, 1, 1), capacity);
            assert_eq!(has_room, pushed.is_ok(), "{known} {capacity}");
            assert_eq!(has_room, capacity > u64::from(known), "{known} {capacity}");
        }
    }
}
