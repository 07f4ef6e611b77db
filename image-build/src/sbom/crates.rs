//! The crates that executables are made of: `crates.lock`, written beside the lock of packages.
//!
//! `Cargo.lock` has names, versions and hashes; licences and which crate is in which executable come
//! from `cargo metadata`, once, when the lock is made. A build checks that both still agree.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Crates that cannot be listed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CratesError {
    /// A file.
    #[error("cannot read {}; run `plinth image lock`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The list.
    #[error("crates.lock is damaged; run `plinth image lock`")]
    Format(#[source] serde_yaml::Error),
    /// The list is older than `Cargo.lock`.
    #[error("crates.lock is not as Cargo.lock is now ({0}); run `plinth image lock`")]
    Stale(String),
    /// What `cargo metadata` said.
    #[error("what `cargo metadata` says cannot be understood: {0}")]
    Metadata(String),
}

/// A crate of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its archive in hexadecimal.
    pub sha256: String,
    /// An expression of SPDX; none if it does not say.
    #[serde(rename = "license")]
    pub licence: Option<String>,
    /// Executables that it is in, sorted.
    pub binaries: Vec<String>,
}

/// Reads the text of `crates.lock`.
pub fn parse(text: &str) -> Result<Vec<Crate>, CratesError> {
    serde_yaml::from_str(text).map_err(CratesError::Format)
}

/// The crates of some executables; an error if the list is older than `Cargo.lock`.
pub fn read(list: &Path, cargo_lock: &Path, binaries: &[&str]) -> Result<Vec<Crate>, CratesError> {
    let text = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|source| CratesError::Read { path: path.into(), source })
    };
    let crates = parse(&text(list)?)?;
    let locked = locked(&text(cargo_lock)?);
    for found in &crates {
        let key = (found.name.clone(), found.version.clone());
        if locked.get(&key) != Some(&found.sha256) {
            return Err(CratesError::Stale(format!("{} {}", found.name, found.version)));
        }
    }
    for binary in binaries {
        if !crates.iter().any(|found| found.binaries.iter().any(|name| name == binary)) {
            return Err(CratesError::Stale(format!("it knows no crate of {binary}")));
        }
    }
    let is_in = |found: &Crate| found.binaries.iter().any(|name| binaries.contains(&name.as_str()));
    Ok(crates.into_iter().filter(is_in).collect())
}

/// Names, versions and hashes of `Cargo.lock`; crates of the workspace have no hash.
fn locked(text: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key))?;
        line.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
    };
    text.split("[[package]]")
        .filter_map(|block| {
            let key = (value(block, "name")?, value(block, "version")?);
            Some((key, value(block, "checksum")?))
        })
        .collect()
}

/// The list for executables, out of `cargo metadata --format-version 1 --filter-platform TARGET` and
/// `Cargo.lock`. What is only needed to build or to test is not in an executable.
pub fn list(
    metadata: &str,
    cargo_lock: &str,
    binaries: &BTreeSet<String>,
) -> Result<Vec<Crate>, CratesError> {
    let metadata: Value =
        serde_json::from_str(metadata).map_err(|error| CratesError::Metadata(error.to_string()))?;
    let bad = |problem: &str| CratesError::Metadata(problem.to_owned());
    let packages = metadata["packages"].as_array().ok_or_else(|| bad("it has no packages"))?;
    let nodes = metadata["resolve"]["nodes"].as_array().ok_or_else(|| bad("it has no nodes"))?;
    let depends: BTreeMap<&str, Vec<&str>> = nodes
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, normal_dependencies(node))))
        .collect();
    let mut users: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for binary in binaries {
        let root = packages.iter().find(|package| has_binary(package, binary));
        let root = root.and_then(|package| package["id"].as_str());
        let root = root.ok_or_else(|| bad(&format!("no package makes the executable {binary}")))?;
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            if users.entry(id).or_default().insert(binary.clone()) {
                open.extend(depends.get(id).into_iter().flatten());
            }
        }
    }
    let locked = locked(cargo_lock);
    let mut crates = Vec::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let Some(binaries) = users.get(text("id").as_str()) else { continue };
        let Some(sha256) = locked.get(&(text("name"), text("version"))) else { continue };
        crates.push(Crate {
            name: text("name"),
            version: text("version"),
            sha256: sha256.clone(),
            licence: package["license"].as_str().map(expression),
            binaries: binaries.iter().cloned().collect(),
        });
    }
    crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(crates)
}

/// The slash is an old way of writing "or". SPDX has no form of MPL-2.0 "or later", which its own
/// section 10.2 allows anyway.
fn expression(licence: &str) -> String {
    licence.replace('/', " OR ").replace("MPL-2.0+", "MPL-2.0")
}

/// The one text of a list.
pub fn text(crates: &[Crate]) -> String {
    let body = serde_yaml::to_string(crates).expect("a list has only plain values");
    format!("# Written by `plinth image lock`; do not edit.\n{body}")
}

fn normal_dependencies(node: &Value) -> Vec<&str> {
    let is_normal = |dependency: &&Value| {
        let kinds = dependency["dep_kinds"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    let dependencies = node["deps"].as_array().map(Vec::as_slice).unwrap_or_default();
    dependencies.iter().filter(is_normal).filter_map(|found| found["pkg"].as_str()).collect()
}

fn has_binary(package: &Value, binary: &str) -> bool {
    let is_bin = |target: &Value| {
        let kinds = target["kind"].as_array();
        target["name"] == binary
            && kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"))
    };
    let is_ours = package["source"].is_null();
    is_ours && package["targets"].as_array().is_some_and(|targets| targets.iter().any(is_bin))
}
