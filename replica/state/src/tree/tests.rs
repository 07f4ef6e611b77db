//! Tests of the canonical state tree.

use super::*;
use crate::execution_state::{Memory, Metadata, Module, ModuleInfo};
use crate::test_state::{add_canister, empty_state};
use bytes::Bytes;
use proptest::prelude::*;
use replica_crypto::hash_tree::Lookup;
use types::{ErrorCode, PrincipalId, Time, UserError};

fn install(canister: &mut CanisterState, code: u8) {
    let metadata = Metadata { public: code.is_multiple_of(2), content: Bytes::from(vec![code; 3]) };
    let name = format!("section-{}", code % 3);
    let info = ModuleInfo { metadata: [(name, metadata)].into(), ..ModuleInfo::default() };
    canister.execution = Some(ExecutionState {
        module: Module::new(vec![code]),
        info: Arc::new(info),
        heap: Memory { size: code.into(), ..Memory::default() },
        stable: Memory::default(),
        globals: vec![],
    });
    canister.system.last_install = Some(Time(code.into()));
}

#[derive(Clone, Debug)]
enum Change {
    Create,
    Remove(usize),
    Install(usize, u8),
    Uninstall(usize),
    Certify(usize, u8),
    Control(usize, u8),
    Receive(u8),
    Reply(u8),
    Reject(u8),
    Pass(u64),
    Spend(usize),
    /// Another piece of memory with the same content.
    Replace(usize),
    /// Another creation time.
    Rewind(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => Just(Change::Create),
        1 => any::<usize>().prop_map(Change::Remove),
        3 => any::<(usize, u8)>().prop_map(|(at, code)| Change::Install(at, code)),
        1 => any::<usize>().prop_map(Change::Uninstall),
        2 => any::<(usize, u8)>().prop_map(|(at, data)| Change::Certify(at, data)),
        2 => any::<(usize, u8)>().prop_map(|(at, who)| Change::Control(at, who)),
        4 => (0..20u8).prop_map(Change::Receive),
        2 => (0..20u8).prop_map(Change::Reply),
        2 => (0..20u8).prop_map(Change::Reject),
        1 => (0..200_000_000_000u64).prop_map(Change::Pass),
        1 => any::<usize>().prop_map(Change::Spend),
        1 => any::<usize>().prop_map(Change::Replace),
        1 => any::<usize>().prop_map(Change::Rewind),
    ]
}

fn apply(state: &mut ReplicatedState, change: &Change) {
    let pick = |state: &ReplicatedState, at: usize| {
        let ids: Vec<_> = state.canister_ids().collect();
        (!ids.is_empty()).then(|| ids[at % ids.len()])
    };
    let (id, now) = (|n: u8| MessageId([n.wrapping_mul(37); 32]), state.time);
    let mut with = |at: usize, edit: &dyn Fn(&mut CanisterState)| {
        if let Some(canister) = pick(state, at).and_then(|id| state.canister_mut(&id)) {
            edit(canister);
        }
    };
    match change {
        Change::Create => drop(add_canister(state)),
        Change::Remove(at) => {
            if let Some(id) = pick(state, *at) {
                state.remove_canister(&id);
            }
        }
        Change::Install(at, code) => with(*at, &|canister| install(canister, *code)),
        Change::Uninstall(at) => with(*at, &|canister| canister.execution = None),
        Change::Certify(at, data) => {
            with(*at, &|canister| canister.system.certified_data = Bytes::from(vec![*data; 2]));
        }
        Change::Control(at, who) => with(*at, &|canister| {
            let controllers = &mut canister.system.settings_mut().controllers;
            controllers.insert(PrincipalId::from_slice(&[*who]));
        }),
        Change::Replace(at) => with(*at, &|canister| {
            canister.system.settings = Arc::new((*canister.system.settings).clone());
            if let Some(execution) = &mut canister.execution {
                execution.info = Arc::new((*execution.info).clone());
            }
        }),
        Change::Rewind(at) => with(*at, &|canister| canister.system.created.0 += 1),
        Change::Spend(at) => with(*at, &|canister| canister.system.balance.0 -= 1),
        Change::Receive(n) => {
            let expiry = state.time.plus_ms(60_000);
            let sender = PrincipalId::anonymous();
            let _ = state.ingress_history.receive(id(*n), sender, None, expiry);
        }
        Change::Reply(n) => {
            let _ = state.ingress_history.reply(&id(*n), Bytes::from(vec![*n]), now);
        }
        Change::Reject(n) => {
            let error = UserError::new(ErrorCode::CanisterTrapped, "trap");
            let _ = state.ingress_history.reject(&id(*n), error, now);
        }
        Change::Pass(time) => {
            state.time = state.time.plus_ns(*time);
            state.ingress_history.prune(state.time);
        }
    }
}

proptest! {
    #[test]
    fn growing_the_tree_gives_what_building_it_gives(
        rounds in prop::collection::vec(prop::collection::vec(change(), 0..12), 1..8),
    ) {
        let mut state = empty_state();
        let mut tree = StateTree::build(Arc::new(state.clone()));
        for round in rounds {
            for change in &round {
                apply(&mut state, change);
            }
            tree = tree.next(Arc::new(state.clone()));
            let anew = StateTree::build(Arc::new(state.clone()));
            prop_assert_eq!(tree.root(), anew.root());
            prop_assert_eq!(tree.tree().to_hash_tree(), anew.tree().to_hash_tree());
            prop_assert_eq!(tree.canister_bytes, anew.canister_bytes);
        }
    }
}

