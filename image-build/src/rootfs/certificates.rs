//! The certificates of authorities, in the one file that TLS libraries read.

use super::error::RootfsError;
use crate::tree::{Content, Meta, Node, Tree, TreePath};

/// Bytes of one certificate file.
const CERTIFICATE_BYTES_MAX: u64 = 64 << 10;

/// Joins all `.crt` files of a folder in the order of their names.
pub fn bundle(tree: &mut Tree, folder: &TreePath, to: TreePath) -> Result<(), RootfsError> {
    let mut bundle = Vec::new();
    for (path, _, inode) in tree.children(folder) {
        let Node::File(content) = &inode.node else { continue };
        if !path.name().ends_with(b".crt") || content.length() > CERTIFICATE_BYTES_MAX {
            continue;
        }
        let bytes = content.read().map_err(|source| RootfsError::File {
            action: "read",
            path: path.to_string().into(),
            source,
        })?;
        bundle.extend_from_slice(&bytes);
        if !bytes.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    if bundle.is_empty() {
        return Err(RootfsError::Scripts(format!("{folder} has no certificates")));
    }
    Ok(tree.add_file(to, Meta::root(0o644), Content::bytes(bundle))?)
}
