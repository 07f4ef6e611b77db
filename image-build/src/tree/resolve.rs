//! Symbolic links: where they lead, with the image as root.

use super::{Node, PATH_BYTES_MAX, Tree, TreeError, TreePath};
use std::collections::VecDeque;

/// As many links as Linux follows in one path.
const LINKS_MAX: usize = 40;

/// A link's target must be writable, and must not climb above the root of the image.
pub fn check_target(link: &TreePath, target: &[u8]) -> Result<(), TreeError> {
    if target.is_empty() || target.len() > PATH_BYTES_MAX || target.contains(&0) {
        return Err(TreeError::Target { path: link.clone() });
    }
    let mut depth = if target[0] == b'/' { 0 } else { link.depth().saturating_sub(1) };
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if depth == 0 => return Err(escape(link, target)),
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    Ok(())
}

/// What becomes of a link at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Last {
    Kept,
    Followed,
}

/// See [`Tree::resolve`] and [`Tree::follow`].
pub fn resolve(tree: &Tree, path: &TreePath, last: Last) -> Result<TreePath, TreeError> {
    let mut names: VecDeque<Vec<u8>> = path.names().map(<[u8]>::to_vec).collect();
    let mut here = TreePath::root();
    let mut links = 0;
    while let Some(name) = names.pop_front() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                here = here.parent().ok_or_else(|| escape(path, b".."))?;
                continue;
            }
            _ => {}
        }
        let next = here.join(&name)?;
        let target = match tree.get(&next).map(|inode| &inode.node) {
            Some(Node::Symlink(target)) if !names.is_empty() || last == Last::Followed => target,
            _ => {
                here = next;
                continue;
            }
        };
        links += 1;
        if links > LINKS_MAX {
            return Err(TreeError::Circle { path: path.clone() });
        }
        if target[0] == b'/' {
            here = TreePath::root();
        }
        for name in target.split(|byte| *byte == b'/').rev() {
            names.push_front(name.to_vec());
        }
    }
    Ok(here)
}

fn escape(path: &TreePath, target: &[u8]) -> TreeError {
    TreeError::Escape { path: path.clone(), target: target.escape_ascii().to_string() }
}
