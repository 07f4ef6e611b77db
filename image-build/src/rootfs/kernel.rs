//! The kernel's package: its image for the boot files, the modules that a manifest names for the root,
//! and those of the initrd.

use super::depmod::{self, ModuleInfo};
use super::error::RootfsError;
use super::unpack::{Unpacked, Unpacker};
use super::{Parts, ensure_parent};
use crate::archive::{Compression, Decoder, EntryKind};
use crate::tree::{Content, Meta, Tree, TreePath};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

/// Bytes of one module, uncompressed.
const MODULE_BYTES_MAX: u64 = 256 << 20;
/// Bytes of the lists that the package has beside its modules.
const LIST_BYTES_MAX: u64 = 16 << 20;
/// What the package says of modules that are part of the kernel's image, and of all in order.
const LISTS: [&str; 3] = ["modules.builtin", "modules.builtin.modinfo", "modules.order"];

/// A kernel and what the initrd needs of it.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Its version, as `uname -r` says it.
    pub version: String,
    /// The bootable image.
    pub image: Content,
    /// Modules of the initrd, uncompressed, in the order in which they are loaded.
    pub initrd_modules: Vec<Module>,
    /// Modules in the root.
    pub module_count: usize,
}

/// A module, uncompressed.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name, such as `dm_verity`.
    pub name: String,
    /// Its bytes, with the signature at their end.
    pub content: Content,
}

/// What the package holds.
#[derive(Debug, Default)]
struct Found {
    version: Option<String>,
    image: Option<Content>,
    lists: BTreeMap<String, Content>,
    /// By module name: its path below `/usr/lib/modules/VERSION`, and its bytes as packed.
    modules: BTreeMap<String, (String, Content)>,
    /// Names of modules that are part of the image; they need no file.
    builtin: BTreeSet<String>,
}

/// Puts the modules of a manifest into the tree.
pub fn install(
    tree: &mut Tree,
    parts: &Parts,
    unpacker: &mut Unpacker,
) -> Result<(Kernel, Unpacked), RootfsError> {
    let (package, file) = &parts.kernel;
    let bad = |problem: String| RootfsError::Kernel { package: package.name.clone(), problem };
    let mut found = Found::default();
    let unpacked = unpacker.each(package, file, |_, _, entry, content| {
        if entry.kind == EntryKind::File {
            found.take(&entry.path, content).map_err(&bad)?;
        }
        Ok(())
    })?;
    unpacker.check_excludes()?;
    let version = found.version.clone().ok_or_else(|| bad("it has no /boot/vmlinuz-*".into()))?;
    let image = found.image.clone().ok_or_else(|| bad("it has no /boot/vmlinuz-*".into()))?;
    let builtin =
        String::from_utf8_lossy(&found.list("modules.builtin").map_err(&bad)?).into_owned();
    found.builtin = builtin.lines().filter_map(depmod::name_of).collect();
    let wanted = &parts.manifest.kernel;
    let mut infos = BTreeMap::new();
    let root =
        found.closure(found.named(&wanted.modules).map_err(&bad)?, &mut infos).map_err(&bad)?;
    let initrd = found.closure(wanted.initrd_modules.clone(), &mut infos).map_err(&bad)?;
    let folder = TreePath::new(format!("usr/lib/modules/{version}").as_bytes())?;
    let mut selected: Vec<&ModuleInfo> = root.iter().map(|name| &infos[name]).collect();
    selected.sort_by(|a, b| a.path.cmp(&b.path));
    for module in &selected {
        let (path, content) = &found.modules[&module.name];
        put(tree, &folder, path, content.clone())?;
    }
    let list = |name: &str| found.list(name).map_err(&bad);
    for name in LISTS {
        put(tree, &folder, name, Content::bytes(list(name)?))?;
    }
    let order = String::from_utf8_lossy(&list("modules.order")?).into_owned();
    let builtin_info = list("modules.builtin.modinfo")?;
    for (name, bytes) in depmod::files(&selected, &infos, &order, &builtin, &builtin_info) {
        put(tree, &folder, name, Content::bytes(bytes))?;
    }
    let initrd_modules = initrd
        .iter()
        .map(|name| {
            let bytes = found.bytes(name).map_err(&bad)?;
            Ok(Module { name: name.clone(), content: Content::bytes(bytes) })
        })
        .collect::<Result<_, RootfsError>>()?;
    Ok((Kernel { version, image, initrd_modules, module_count: selected.len() }, unpacked))
}

