//! What is in an image: one YAML file for each, read once into checked types.
//!
//! Unknown fields are refused, and so is what cannot be meant: a relative path where an absolute one
//! belongs, a reason that is empty, an image without its root's command line.

mod check;
#[cfg(test)]
mod tests;

pub use check::ManifestError;

use crate::debian::resolve::Request;
use crate::tree::TreePath;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One of the images and what is in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name, such as `guestos`.
    pub image: String,
    /// What it is for, in one sentence.
    pub purpose: String,
    /// Kernel, modules and command line.
    pub kernel: Kernel,
    /// Packages that are installed, with all they depend on.
    pub packages: BTreeSet<String>,
    /// Names that packages depend on and that are not installed: name, reason.
    #[serde(default)]
    pub omit: BTreeMap<String, String>,
    /// By a name that packages depend on: the package that is taken for it.
    #[serde(default)]
    pub choose: BTreeMap<String, String>,
    /// Packages whose files the builder uses, and that are not installed.
    #[serde(default)]
    pub inputs: BTreeMap<String, Input>,
    /// Files of those packages that are in the image all the same: path in the image, file.
    #[serde(default)]
    pub package_files: BTreeMap<String, PackageFile>,
    /// Images of the same variant whose payloads are in this one's `payload` partition.
    #[serde(default)]
    pub carries: BTreeSet<String>,
    /// Paths of packages that are left out, each with all below it; `*` stands for one name.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Folder of the clone whose files are laid over those of the packages.
    pub rootfs: String,
    /// Executables of this workspace: name, path in the image.
    #[serde(default)]
    pub binaries: BTreeMap<String, String>,
    /// Directories that exist beside those of the packages: path, octal mode.
    #[serde(default)]
    pub directories: BTreeMap<String, String>,
    /// Symbolic links: path, target.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// Numbers of users and groups whose package leaves the choice to the machine.
    #[serde(default)]
    pub ids: BTreeMap<String, u32>,
    /// What starts.
    pub units: Units,
    /// Directories that may be written, as file systems in memory: path, MiB.
    #[serde(default)]
    pub writable: BTreeMap<String, u32>,
    /// What production images do not have, and this one has for a reason.
    #[serde(default)]
    pub allow: Allow,
    /// What it may cost.
    pub budget: Budget,
    /// What the development variant has on top.
    #[serde(default)]
    pub dev: Additions,
}

/// Kernel, modules and command line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The package, or the one that stands for the newest of its kind.
    pub package: String,
    /// Modules in the root: names, or folders below `kernel/` that end with a slash. What they
    /// depend on comes along.
    pub modules: BTreeSet<String>,
    /// Modules in the initrd, in the order in which they are loaded.
    pub initrd_modules: Vec<String>,
    /// The executable of this workspace that is the first program of the initrd; an image without one
    /// has no boot files.
    #[serde(default)]
    pub init: Option<String>,
    /// The stub of a unified kernel image, for a machine whose firmware starts it.
    #[serde(default)]
    pub stub: Option<PackageFile>,
    /// The firmware of a virtual machine, whose host starts it with kernel, initrd and command line.
    #[serde(default)]
    pub firmware: Option<PackageFile>,
    /// Words of the command line; the builder adds those that name the root.
    pub command_line: Vec<String>,
}

/// A package whose files the builder uses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The suite it comes from, if it is not one of those that images are made of.
    #[serde(default)]
    pub suite: Option<String>,
    /// Why it is needed.
    pub reason: String,
}

/// A file of one of the [`Manifest::inputs`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    /// The package.
    pub package: String,
    /// The path in it, such as `/usr/share/x`.
    pub path: String,
}

/// Units of systemd.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// What the machine starts into.
    #[serde(default)]
    pub default: Option<String>,
    /// Units that are wanted as their `[Install]` section says.
    #[serde(default)]
    pub enable: BTreeSet<String>,
    /// Units that never start.
    #[serde(default)]
    pub mask: BTreeSet<String>,
}

/// Exceptions, each with its reason.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Executable scripts: path, reason.
    #[serde(default)]
    pub scripts: BTreeMap<String, String>,
    /// Interpreters and shells: path, reason.
    #[serde(default)]
    pub interpreters: BTreeMap<String, String>,
    /// Shared libraries that a file names and the image does not have: path, reason.
    #[serde(default)]
    pub unresolved: BTreeMap<String, String>,
}

