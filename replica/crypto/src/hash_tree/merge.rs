//! Joining two witnesses of one tree into one that reveals what either reveals.

use super::HashTree;

/// Why two trees cannot be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the two trees differ in their digest: join only witnesses made from one state")]
pub struct MergeError;

impl HashTree {
    /// The tree that reveals all that `self` and `other` reveal; its digest is theirs.
    pub fn merge(self, other: HashTree) -> Result<HashTree, MergeError> {
        match (self, other) {
            (HashTree::Pruned(digest), tree) | (tree, HashTree::Pruned(digest)) => {
                if tree.digest() == digest { Ok(tree) } else { Err(MergeError) }
            }
            (HashTree::Fork(a), HashTree::Fork(b)) => {
                let ((a_left, a_right), (b_left, b_right)) = (*a, *b);
                Ok(HashTree::fork(a_left.merge(b_left)?, a_right.merge(b_right)?))
            }
            (HashTree::Labeled(a, a_below), HashTree::Labeled(b, b_below)) if a == b => {
                Ok(HashTree::labeled(a, a_below.merge(*b_below)?))
            }
            (a, b) if a == b => Ok(a),
            _ => Err(MergeError),
        }
    }
}
