//! The nodes of one level: a crit-bit tree of shared branches.

use super::label_bits::{bit, first_difference};
use super::{Node, Tree};
use crate::hash_tree::{Digest, fork_digest, labeled_digest};
use std::sync::{Arc, OnceLock};

/// A fork or an entry, with its digest once it is known.
#[repr(C)]
pub(super) struct Branch {
    /// First, to lie beside the count of owners, which is read together with it.
    digest: OnceLock<Digest>,
    pub(super) kind: Kind,
}

#[derive(Clone)]
pub(super) enum Kind {
    /// Labels that agree before `bit`; those with a 0 there are on the left.
    Fork {
        bit: u32,
        left: Arc<Branch>,
        right: Arc<Branch>,
    },
    Entry {
        label: Arc<[u8]>,
        node: Node,
    },
}

/// A copy is made to be changed, so it does not take the digest along.
impl Clone for Branch {
    fn clone(&self) -> Self {
        Self { digest: OnceLock::new(), kind: self.kind.clone() }
    }
}

impl Branch {
    pub(super) fn of_entry(label: &[u8], node: Node) -> Self {
        Self { digest: OnceLock::new(), kind: Kind::Entry { label: label.into(), node } }
    }

    fn of_fork(bit: u32, left: Arc<Branch>, right: Arc<Branch>) -> Self {
        Self { digest: OnceLock::new(), kind: Kind::Fork { bit, left, right } }
    }

    pub(super) fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| match &self.kind {
            Kind::Fork { left, right, .. } => fork_digest(&left.digest(), &right.digest()),
            Kind::Entry { label, node } => labeled_digest(label, &node.digest()),
        })
    }

    /// The node under `label`, if it is there.
    pub(super) fn entry(&self, wanted: &[u8]) -> Option<&Node> {
        let (label, node) = self.nearest(wanted);
        (label == wanted).then_some(node)
    }

    /// The entry that `wanted` leads to: the only one that can be equal, and one that shares the
    /// longest beginning.
    fn nearest(&self, wanted: &[u8]) -> (&[u8], &Node) {
        let mut branch = self;
        loop {
            match &branch.kind {
                Kind::Entry { label, node } => return (label, node),
                Kind::Fork { bit: at, left, right } => {
                    branch = if bit(wanted, *at) { right } else { left };
                }
            }
        }
    }

    /// The owners of what is right below; of interest only to [`read_ahead`].
    fn count_children(&self) -> usize {
        match &self.kind {
            Kind::Fork { left, right, .. } => Arc::strong_count(left) + Arc::strong_count(right),
            Kind::Entry { .. } => 0,
        }
    }

    fn is_entry(&self) -> bool {
        matches!(self.kind, Kind::Entry { .. })
    }

    /// Whether a label that first differs at `position` from those here belongs beside this
    /// branch, not into it.
    fn begins_behind(&self, position: u32) -> bool {
        match self.kind {
            Kind::Fork { bit, .. } => bit > position,
            Kind::Entry { .. } => true,
        }
    }

    /// The label furthest to the left (or to the right).
    fn outermost(&self, rightmost: bool) -> &[u8] {
        let mut branch = self;
        loop {
            match &branch.kind {
                Kind::Entry { label, .. } => return label,
                Kind::Fork { left, right, .. } => branch = if rightmost { right } else { left },
            }
        }
    }

    /// The greatest label below and the least label above `absent`, which is not here.
    pub(super) fn neighbours(&self, absent: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
        let Some(position) = first_difference(absent, self.nearest(absent).0) else {
            return (None, None);
        };
        let (mut below, mut above) = (None, None);
        let mut branch = self;
        while let Kind::Fork { bit: at, left, right } = &branch.kind {
            if *at > position {
                break;
            }
            if bit(absent, *at) {
                (below, branch) = (Some(&**left), right);
            } else {
                (above, branch) = (Some(&**right), left);
            }
        }
        match bit(absent, position) {
            true => below = Some(branch),
            false => above = Some(branch),
        }
        (below.map(|b| b.outermost(true)), above.map(|b| b.outermost(false)))
    }
}

/// How many paths [`read_ahead`] follows at once: about as many reads as a processor core has under
/// way.
const LANES: usize = 16;

/// Walks to some labels side by side, reading what a change of their entries will copy. Of a tree
/// that is larger than the caches, one path after the other would wait for the memory at each
/// step; side by side they wait together. Changes nothing.
pub(super) fn read_ahead(root: &Branch, labels: &[&[u8]]) {
    let mut seen = 0;
    for labels in labels.chunks(LANES) {
        let mut lanes = [Some(root); LANES];
        let mut is_walking = true;
        while is_walking {
            is_walking = false;
            for (lane, label) in lanes.iter_mut().zip(labels) {
                let Some(branch) = *lane else { continue };
                *lane = match &branch.kind {
                    Kind::Fork { bit: at, left, right } => {
                        let (near, far) =
                            if bit(label, *at) { (right, left) } else { (left, right) };
                        seen += Arc::strong_count(far);
                        is_walking = true;
                        Some(near)
                    }
                    Kind::Entry { node: Node::Subtree(Tree { root: Some(root), .. }), .. } => {
                        seen += root.count_children();
                        None
                    }
                    Kind::Entry { .. } => None,
                };
            }
        }
    }
    // What is not used need not be read.
    std::hint::black_box(seen);
}

