//! Looking up a path in a partial tree, as "Lookup" in the specification defines it.

use super::HashTree;

/// What a partial tree says about the value at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// The path has this value.
    Found(&'a [u8]),
    /// The whole tree has no such path.
    Absent,
    /// The path may lie in a pruned part.
    Unknown,
    /// The path leads to a subtree, not to a value.
    Error,
}

/// What a partial tree says about the subtree at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubtreeLookup<'a> {
    /// The path leads to this tree (a leaf, entries, or a pruned digest).
    Found(&'a HashTree),
    /// The whole tree has no such path.
    Absent,
    /// The path may lie in a pruned part.
    Unknown,
}

impl HashTree {
    /// Looks up the value at a path (`lookup_path`). The tree must be well formed.
    pub fn lookup<L: AsRef<[u8]>>(&self, path: &[L]) -> Lookup<'_> {
        match self.lookup_subtree(path) {
            SubtreeLookup::Found(HashTree::Leaf(value)) => Lookup::Found(value),
            SubtreeLookup::Found(HashTree::Empty) | SubtreeLookup::Absent => Lookup::Absent,
            SubtreeLookup::Found(HashTree::Pruned(_)) | SubtreeLookup::Unknown => Lookup::Unknown,
            SubtreeLookup::Found(HashTree::Fork(_) | HashTree::Labeled(..)) => Lookup::Error,
        }
    }

    /// Looks up what stands at a path, be it a value or a tree. The tree must be well formed.
    pub fn lookup_subtree<L: AsRef<[u8]>>(&self, path: &[L]) -> SubtreeLookup<'_> {
        let mut tree = self;
        for label in path {
            match tree.find_label(label.as_ref()) {
                SubtreeLookup::Found(below) => tree = below,
                missing => return missing,
            }
        }
        SubtreeLookup::Found(tree)
    }

    /// All values at paths that begin with `prefix`, in order of their paths (`lookup*`). Values
    /// in pruned parts are left out.
    pub fn lookup_all<L: AsRef<[u8]>>(&self, prefix: &[L]) -> Vec<&[u8]> {
        let SubtreeLookup::Found(tree) = self.lookup_subtree(prefix) else {
            return Vec::new();
        };
        let mut values = Vec::new();
        let mut rest = vec![tree];
        while let Some(tree) = rest.pop() {
            match tree {
                HashTree::Leaf(value) => values.push(&value[..]),
                HashTree::Labeled(_, below) => rest.push(below),
                HashTree::Fork(sides) => rest.extend([&sides.1, &sides.0]),
                HashTree::Empty | HashTree::Pruned(_) => {}
            }
        }
        values
    }

    fn find_label(&self, wanted: &[u8]) -> SubtreeLookup<'_> {
        let forest = self.flatten_forks();
        if let [HashTree::Leaf(_)] = forest[..] {
            return SubtreeLookup::Absent;
        }
        let mut left = Border::End;
        for tree in forest {
            let right = match tree {
                HashTree::Labeled(label, below) if label == wanted => {
                    return SubtreeLookup::Found(below);
                }
                HashTree::Labeled(label, _) => Border::Label(label),
                _ => Border::Unknown,
            };
            if lies_between(left, wanted, right) {
                return SubtreeLookup::Absent;
            }
            left = right;
        }
        match lies_between(left, wanted, Border::End) {
            true => SubtreeLookup::Absent,
            false => SubtreeLookup::Unknown,
        }
    }
}

/// What stands beside a place where a label could be.
#[derive(Clone, Copy)]
enum Border<'a> {
    End,
    Label(&'a [u8]),
    Unknown,
}

/// Whether a label would have to stand between these two neighbours, where nothing stands.
fn lies_between(left: Border<'_>, wanted: &[u8], right: Border<'_>) -> bool {
    let after_left = match left {
        Border::End => true,
        Border::Label(label) => label < wanted,
        Border::Unknown => false,
    };
    let before_right = match right {
        Border::End => true,
        Border::Label(label) => wanted < label,
        Border::Unknown => false,
    };
    after_left && before_right
}
