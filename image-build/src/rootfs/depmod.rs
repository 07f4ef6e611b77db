//! The indexes of kernel modules that `modprobe`, udev and the kernel's requests for modules read: what
//! `depmod` would write for the modules that an image has.
//!
//! The binary form is a tree of prefixes (kmod's `libkmod-index`): numbers are big endian; a node has a
//! prefix, children by their next byte, and values with a priority; a place in the file carries in its
//! upper bits which of the three the node has.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader as _, SectionHeader as _};
use std::collections::{BTreeMap, BTreeSet};

const MAGIC: u32 = 0xb007_f457;
const VERSION: u32 = 0x0002_0001;
const HAS_PREFIX: u32 = 0x8000_0000;
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;
/// Places must stay below the flags.
const PLACE_MAX: usize = 0x0fff_ffff;

/// What a module says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// Its name, with underscores.
    pub name: String,
    /// Where it is below the folder of its kernel.
    pub path: String,
    /// Modules that it cannot be loaded without.
    pub depends: Vec<String>,
    /// Modules that are better loaded before it.
    pub soft: Vec<String>,
    /// `softdep` as it stands.
    soft_texts: Vec<String>,
    /// Devices and other names that it answers to.
    aliases: Vec<String>,
}

/// A module's name out of its path; none if it is no module.
pub fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (stem, ending) = file.split_once(".ko")?;
    ["", ".xz", ".gz", ".zst"].contains(&ending).then(|| normalized(stem))
}

/// Dashes and underscores are one in names of modules.
pub fn normalized(name: &str) -> String {
    name.replace('-', "_")
}

/// Reads what a module says of itself.
pub fn read(name: &str, path: &str, bytes: &[u8]) -> Result<ModuleInfo, String> {
    let section = || {
        let header = elf::FileHeader64::<Endianness>::parse(bytes).ok()?;
        let endian = header.endian().ok()?;
        let sections = header.sections(endian, bytes).ok()?;
        let (_, section) = sections.section_by_name(endian, b".modinfo")?;
        section.data(endian, bytes).ok()
    };
    let section = section().ok_or_else(|| format!("{path} is no module of a kernel"))?;
    let mut info =
        ModuleInfo { name: name.to_owned(), path: path.to_owned(), ..ModuleInfo::default() };
    for entry in section.split(|byte| *byte == 0) {
        let Ok(entry) = std::str::from_utf8(entry) else { continue };
        match entry.split_once('=') {
            Some(("depends", names)) => {
                info.depends =
                    names.split(',').filter(|name| !name.is_empty()).map(normalized).collect();
            }
            Some(("softdep", text)) => {
                info.soft.extend(before(text));
                info.soft_texts.push(text.to_owned());
            }
            Some(("alias", alias)) => info.aliases.push(alias.to_owned()),
            _ => {}
        }
    }
    Ok(info)
}

/// The names between `pre:` and `post:`.
fn before(text: &str) -> Vec<String> {
    text.split_ascii_whitespace()
        .skip_while(|word| *word != "pre:")
        .skip(1)
        .take_while(|word| *word != "post:")
        .map(normalized)
        .collect()
}

/// The files for a set of modules, which must hold all that its members depend on.
pub fn files(
    modules: &[&ModuleInfo],
    infos: &BTreeMap<String, ModuleInfo>,
    order: &str,
    builtin: &str,
    builtin_info: &[u8],
) -> Vec<(&'static str, Vec<u8>)> {
    let places: BTreeMap<String, u32> =
        order.lines().zip(0..).filter_map(|(path, at)| Some((name_of(path)?, at))).collect();
    let place = |name: &str| places.get(name).copied().unwrap_or(u32::MAX);
    let mut sorted = modules.to_vec();
    sorted.sort_by_key(|module| (place(&module.name), &module.name));

    let (mut dep, mut alias) = (String::new(), String::from("# Aliases of modules.\n"));
    let (mut soft, mut devices) = (String::new(), String::from("# Device nodes of modules.\n"));
    let (mut deps, mut aliases) = (Index::default(), Index::default());
    for module in &sorted {
        let (name, at) = (&module.name, place(&module.name));
        let mut line = format!("{}:", module.path);
        for needed in all_dependencies(module, infos) {
            line += &format!(" {}", infos[&needed].path);
        }
        dep += &format!("{line}\n");
        deps.insert(name, at, &line);
        for pattern in &module.aliases {
            alias += &format!("alias {} {name}\n", alias_key(pattern));
            aliases.insert(&alias_key(pattern), at, name);
        }
        for text in &module.soft_texts {
            soft += &format!("softdep {name} {text}\n");
        }
        devices += &device(module).unwrap_or_default();
    }
    let (mut names, mut builtin_aliases) = (Index::default(), Index::default());
    for name in builtin.lines().filter_map(name_of) {
        names.insert(&name, 0, "");
    }
    for entry in builtin_info.split(|byte| *byte == 0) {
        let Ok(entry) = std::str::from_utf8(entry) else { continue };
        let Some((key, pattern)) = entry.split_once('=') else { continue };
        if let Some(name) = key.strip_suffix(".alias") {
            builtin_aliases.insert(&alias_key(pattern), 0, &normalized(name));
        }
    }
    vec![
        ("modules.alias", alias.into_bytes()),
        ("modules.alias.bin", aliases.bytes()),
        ("modules.builtin.alias.bin", builtin_aliases.bytes()),
        ("modules.builtin.bin", names.bytes()),
        ("modules.dep", dep.into_bytes()),
        ("modules.dep.bin", deps.bytes()),
        ("modules.devname", devices.into_bytes()),
        ("modules.softdep", soft.into_bytes()),
        // Nothing in an image asks for a module by a symbol; the file must be there all the same.
        ("modules.symbols.bin", Index::default().bytes()),
    ]
}

