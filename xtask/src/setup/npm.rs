//! npm packages: pinned by `xtask/npm/package-lock.json`, installed once per lock into the cache.

use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

/// Each direct dependency of `xtask/npm/package.json` and why it is one.
pub const REASONS: &[(&str, &str)] = &[
    (
        "@icp-sdk/icp-cli-linux-x64",
        "`icp`, the command line client that users deploy canisters with",
    ),
    ("@icp-sdk/ic-wasm-linux-x64", "`ic-wasm`, which `icp` runs to edit the metadata of modules"),
    ("@icp-sdk/core", "the JavaScript agent: one of the clients that the tests drive"),
    ("motoko", "the Motoko compiler (and its core library), runs under node"),
    ("playwright-core", "drives the browser in the test of the status page"),
];

const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// Installs the locked packages unless this lock is installed already; returns `node_modules`.
pub fn install(folders: &Folders) -> Result<PathBuf, Error> {
    let source = folders.root.join("xtask/npm");
    let mut hash = Sha256::new();
    for name in FILES {
        let path = source.join(name);
        hash.update(fs::read(&path).map_err(Error::file("read", &path))?);
    }
    let key = hex::encode(&hash.finalize()[..8]);
    let installed = folders.cache.join("npm").join(&key);
    let node_modules = installed.join("node_modules");
    if node_modules.is_dir() {
        return Ok(node_modules);
    }
    // Made beside its place and renamed, so that an interrupted run leaves nothing that looks done.
    let partial = folders.cache.join("npm").join(format!("{key}.partial-{}", std::process::id()));
    fs::create_dir_all(&partial).map_err(Error::file("create", &partial))?;
    for name in FILES {
        fs::copy(source.join(name), partial.join(name))
            .map_err(Error::file("copy to", partial.join(name)))?;
    }
    Run::new(folders, "npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
        .within(&partial)
        .output_to_stderr()
        .run()?;
    match fs::rename(&partial, &installed) {
        // Another run was faster: its result is the same.
        Err(_) if node_modules.is_dir() => {
            fs::remove_dir_all(&partial).map_err(Error::file("remove", &partial))?;
        }
        outcome => outcome.map_err(Error::file("rename", &partial))?,
    }
    Ok(node_modules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn read(name: &str) -> String {
        let path = crate::folders::root_of_clone().unwrap().join("xtask/npm").join(name);
        fs::read_to_string(path).expect("the file is part of the clone")
    }

    #[test]
    fn every_package_is_pinned_and_has_a_reason() {
        let manifest: serde_json::Value = serde_json::from_str(&read("package.json")).unwrap();
        let pinned = manifest["dependencies"].as_object().unwrap();
        let named: BTreeSet<_> = pinned.keys().map(String::as_str).collect();
        let reasons: BTreeSet<_> = REASONS.iter().map(|(package, _)| *package).collect();
        assert_eq!(named, reasons);
        for (package, version) in pinned {
            let version = version.as_str().unwrap();
            assert!(
                version.starts_with(|c: char| c.is_ascii_digit()),
                "{package}: {version} is a range"
            );
        }
    }

    #[test]
    fn lock_names_no_download_address() {
        assert!(!read("package-lock.json").contains("\"resolved\""));
    }
}
