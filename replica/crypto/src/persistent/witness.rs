//! Witnesses: the part of a tree that proves what stands, or does not stand, at given paths.

use super::branch::{Branch, Kind};
use super::label_bits::bit;
use super::{Node, Tree};
use crate::hash_tree::HashTree;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What to reveal under a label.
enum Reveal<'t> {
    /// All of it.
    All,
    /// These labels with what they say; none reveals only that there is something.
    Labels(Labels<'t>),
}

type Labels<'t> = BTreeMap<&'t [u8], Reveal<'t>>;

impl Tree {
    /// A partial tree with the same digest that reveals, for each path, the value or the whole
    /// subtree at it, or that nothing is there: then the labels on both sides are kept. For a path
    /// that goes on below a value, that value is revealed as the proof. The empty path reveals all.
    pub fn witness<P, L>(&self, paths: &[P]) -> HashTree
    where
        P: AsRef<[L]>,
        L: AsRef<[u8]>,
    {
        let mut wanted = Reveal::Labels(Labels::new());
        for path in paths {
            select(self, path.as_ref(), &mut wanted);
        }
        reveal_tree(self, &wanted)
    }

    /// The whole tree, nothing pruned.
    pub fn to_hash_tree(&self) -> HashTree {
        reveal_tree(self, &Reveal::All)
    }
}

fn select<'t, L: AsRef<[u8]>>(tree: &'t Tree, path: &'t [L], wanted: &mut Reveal<'t>) {
    let Some((label, rest)) = path.split_first() else {
        *wanted = Reveal::All;
        return;
    };
    let Reveal::Labels(labels) = wanted else { return };
    let label = label.as_ref();
    let nothing = || Reveal::Labels(Labels::new());
    match tree.entry(label) {
        Some(Node::Leaf(_)) => drop(labels.insert(label, Reveal::All)),
        Some(Node::Subtree(below)) => {
            select(below, rest, labels.entry(label).or_insert_with(nothing));
        }
        None => {
            let neighbours = tree.root.as_ref().map(|root| root.neighbours(label));
            let (below, above) = neighbours.unwrap_or_default();
            for neighbour in [below, above].into_iter().flatten() {
                labels.entry(neighbour).or_insert_with(nothing);
            }
        }
    }
}

fn reveal_tree(tree: &Tree, wanted: &Reveal<'_>) -> HashTree {
    match (&tree.root, wanted) {
        (None, _) => HashTree::Empty,
        (Some(root), Reveal::All) => reveal_all(root),
        (Some(root), Reveal::Labels(labels)) => {
            let labels: Vec<_> = labels.iter().map(|(label, reveal)| (*label, reveal)).collect();
            reveal_labels(root, &labels)
        }
    }
}

fn reveal_all(branch: &Branch) -> HashTree {
    match &branch.kind {
        Kind::Fork { left, right, .. } => HashTree::fork(reveal_all(left), reveal_all(right)),
        Kind::Entry { label, node } => labeled(label, reveal_node(node, &Reveal::All)),
    }
}

/// Reveals `labels`, which are all below `branch`, in order.
fn reveal_labels(branch: &Branch, labels: &[(&[u8], &Reveal<'_>)]) -> HashTree {
    if labels.is_empty() {
        return HashTree::Pruned(branch.digest());
    }
    match &branch.kind {
        Kind::Fork { bit: at, left, right } => {
            let (on_left, on_right) =
                labels.split_at(labels.partition_point(|(label, _)| !bit(label, *at)));
            HashTree::fork(reveal_labels(left, on_left), reveal_labels(right, on_right))
        }
        Kind::Entry { label, node } => labeled(label, reveal_node(node, labels[0].1)),
    }
}

fn reveal_node(node: &Node, wanted: &Reveal<'_>) -> HashTree {
    match (node, wanted) {
        (Node::Leaf(value), Reveal::All) => HashTree::Leaf(value.clone()),
        (Node::Leaf(_), Reveal::Labels(_)) => HashTree::Pruned(node.digest()),
        (Node::Subtree(tree), wanted) => reveal_tree(tree, wanted),
    }
}

fn labeled(label: &[u8], below: HashTree) -> HashTree {
    HashTree::labeled(Bytes::copy_from_slice(label), below)
}