/// Everything that must be loaded before a module, the last first, as readers of the index expect.
fn all_dependencies(module: &ModuleInfo, infos: &BTreeMap<String, ModuleInfo>) -> Vec<String> {
    fn visit(
        module: &ModuleInfo,
        infos: &BTreeMap<String, ModuleInfo>,
        seen: &mut BTreeSet<String>,
        order: &mut Vec<String>,
    ) {
        for needed in &module.depends {
            if seen.insert(needed.clone())
                && let Some(info) = infos.get(needed)
            {
                visit(info, infos, seen, order);
                order.push(needed.clone());
            }
        }
    }
    let mut order = Vec::new();
    visit(module, infos, &mut BTreeSet::from([module.name.clone()]), &mut order);
    order.reverse();
    order
}

/// Dashes are underscores but between brackets, where they mean a range.
fn alias_key(pattern: &str) -> String {
    let mut depth = 0_u32;
    pattern
        .chars()
        .map(|c| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                '-' if depth == 0 => return '_',
                _ => {}
            }
            c
        })
        .collect()
}

/// `name path c10:200` for a module that says which node it answers to.
fn device(module: &ModuleInfo) -> Option<String> {
    let node = module.aliases.iter().find_map(|alias| alias.strip_prefix("devname:"))?;
    let number = module.aliases.iter().find_map(|alias| {
        let (kind, rest) = match alias.strip_prefix("char-major-") {
            Some(rest) => ('c', rest),
            None => ('b', alias.strip_prefix("block-major-")?),
        };
        let (major, minor) = rest.split_once('-')?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(major) && is_number(minor)).then(|| format!("{kind}{major}:{minor}"))
    })?;
    Some(format!("{} {node} {number}\n", module.name))
}

/// Keys with their values, as a tree of prefixes in bytes.
#[derive(Debug, Default)]
struct Index {
    entries: BTreeMap<Vec<u8>, BTreeSet<(u32, Vec<u8>)>>,
}

impl Index {
    fn insert(&mut self, key: &str, priority: u32, value: &str) {
        // Keys are seven bits a byte; what is not has no place in the tree.
        if key.is_ascii() && !key.contains('\0') && !value.contains('\0') {
            let values = self.entries.entry(key.as_bytes().to_vec()).or_default();
            values.insert((priority, value.as_bytes().to_vec()));
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [MAGIC, VERSION, 0] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let entries: Vec<_> = self.entries.iter().collect();
        let keys: Vec<(&[u8], _)> =
            entries.iter().map(|(key, values)| (key.as_slice(), *values)).collect();
        let root = write_node(&keys, true, &mut bytes);
        bytes[8..12].copy_from_slice(&root.to_be_bytes());
        bytes
    }
}

type Keys<'a> = [(&'a [u8], &'a BTreeSet<(u32, Vec<u8>)>)];

/// Writes the children of a node and then the node; where it is. The keys are sorted, and without what
/// led to this node. The root has no prefix: readers begin there with the whole key.
fn write_node(keys: &Keys, is_root: bool, bytes: &mut Vec<u8>) -> u32 {
    let prefix = if is_root { 0 } else { common_prefix(keys) };
    let own = keys.first().filter(|(key, _)| key.len() == prefix);
    let mut children: Vec<(u8, u32)> = Vec::new();
    let mut rest = if own.is_some() { &keys[1..] } else { keys };
    while let Some((first, _)) = rest.first() {
        let byte = first[prefix];
        let end = rest.iter().position(|(key, _)| key[prefix] != byte).unwrap_or(rest.len());
        let below: Vec<_> =
            rest[..end].iter().map(|(key, values)| (&key[prefix + 1..], *values)).collect();
        children.push((byte, write_node(&below, false, bytes)));
        rest = &rest[end..];
    }
    assert!(bytes.len() <= PLACE_MAX, "an index of modules is far below 256 MiB");
    let mut place = u32::try_from(bytes.len()).expect("it was just compared");
    if prefix > 0 {
        bytes.extend_from_slice(&keys[0].0[..prefix]);
        bytes.push(0);
        place |= HAS_PREFIX;
    }
    if let (Some((first, _)), Some((last, _))) = (children.first(), children.last()) {
        bytes.extend_from_slice(&[*first, *last]);
        let places: BTreeMap<u8, u32> = children.iter().copied().collect();
        for byte in *first..=*last {
            bytes.extend_from_slice(&places.get(&byte).copied().unwrap_or(0).to_be_bytes());
        }
        place |= HAS_CHILDREN;
    }
    if let Some((_, values)) = own {
        let count = u32::try_from(values.len()).expect("values are fewer than modules");
        bytes.extend_from_slice(&count.to_be_bytes());
        for (priority, value) in *values {
            bytes.extend_from_slice(&priority.to_be_bytes());
            bytes.extend_from_slice(value);
            bytes.push(0);
        }
        place |= HAS_VALUES;
    }
    place
}

/// How many bytes all keys begin with alike.
fn common_prefix(keys: &Keys) -> usize {
    // They are sorted: what the first and the last share, all share.
    let (Some((first, _)), Some((last, _))) = (keys.first(), keys.last()) else { return 0 };
    first.iter().zip(*last).take_while(|(a, b)| a == b).count()
}
