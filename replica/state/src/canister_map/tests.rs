//! Tests of the map against an ordinary one.

use super::*;
use crate::canister::SystemState;
use crate::settings::CanisterSettings;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use types::{Cycles, PrincipalId, Time};

type Naive = BTreeMap<CanisterId, Arc<CanisterState>>;

fn canister(id: CanisterId) -> Arc<CanisterState> {
    let settings = CanisterSettings::of_new_canister(BTreeSet::new());
    Arc::new(CanisterState::new(SystemState::new(id, settings, Cycles(0), Time(0))))
}

/// Ids of which many share a beginning, or are the beginning of another.
fn id() -> impl Strategy<Value = CanisterId> {
    let bytes = prop::collection::vec(prop::sample::select(vec![0u8, 1, 0x10, 0xff]), 0..4);
    let any_bytes = bytes.prop_map(|bytes| CanisterId(PrincipalId::from_slice(&bytes)));
    prop_oneof![any_bytes, (0..600u64).prop_map(CanisterId::from_index)]
}

#[derive(Clone, Debug)]
enum Change {
    Put(CanisterId),
    Touch(CanisterId),
    Remove(CanisterId),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => id().prop_map(Change::Put),
        2 => id().prop_map(Change::Touch),
        3 => id().prop_map(Change::Remove),
    ];
    prop::collection::vec(change, 0..120)
}

fn apply(map: &mut CanisterMap, naive: &mut Naive, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put(id) => {
                let new = canister(*id);
                let (a, b) = (map.insert(Arc::clone(&new)), naive.insert(*id, new));
                assert_eq!(a.map(|a| Arc::as_ptr(&a)), b.map(|b| Arc::as_ptr(&b)));
            }
            Change::Touch(id) => {
                let (a, b) = (map.get_mut(id), naive.get_mut(id));
                assert_eq!(a.is_some(), b.is_some());
                if let (Some(a), Some(b)) = (a, b) {
                    *b = canister(*id);
                    *a = Arc::clone(b);
                }
            }
            Change::Remove(id) => {
                let (a, b) = (map.remove(id), naive.remove(id));
                assert_eq!(a.map(|a| Arc::as_ptr(&a)), b.map(|b| Arc::as_ptr(&b)));
            }
        }
    }
}

fn assert_same(map: &CanisterMap, naive: &Naive) {
    assert_eq!(map.len(), naive.len());
    assert!(map.iter().map(Arc::as_ptr).eq(naive.values().map(Arc::as_ptr)));
    for (id, canister) in naive {
        assert!(map.get(id).is_some_and(|found| Arc::ptr_eq(found, canister)));
    }
}

/// A difference with its canisters by where they are.
type Place = (CanisterId, Option<*const CanisterState>, Option<*const CanisterState>);

fn naive_diff(before: &Naive, after: &Naive) -> Vec<Place> {
    let ids: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let place = |map: &Naive, id| map.get(id).map(Arc::as_ptr);
    let places = ids.iter().map(|id| (*id, place(before, id), place(after, id)));
    places.filter(|(_, before, after)| before != after).collect()
}

fn found_diff(before: &CanisterMap, after: &CanisterMap) -> Vec<Place> {
    let place = |canister: Option<&CanisterState>| canister.map(std::ptr::from_ref);
    let places = after.diff(before).into_iter();
    places.map(|one| (one.id, place(one.before), place(one.after))).collect()
}

proptest! {
    #[test]
    fn holds_and_compares_like_an_ordinary_map(first in changes(), then in changes()) {
        let (mut map, mut naive) = (CanisterMap::default(), Naive::new());
        apply(&mut map, &mut naive, &first);
        let (before, naive_before) = (map.clone(), naive.clone());
        apply(&mut map, &mut naive, &then);
        assert_same(&before, &naive_before);
        assert_same(&map, &naive);
        prop_assert_eq!(found_diff(&before, &map), naive_diff(&naive_before, &naive));
        prop_assert_eq!(found_diff(&map, &before), naive_diff(&naive, &naive_before));
    }

    /// Maps that were made apart share nothing but the canisters.
    #[test]
    fn compares_maps_of_different_origin(all in changes(), left_out in prop::collection::vec(id(), 0..20)) {
        let (mut map, mut naive) = (CanisterMap::default(), Naive::new());
        apply(&mut map, &mut naive, &all);
        let mut other = CanisterMap::default();
        for canister in naive.values().rev() {
            other.insert(Arc::clone(canister));
        }
        prop_assert_eq!(found_diff(&map, &other), vec![]);
        let before = naive.clone();
        for id in &left_out {
            prop_assert_eq!(other.remove(id).is_some(), naive.remove(id).is_some());
        }
        prop_assert_eq!(found_diff(&map, &other), naive_diff(&before, &naive));
    }
}
