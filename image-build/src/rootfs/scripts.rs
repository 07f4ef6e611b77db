//! What the maintainer scripts of packages do, as data: `images/scripts.yaml`.
//!
//! Of a new installation only `preinst install` and `postinst configure` count; the others run when a
//! package is removed or replaced, which never happens in an image. Triggers have one answer for all
//! images: docs/decisions/077-scripts-are-modelled.md.

use super::error::RootfsError;
use super::users::{User, Users};
use super::{add_directory, certificates, ensure_parent};
use crate::archive::Control;
use crate::debian::is_sha256;
use crate::lock::LockedPackage;
use crate::manifest::tree_path;
use crate::tree::{Meta, Node, Tree, TreePath};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Scripts that run when a package is installed for the first time.
const SCRIPTS: [&str; 2] = ["preinst", "postinst"];

/// The models, by package, script and hash.
#[derive(Clone, Debug, Default)]
pub struct Scripts {
    models: BTreeMap<(String, String, String), Vec<Effect>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    package: String,
    script: String,
    sha256: String,
    /// What it does on a first installation, in words.
    does: String,
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    effects: Vec<Effect>,
}

/// Something that a script would do to the files of an image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Effect {
    /// A system user with a group of its own.
    User {
        /// Its name.
        name: String,
        /// What it is for.
        comment: String,
        /// Its home, which is not made.
        home: String,
    },
    /// A group.
    Group {
        /// Its name.
        name: String,
    },
    /// A copy of a file.
    Copy {
        /// The path it is copied from.
        from: String,
        /// The path it is copied to.
        to: String,
        /// Octal mode.
        mode: String,
    },
    /// A symbolic link.
    Link {
        /// Its path.
        path: String,
        /// Its target.
        target: String,
    },
    /// A directory.
    Directory {
        /// Its path.
        path: String,
        /// Octal mode.
        mode: String,
    },
    /// All certificates of the package in one file.
    Certificates {
        /// The folder they are in.
        from: String,
        /// The file.
        to: String,
    },
}

impl Scripts {
    /// Reads the models; unknown fields are refused.
    pub fn read(path: &Path) -> Result<Self, RootfsError> {
        let text = std::fs::read_to_string(path).map_err(RootfsError::at("read", path))?;
        Self::parse(&text)
    }

    /// Checks the text of the models.
    pub fn parse(text: &str) -> Result<Self, RootfsError> {
        let bad = RootfsError::Scripts;
        let models: Vec<Model> =
            serde_yaml::from_str(text).map_err(|error| bad(error.to_string()))?;
        let mut by_key = BTreeMap::new();
        for model in models {
            let (package, script) = (model.package, model.script);
            if !SCRIPTS.contains(&script.as_str()) || !is_sha256(&model.sha256) {
                return Err(bad(format!("{package}: {script} or its hash is none")));
            }
            if model.does.trim().is_empty() {
                return Err(bad(format!("{package}: say what its {script} does")));
            }
            let key = (package.clone(), script, model.sha256);
            if by_key.insert(key, model.effects).is_some() {
                return Err(bad(format!("{package} has one script twice")));
            }
        }
        Ok(Self { models: by_key })
    }

    /// What the scripts of a package do; a script without a model is an error.
    pub fn effects(
        &self,
        package: &LockedPackage,
        control: &Control,
    ) -> Result<Vec<(String, Effect)>, RootfsError> {
        let mut effects = Vec::new();
        for script in SCRIPTS {
            let Some(bytes) = control.get(script) else { continue };
            let sha256 = hex::encode(Sha256::digest(bytes));
            let key = (package.name.clone(), script.to_owned(), sha256.clone());
            let found = self.models.get(&key).ok_or_else(|| RootfsError::Unmodelled {
                package: package.name.clone(),
                version: package.version.clone(),
                script,
                sha256,
            })?;
            effects.extend(found.iter().map(|effect| (package.name.clone(), effect.clone())));
        }
        Ok(effects)
    }
}

/// Does what a script would do.
pub fn apply(
    tree: &mut Tree,
    users: &mut Users,
    package: &str,
    effect: &Effect,
) -> Result<(), RootfsError> {
    match effect {
        Effect::User { name, comment, home } => users.add(User::system(name, comment, home)),
        Effect::Group { name } => users.add_group(name),
        Effect::Copy { from, to, mode } => {
            let source = existing(tree, package, from)?;
            let content = match tree.get(&source).map(|inode| &inode.node) {
                Some(Node::File(content)) => content.clone(),
                _ => return Err(missing(package, from)),
            };
            let to = place(tree, to)?;
            Ok(tree.add_file(to, Meta::root(octal(mode)?), content)?)
        }
        Effect::Link { path, target } => {
            let path = place(tree, path)?;
            Ok(tree.add_symlink(path, Meta::root(0o777), target.clone().into_bytes())?)
        }
        Effect::Directory { path, mode } => {
            let path = place(tree, path)?;
            add_directory(tree, &path, octal(mode)?)
        }
        Effect::Certificates { from, to } => {
            let from = existing(tree, package, from)?;
            let to = place(tree, to)?;
            certificates::bundle(tree, &from, to)
        }
    }
}

fn existing(tree: &Tree, package: &str, path: &str) -> Result<TreePath, RootfsError> {
    let resolved = tree.resolve(&tree_path(path).map_err(RootfsError::Scripts)?)?;
    if tree.get(&resolved).is_none() {
        return Err(missing(package, path));
    }
    Ok(resolved)
}

/// A path whose directories are there.
fn place(tree: &mut Tree, path: &str) -> Result<TreePath, RootfsError> {
    let path = tree.resolve(&tree_path(path).map_err(RootfsError::Scripts)?)?;
    ensure_parent(tree, &path)?;
    Ok(path)
}

fn octal(mode: &str) -> Result<u16, RootfsError> {
    let mode = u16::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o1777);
    mode.ok_or_else(|| RootfsError::Scripts("a mode is not octal, or sets an id".into()))
}

fn missing(package: &str, path: &str) -> RootfsError {
    RootfsError::Effect { package: package.to_owned(), path: path.to_owned() }
}
