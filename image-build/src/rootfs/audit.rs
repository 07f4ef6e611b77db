//! What is executable in an image, and what must not be: scripts, interpreters, files that change who
//! runs them, and programs whose libraries are missing.

use super::error::RootfsError;
use crate::manifest::Allow;
use crate::tree::{Content, Inode, Node, Tree, TreePath};
use object::Endianness;
use object::elf;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

/// Where the loader looks without a cache, in its order; the links of the merged /usr are followed.
const LIBRARY_FOLDERS: [&str; 4] =
    ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib", "usr/lib/x86_64-linux-gnu/systemd"];
/// Bytes of a program that is read whole.
const PROGRAM_BYTES_MAX: u64 = 1 << 30;

/// Beginnings of names of programs that run what they are given.
const INTERPRETERS: [&str; 34] = [
    "ash", "awk", "bash", "busybox", "csh", "dash", "ed", "expect", "fish", "gawk", "gdb", "guile",
    "java", "ksh", "lua", "m4", "mawk", "mksh", "node", "ocaml", "perl", "php", "pwsh", "python",
    "rbash", "ruby", "scheme", "sed", "sh", "tclsh", "tcsh", "toybox", "wish", "zsh",
];

/// What is executable in an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Programs in the machine's own code, without shared libraries.
    pub programs: BTreeSet<String>,
    /// Scripts that the manifest allows.
    pub scripts: BTreeSet<String>,
    /// Interpreters that the manifest allows.
    pub interpreters: BTreeSet<String>,
    /// Shared libraries that are missing, with the manifest's leave.
    pub unresolved: BTreeSet<String>,
}

/// Lists what is executable; what the manifest does not allow is an error that names it all, and so is
/// an exception that nothing needs.
pub fn audit(tree: &Tree, allow: &Allow) -> Result<Audit, RootfsError> {
    let mut audit = Audit::default();
    let mut problems = Vec::new();
    let libraries = libraries(tree);
    for (path, _, inode) in tree.walk() {
        let Node::File(content) = &inode.node else { continue };
        if inode.meta.mode & 0o6000 != 0 {
            problems.push(format!("{path} changes who runs it (set-user-id or set-group-id)"));
        }
        let start = start(path, content)?;
        if start.starts_with(b"\x7fELF") {
            check_program(&mut audit, &mut problems, (path, inode, content), &libraries, allow)?;
        } else if start.starts_with(b"#!") && inode.meta.mode & 0o111 != 0 {
            let text = path.to_string();
            if !allow.scripts.contains_key(&text) {
                let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
                problems.push(format!("{path} is a script ({})", line.escape_ascii()));
            }
            audit.scripts.insert(text);
        }
    }
    for (field, allowed, found) in [
        ("scripts", &allow.scripts, &audit.scripts),
        ("interpreters", &allow.interpreters, &audit.interpreters),
        ("unresolved", &allow.unresolved, &audit.unresolved),
    ] {
        let idle = allowed.keys().filter(|path| !found.contains(*path));
        problems
            .extend(idle.map(|path| format!("{path} needs no leave: drop it from allow.{field}")));
    }
    if problems.is_empty() { Ok(audit) } else { Err(RootfsError::Audit(problems)) }
}

type Program<'a> = (&'a TreePath, &'a Inode, &'a Content);

fn check_program(
    audit: &mut Audit,
    problems: &mut Vec<String>,
    (path, inode, content): Program,
    libraries: &BTreeMap<Vec<u8>, TreePath>,
    allow: &Allow,
) -> Result<(), RootfsError> {
    let text = path.to_string();
    let is_library = path.name().windows(3).any(|part| part == b".so");
    if inode.meta.mode & 0o111 != 0 && !is_library {
        if is_interpreter(path.name()) {
            if !allow.interpreters.contains_key(&text) {
                problems.push(format!("{path} is an interpreter"));
            }
            audit.interpreters.insert(text.clone());
        }
        audit.programs.insert(text.clone());
    }
    // Modules of the kernel and other code have nothing that a loader looks for.
    if content.length() > PROGRAM_BYTES_MAX {
        problems.push(format!("{path} is larger than any program"));
        return Ok(());
    }
    let bytes = content.read().map_err(RootfsError::at("read", path.to_string().as_ref()))?;
    let missing: Vec<_> = needed(&bytes)
        .into_iter()
        .filter(|name| !libraries.contains_key(name))
        .map(|name| name.escape_ascii().to_string())
        .collect();
    if !missing.is_empty() {
        if !allow.unresolved.contains_key(&text) {
            problems.push(format!("{path} needs {}, which nothing brings", missing.join(", ")));
        }
        audit.unresolved.insert(text);
    }
    Ok(())
}

