//! Which units start: the links that `systemctl enable`, `mask` and `set-default` would make.

use super::ensure_parent;
use super::error::RootfsError;
use crate::manifest::{Manifest, tree_path};
use crate::tree::{Meta, Node, Tree, TreePath};

/// Where units are, the first place first.
const FOLDERS: [&str; 2] = ["/etc/systemd/system", "/usr/lib/systemd/system"];
/// Bytes of a unit file.
const UNIT_BYTES_MAX: u64 = 1 << 20;

/// Makes the links of a manifest.
pub fn configure(tree: &mut Tree, manifest: &Manifest) -> Result<(), RootfsError> {
    for unit in &manifest.units.mask {
        link(tree, unit, &format!("{}/{unit}", FOLDERS[0]), "/dev/null")?;
    }
    for unit in &manifest.units.enable {
        enable(tree, unit)?;
    }
    if let Some(unit) = &manifest.units.default {
        let file = find(tree, unit)?;
        link(tree, unit, &format!("{}/default.target", FOLDERS[0]), &file)?;
    }
    Ok(())
}

fn enable(tree: &mut Tree, unit: &str) -> Result<(), RootfsError> {
    let file = find(tree, unit)?;
    let text = read(tree, unit, &file)?;
    let install = install_section(&text);
    let mut made = 0;
    for (key, value) in install {
        for word in value.split_ascii_whitespace() {
            let place = match key {
                "WantedBy" => format!("{}/{word}.wants/{unit}", FOLDERS[0]),
                "RequiredBy" => format!("{}/{word}.requires/{unit}", FOLDERS[0]),
                "UpheldBy" => format!("{}/{word}.upholds/{unit}", FOLDERS[0]),
                "Alias" => format!("{}/{word}", FOLDERS[0]),
                "Also" => {
                    let problem = format!("enabling it enables {word} also; name that as well");
                    check_also(tree, unit, word, problem)?;
                    continue;
                }
                _ => continue,
            };
            link(tree, unit, &place, &file)?;
            made += 1;
        }
    }
    if made == 0 {
        return Err(bad(unit, "its file does not say who wants it; drop it from enable"));
    }
    Ok(())
}

/// What comes along must exist; the manifest says whether it is enabled.
fn check_also(tree: &Tree, unit: &str, also: &str, problem: String) -> Result<(), RootfsError> {
    find(tree, also).map(|_| ()).map_err(|_| bad(unit, &problem))
}

/// The file of a unit; an instance has that of its template.
fn find(tree: &Tree, unit: &str) -> Result<String, RootfsError> {
    let template = match (unit.split_once('@'), unit.rsplit_once('.')) {
        (Some((name, _)), Some((_, kind))) => format!("{name}@.{kind}"),
        _ => unit.to_owned(),
    };
    for folder in FOLDERS {
        let file = format!("{folder}/{template}");
        let path = tree.resolve(&tree_path(&file).map_err(|problem| bad(unit, &problem))?)?;
        if tree.get(&path).is_some() {
            return Ok(file);
        }
    }
    Err(bad(unit, "no package and no file of ours has it; correct the name in the manifest"))
}

fn read(tree: &Tree, unit: &str, file: &str) -> Result<String, RootfsError> {
    let path = tree.resolve(&tree_path(file).map_err(|problem| bad(unit, &problem))?)?;
    match tree.get(&path).map(|inode| &inode.node) {
        Some(Node::File(content)) if content.length() <= UNIT_BYTES_MAX => {
            let bytes = content.read().map_err(RootfsError::at("read", file.as_ref()))?;
            String::from_utf8(bytes).map_err(|_| bad(unit, "its file is not in UTF-8"))
        }
        _ => Err(bad(unit, "it is masked, linked or too large, so it cannot be enabled")),
    }
}

/// Keys and values of `[Install]`.
fn install_section(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .map(str::trim_ascii)
        .skip_while(|line| *line != "[Install]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim_ascii(), value.trim_ascii()))
}

fn link(tree: &mut Tree, unit: &str, path: &str, target: &str) -> Result<(), RootfsError> {
    let path = tree_path(path).map_err(|problem| bad(unit, &problem))?;
    let path: TreePath = tree.resolve(&path)?;
    if let Some(Node::Symlink(known)) = tree.get(&path).map(|inode| &inode.node) {
        if known == target.as_bytes() {
            return Ok(());
        }
        tree.remove(&path)?;
    }
    ensure_parent(tree, &path)?;
    Ok(tree.add_symlink(path, Meta::root(0o777), target.as_bytes().to_vec())?)
}

fn bad(unit: &str, problem: &str) -> RootfsError {
    RootfsError::Unit { unit: unit.to_owned(), problem: problem.to_owned() }
}
