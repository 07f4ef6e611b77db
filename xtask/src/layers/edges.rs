//! The checks on who depends on whom.

use super::table::{LAYERS, MUST_NOT_KNOW, ONE_ROOM, SAME_LAYER};
use crate::error::Error;

/// A workspace package with its direct dependencies of every kind.
pub struct Package {
    pub name: String,
    pub dependencies: Vec<Dependency>,
}

/// What a package depends on.
pub struct Dependency {
    pub name: String,
    /// Its tests alone need it.
    pub for_tests: bool,
}

/// Reads the packages out of `cargo metadata --no-deps`.
pub fn packages(metadata: &str) -> Result<Vec<Package>, Error> {
    let unexpected = || Error::Answer {
        program: "cargo metadata",
        answer: metadata.chars().take(200).collect(),
    };
    let metadata: serde_json::Value = serde_json::from_str(metadata).map_err(|_| unexpected())?;
    let packages = metadata["packages"].as_array().ok_or_else(unexpected)?;
    packages.iter().map(|value| package(value).ok_or_else(unexpected)).collect()
}

fn package(value: &serde_json::Value) -> Option<Package> {
    let dependencies =
        value["dependencies"].as_array()?.iter().map(dependency).collect::<Option<_>>()?;
    Some(Package { name: value["name"].as_str()?.to_owned(), dependencies })
}

fn dependency(value: &serde_json::Value) -> Option<Dependency> {
    Some(Dependency { name: value["name"].as_str()?.to_owned(), for_tests: value["kind"] == "dev" })
}

/// Every broken rule as one line.
pub fn findings(packages: &[Package]) -> Vec<String> {
    let mut findings = Vec::new();
    for package in packages {
        let Some(layer) = layer_of(&package.name) else {
            findings.push(format!(
                "{} has no layer: give it one in xtask/src/layers/table.rs",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            findings.extend(upward(&package.name, layer, &dependency.name));
            findings.extend(wrong_room(&package.name, &dependency.name));
            if !dependency.for_tests {
                findings.extend(must_not_know(&package.name, &dependency.name));
            }
        }
    }
    findings
}

/// The layer of a workspace package, counted from 1.
fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name)).map(|index| index + 1)
}

fn upward(name: &str, layer: usize, dependency: &str) -> Option<String> {
    let target = layer_of(dependency)?;
    let allowed =
        target < layer || SAME_LAYER.iter().any(|(from, to, _)| *from == name && *to == dependency);
    (!allowed).then(|| {
        format!(
            "{name} (layer {layer}) depends on {dependency} (layer {target}): declare a trait in the lower part \
             and join the two in replica-node"
        )
    })
}

fn wrong_room(name: &str, dependency: &str) -> Option<String> {
    let room = ONE_ROOM.iter().find(|room| matches(room.library, dependency))?;
    (room.package != name).then(|| {
        format!("{name} depends on {dependency}, which only {} may: {}", room.package, room.why)
    })
}

fn must_not_know(name: &str, dependency: &str) -> Option<String> {
    let (_, _, why) = MUST_NOT_KNOW
        .iter()
        .find(|(package, libraries, _)| *package == name && libraries.contains(&dependency))?;
    Some(format!("{name} depends on {dependency}: {why}"))
}

/// Whether a name is the pattern, or begins with it where the pattern ends in `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, library: &str, expected: &str) {
        let dependency = Dependency { name: library.into(), for_tests: false };
        let package = Package { name: name.into(), dependencies: vec![dependency] };
        let found = findings(&[package]).join("\n");
        if expected.is_empty() {
            assert_eq!(found, "", "{name} -> {library}");
        } else {
            assert!(found.contains(expected), "{name} -> {library}: {found:?}");
        }
    }

    #[test]
    fn finds_each_kind_of_broken_rule() {
        check("replica-state", "types", "");
        check("replica-state", "serde", "");
        check("types", "replica-state", "(layer 1) depends on replica-state (layer 3)");
        check(
            "replica-consensus",
            "replica-ingress",
            "(layer 4) depends on replica-ingress (layer 4)",
        );
        check("replica-engine", "commonware-p2p", "");
        check("replica-node", "commonware-p2p", "only replica-engine may");
        check("replica-messaging", "rocksdb", "only replica-state may");
        check("replica-consensus", "replica-state", "knows neither state");
        check("newcomer", "types", "has no layer");
    }

    #[test]
    fn reads_metadata() {
        let metadata = r#"{"packages":[{"name":"a","dependencies":[{"name":"b","kind":"dev"},{"name":"c","kind":null}]}]}"#;
        let packages = packages(metadata).unwrap();
        assert_eq!(packages[0].name, "a");
        let dependencies = packages[0].dependencies.iter();
        let seen: Vec<_> = dependencies.map(|d| (d.name.as_str(), d.for_tests)).collect();
        assert_eq!(seen, [("b", true), ("c", false)]);
        assert!(super::packages("{}").is_err());
    }
}
