//! The tree inside a [`PageMap`](super::PageMap): 32 children a node, only the present ones stored.

use super::Page;
use crate::sparse::Sparse;
use std::sync::Arc;

const BITS: u32 = 5;

/// Whether a tree of this height has a place for the index.
pub(super) fn reaches(height: u32, index: u64) -> bool {
    index.checked_shr(BITS * (height + 1)).unwrap_or(0) == 0
}

/// A node: which kind it is follows from its height (0 are the leaves).
#[derive(Clone)]
pub(super) enum Node {
    Inner(Sparse<Arc<Node>>),
    Leaf(Sparse<Page>),
}

fn slot(height: u32, index: u64) -> u32 {
    (index.checked_shr(BITS * height).unwrap_or(0) & 31) as u32
}

impl Node {
    pub(super) fn empty(height: u32) -> Self {
        match height {
            0 => Node::Leaf(Sparse::EMPTY),
            _ => Node::Inner(Sparse::EMPTY),
        }
    }

    /// A node one level higher, with this one as its first child.
    pub(super) fn above(child: Arc<Node>) -> Self {
        Node::Inner(Sparse::of_first(child))
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Node::Inner(children) => children.is_empty(),
            Node::Leaf(pages) => pages.is_empty(),
        }
    }

    pub(super) fn get(&self, height: u32, index: u64) -> Option<&Page> {
        match self {
            Node::Inner(children) => children.get(slot(height, index))?.get(height - 1, index),
            Node::Leaf(pages) => pages.get(slot(0, index)),
        }
    }

    pub(super) fn insert(&mut self, height: u32, index: u64, page: Page) -> Option<Page> {
        match self {
            Node::Inner(children) => {
                let child = children
                    .get_or_insert(slot(height, index), || Arc::new(Node::empty(height - 1)));
                Arc::make_mut(child).insert(height - 1, index, page)
            }
            Node::Leaf(pages) => pages.insert(slot(0, index), page),
        }
    }

    /// Removes a page that is present, and the nodes that become empty.
    pub(super) fn remove(&mut self, height: u32, index: u64) {
        match self {
            Node::Inner(children) => {
                let slot = slot(height, index);
                let child = Arc::make_mut(
                    children.get_or_insert(slot, || Arc::new(Node::empty(height - 1))),
                );
                child.remove(height - 1, index);
                if child.is_empty() {
                    children.remove(slot);
                }
            }
            Node::Leaf(pages) => drop(pages.remove(slot(0, index))),
        }
    }

    /// Appends all pages below this node, whose first page has the index `first`.
    pub(super) fn collect<'a>(&'a self, height: u32, first: u64, pages: &mut Vec<(u64, &'a Page)>) {
        match self {
            Node::Inner(children) => {
                for (slot, child) in children.iter() {
                    child.collect(height - 1, child_first(height, first, slot), pages);
                }
            }
            Node::Leaf(leaf) => {
                pages.extend(leaf.iter().map(|(slot, page)| (first + u64::from(slot), page)))
            }
        }
    }
}

fn child_first(height: u32, first: u64, slot: u32) -> u64 {
    first + (u64::from(slot) << (BITS * height))
}

/// Appends the indices at which two trees of one height differ; equal pointers are not followed.
pub(super) fn diff(
    height: u32,
    first: u64,
    left: Option<&Arc<Node>>,
    right: Option<&Arc<Node>>,
    changed: &mut Vec<u64>,
) {
    match (left, right) {
        (None, None) => {}
        (Some(a), Some(b)) if Arc::ptr_eq(a, b) => {}
        (Some(a), Some(b)) => diff_nodes(height, first, a, b, changed),
        (Some(only), None) | (None, Some(only)) => {
            let mut pages = Vec::new();
            only.collect(height, first, &mut pages);
            changed.extend(pages.into_iter().map(|(index, _)| index));
        }
    }
}

fn diff_nodes(height: u32, first: u64, left: &Node, right: &Node, changed: &mut Vec<u64>) {
    match (left, right) {
        (Node::Inner(a), Node::Inner(b)) => {
            for slot in a.slots_with(b) {
                diff(
                    height - 1,
                    child_first(height, first, slot),
                    a.get(slot),
                    b.get(slot),
                    changed,
                );
            }
        }
        (Node::Leaf(a), Node::Leaf(b)) => {
            let differing = a.slots_with(b).filter(|&slot| a.get(slot) != b.get(slot));
            changed.extend(differing.map(|slot| first + u64::from(slot)));
        }
        _ => unreachable!("nodes of one height are of one kind"),
    }
}
