//! The labelled tree that a node keeps: changed in place, cheap to copy, digests cached.
//!
//! A [`Tree`] maps labels to values or to further trees. Inside it is a crit-bit tree over the
//! labels, so its shape, and with it the root digest, depends only on the set of paths and values
//! and not on the order of the changes that led there:
//!
//! ```text
//!   labels "a", "b", "bc":      fork(bit of 'a'/'b')
//!                                /              \
//!                          entry "a"        fork(end of label / one byte more)
//!                                            /                    \
//!                                       entry "b"              entry "bc"
//! ```
//!
//! Nodes are shared between copies and copied when changed: a clone is O(1) and is a snapshot; a
//! change costs the depth of its path. A digest is computed when first asked for and kept until
//! something below it changes. The depth at one level is at most the smaller of the number of
//! labels and nine times the bytes of the longest one; for hashes and consecutive numbers it is
//! about the logarithm of the number of labels.

mod branch;
mod label_bits;
#[cfg(test)]
mod tests;
mod witness;

use crate::hash_tree::{self, Digest};
use branch::Branch;
use bytes::Bytes;
use std::sync::Arc;

/// Labels in strictly increasing order, each with a value or a subtree.
///
/// A subtree without entries does not exist: removing the last entry removes the subtree, so
/// that the digest is a function of the paths and their values.
#[derive(Clone, Default)]
pub struct Tree {
    root: Option<Arc<Branch>>,
    entry_count: usize,
}

/// What stands under a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A value.
    Leaf(Bytes),
    /// Further labels.
    Subtree(Tree),
}

impl Node {
    /// The value, if this is one.
    pub fn as_leaf(&self) -> Option<&Bytes> {
        match self {
            Node::Leaf(value) => Some(value),
            Node::Subtree(_) => None,
        }
    }

    /// The subtree, if this is one.
    pub fn as_subtree(&self) -> Option<&Tree> {
        match self {
            Node::Leaf(_) => None,
            Node::Subtree(tree) => Some(tree),
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Node::Leaf(value) => hash_tree::leaf_digest(value),
            Node::Subtree(tree) => tree.digest(),
        }
    }

    fn is_empty_tree(&self) -> bool {
        matches!(self, Node::Subtree(tree) if tree.is_empty())
    }
}

impl Tree {
    /// A tree without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of labels at this level.
    pub fn len(&self) -> usize {
        self.entry_count
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The root digest, equal to that of any witness of this tree.
    pub fn digest(&self) -> Digest {
        self.root.as_ref().map_or_else(hash_tree::empty_digest, |root| root.digest())
    }

    /// What stands at a path; `None` for a path that is not there and for the empty path.
    pub fn get<L: AsRef<[u8]>>(&self, path: &[L]) -> Option<&Node> {
        let (label, rest) = path.split_first()?;
        let node = self.entry(label.as_ref())?;
        match (node, rest) {
            (node, []) => Some(node),
            (Node::Subtree(tree), rest) => tree.get(rest),
            (Node::Leaf(_), _) => None,
        }
    }

    /// The entries of this level in order of their labels.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        branch::Entries::new(self.root.as_deref())
    }

    /// Puts a value at a path, making the subtrees on the way. What stood at the path, or stood in
    /// its way as a value, is replaced. Nothing changes, and no digest is forgotten, when the path
    /// has this value already.
    ///
    /// # Panics
    /// When the path is empty: the root is always a tree.
    pub fn set<L: AsRef<[u8]>>(&mut self, path: &[L], value: impl Into<Bytes>) {
        let value = value.into();
        if self.get(path).and_then(Node::as_leaf) != Some(&value) {
            self.put(path, Node::Leaf(value));
        }
    }

    /// Puts a tree at a path, like [`Tree::set`]; a tree without entries removes the path.
    ///
    /// # Panics
    /// When the path is empty: the root is always a tree.
    pub fn set_subtree<L: AsRef<[u8]>>(&mut self, path: &[L], tree: Tree) {
        match tree.is_empty() {
            true => drop(self.remove(path)),
            false => self.put(path, Node::Subtree(tree)),
        }
    }

