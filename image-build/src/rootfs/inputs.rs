//! Files out of packages that are not installed: firmware, the stub of unified kernel images.

use super::Parts;
use super::error::RootfsError;
use super::unpack::{Unpacked, Unpacker};
use crate::archive::EntryKind;
use crate::manifest::{PackageFile, tree_path};
use crate::tree::{Content, TreePath};
use std::collections::BTreeMap;

/// The files that the manifest names, each a regular file of its package. What each package brought is
/// noted, for the bill of materials.
pub fn read(
    parts: &Parts,
    unpacked: &mut Vec<Unpacked>,
) -> Result<BTreeMap<PackageFile, Content>, RootfsError> {
    let wanted = parts.manifest.input_files();
    let mut files = BTreeMap::new();
    for (package, path) in &parts.inputs {
        let mut unpacker = Unpacker::new(&[], parts.scratch)?;
        let found = unpacker.each(package, path, |_, unpacked, entry, content| {
            // What is odd is not what the manifest names.
            let Ok(at) = TreePath::from_archive(&entry.path) else { return Ok(()) };
            if entry.kind != EntryKind::File {
                return Ok(());
            }
            let names = |file: &&&PackageFile| {
                file.package == package.name && tree_path(&file.path).is_ok_and(|path| path == at)
            };
            if let Some(file) = wanted.iter().find(names) {
                unpacked.entry_count += 1;
                files.insert((*file).clone(), content);
            }
            Ok(())
        })?;
        unpacked.push(found);
    }
    match wanted.into_iter().find(|file| !files.contains_key(*file)) {
        None => Ok(files),
        Some(PackageFile { package, path }) => {
            let problem = format!("{package} has no file {path}; correct the path");
            Err(RootfsError::Manifest(problem))
        }
    }
}
