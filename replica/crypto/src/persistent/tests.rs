//! Tests of the persistent tree against a map of paths.

use super::*;
use crate::hash_tree::{HashTree, Lookup, SubtreeLookup};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Path = Vec<Vec<u8>>;

/// The tree that a reader would draw: one map for each level.
#[derive(Clone, Default)]
struct Naive(BTreeMap<Vec<u8>, NaiveNode>);

#[derive(Clone)]
enum NaiveNode {
    Leaf(Vec<u8>),
    Subtree(Naive),
}

impl Naive {
    fn set(&mut self, path: &[Vec<u8>], value: &[u8]) {
        match path {
            [] => unreachable!("paths have a label"),
            [label] => drop(self.0.insert(label.clone(), NaiveNode::Leaf(value.to_vec()))),
            [label, rest @ ..] => {
                let below = self.0.entry(label.clone()).or_insert(NaiveNode::Leaf(vec![]));
                if let NaiveNode::Leaf(_) = below {
                    *below = NaiveNode::Subtree(Naive::default());
                }
                let NaiveNode::Subtree(below) = below else { unreachable!() };
                below.set(rest, value);
            }
        }
    }

    fn remove(&mut self, path: &[Vec<u8>]) {
        let (label, rest) = path.split_first().unwrap();
        if rest.is_empty() {
            self.0.remove(label);
        } else if let Some(NaiveNode::Subtree(below)) = self.0.get_mut(label) {
            below.remove(rest);
            if below.0.is_empty() {
                self.0.remove(label);
            }
        }
    }

    fn get(&self, path: &[Vec<u8>]) -> Option<&NaiveNode> {
        match (self.0.get(path.first()?)?, &path[1..]) {
            (node, []) => Some(node),
            (NaiveNode::Subtree(below), rest) => below.get(rest),
            _ => None,
        }
    }

    /// All paths to values, in order.
    fn leaves(&self) -> Vec<(Path, Vec<u8>)> {
        let mut leaves = Vec::new();
        for (label, node) in &self.0 {
            match node {
                NaiveNode::Leaf(value) => leaves.push((vec![label.clone()], value.clone())),
                NaiveNode::Subtree(below) => leaves.extend(
                    below
                        .leaves()
                        .into_iter()
                        .map(|(p, v)| ([&[label.clone()][..], &p].concat(), v)),
                ),
            }
        }
        leaves
    }
}

fn leaves_of(tree: &Tree) -> Vec<(Path, Vec<u8>)> {
    let mut leaves = Vec::new();
    for (label, node) in tree.iter() {
        match node {
            Node::Leaf(value) => leaves.push((vec![label.to_vec()], value.to_vec())),
            Node::Subtree(below) => leaves.extend(
                leaves_of(below)
                    .into_iter()
                    .map(|(p, v)| ([&[label.to_vec()][..], &p].concat(), v)),
            ),
        }
    }
    leaves
}

fn tree_of(leaves: &[(Path, Vec<u8>)]) -> Tree {
    let mut tree = Tree::new();
    for (path, value) in leaves {
        tree.set(path, value.clone());
    }
    tree
}

/// Short labels over few bytes, so that many share a beginning or are one.
fn label() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0u8, 1, 0x80, 0xff]), 0..4)
}

fn path() -> impl Strategy<Value = Path> {
    prop::collection::vec(label(), 1..4)
}

#[derive(Clone, Debug)]
enum Change {
    Set(Path, Vec<u8>),
    Remove(Path),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let set =
        (path(), prop::collection::vec(any::<u8>(), 0..3)).prop_map(|(p, v)| Change::Set(p, v));
    let change = prop_oneof![3 => set, 1 => path().prop_map(Change::Remove)];
    prop::collection::vec(change, 0..60)
}

fn apply(changes: &[Change]) -> (Tree, Naive) {
    let (mut tree, mut naive) = (Tree::new(), Naive::default());
    for change in changes {
        match change {
            Change::Set(path, value) => {
                tree.set(path, value.clone());
                naive.set(path, value);
            }
            Change::Remove(path) => {
                let before = tree.get(path).is_some();
                assert_eq!(tree.remove(path).is_some(), before);
                naive.remove(path);
            }
        }
    }
    (tree, naive)
}

