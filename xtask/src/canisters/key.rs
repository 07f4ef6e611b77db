//! The name under which built modules are kept: a hash of all that decides about their bytes.

use super::Set;
use crate::error::Error;
use crate::folders::Folders;
use crate::setup::Ready;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Hashes the sources of a set of canisters, both compilers, and the way they are called.
pub fn of_sources(folders: &Folders, ready: &Ready, set: &Set) -> Result<String, Error> {
    let mut hash = Sha256::new();
    let mut add = |name: &str, content: &[u8]| {
        for part in [name.as_bytes(), content] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    };
    for how in [include_str!("rust.rs"), include_str!("motoko.rs"), include_str!("motoko.mjs")] {
        add("how", how.as_bytes());
    }
    add("rust compiler", super::rust::compiler_version(folders)?.as_bytes());
    add("linker", ready.wasm_linker.as_os_str().as_encoded_bytes());
    let motoko = ready.node_modules.join("motoko/package.json");
    add("motoko compiler", &fs::read(&motoko).map_err(Error::file("read", &motoko))?);
    let mut paths = files(&folders.root.join(set.home))?;
    for also in set.also {
        let path = folders.root.join(also);
        match path.is_dir() {
            true => paths.append(&mut files(&path)?),
            false => paths.push(path),
        }
    }
    for path in paths {
        let relative =
            path.strip_prefix(&folders.root).unwrap_or(&path).to_string_lossy().into_owned();
        add(&relative, &fs::read(&path).map_err(Error::file("read", &path))?);
    }
    Ok(hex::encode(&hash.finalize()[..10]))
}

/// All files below a folder in a fixed order, without what builds leave there.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let path = entry.map_err(Error::file("list", folder))?.path();
        if path.is_file() {
            // What people read decides nothing.
            if path.extension().is_none_or(|extension| extension != "md") {
                found.push(path);
            }
        } else if path.is_dir() && !path.ends_with("target") && !path.ends_with(".icp") {
            found.append(&mut files(&path)?);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_sources_in_order_without_build_output() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.rs", "src/a.rs", "src/a.md", "target/x.rs"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let found = files(folder.path()).unwrap();
        assert_eq!(found, [folder.path().join("b.rs"), folder.path().join("src/a.rs")]);
    }
}
