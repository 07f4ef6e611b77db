//! The hash tree of the IC interface specification ("Certificate", "Lookup").
//!
//! A [`HashTree`] is what a client sees: the part of a labelled tree that was asked for, with the
//! rest pruned to digests, so that the digest of the whole can still be computed. The tree a node
//! keeps and changes is [`crate::persistent::Tree`]; it makes values of this type as witnesses.
//!
//! Rules followed here:
//! - digests are SHA-256 with the domain separators `ic-hashtree-{empty,fork,labeled,leaf}`, each
//!   prefixed by its length in one byte;
//! - labels increase strictly from left to right and are not mixed with leaves
//!   ([`HashTree::is_well_formed`]); a lookup assumes it;
//! - foreign bytes are decoded with a bound on depth and on the number of nodes.

mod cbor;
mod lookup;
mod merge;
mod sha256;
#[cfg(test)]
mod tests;

pub use cbor::{DecodeError, NODE_COUNT_MAX, TREE_DEPTH_MAX};
pub use lookup::{Lookup, SubtreeLookup};
pub use merge::MergeError;

use bytes::Bytes;
use sha256::sha256;

/// A SHA-256 digest of a tree or of a part of it.
pub type Digest = [u8; 32];

/// A labelled tree of which parts may be pruned to their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashTree {
    /// No entries.
    Empty,
    /// The entries of the left tree, then those of the right one.
    Fork(Box<(HashTree, HashTree)>),
    /// One entry: a label and what stands under it.
    Labeled(Bytes, Box<HashTree>),
    /// A value.
    Leaf(Bytes),
    /// A part left out, of which only the digest is known.
    Pruned(Digest),
}

impl HashTree {
    /// A fork of two trees.
    pub fn fork(left: HashTree, right: HashTree) -> Self {
        HashTree::Fork(Box::new((left, right)))
    }

    /// A tree under a label.
    pub fn labeled(label: impl Into<Bytes>, tree: HashTree) -> Self {
        HashTree::Labeled(label.into(), Box::new(tree))
    }

    /// A value.
    pub fn leaf(value: impl Into<Bytes>) -> Self {
        HashTree::Leaf(value.into())
    }

    /// The root digest, the same whether parts are pruned or not (`reconstruct` in the specification).
    pub fn digest(&self) -> Digest {
        match self {
            HashTree::Empty => empty_digest(),
            HashTree::Fork(sides) => fork_digest(&sides.0.digest(), &sides.1.digest()),
            HashTree::Labeled(label, tree) => labeled_digest(label, &tree.digest()),
            HashTree::Leaf(value) => leaf_digest(value),
            HashTree::Pruned(digest) => *digest,
        }
    }

    /// Whether labels increase strictly and are not mixed with leaves, at every level.
    pub fn is_well_formed(&self) -> bool {
        if matches!(self, HashTree::Leaf(_)) {
            return true;
        }
        let forest = self.flatten_forks();
        let mut labels = forest.iter().filter_map(|tree| match tree {
            HashTree::Labeled(label, _) => Some(label),
            _ => None,
        });
        labels.by_ref().is_sorted_by(|a, b| a < b)
            && forest.iter().all(|tree| match tree {
                HashTree::Labeled(_, below) => below.is_well_formed(),
                HashTree::Leaf(_) => false,
                HashTree::Empty | HashTree::Fork(_) | HashTree::Pruned(_) => true,
            })
    }

    /// The trees that the forks at this level join, in order, without the empty ones.
    fn flatten_forks(&self) -> Vec<&HashTree> {
        let mut forest = Vec::new();
        let mut rest = vec![self];
        while let Some(tree) = rest.pop() {
            match tree {
                HashTree::Empty => {}
                HashTree::Fork(sides) => rest.extend([&sides.1, &sides.0]),
                other => forest.push(other),
            }
        }
        forest
    }
}

/// The digest of a tree without entries.
pub(crate) fn empty_digest() -> Digest {
    sha256([b"\x11ic-hashtree-empty", b"", b""])
}

/// The digest of two joined trees.
pub(crate) fn fork_digest(left: &Digest, right: &Digest) -> Digest {
    sha256([b"\x10ic-hashtree-fork", left, right])
}

/// The digest of an entry.
pub(crate) fn labeled_digest(label: &[u8], below: &Digest) -> Digest {
    sha256([b"\x13ic-hashtree-labeled", label, below])
}

/// The digest of a value.
pub(crate) fn leaf_digest(value: &[u8]) -> Digest {
    sha256([b"\x10ic-hashtree-leaf", value, b""])
}
