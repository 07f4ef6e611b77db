//! The canisters by id: a persistent map of which two copies are compared quickly.
//!
//! ```text
//!  fork (first nibble in which the ids below it differ)
//!    |-- 0: canister        up to 16 children; a nibble that all ids below share takes no node
//!    |-- 1: fork -- ...
//! ```
//!
//! Copies are O(1) and share everything. The shape depends on the set of ids alone, so what two
//! copies share stands at the same place in both, and comparing them looks only at what lies on
//! the way to what differs. (A search tree that keeps itself balanced has to be looked at wherever
//! its parts begin.)

#[cfg(test)]
mod tests;

use crate::canister::CanisterState;
use crate::sparse::Sparse;
use crate::state::CanisterDifference;
use std::sync::Arc;
use types::CanisterId;

/// The map; see the module's text.
#[derive(Clone, Debug, Default)]
pub(crate) struct CanisterMap {
    root: Option<Child>,
    count: usize,
}

#[derive(Clone, Debug)]
enum Child {
    Canister(Arc<CanisterState>),
    Fork(Arc<Fork>),
}

#[derive(Clone, Debug)]
struct Fork {
    /// The nibble in which the ids below differ; they agree in all before it.
    position: u32,
    /// An id that agrees with those below in the nibbles before `position`.
    sample: CanisterId,
    /// At least two.
    children: Sparse<Child>,
}

/// Behind the last nibble of an id: its length, and 29 bytes.
const END: u32 = 60;