    /// Removes what stands at a path, and subtrees that lose their last entry by it. Returns what
    /// stood there; nothing changes if there was nothing.
    pub fn remove<L: AsRef<[u8]>>(&mut self, path: &[L]) -> Option<Node> {
        self.get(path)?;
        self.remove_present(path)
    }

    /// Changes the subtree at a path (an empty one if there is none) by `change`. This costs less
    /// than several changes that begin at the root. A value in the way is replaced.
    ///
    /// # Panics
    /// When the path is empty: then the tree itself is at hand.
    pub fn update_subtree<L: AsRef<[u8]>, R>(
        &mut self,
        path: &[L],
        change: impl FnOnce(&mut Tree) -> R,
    ) -> R {
        let (label, rest) = path.split_first().expect("the path of a subtree has a label");
        let label = label.as_ref();
        let below = self.subtree_mut(label);
        let result = match rest {
            [] => change(below),
            rest => below.update_subtree(rest, change),
        };
        if below.is_empty() {
            self.take(label);
        }
        result
    }

    /// Reads what changes at these labels of this level will need. Worth while before many changes
    /// to a tree that is larger than the caches; changes nothing.
    pub fn read_ahead(&self, labels: &[&[u8]]) {
        if let Some(root) = &self.root {
            branch::read_ahead(root, labels);
        }
    }

    /// Computes the digests of this level that changes behind `label` leave alone, while what they
    /// need is at hand. To be called between many changes in order of their labels; the digest of
    /// the tree is the same without.
    pub fn digest_before(&self, label: &[u8]) {
        if let Some(root) = &self.root {
            branch::digest_before(root, label);
        }
    }

    fn put<L: AsRef<[u8]>>(&mut self, path: &[L], node: Node) {
        let (label, rest) = path.split_first().expect("the path of a value has a label");
        match rest {
            [] => self.insert(label.as_ref(), node),
            rest => self.subtree_mut(label.as_ref()).put(rest, node),
        }
    }

    fn remove_present<L: AsRef<[u8]>>(&mut self, path: &[L]) -> Option<Node> {
        let (label, rest) = path.split_first()?;
        let label = label.as_ref();
        if rest.is_empty() {
            return self.take(label);
        }
        let node = self.entry_mut(label)?;
        let Node::Subtree(below) = node else { return None };
        let removed = below.remove_present(rest);
        if node.is_empty_tree() {
            self.take(label);
        }
        removed
    }

    /// The subtree under a label, which is made if it is not there. The caller leaves it with an
    /// entry or takes it away.
    fn subtree_mut(&mut self, label: &[u8]) -> &mut Tree {
        if self.entry(label).and_then(Node::as_subtree).is_none() {
            self.insert(label, Node::Subtree(Tree::new()));
        }
        match self.root.as_mut().map(|root| branch::present_entry_mut(root, label)) {
            Some(Node::Subtree(tree)) => tree,
            _ => unreachable!("a subtree was just put there"),
        }
    }

    fn entry(&self, label: &[u8]) -> Option<&Node> {
        self.root.as_ref()?.entry(label)
    }

    fn entry_mut(&mut self, label: &[u8]) -> Option<&mut Node> {
        self.entry(label)?;
        Some(branch::present_entry_mut(self.root.as_mut()?, label))
    }

    fn insert(&mut self, label: &[u8], node: Node) {
        let is_new = match &mut self.root {
            Some(root) => branch::insert(root, label, node),
            none => {
                *none = Some(Arc::new(Branch::of_entry(label, node)));
                true
            }
        };
        self.entry_count += usize::from(is_new);
    }

    fn take(&mut self, label: &[u8]) -> Option<Node> {
        self.entry(label)?;
        let node = branch::take_present(&mut self.root, label)?;
        self.entry_count -= 1;
        Some(node)
    }
}

/// Two trees are equal when they have the same paths with the same values.
impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.entry_count == other.entry_count && self.digest() == other.digest()
    }
}

impl Eq for Tree {}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|(label, node)| (hex::encode(label), node))).finish()
    }
}
