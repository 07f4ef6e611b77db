//! The packages of a workspace and how they depend on each other, as their manifests say.

use super::SourceError;
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// Tables of a manifest that name its targets. Without them a package is its empty library.
const TARGETS: [&str; 5] = ["lib", "bin", "test", "bench", "example"];
/// Keys of `[package]` that name files or targets.
const FILES: [&str; 5] = ["build", "default-run", "readme", "license-file", "links"];
/// Dependencies that are compiled into a program, or to make one.
const DEPENDENCIES: [&str; 2] = ["dependencies", "build-dependencies"];

/// A workspace; members are named by their folder below its root.
pub struct Workspace {
    members: BTreeMap<String, Member>,
}

struct Member {
    package: String,
    programs: BTreeSet<String>,
    manifest: Table,
    /// Members that it depends on.
    depends: BTreeSet<String>,
}

impl Workspace {
    /// Reads the manifests. `listed` are the files of the clone, `read` gives their bytes.
    pub fn read(
        listed: &BTreeSet<String>,
        read: &dyn Fn(&str) -> Result<Vec<u8>, SourceError>,
    ) -> Result<Self, SourceError> {
        let root = parse("Cargo.toml", &read("Cargo.toml")?)?;
        let bad = |problem: &str| manifest_error("Cargo.toml", problem);
        let workspace = root.get("workspace").and_then(Value::as_table);
        let workspace = workspace.ok_or_else(|| bad("it has no [workspace]"))?;
        if root.contains_key("package") {
            return Err(bad("the root of the workspace must be no package"));
        }
        let shared = workspace.get("dependencies").and_then(Value::as_table);
        let mut members = BTreeMap::new();
        let names = workspace.get("members").and_then(Value::as_array);
        for name in names.ok_or_else(|| bad("[workspace] has no members"))? {
            let name = name.as_str().and_then(|name| normal("", name));
            let name = name.filter(|name| !name.contains('*'));
            let name = name.ok_or_else(|| bad("a member is no folder below the root"))?;
            let path = format!("{name}/Cargo.toml");
            let manifest = parse(&path, &read(&path)?)?;
            let member = Member::new(&name, manifest, shared, listed)?;
            members.insert(name, member);
        }
        let known: BTreeSet<String> = members.keys().cloned().collect();
        for (name, member) in &members {
            if let Some(other) = member.depends.iter().find(|other| !known.contains(*other)) {
                let problem = format!("it depends on {other}, which is no member of the workspace");
                return Err(manifest_error(&format!("{name}/Cargo.toml"), &problem));
            }
        }
        Ok(Self { members })
    }

    /// All members by their folder.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The package that makes a program.
    pub fn package_of(&self, program: &str) -> Option<&str> {
        let mut makers = self.members.values().filter(|member| member.programs.contains(program));
        makers.next().map(|member| member.package.as_str())
    }

    /// The members that some packages need, with them.
    pub fn closure<'a>(&'a self, packages: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let wanted: BTreeSet<&str> = packages.collect();
        let is_wanted = |member: &Member| wanted.contains(member.package.as_str());
        let mut open: Vec<&str> = self
            .members
            .iter()
            .filter(|(_, member)| is_wanted(member))
            .map(|(name, _)| name.as_str())
            .collect();
        let mut closure = BTreeSet::new();
        while let Some(name) = open.pop() {
            if closure.insert(name) {
                open.extend(self.members[name].depends.iter().map(String::as_str));
            }
        }
        closure
    }

    /// The member that a file belongs to: the deepest folder counts.
    pub fn member_of(&self, path: &str) -> Option<&str> {
        let holds = |member: &&String| {
            path.strip_prefix(member.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        let found = self.members.keys().filter(holds).max_by_key(|member| member.len());
        found.map(String::as_str)
    }

    /// The manifest of a member without its targets.
    pub fn dependencies_only(&self, member: &str) -> String {
        let mut manifest = self.members[member].manifest.clone();
        for table in TARGETS {
            manifest.remove(table);
        }
        if let Some(package) = manifest.get_mut("package").and_then(Value::as_table_mut) {
            for key in FILES {
                package.remove(key);
            }
        }
        manifest.to_string()
    }
}

impl Member {
    fn new(
        folder: &str,
        manifest: Table,
        shared: Option<&Table>,
        listed: &BTreeSet<String>,
    ) -> Result<Self, SourceError> {
        let path = format!("{folder}/Cargo.toml");
        let package = manifest.get("package").and_then(|package| package.get("name"));
        let package = package.and_then(Value::as_str);
        let package = package.ok_or_else(|| manifest_error(&path, "it has no package.name"))?;
        let programs = programs(folder, package, &manifest, listed);
        let mut depends = BTreeSet::new();
        for (name, dependency) in dependencies(&manifest) {
            let is_shared = dependency.get("workspace").and_then(Value::as_bool) == Some(true);
            let (base, dependency) = match is_shared {
                true => ("", shared.and_then(|shared| shared.get(name))),
                false => (folder, Some(dependency)),
            };
            let Some(place) = dependency.and_then(|it| it.get("path")) else { continue };
            let place = place.as_str().and_then(|place| normal(base, place));
            let problem = || format!("the path of {name} leads out of the workspace");
            depends.insert(place.ok_or_else(|| manifest_error(&path, &problem()))?);
        }
        Ok(Self { package: package.to_owned(), programs, manifest, depends })
    }
}

/// Names of the programs of a package, named or found by cargo's rules.
fn programs(
    folder: &str,
    package: &str,
    manifest: &Table,
    listed: &BTreeSet<String>,
) -> BTreeSet<String> {
    let named = manifest.get("bin").and_then(Value::as_array);
    let mut programs: BTreeSet<String> = named
        .into_iter()
        .flatten()
        .filter_map(|bin| bin.get("name").and_then(Value::as_str).map(str::to_owned))
        .collect();
    let main = format!("{folder}/src/main.rs");
    let is_named = |path: &str| {
        let bins = named.into_iter().flatten();
        bins.filter_map(|bin| bin.get("path")?.as_str())
            .any(|named| format!("{folder}/{named}") == path)
    };
    if listed.contains(&main) && !is_named(&main) {
        programs.insert(package.to_owned());
    }
    let others = format!("{folder}/src/bin/");
    programs.extend(listed.iter().filter_map(|path| {
        let name = path.strip_prefix(&others)?;
        let name = name.strip_suffix("/main.rs").or_else(|| name.strip_suffix(".rs"))?;
        (!name.contains('/') && !is_named(path)).then(|| name.to_owned())
    }));
    programs
}

/// All dependencies that take part in a program, those of single systems among them.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(targets) {
        for kind in DEPENDENCIES {
            let entries = table.get(kind).and_then(Value::as_table).into_iter().flatten();
            found.extend(entries.map(|(name, value)| (name.as_str(), value)));
        }
    }
    found
}

fn parse(path: &str, bytes: &[u8]) -> Result<Table, SourceError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| manifest_error(path, "it is not UTF-8"))?;
    text.parse().map_err(|error: toml::de::Error| manifest_error(path, error.message()))
}

/// A path below the root of the workspace without dots; none if it leads out.
fn normal(base: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut names: Vec<&str> = base.split('/').filter(|name| !name.is_empty()).collect();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            _ => names.push(name),
        }
    }
    (!names.is_empty()).then(|| names.join("/"))
}

fn manifest_error(path: &str, problem: &str) -> SourceError {
    SourceError::Manifest { path: path.to_owned(), problem: problem.to_owned() }
}