/// The nibbles of an id, in an order that is that of the ids: first the length, then the bytes,
/// with zeroes behind the end.
fn nibble(id: &CanisterId, position: u32) -> u32 {
    let byte = byte(id, position as usize / 2);
    u32::from(if position.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

fn byte(id: &CanisterId, index: usize) -> u8 {
    let bytes = id.as_slice();
    match index.checked_sub(1) {
        None => bytes.len() as u8,
        Some(index) => bytes.get(index).copied().unwrap_or(0),
    }
}

/// The first nibble in which two ids differ; [`END`] if they are equal.
fn first_difference(a: &CanisterId, b: &CanisterId) -> u32 {
    if a == b {
        return END;
    }
    let differs = |position: &u32| nibble(a, *position) != nibble(b, *position);
    (0..END).find(differs).unwrap_or(END)
}

impl CanisterMap {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn get(&self, id: &CanisterId) -> Option<&Arc<CanisterState>> {
        let mut child = self.root.as_ref()?;
        loop {
            child = match child {
                Child::Canister(canister) => {
                    return (canister.system.canister_id == *id).then_some(canister);
                }
                Child::Fork(fork) => fork.children.get(nibble(id, fork.position))?,
            }
        }
    }

    /// A canister, to be replaced or changed. What leads to it is copied if it is shared.
    pub(crate) fn get_mut(&mut self, id: &CanisterId) -> Option<&mut Arc<CanisterState>> {
        self.get(id)?;
        let mut child = self.root.as_mut()?;
        loop {
            child = match child {
                Child::Canister(canister) => return Some(canister),
                Child::Fork(fork) => {
                    let fork = Arc::make_mut(fork);
                    fork.children.get_mut(nibble(id, fork.position))?
                }
            }
        }
    }

    /// Puts a canister under its id; what was there before is returned.
    pub(crate) fn insert(&mut self, canister: Arc<CanisterState>) -> Option<Arc<CanisterState>> {
        let id = canister.system.canister_id;
        let Some(root) = &mut self.root else {
            self.root = Some(Child::Canister(canister));
            self.count = 1;
            return None;
        };
        let nearest = root.nearest(&id);
        let position = first_difference(&id, &nearest);
        if position == END {
            let place = self.get_mut(&id).expect("the nearest id is this one");
            return Some(std::mem::replace(place, canister));
        }
        root.descend(&id, position).add(position, nearest, id, canister);
        self.count += 1;
        None
    }

    pub(crate) fn remove(&mut self, id: &CanisterId) -> Option<Arc<CanisterState>> {
        let canister = Arc::clone(self.get(id)?);
        match &mut self.root {
            Some(Child::Fork(fork)) => {
                if let Some(last) = Arc::make_mut(fork).remove(id) {
                    self.root = Some(last);
                }
            }
            root => *root = None,
        }
        self.count -= 1;
        Some(canister)
    }

    /// The canisters in order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<CanisterState>> {
        let mut rest: Vec<&Child> = self.root.iter().collect();
        std::iter::from_fn(move || {
            loop {
                match rest.pop()? {
                    Child::Canister(canister) => return Some(canister),
                    Child::Fork(fork) => rest.extend(fork.children.values().iter().rev()),
                }
            }
        })
    }

    /// What differs from an earlier map, in order of the ids. Canisters are the same only if they
    /// are one piece of memory: never wrong about equality, and free.
    pub(crate) fn diff<'a>(&'a self, before: &'a CanisterMap) -> Vec<CanisterDifference<'a>> {
        let mut differences = Vec::new();
        diff(before.root.as_ref(), self.root.as_ref(), &mut differences);
        differences
    }
}

impl Child {
    /// An id below, one that shares the longest beginning with `id`.
    fn nearest(&self, id: &CanisterId) -> CanisterId {
        let mut child = self;
        loop {
            child = match child {
                Child::Canister(canister) => return canister.system.canister_id,
                Child::Fork(fork) => {
                    let children = &fork.children;
                    let there = children.get(nibble(id, fork.position));
                    there.unwrap_or_else(|| &children.values()[0])
                }
            }
        }
    }

    /// The place for an id that is not there and first differs at `position` from its nearest.
    fn descend(&mut self, id: &CanisterId, position: u32) -> &mut Child {
        let mut child = self;
        while child.position() < position {
            let Child::Fork(fork) = child else {
                unreachable!("the position of a canister is behind all others")
            };
            let fork = Arc::make_mut(fork);
            let next = fork.children.get_mut(nibble(id, fork.position));
            child = next.expect("the id agrees with its nearest before the position");
        }
        child
    }

    /// Adds a canister whose id differs from `nearest`, which is here, first at `position`.
    fn add(
        &mut self,
        position: u32,
        nearest: CanisterId,
        id: CanisterId,
        canister: Arc<CanisterState>,
    ) {
        let new = Child::Canister(canister);
        if let Child::Fork(fork) = self
            && fork.position == position
        {
            Arc::make_mut(fork).children.insert(nibble(&id, position), new);
            return;
        }
        let mut children = Sparse::EMPTY;
        children.insert(nibble(&id, position), new);
        children.insert(nibble(&nearest, position), self.clone());
        *self = Child::Fork(Arc::new(Fork { position, sample: nearest, children }));
    }

    fn position(&self) -> u32 {
        match self {
            Child::Canister(_) => END,
            Child::Fork(fork) => fork.position,
        }
    }

    /// An id that agrees with those below in the nibbles before the position.
    fn sample(&self) -> &CanisterId {
        match self {
            Child::Canister(canister) => &canister.system.canister_id,
            Child::Fork(fork) => &fork.sample,
        }
    }

    /// What of this has `nibble` at `position`, which is not behind the child's own.
    fn part(&self, position: u32, slot: u32) -> Option<&Child> {
        match self {
            Child::Fork(fork) if fork.position == position => fork.children.get(slot),
            other => (nibble(other.sample(), position) == slot).then_some(other),
        }
    }

    fn is_same(&self, other: &Child) -> bool {
        match (self, other) {
            (Child::Canister(a), Child::Canister(b)) => Arc::ptr_eq(a, b),
            (Child::Fork(a), Child::Fork(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Fork {
    /// Removes a canister that is there. Returns the last child if there is only one left, which
    /// is to take the fork's place.
    fn remove(&mut self, id: &CanisterId) -> Option<Child> {
        let slot = nibble(id, self.position);
        match self.children.get_mut(slot)? {
            Child::Canister(_) => drop(self.children.remove(slot)),
            Child::Fork(fork) => {
                if let Some(last) = Arc::make_mut(fork).remove(id) {
                    self.children.insert(slot, last);
                }
            }
        }
        match self.children.values() {
            [last] => Some(last.clone()),
            _ => None,
        }
    }
}

/// Appends what differs, in order of the ids.
fn diff<'a>(
    before: Option<&'a Child>,
    after: Option<&'a Child>,
    to: &mut Vec<CanisterDifference<'a>>,
) {
    match (before, after) {
        (Some(a), Some(b)) if a.is_same(b) => {}
        (Some(a), Some(b)) => diff_children(a, b, to),
        (Some(Child::Canister(a)), None) => {
            let id = a.system.canister_id;
            to.push(CanisterDifference { id, before: Some(a), after: None });
        }
        (None, Some(Child::Canister(b))) => {
            let id = b.system.canister_id;
            to.push(CanisterDifference { id, before: None, after: Some(b) });
        }
        (Some(Child::Fork(a)), None) => {
            a.children.values().iter().for_each(|child| diff(Some(child), None, to));
        }
        (None, Some(Child::Fork(b))) => {
            b.children.values().iter().for_each(|child| diff(None, Some(child), to));
        }
        (None, None) => {}
    }
}

fn diff_children<'a>(a: &'a Child, b: &'a Child, to: &mut Vec<CanisterDifference<'a>>) {
    if let (Child::Fork(a), Child::Fork(b)) = (a, b)
        && a.position == b.position
        && first_difference(&a.sample, &b.sample) >= a.position
    {
        for slot in a.children.slots_with(&b.children) {
            diff(a.children.get(slot), b.children.get(slot), to);
        }
        return;
    }
    // The first place at which either of them, or the one from the other, parts.
    let parting = first_difference(a.sample(), b.sample());
    let position = parting.min(a.position()).min(b.position());
    if let (END, Child::Canister(before), Child::Canister(after)) = (position, a, b) {
        let id = after.system.canister_id;
        to.push(CanisterDifference { id, before: Some(before), after: Some(after) });
        return;
    }
    for slot in 0..16 {
        diff(a.part(position, slot), b.part(position, slot), to);
    }
}