/// More changes in one round than are read ahead of at once, in every order of creation, change
/// and removal; and not only of neighbours.
#[test]
fn many_changes_in_a_round_give_what_building_gives() {
    let mut state = empty_state();
    for _ in 0..700 {
        add_canister(&mut state);
    }
    let mut tree = StateTree::build(Arc::new(state.clone()));
    // A small linear congruential generator: the same numbers in every run.
    let mut random = 7u64;
    let mut next = || {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    for round in 0..12u64 {
        for _ in 0..200 {
            let (at, byte) = (next() as usize, next() as u8);
            let change = match next() % 8 {
                0 => Change::Create,
                1 => Change::Remove(at),
                2 => Change::Install(at, byte),
                3 => Change::Uninstall(at),
                4 => Change::Certify(at, byte),
                5 => Change::Control(at, byte),
                6 => Change::Receive(byte),
                _ => Change::Reply(byte),
            };
            apply(&mut state, &change);
        }
        if round % 4 == 3 {
            apply(&mut state, &Change::Pass(400_000_000_000));
        }
        let before = tree.clone();
        let root_before = before.root();
        tree = tree.next(Arc::new(state.clone()));
        let anew = StateTree::build(Arc::new(state.clone()));
        assert_eq!(tree.tree().to_hash_tree(), anew.tree().to_hash_tree(), "round {round}");
        assert_eq!(tree.tree().to_hash_tree().digest().to_vec(), tree.root().0.to_vec());
        assert_eq!(before.tree().to_hash_tree().digest().to_vec(), root_before.0.to_vec());
    }
}

fn example() -> ReplicatedState {
    let mut state = empty_state();
    let changes = [
        Change::Create,
        Change::Create,
        Change::Create,
        Change::Install(0, 4),
        Change::Install(1, 5),
        Change::Certify(1, 6),
        Change::Control(2, 7),
        Change::Receive(0),
        Change::Receive(1),
        Change::Receive(2),
        Change::Reply(1),
        Change::Reject(2),
    ];
    for change in &changes {
        apply(&mut state, change);
    }
    state
}

#[test]
fn values_stand_at_their_paths() {
    let state = example();
    let tree = StateTree::build(Arc::new(state.clone()));
    let whole = tree.tree().to_hash_tree();
    let subnet = state.subnet_id.as_slice();
    let canister = CanisterId::from_index(1);
    let canister = canister.as_slice();
    let check = |path: &[&[u8]], expected: Option<&[u8]>| {
        let expected = expected.map_or(Lookup::Absent, Lookup::Found);
        assert_eq!(whole.lookup(path), expected, "{path:?}");
    };
    check(&[b"time"], Some(&values::natural(state.time.0)));
    check(&[b"subnet", subnet, b"public_key"], Some(&[7; 133]));
    check(&[b"subnet", subnet, b"type"], Some(b"cloud_engine"));
    let member = &state.config.members[0];
    let node = member.node_id.as_slice();
    check(&[b"subnet", subnet, b"node", node, b"public_key"], Some(&member.public_key_der()));
    let first = CanisterId::from_index(0);
    let ranges = values::canister_ranges(&[(first, CanisterId::from_index(1 << 20))]);
    check(&[b"subnet", subnet, b"canister_ranges"], Some(&ranges));
    check(&[b"canister_ranges", subnet, first.as_slice()], Some(&ranges));
    check(&[b"canister", canister, b"certified_data"], Some(&[6, 6]));
    check(&[b"canister", canister, b"module_hash"], Some(&Module::new(vec![5]).hash));
    check(&[b"canister", canister, b"metadata", b"section-2"], Some(&[5; 3]));
    check(&[b"canister", canister, b"last_install_timestamp"], Some(&[5]));
    let empty = CanisterId::from_index(2);
    check(&[b"canister", empty.as_slice(), b"module_hash"], None);
    check(&[b"canister", empty.as_slice(), b"certified_data"], None);
    let status = |n: u8, field: &[u8], expected: Option<&[u8]>| {
        check(&[b"request_status", &[n.wrapping_mul(37); 32], field], expected);
    };
    status(0, b"status", Some(b"received"));
    status(0, b"reply", None);
    status(1, b"status", Some(b"replied"));
    status(1, b"reply", Some(&[1]));
    status(2, b"status", Some(b"rejected"));
    status(2, b"reject_code", Some(&[5]));
    status(2, b"reject_message", Some(b"trap"));
    status(2, b"error_code", Some(b"IC0502"));
    check(&[b"api_boundary_nodes"], None);
}

/// The root is what the subnet signs: its derivation is a format. A change of this value is a
/// change of protocol.
#[test]
fn conformance_of_the_root() {
    let root = StateTree::build(Arc::new(example())).root();
    assert_eq!(
        root.to_string(),
        "2a696a3bc02869a05bce7ae0f4f63ce94cf694e39ec8c20f2ad309d5dc3ec2f9"
    );
}

#[test]
fn a_change_outside_of_the_tree_shares_the_whole_canister_subtree() {
    let mut state = example();
    let tree = StateTree::build(Arc::new(state.clone()));
    apply(&mut state, &Change::Spend(0));
    let next = tree.next(Arc::new(state.clone()));
    assert_eq!(state.changed_canisters(tree.state()).count(), 1);
    assert_eq!(next.tree().get(&["canister"]), tree.tree().get(&["canister"]));
    assert_eq!(next.root(), tree.root());
}