/// Computes the digests of what lies to the left of a label's path.
pub(super) fn digest_before(root: &Branch, label: &[u8]) {
    let mut branch = root;
    while let Kind::Fork { bit: at, left, right } = &branch.kind {
        branch = if bit(label, *at) {
            left.digest();
            right
        } else {
            left
        };
    }
}

/// Makes a branch this owner's alone, and forgets its digest, to change it.
fn changeable(branch: &mut Arc<Branch>) -> &mut Kind {
    let branch = Arc::make_mut(branch);
    branch.digest.take();
    &mut branch.kind
}

/// The node under a label that is known to be there.
pub(super) fn present_entry_mut<'t>(root: &'t mut Arc<Branch>, wanted: &[u8]) -> &'t mut Node {
    let mut branch = root;
    loop {
        match changeable(branch) {
            Kind::Entry { node, .. } => return node,
            Kind::Fork { bit: at, left, right } => {
                branch = if bit(wanted, *at) { right } else { left };
            }
        }
    }
}

/// Puts a node under a label; returns whether the label is new.
pub(super) fn insert(root: &mut Arc<Branch>, label: &[u8], node: Node) -> bool {
    let Some(position) = first_difference(label, root.nearest(label).0) else {
        *present_entry_mut(root, label) = node;
        return false;
    };
    let mut branch = root;
    while !branch.begins_behind(position) {
        branch = match changeable(branch) {
            Kind::Fork { bit: at, left, right } => {
                if bit(label, *at) {
                    right
                } else {
                    left
                }
            }
            Kind::Entry { .. } => unreachable!("an entry begins behind every position"),
        };
    }
    let entry = Arc::new(Branch::of_entry(label, node));
    let beside = Arc::clone(branch);
    let (left, right) = if bit(label, position) { (beside, entry) } else { (entry, beside) };
    *branch = Arc::new(Branch::of_fork(position, left, right));
    true
}

/// Takes away the entry of a label that is known to be there; its sibling takes the fork's place.
pub(super) fn take_present(root: &mut Option<Arc<Branch>>, label: &[u8]) -> Option<Node> {
    if root.as_ref()?.is_entry() {
        return root.take().map(node_of);
    }
    let mut branch = root.as_mut()?;
    loop {
        let Kind::Fork { bit: at, left, right } = &branch.kind else {
            unreachable!("the loop stops at the fork above the entry");
        };
        let goes_right = bit(label, *at);
        let (near, far) = if goes_right { (right, left) } else { (left, right) };
        if near.is_entry() {
            let (near, far) = (Arc::clone(near), Arc::clone(far));
            *branch = far;
            return Some(node_of(near));
        }
        branch = match changeable(branch) {
            Kind::Fork { right, .. } if goes_right => right,
            Kind::Fork { left, .. } => left,
            Kind::Entry { .. } => unreachable!("it was a fork a moment ago"),
        };
    }
}

fn node_of(entry: Arc<Branch>) -> Node {
    match Arc::unwrap_or_clone(entry).kind {
        Kind::Entry { node, .. } => node,
        Kind::Fork { .. } => unreachable!("only entries are taken out"),
    }
}

/// The entries below a branch, in order.
pub(super) struct Entries<'t> {
    rest: Vec<&'t Branch>,
}

impl<'t> Entries<'t> {
    pub(super) fn new(root: Option<&'t Branch>) -> Self {
        Self { rest: root.into_iter().collect() }
    }
}

impl<'t> Iterator for Entries<'t> {
    type Item = (&'t [u8], &'t Node);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match &self.rest.pop()?.kind {
                Kind::Entry { label, node } => return Some((label, node)),
                Kind::Fork { left, right, .. } => self.rest.extend([&**right, &**left]),
            }
        }
    }
}

/// How many branches have to be hashed for the next digest.
#[cfg(test)]
pub(super) fn count_without_digest(root: Option<&Branch>) -> usize {
    let Some(branch) = root else { return 0 };
    let below = match &branch.kind {
        Kind::Fork { left, right, .. } => {
            count_without_digest(Some(left)) + count_without_digest(Some(right))
        }
        Kind::Entry { node: Node::Subtree(tree), .. } => count_without_digest(tree.root.as_deref()),
        Kind::Entry { .. } => 0,
    };
    below + usize::from(branch.digest.get().is_none())
}
