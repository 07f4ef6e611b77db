//! `images/toolchain.yaml`: which packages compile our programs, and where their programs are.

use crate::debian::resolve::Request;
use crate::manifest::{ManifestError, tree_path};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Programs that a build needs, as `programs` must name them.
const PROGRAMS: [&str; 5] = ["ar", "cargo", "clang", "lld", "rustc"];

/// What compiles the programs of the images.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What it is for, in one sentence.
    pub purpose: String,
    /// Packages, which come with all they depend on.
    pub packages: BTreeSet<String>,
    /// Names that packages depend on and that are not unpacked: name, reason.
    #[serde(default)]
    pub omit: BTreeMap<String, String>,
    /// By a name that packages depend on: the package that is taken for it.
    #[serde(default)]
    pub choose: BTreeMap<String, String>,
    /// Paths of packages that are left out, each with all below it.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Where the files are.
    pub layout: Layout,
}

/// Where the files of a toolchain are, as paths below its root that begin with a slash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Executables: name, path.
    pub programs: BTreeMap<String, String>,
    /// The dynamic loader.
    pub loader: String,
    /// Where it finds libraries.
    pub libraries: Vec<String>,
    /// Headers and libraries that belong to clang.
    pub clang_resources: String,
}

impl Description {
    /// Reads and checks the description.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a description; the path is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let description: Self = serde_yaml::from_str(text)
            .map_err(|source| ManifestError::Format { path: path.into(), source })?;
        description
            .check()
            .map_err(|problem| ManifestError::Meaning { path: path.into(), problem })?;
        Ok(description)
    }

    /// What the resolver is asked for.
    pub fn request(&self) -> Request {
        Request {
            packages: self.packages.clone(),
            omit: self.omit.keys().cloned().collect(),
            choose: self.choose.clone(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if let Some((name, _)) = self.omit.iter().find(|(_, reason)| reason.trim().is_empty()) {
            return Err(format!("omit: say for which reason {name} is there"));
        }
        if let Some(name) = PROGRAMS.iter().find(|name| !self.layout.programs.contains_key(**name))
        {
            return Err(format!("programs: {name} is missing"));
        }
        if self.layout.libraries.is_empty() {
            return Err("libraries: name at least one folder".into());
        }
        for path in self.exclude.iter().chain(self.layout.paths()) {
            tree_path(path)?;
        }
        Ok(())
    }
}

impl Layout {
    /// All its paths.
    fn paths(&self) -> impl Iterator<Item = &String> {
        let others = [&self.loader, &self.clang_resources];
        self.programs.values().chain(&self.libraries).chain(others)
    }

    /// The path of one of the programs that are called.
    pub fn program(&self, name: &str) -> &str {
        self.programs.get(name).map(String::as_str).expect("a checked layout has all programs")
    }
}

/// A path of a layout in the folder that the toolchain was unpacked to.
pub fn below(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests;