proptest! {
    #[test]
    fn holds_what_a_naive_tree_holds(changes in changes(), asked in path()) {
        let (tree, naive) = apply(&changes);
        prop_assert_eq!(leaves_of(&tree), naive.leaves());
        prop_assert_eq!(tree.len(), naive.0.len());
        prop_assert_eq!(tree.get(&asked).is_some(), naive.get(&asked).is_some());
    }

    #[test]
    fn the_digest_depends_on_the_leaves_alone(changes in changes()) {
        let (tree, naive) = apply(&changes);
        let mut leaves = naive.leaves();
        prop_assert_eq!(tree.digest(), tree_of(&leaves).digest());
        leaves.reverse();
        prop_assert_eq!(tree.digest(), tree_of(&leaves).digest());
        let whole = tree.to_hash_tree();
        prop_assert_eq!(tree.digest(), whole.digest());
        prop_assert!(whole.is_well_formed());
        if let Some((path, value)) = leaves.first() {
            let mut other = tree.clone();
            other.set(path, [&value[..], b"!"].concat());
            prop_assert_ne!(other.digest(), tree.digest());
        }
    }

    #[test]
    fn a_snapshot_does_not_see_later_changes(before in changes(), after in changes()) {
        let (mut tree, naive) = apply(&before);
        let snapshot = tree.clone();
        let digest = tree.digest();
        for change in &after {
            match change {
                Change::Set(path, value) => tree.set(path, value.clone()),
                Change::Remove(path) => drop(tree.remove(path)),
            }
        }
        prop_assert_eq!(leaves_of(&snapshot), naive.leaves());
        prop_assert_eq!(snapshot.to_hash_tree().digest(), digest);
        prop_assert_eq!(tree.digest(), tree.to_hash_tree().digest());
    }

    #[test]
    fn a_witness_proves_what_was_asked(
        changes in changes(),
        asked in prop::collection::vec(path(), 0..5),
        other in path(),
    ) {
        let (tree, naive) = apply(&changes);
        let witness = tree.witness(&asked);
        prop_assert_eq!(witness.digest(), tree.digest());
        prop_assert!(witness.is_well_formed());
        let read = HashTree::from_cbor(&witness.to_cbor()).unwrap();
        prop_assert_eq!(&read, &witness);
        for path in &asked {
            match naive.get(path) {
                Some(NaiveNode::Leaf(value)) => {
                    prop_assert_eq!(witness.lookup(path), Lookup::Found(value));
                }
                Some(NaiveNode::Subtree(below)) => {
                    let SubtreeLookup::Found(part) = witness.lookup_subtree(path) else {
                        panic!("the subtree is there");
                    };
                    prop_assert_eq!(part, &tree_of(&below.leaves()).to_hash_tree());
                }
                None => prop_assert_eq!(witness.lookup(path), Lookup::Absent),
            }
        }
        // What was not asked for is never wrong: it is right or unknown.
        match (witness.lookup(&other), naive.get(&other)) {
            (Lookup::Found(value), Some(NaiveNode::Leaf(known))) => prop_assert_eq!(value, known),
            (Lookup::Absent, None) | (Lookup::Unknown, _) => {}
            (Lookup::Error, Some(NaiveNode::Subtree(_))) => {}
            (found, _) => prop_assert!(false, "{:?} at {:?}", found, other),
        }
    }

    #[test]
    fn two_witnesses_join(changes in changes(), a in path(), b in path()) {
        let (tree, _) = apply(&changes);
        let (of_a, of_b) = (tree.witness(&[&a]), tree.witness(&[&b]));
        let joined = of_a.clone().merge(of_b.clone()).unwrap();
        prop_assert_eq!(&joined, &of_b.clone().merge(of_a.clone()).unwrap());
        prop_assert_eq!(joined.digest(), tree.digest());
        prop_assert_eq!(joined.lookup(&a), of_a.lookup(&a));
        prop_assert_eq!(joined.lookup(&b), of_b.lookup(&b));
    }

    #[test]
    fn changes_inside_a_subtree_are_changes_by_path(changes in changes(), at in path()) {
        let (mut by_path, mut by_subtree) = (Tree::new(), Tree::new());
        for change in &changes {
            let (Change::Set(path, _) | Change::Remove(path)) = change;
            let whole = [&at[..], path].concat();
            match change {
                Change::Set(path, value) => {
                    by_path.set(&whole, value.clone());
                    by_subtree.update_subtree(&at, |tree| tree.set(path, value.clone()));
                }
                Change::Remove(path) => {
                    let removed = by_path.remove(&whole);
                    prop_assert_eq!(removed, by_subtree.update_subtree(&at, |t| t.remove(path)));
                }
            }
        }
        prop_assert_eq!(by_path, by_subtree);
    }
}