/// What an image may cost.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Bytes of all files of the root.
    pub root_bytes_max: u64,
    /// Bytes of the update payload.
    pub payload_bytes_max: u64,
}

/// What a variant has on top of its image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Additions {
    /// See [`Manifest::packages`].
    #[serde(default)]
    pub packages: BTreeSet<String>,
    /// See [`Manifest::omit`].
    #[serde(default)]
    pub omit: BTreeMap<String, String>,
    /// See [`Manifest::choose`].
    #[serde(default)]
    pub choose: BTreeMap<String, String>,
    /// A further folder of files, laid over all others.
    #[serde(default)]
    pub rootfs: Option<String>,
    /// See [`Manifest::ids`].
    #[serde(default)]
    pub ids: BTreeMap<String, u32>,
    /// See [`Manifest::units`]; what is enabled here is not masked.
    #[serde(default)]
    pub units: Units,
    /// See [`Kernel::command_line`].
    #[serde(default)]
    pub command_line: Vec<String>,
    /// See [`Manifest::allow`].
    #[serde(default)]
    pub allow: Allow,
    /// Whether root may log in without a password on the console.
    #[serde(default)]
    pub root_login: bool,
}

/// Which form of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// What nodes run.
    Production,
    /// With a root console; its name, its measurement and what it prints at start say so.
    Dev,
}

impl Manifest {
    /// Reads and checks a manifest.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a manifest; the path is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let manifest: Self = serde_yaml::from_str(text)
            .map_err(|source| ManifestError::Format { path: path.into(), source })?;
        check::check(&manifest)
            .map_err(|problem| ManifestError::Meaning { path: path.into(), problem })?;
        Ok(manifest)
    }

    /// The name that a variant has in the lock and in its release file.
    pub fn name(&self, variant: Variant) -> String {
        match variant {
            Variant::Production => self.image.clone(),
            Variant::Dev => format!("{}-dev", self.image),
        }
    }

    /// The manifest of a variant: the development one has its additions put in.
    pub fn variant(&self, variant: Variant) -> Self {
        let mut all = self.clone();
        all.dev = Additions::default();
        if variant == Variant::Production {
            return all;
        }
        let dev = &self.dev;
        all.packages.extend(dev.packages.iter().cloned());
        // What the variant installs is not omitted from it.
        all.omit.retain(|name, _| !dev.packages.contains(name));
        all.omit.extend(dev.omit.clone());
        all.choose.extend(dev.choose.clone());
        all.ids.extend(dev.ids.clone());
        all.units.default = dev.units.default.clone().or(all.units.default);
        all.units.enable.extend(dev.units.enable.iter().cloned());
        all.units.mask.extend(dev.units.mask.iter().cloned());
        all.units.mask.retain(|unit| !dev.units.enable.contains(unit));
        all.kernel.command_line.extend(dev.command_line.iter().cloned());
        all.allow.scripts.extend(dev.allow.scripts.clone());
        all.allow.interpreters.extend(dev.allow.interpreters.clone());
        all.allow.unresolved.extend(dev.allow.unresolved.clone());
        all
    }

    /// The executables of this workspace that it is made of, those of the root and the initrd's.
    pub fn programs(&self) -> BTreeSet<String> {
        self.binaries.keys().chain(&self.kernel.init).cloned().collect()
    }

    /// The files that it takes out of its inputs.
    pub fn input_files(&self) -> BTreeSet<&PackageFile> {
        let Kernel { stub, firmware, .. } = &self.kernel;
        self.package_files.values().chain(stub).chain(firmware).collect()
    }

    /// What the resolver is asked for.
    pub fn request(&self) -> Request {
        Request {
            packages: self.packages.clone(),
            omit: self.omit.keys().cloned().collect(),
            choose: self.choose.clone(),
        }
    }
}

/// A path of a manifest, such as `/usr/bin`, as the tree has it.
pub(crate) fn tree_path(path: &str) -> Result<TreePath, String> {
    let relative = path.strip_prefix('/').ok_or_else(|| format!("{path} must begin with /"))?;
    TreePath::new(relative.as_bytes()).map_err(|error| error.to_string())
}
