//! Files of the clone over those of the packages, and the executables of this workspace.

use super::ensure_parent;
use super::error::RootfsError;
use crate::manifest::tree_path;
use crate::tree::{Content, Meta, Node, Tree, TreePath};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Bytes of one file of ours; executables are larger and do not come this way.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Lays a folder over the tree. A file replaces one that is there; of modes only "executable" is kept,
/// so that the umask of whoever cloned does not matter.
pub fn lay(tree: &mut Tree, folder: &Path) -> Result<(), RootfsError> {
    lay_below(tree, folder, &TreePath::root())
}

fn lay_below(tree: &mut Tree, folder: &Path, at: &TreePath) -> Result<(), RootfsError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(RootfsError::at("read", folder))? {
        names.push(entry.map_err(RootfsError::at("read", folder))?.file_name());
    }
    names.sort();
    for name in names {
        let file = folder.join(&name);
        let path = tree.resolve(&at.join(name.as_bytes())?)?;
        let metadata = fs::symlink_metadata(&file).map_err(RootfsError::at("read", &file))?;
        if metadata.is_dir() {
            match tree.get(&path).map(|inode| &inode.node) {
                Some(Node::Directory | Node::Symlink(_)) => {}
                Some(Node::File(_)) => return Err(RootfsError::Odd(file)),
                None => {
                    ensure_parent(tree, &path)?;
                    tree.add_directory(path.clone(), Meta::root(0o755))?;
                }
            }
            lay_below(tree, &file, &path)?;
            continue;
        }
        if tree.get(&path).is_some() {
            tree.remove(&path)?;
        }
        if metadata.is_symlink() {
            let target = fs::read_link(&file).map_err(RootfsError::at("read", &file))?;
            tree.add_symlink(path, Meta::root(0o777), target.into_os_string().into_vec())?;
        } else if metadata.is_file() && metadata.len() <= FILE_BYTES_MAX {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            let bytes = fs::read(&file).map_err(RootfsError::at("read", &file))?;
            tree.add_file(path, Meta::root(mode), Content::bytes(bytes))?;
        } else {
            return Err(RootfsError::Odd(file));
        }
    }
    Ok(())
}

/// Puts an executable of this workspace into the tree.
pub fn binary(tree: &mut Tree, file: &Path, path: &str) -> Result<(), RootfsError> {
    let content = Content::file(file).map_err(|_| RootfsError::Binary(file.into()))?;
    let path = tree.resolve(&tree_path(path).map_err(RootfsError::Manifest)?)?;
    ensure_parent(tree, &path)?;
    Ok(tree.add_file(path, Meta::root(0o755), content)?)
}
