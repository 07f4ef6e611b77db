//! Which packages an image needs: a closure over dependencies that gives one answer.
//!
//! The rules, in order. A clause that names an omitted package is met. A choice of the manifest for a
//! name decides. Then the first alternative that is asked for by name or chosen already is taken, then
//! the first that exists with the right version. A name that only other packages provide is met by a
//! provider that is chosen already, or needs a choice of the manifest. `Recommends` do not count.
//! Of several versions the latest is taken, out of the suites that the manifest allows.

use super::index::{Index, IndexError, Package};
use super::relation::{Clause, Relation};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use thiserror::Error;

/// Packages in one image.
const PACKAGE_COUNT_MAX: usize = 5_000;

/// A request that cannot be met.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// A package that is asked for is in no suite.
    #[error("no suite has a package {name}; correct the name in the manifest")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// A dependency that nothing meets.
    #[error(
        "{}: nothing meets {clause} ({found}); choose, omit or drop a package in the manifest",
        .why.join(" -> ")
    )]
    Unsatisfied {
        /// From a package that was asked for to the one that depends.
        why: Vec<String>,
        /// The dependency.
        clause: String,
        /// What there is under the names.
        found: String,
    },
    /// A name that several packages, or one that was not chosen, provide.
    #[error(
        "{}: {clause} is provided by {}; put one of them into the manifest, under packages or choose",
        .why.join(" -> "), .providers.join(", ")
    )]
    Virtual {
        /// From a package that was asked for to the one that depends.
        why: Vec<String>,
        /// The dependency.
        clause: String,
        /// Who provides it.
        providers: Vec<String>,
    },
    /// Two packages that must not be together.
    #[error(
        "{package} conflicts with {other} ({relation}); the manifest must do without one of them"
    )]
    Conflict {
        /// The package that says so.
        package: String,
        /// The other, with its version.
        other: String,
        /// The relation.
        relation: String,
    },
    /// An omission or a choice that changes nothing.
    #[error("nothing depends on {name}; drop it from {field} in the manifest")]
    Idle {
        /// Its name.
        name: String,
        /// `omit` or `choose`.
        field: &'static str,
    },
    /// More packages than an image may have.
    #[error("more than {PACKAGE_COUNT_MAX} packages are needed; that is no image of ours")]
    TooMany,
    /// An index.
    #[error("the index of {suite} is damaged")]
    Index {
        /// Which suite.
        suite: String,
        /// The cause.
        #[source]
        source: IndexError,
    },
}

/// What an image asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Packages by name.
    pub packages: BTreeSet<String>,
    /// Names that no package is installed for.
    pub omit: BTreeSet<String>,
    /// By a name that is depended on: the package that is taken for it.
    pub choose: BTreeMap<String, String>,
}

/// Suites in which packages are looked for.
#[derive(Debug, Default)]
pub struct Suites<'a> {
    /// By name; the name goes into the lock.
    pub indexes: Vec<(String, &'a Index)>,
}

/// A package and the suite it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The package.
    pub package: Package,
    /// The suite's name.
    pub suite: String,
}

impl Suites<'_> {
    /// The latest version of a package that is as a relation says.
    pub fn latest(&self, relation: &Relation) -> Result<Option<Chosen>, ResolveError> {
        Ok(self
            .versions(&relation.name)?
            .into_iter()
            .rfind(|c| relation.allows(&c.package.version)))
    }

    /// All versions, the latest last; of equal ones that of the suite named first.
    fn versions(&self, name: &str) -> Result<Vec<Chosen>, ResolveError> {
        let mut found = Vec::new();
        for (suite, index) in self.indexes.iter().rev() {
            let packages = index
                .get(name)
                .map_err(|source| ResolveError::Index { suite: suite.clone(), source })?;
            found.extend(
                packages.into_iter().map(|package| Chosen { package, suite: suite.clone() }),
            );
        }
        found.sort_by(|a, b| a.package.version.cmp(&b.package.version));
        Ok(found)
    }

    fn providers(&self, name: &str) -> BTreeSet<String> {
        let all = self.indexes.iter().flat_map(|(_, index)| index.providers(name));
        all.map(str::to_owned).collect()
    }
}

/// Chooses the packages of an image, by name.
pub fn resolve(
    suites: &Suites,
    request: &Request,
) -> Result<BTreeMap<String, Chosen>, ResolveError> {
    let mut closure = Closure {
        suites,
        request,
        chosen: BTreeMap::new(),
        why: BTreeMap::new(),
        open: VecDeque::new(),
        used: BTreeSet::new(),
    };
    for name in &request.packages {
        let relation = Relation { name: name.clone(), version: None };
        let chosen = suites
            .latest(&relation)?
            .ok_or_else(|| ResolveError::Unknown { name: name.clone() })?;
        closure.choose(chosen, None)?;
    }
    while let Some(name) = closure.open.pop_front() {
        let depends = closure.chosen[&name].package.depends.clone();
        for clause in &depends {
            closure.meet(&name, clause)?;
        }
    }
    closure.check_all_used()?;
    check_conflicts(&closure.chosen)?;
    Ok(closure.chosen)
}

struct Closure<'a> {
    suites: &'a Suites<'a>,
    request: &'a Request,
    chosen: BTreeMap<String, Chosen>,
    /// By package: the one that needs it.
    why: BTreeMap<String, String>,
    open: VecDeque<String>,
    /// Omissions and choices that took part.
    used: BTreeSet<&'a str>,
}