#[test]
fn a_witness_hides_what_was_not_asked_for() {
    let mut tree = Tree::new();
    for (path, value) in [("a", "1"), ("c", "secret"), ("e", "5")] {
        tree.set(&["x", path], value.as_bytes().to_vec());
    }
    let witness = tree.witness(&[["x", "b"], ["x", "e"]]);
    assert_eq!(witness.lookup(&["x", "b"]), Lookup::Absent);
    assert_eq!(witness.lookup(&["x", "c"]), Lookup::Unknown);
    assert_eq!(witness.lookup(&["x", "e"]), Lookup::Found(b"5"));
    assert!(!witness.to_cbor().windows(6).any(|bytes| bytes == b"secret"));
    let nothing: [[&str; 1]; 0] = [];
    assert_eq!(tree.witness(&nothing), HashTree::Pruned(tree.digest()));
}

#[test]
fn setting_an_equal_value_keeps_what_is_shared() {
    let mut tree = Tree::new();
    tree.set(&["a", "b"], &b"1"[..]);
    let snapshot = tree.clone();
    tree.set(&["a", "b"], &b"1"[..]);
    let root = |tree: &Tree| Arc::as_ptr(tree.root.as_ref().unwrap());
    assert_eq!(root(&tree), root(&snapshot));
    tree.set(&["a", "b"], &b"2"[..]);
    assert_ne!(root(&tree), root(&snapshot));
}

/// The digest of a state tree is what the chain key signs: the shape is a format. A change of
/// this value is a change of protocol.
#[test]
fn conformance_of_the_shape() {
    let mut tree = Tree::new();
    for number in 0..1000u64 {
        let label = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let length = (number % 9) as usize;
        tree.set(&[&b"canister"[..], &label[..length], b"n"], number.to_be_bytes().to_vec());
        tree.set(&[&label[..], b"value"], number.to_be_bytes().to_vec());
    }
    let expected = "cf1e99ccaaab60621edb113f080fd2fe3f7574bde943e56aaf0d3a0d54c758f7";
    assert_eq!(hex::encode(tree.digest()), expected);
}

#[test]
fn a_thousand_changes_among_a_hundred_thousand_entries_hash_few_nodes() {
    // The time is a matter of the benchmark; here the number of nodes that lost their digest.
    let label = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut tree = Tree::new();
    for n in 0..100_000 {
        tree.set(&[&label(n)], n.to_be_bytes().to_vec());
    }
    tree.digest();
    let snapshot = tree.clone();
    for n in 0..1_000 {
        tree.set(&[&label(n * 97)], b"changed".to_vec());
    }
    let stale = branch::count_without_digest(tree.root.as_deref());
    assert!((1_000..14_000).contains(&stale), "{stale} nodes");
    tree.digest();
    assert_eq!(branch::count_without_digest(tree.root.as_deref()), 0);
    assert_eq!(branch::count_without_digest(snapshot.root.as_deref()), 0);
}

proptest! {
    /// Reading ahead and early digests are for speed alone.
    #[test]
    fn hints_change_nothing(changes in changes(), more in changes(), labels in prop::collection::vec(label(), 0..40)) {
        let (tree, _) = apply(&changes);
        let (mut hinted, mut plain) = (tree.clone(), tree);
        let labels: Vec<&[u8]> = labels.iter().map(Vec::as_slice).collect();
        for change in &more {
            hinted.read_ahead(&labels);
            labels.iter().take(3).for_each(|label| hinted.digest_before(label));
            for tree in [&mut hinted, &mut plain] {
                match change {
                    Change::Set(path, value) => tree.set(path, value.clone()),
                    Change::Remove(path) => drop(tree.remove(path)),
                }
            }
        }
        prop_assert_eq!(hinted.digest(), plain.digest());
        prop_assert_eq!(hinted.to_hash_tree().digest(), plain.digest());
    }
}
