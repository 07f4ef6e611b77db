//! From packages to the files of an image, without root and without running anything.
//!
//! ```text
//!  packages --unpack--> tree --skeleton, rootfs/, binaries--> users, units, modules --audit--> tree
//!     \--maintainer scripts--> models (images/scripts.yaml), or an error
//! ```
//!
//! No script of a package runs. What each would do is written down once, under the hash of its bytes;
//! a script that nobody has read is an error that names it.

mod audit;
mod certificates;
mod depmod;
mod error;
mod inputs;
mod kernel;
mod overlay;
mod scripts;
#[cfg(test)]
mod tests;
mod units;
mod unpack;
mod users;

pub(crate) use audit::needed;
pub use audit::{Audit, audit, libraries_of};
pub use error::RootfsError;
pub use kernel::{Kernel, Module};
pub use scripts::{Effect, Scripts};
pub use unpack::Unpacked;
pub(crate) use unpack::Unpacker;

use crate::lock::{Lock, LockedPackage, time_text};
use crate::manifest::{Additions, Manifest, PackageFile, tree_path};
use crate::tree::{Content, Meta, Tree, TreePath};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What an image is assembled from.
#[derive(Debug)]
pub struct Parts<'a> {
    /// What is in it, with the additions of its variant.
    pub manifest: &'a Manifest,
    /// Those additions, for what has no place in a manifest; none for production.
    pub additions: Option<&'a Additions>,
    /// Name of the image or of its variant.
    pub image: String,
    /// The lock.
    pub lock: &'a Lock,
    /// Packages that are installed, in the order of their names, with the files that hold them.
    pub packages: Vec<(&'a LockedPackage, PathBuf)>,
    /// The package of the kernel.
    pub kernel: (&'a LockedPackage, PathBuf),
    /// Packages that are not installed and whose files are used.
    pub inputs: Vec<(&'a LockedPackage, PathBuf)>,
    /// What maintainer scripts do.
    pub scripts: &'a Scripts,
    /// Root of the clone.
    pub clone: &'a Path,
    /// Folder with the executables of this workspace.
    pub binaries: &'a Path,
    /// Folder for unpacked packages; it must stay until the images are written.
    pub scratch: &'a Path,
}

/// An assembled image.
#[derive(Debug)]
pub struct Rootfs {
    /// Its files.
    pub tree: Tree,
    /// Kernel and modules for the initrd.
    pub kernel: Kernel,
    /// The files of its inputs that the manifest names.
    pub input_files: BTreeMap<PackageFile, Content>,
    /// What each package brought, in the order of their names; then the kernel's, then those of inputs.
    pub unpacked: Vec<Unpacked>,
    /// What is executable, and what was taken away.
    pub audit: Audit,
}

/// Assembles an image; `progress` hears what is done.
pub fn assemble(parts: &Parts, progress: &mut dyn FnMut(&str)) -> Result<Rootfs, RootfsError> {
    let manifest = parts.manifest;
    let mut tree = Tree::new(parts.lock.time_s);
    skeleton(&mut tree, manifest)?;
    let mut unpacker = unpack::Unpacker::new(&manifest.exclude, parts.scratch)?;
    let mut unpacked = Vec::new();
    let mut effects = Vec::new();
    for (package, file) in &parts.packages {
        let found = unpacker.unpack(&mut tree, package, file)?;
        effects.extend(parts.scripts.effects(package, &found.control)?);
        unpacked.push(found);
    }
    progress(&format!("{} packages unpacked", unpacked.len()));
    let (kernel, found) = kernel::install(&mut tree, parts, &mut unpacker)?;
    unpacked.push(found);
    progress(&format!("kernel {}: {} modules", kernel.version, kernel.module_count));
    let input_files = inputs::read(parts, &mut unpacked)?;
    let mut users = users::Users::default();
    for (package, effect) in &effects {
        scripts::apply(&mut tree, &mut users, package, effect)?;
    }
    overlay::lay(&mut tree, &parts.clone.join(&manifest.rootfs))?;
    if let Some(rootfs) = parts.additions.and_then(|additions| additions.rootfs.as_ref()) {
        overlay::lay(&mut tree, &parts.clone.join(rootfs))?;
    }
    for (name, path) in &manifest.binaries {
        overlay::binary(&mut tree, &parts.binaries.join(name), path)?;
    }
    for (path, file) in &manifest.package_files {
        put(&mut tree, path, input_files[file].clone())?;
    }
    users.read_sysusers(&tree)?;
    let root_login = parts.additions.is_some_and(|additions| additions.root_login);
    users.write(&mut tree, manifest, root_login)?;
    units::configure(&mut tree, manifest)?;
    identity(&mut tree, parts)?;
    let audit = audit(&tree, &manifest.allow)?;
    let bytes = tree.content_bytes();
    if bytes > manifest.budget.root_bytes_max {
        return Err(RootfsError::Budget { bytes, budget: manifest.budget.root_bytes_max });
    }
    Ok(Rootfs { tree, kernel, input_files, unpacked, audit })
}

/// What every system has, before any package: the merged /usr and the places of mounts.
fn skeleton(tree: &mut Tree, manifest: &Manifest) -> Result<(), RootfsError> {
    for name in ["dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"] {
        add_directory(tree, &top(name), 0o755)?;
    }
    set_mode(tree, &top("root"), 0o700)?;
    set_mode(tree, &top("tmp"), 0o1777)?;
    for name in ["bin", "sbin", "lib", "lib64"] {
        add_directory(tree, &top("usr").join(name.as_bytes())?, 0o755)?;
        tree.add_symlink(top(name), Meta::root(0o777), format!("usr/{name}").into_bytes())?;
    }
    for (path, mode) in &manifest.directories {
        let path = tree_path(path).map_err(RootfsError::Manifest)?;
        let mode = u16::from_str_radix(mode, 8)
            .map_err(|_| RootfsError::Manifest(format!("{mode} is no octal mode")))?;
        add_directory(tree, &path, mode)?;
    }
    for (path, target) in &manifest.links {
        let path = tree_path(path).map_err(RootfsError::Manifest)?;
        ensure_parent(tree, &path)?;
        tree.add_symlink(path, Meta::root(0o777), target.clone().into_bytes())?;
    }
    Ok(())
}

/// What the image says of itself: its release, and a machine id that is made at each start.
fn identity(tree: &mut Tree, parts: &Parts) -> Result<(), RootfsError> {
    let (manifest, image) = (parts.manifest, &parts.image);
    let release = format!(
        "ID=plinth\nNAME=Plinth\nPRETTY_NAME=\"Plinth {image}\"\nVARIANT_ID={image}\n\
         IMAGE_ID={image}\nBUILD_ID={}\nBUILD_DATE={}\n",
        &parts.lock.sha256()[..16],
        time_text(parts.lock.time_s),
    );
    replace_file(tree, "/usr/lib/os-release", 0o644, release.into_bytes())?;
    let link = tree_path("/etc/os-release").map_err(RootfsError::Manifest)?;
    if tree.get(&link).is_some() {
        tree.remove(&link)?;
    }
    tree.add_symlink(link, Meta::root(0o777), b"../usr/lib/os-release".to_vec())?;
    // Empty, not missing: then systemd makes an id in memory and does not take the start for the first.
    replace_file(tree, "/etc/machine-id", 0o444, Vec::new())?;
    let mounts: String = manifest
        .writable
        .iter()
        .map(|(path, mib)| {
            let mode = if path == "/tmp" { "1777" } else { "0755" };
            format!("tmpfs {path} tmpfs nosuid,nodev,mode={mode},size={mib}m 0 0\n")
        })
        .collect();
    replace_file(tree, "/etc/fstab", 0o644, mounts.into_bytes())
}

fn top(name: &str) -> TreePath {
    TreePath::new(name.as_bytes()).expect("the names of the skeleton are good")
}

/// A directory with its parents, unless it is there.
fn add_directory(tree: &mut Tree, path: &TreePath, mode: u16) -> Result<(), RootfsError> {
    if tree.get(path).is_some() {
        return set_mode(tree, path, mode);
    }
    ensure_parent(tree, path)?;
    Ok(tree.add_directory(path.clone(), Meta::root(mode))?)
}

/// The directories above a path, where they are missing.
fn ensure_parent(tree: &mut Tree, path: &TreePath) -> Result<(), RootfsError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    if tree.get(&parent).is_some() {
        return Ok(());
    }
    ensure_parent(tree, &parent)?;
    Ok(tree.add_directory(parent, Meta::root(0o755))?)
}

fn set_mode(tree: &mut Tree, path: &TreePath, mode: u16) -> Result<(), RootfsError> {
    let Some(inode) = tree.get(path) else { return Ok(()) };
    let meta = Meta { mode, ..inode.meta.clone() };
    Ok(tree.set_meta(path, meta)?)
}

/// A file of an input, where nothing is yet.
fn put(tree: &mut Tree, path: &str, content: Content) -> Result<(), RootfsError> {
    let path = tree.resolve(&tree_path(path).map_err(RootfsError::Manifest)?)?;
    ensure_parent(tree, &path)?;
    Ok(tree.add_file(path, Meta::root(0o644), content)?)
}

/// A file of ours, in the place of whatever is there.
fn replace_file(tree: &mut Tree, path: &str, mode: u16, bytes: Vec<u8>) -> Result<(), RootfsError> {
    let path = tree.resolve(&tree_path(path).map_err(RootfsError::Manifest)?)?;
    if tree.get(&path).is_some() {
        tree.remove(&path)?;
    }
    ensure_parent(tree, &path)?;
    Ok(tree.add_file(path, Meta::root(mode), Content::bytes(bytes))?)
}