/// Every shared library that the loader finds by its name alone.
fn libraries(tree: &Tree) -> BTreeMap<Vec<u8>, TreePath> {
    let mut found = BTreeMap::new();
    for folder in LIBRARY_FOLDERS {
        let folder = TreePath::new(folder.as_bytes()).expect("the folders are good paths");
        for (path, _, _) in tree.children(&folder) {
            found.entry(path.name().to_vec()).or_insert_with(|| path.clone());
        }
    }
    found
}

/// A program's loader and shared libraries, by the paths at which it looks for them.
pub fn libraries_of(tree: &Tree, program: &[u8]) -> Result<BTreeMap<TreePath, Content>, String> {
    let all = libraries(tree);
    let mut found = BTreeMap::new();
    let mut open = needed(program);
    if let Some(loader) = interpreter(program) {
        let path = TreePath::from_archive(&loader).map_err(|error| error.to_string())?;
        let content = content_at(tree, &path)?;
        found.insert(path, content);
    }
    while let Some(name) = open.pop() {
        let shown = name.escape_ascii().to_string();
        let path =
            all.get(&name).ok_or_else(|| format!("it needs {shown}, which nothing brings"))?;
        if found.contains_key(path) {
            continue;
        }
        let content = content_at(tree, path)?;
        open.extend(needed(&content.read().map_err(|error| error.to_string())?));
        found.insert(path.clone(), content);
    }
    Ok(found)
}

/// The file at a path, through links.
fn content_at(tree: &Tree, path: &TreePath) -> Result<Content, String> {
    let path = tree.follow(path).map_err(|error| error.to_string())?;
    match tree.get(&path).map(|inode| &inode.node) {
        Some(Node::File(content)) => Ok(content.clone()),
        _ => Err(format!("{path} is no file")),
    }
}

/// The loader that a program names.
fn interpreter(bytes: &[u8]) -> Option<Vec<u8>> {
    let header = elf::FileHeader64::<Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, bytes).ok()?;
    let name = segments.iter().find_map(|segment| segment.interpreter(endian, bytes).ok()?)?;
    Some(name.to_vec())
}

/// Names of the shared libraries that a program asks for; none of what is no program for this machine.
pub fn needed(bytes: &[u8]) -> Vec<Vec<u8>> {
    let read = || -> Option<Vec<Vec<u8>>> {
        let header = elf::FileHeader64::<Endianness>::parse(bytes).ok()?;
        let endian = header.endian().ok()?;
        let sections = header.sections(endian, bytes).ok()?;
        let (entries, link) = sections.dynamic(endian, bytes).ok()??;
        let strings = sections.strings(endian, bytes, link).ok()?;
        let mut names = Vec::new();
        for entry in entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED) {
            names.push(entry.string(endian, strings).ok()?.to_vec());
        }
        Some(names)
    };
    read().unwrap_or_default()
}

/// By the name without a version behind it, such as `python3.13`.
fn is_interpreter(name: &[u8]) -> bool {
    let end = name.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(name.len());
    let stem = if name == b"m4" { name } else { &name[..end] };
    let behind = &name[stem.len()..];
    let is_version = behind.iter().all(|byte| byte.is_ascii_digit() || b".-".contains(byte));
    is_version && INTERPRETERS.iter().any(|known| known.as_bytes() == stem)
}

fn start(path: &TreePath, content: &Content) -> Result<Vec<u8>, RootfsError> {
    let mut start = Vec::new();
    let text = path.to_string();
    content
        .reader()
        .and_then(|reader| reader.take(128).read_to_end(&mut start))
        .map_err(RootfsError::at("read", text.as_ref()))?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_known_by_name() {
        for name in
            ["sh", "bash", "dash", "python3", "python3.13", "perl5.40.1", "mawk", "m4", "lua5.4"]
        {
            assert!(is_interpreter(name.as_bytes()), "{name}");
        }
        for name in ["sha256sum", "nft", "systemd", "nodes", "shutdown", "perlbug", "node-exporter"]
        {
            assert!(!is_interpreter(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn libraries_of_a_real_program_are_listed() {
        let program = std::env::current_exe().unwrap();
        let names = needed(&std::fs::read(program).unwrap());
        assert!(names.iter().any(|name| name == b"libc.so.6"), "{names:?}");
        assert!(needed(b"\x7fELF").is_empty());
        assert!(needed(b"").is_empty());
    }
}