fn put(
    tree: &mut Tree,
    folder: &TreePath,
    name: &str,
    content: Content,
) -> Result<(), RootfsError> {
    let path = TreePath::new([folder.as_bytes(), b"/", name.as_bytes()].concat().as_slice())?;
    ensure_parent(tree, &path)?;
    Ok(tree.add_file(path, Meta::root(0o644), content)?)
}

impl Found {
    fn take(&mut self, path: &[u8], content: Content) -> Result<(), String> {
        let Ok(path) = std::str::from_utf8(path.strip_prefix(b"./").unwrap_or(path)) else {
            return Ok(());
        };
        if let Some(version) = path.strip_prefix("boot/vmlinuz-") {
            self.version = Some(version.to_owned());
            self.image = Some(content);
            return Ok(());
        }
        let below = path.strip_prefix("usr/").unwrap_or(path).strip_prefix("lib/modules/");
        let Some((_, path)) = below.and_then(|below| below.split_once('/')) else { return Ok(()) };
        if LISTS.contains(&path) {
            self.lists.insert(path.to_owned(), content);
        } else if let Some(name) = depmod::name_of(path) {
            let twice = format!("it has two modules of the name {name}");
            if self.modules.insert(name, (path.to_owned(), content)).is_some() {
                return Err(twice);
            }
        }
        Ok(())
    }

    fn list(&self, name: &str) -> Result<Vec<u8>, String> {
        let content = self.lists.get(name).ok_or_else(|| format!("it has no {name}"))?;
        if content.length() > LIST_BYTES_MAX {
            return Err(format!("its {name} is too large"));
        }
        content.read().map_err(|error| error.to_string())
    }

    /// Modules by name, or by a folder that ends with a slash.
    fn named(&self, wanted: &BTreeSet<String>) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for entry in wanted {
            let known = names.len();
            if entry.ends_with('/') {
                let below =
                    |(_, (path, _)): &(&String, &(String, Content))| path.starts_with(entry);
                names.extend(self.modules.iter().filter(below).map(|(name, _)| name.clone()));
            } else if self.modules.contains_key(&depmod::normalized(entry)) {
                names.push(depmod::normalized(entry));
            }
            if names.len() == known && !self.builtin.contains(&depmod::normalized(entry)) {
                return Err(format!("it has no module {entry}; correct kernel.modules"));
            }
        }
        Ok(names)
    }

    /// The modules with all that they depend on, each after what it needs.
    fn closure(
        &self,
        wanted: Vec<String>,
        infos: &mut BTreeMap<String, ModuleInfo>,
    ) -> Result<Vec<String>, String> {
        let mut order = Vec::new();
        let mut done = BTreeSet::new();
        for name in wanted {
            self.visit(&depmod::normalized(&name), infos, &mut done, &mut order)?;
        }
        Ok(order)
    }

    fn visit(
        &self,
        name: &str,
        infos: &mut BTreeMap<String, ModuleInfo>,
        done: &mut BTreeSet<String>,
        order: &mut Vec<String>,
    ) -> Result<(), String> {
        if self.builtin.contains(name) {
            return Ok(());
        }
        // A module is marked before its dependencies, so that a circle ends here.
        if !done.insert(name.to_owned()) {
            return Ok(());
        }
        if !infos.contains_key(name) {
            let (path, _) = self
                .modules
                .get(name)
                .ok_or_else(|| format!("it has no module {name}; correct kernel.modules"))?;
            let info = depmod::read(name, path, &self.bytes(name)?)?;
            infos.insert(name.to_owned(), info);
        }
        let info = &infos[name];
        let soft: Vec<String> =
            info.soft.iter().filter(|soft| self.modules.contains_key(*soft)).cloned().collect();
        for needed in [info.depends.clone(), soft].concat() {
            self.visit(&needed, infos, done, order)?;
        }
        order.push(name.to_owned());
        Ok(())
    }

    /// A module, uncompressed.
    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let none = || format!("it has no module {name}; correct kernel.initrd_modules");
        let (path, content) = self.modules.get(name).ok_or_else(none)?;
        let ending = path.rsplit_once(".ko").map_or("", |(_, ending)| ending);
        let compression = Compression::from_ending(ending.as_bytes())
            .ok_or_else(|| format!("{path} is compressed in a way that is not known"))?;
        let read = || {
            let mut bytes = Vec::new();
            Decoder::new(compression, content.reader()?, MODULE_BYTES_MAX)?
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error: std::io::Error| format!("{path}: {error}"))
    }
}