impl Closure<'_> {
    fn choose(&mut self, chosen: Chosen, by: Option<&str>) -> Result<(), ResolveError> {
        let name = chosen.package.name.clone();
        if self.chosen.contains_key(&name) {
            return Ok(());
        }
        if self.chosen.len() == PACKAGE_COUNT_MAX {
            return Err(ResolveError::TooMany);
        }
        if let Some(by) = by {
            self.why.insert(name.clone(), by.to_owned());
        }
        self.open.push_back(name.clone());
        self.chosen.insert(name, chosen);
        Ok(())
    }

    fn meet(&mut self, by: &str, clause: &Clause) -> Result<(), ResolveError> {
        for relation in &clause.alternatives {
            if let Some(name) = self.request.omit.get(&relation.name) {
                self.used.insert(name);
                return Ok(());
            }
        }
        for relation in &clause.alternatives {
            let Some((name, choice)) = self.request.choose.get_key_value(&relation.name) else {
                continue;
            };
            self.used.insert(name);
            let wanted = Relation { name: choice.clone(), version: None };
            let chosen = self.suites.latest(&wanted)?;
            let chosen = chosen.ok_or_else(|| ResolveError::Unknown { name: choice.clone() })?;
            let fits = choice != &relation.name || relation.allows(&chosen.package.version);
            if fits && self.is_met_by(&chosen, relation) {
                return self.choose(chosen, Some(by));
            }
        }
        let met = |relation| self.chosen.values().any(|chosen| self.is_met_by(chosen, relation));
        if clause.alternatives.iter().any(met) {
            return Ok(());
        }
        for relation in &clause.alternatives {
            if let Some(chosen) = self.suites.latest(relation)? {
                return self.choose(chosen, Some(by));
            }
        }
        self.unmet(by, clause)
    }

    /// Whether a package is, or provides, what a relation names.
    fn is_met_by(&self, chosen: &Chosen, relation: &Relation) -> bool {
        let package = &chosen.package;
        let is_it = package.name == relation.name && relation.allows(&package.version);
        is_it || provides(package, relation)
    }

    fn unmet(&self, by: &str, clause: &Clause) -> Result<(), ResolveError> {
        let mut found = Vec::new();
        let mut providers = BTreeSet::new();
        for relation in &clause.alternatives {
            providers.extend(self.suites.providers(&relation.name));
            let versions = self.suites.versions(&relation.name)?;
            let versions: Vec<_> = versions.iter().map(|c| c.package.version.to_string()).collect();
            found.push(match versions.is_empty() {
                true => format!("there is no {}", relation.name),
                false => format!("of {} there is {}", relation.name, versions.join(", ")),
            });
        }
        let why = self.path_to(by);
        let clause = clause.to_string();
        if !providers.is_empty() {
            let providers = providers.into_iter().collect();
            return Err(ResolveError::Virtual { why, clause, providers });
        }
        Err(ResolveError::Unsatisfied { why, clause, found: found.join("; ") })
    }

    /// From a package that was asked for to this one.
    fn path_to(&self, name: &str) -> Vec<String> {
        let mut path = vec![name.to_owned()];
        // Each step goes to a package that was chosen earlier, so this ends.
        while let Some(by) = self.why.get(&path[path.len() - 1]) {
            path.push(by.clone());
        }
        path.reverse();
        path
    }

    fn check_all_used(&self) -> Result<(), ResolveError> {
        let idle = |name: &&String| !self.used.contains(name.as_str());
        if let Some(name) = self.request.omit.iter().find(idle) {
            return Err(ResolveError::Idle { name: name.clone(), field: "omit" });
        }
        if let Some(name) = self.request.choose.keys().find(idle) {
            return Err(ResolveError::Idle { name: name.clone(), field: "choose" });
        }
        Ok(())
    }
}

/// Whether a package provides what a relation names; a relation with a version needs a provided
/// version that it allows.
fn provides(package: &Package, relation: &Relation) -> bool {
    let provided = package.provides.iter().flat_map(|clause| &clause.alternatives);
    provided.filter(|provided| provided.name == relation.name).any(|provided| {
        match &provided.version {
            Some((_, version)) => relation.allows(version),
            None => relation.version.is_none(),
        }
    })
}

fn check_conflicts(chosen: &BTreeMap<String, Chosen>) -> Result<(), ResolveError> {
    for Chosen { package, .. } in chosen.values() {
        for relation in package.conflicts.iter().flat_map(|clause| &clause.alternatives) {
            let hits = |other: &&Chosen| {
                let other = &other.package;
                let is_it = other.name == relation.name && relation.allows(&other.version);
                other.name != package.name && (is_it || provides(other, relation))
            };
            if let Some(other) = chosen.values().find(hits) {
                return Err(ResolveError::Conflict {
                    package: package.name.clone(),
                    other: format!("{} {}", other.package.name, other.package.version),
                    relation: relation.to_string(),
                });
            }
        }
    }
    Ok(())
}

/// The kernel that a package such as `linux-image-cloud-amd64` stands for: its one dependency.
pub fn kernel_of(suites: &Suites, name: &str) -> Result<Chosen, ResolveError> {
    let unknown = || ResolveError::Unknown { name: name.to_owned() };
    let relation = Relation { name: name.to_owned(), version: None };
    let meta = suites.latest(&relation)?.ok_or_else(unknown)?;
    let mut kernels = meta.package.depends.iter().flat_map(|clause| &clause.alternatives);
    let is_kernel = |relation: &&Relation| relation.name.starts_with("linux-image-");
    let Some(relation) = kernels.find(is_kernel) else {
        return Ok(meta);
    };
    suites.latest(relation)?.ok_or_else(|| ResolveError::Unsatisfied {
        why: vec![name.to_owned()],
        clause: relation.to_string(),
        found: "the suites do not have that version".into(),
    })
}

#[cfg(test)]
mod tests;
