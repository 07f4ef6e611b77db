//! Two trees: the first file that differs, and in what.

use super::cause::{self, Cause};
use super::{Inside, first_difference, nested};
use crate::place::Place;
use crate::tree::{Content, Inode, Node, Tree, TreePath};
use std::io;

/// The first difference in the order of the walk, contents before what is said of files; if all files are
/// equal, what lies where differs.
pub fn compare(one: &Tree, two: &Tree) -> io::Result<Option<Inside>> {
    let mut about = None;
    for (path, _, inode) in one.walk() {
        let Some(other) = two.get(path) else { return Ok(Some(missing(path, "first"))) };
        if let Some(inside) = contents(path, inode, other)? {
            return Ok(Some(inside));
        }
        about = about.or_else(|| metadata(path, inode, other));
    }
    let more = two.walk().find(|(path, ..)| one.get(path).is_none());
    if let Some((path, ..)) = more {
        return Ok(Some(missing(path, "second")));
    }
    Ok(Some(about.unwrap_or_else(|| Inside {
        place: Place::of("order of the files", 0),
        cause: Cause::Order,
        detail: "both hold the same files, laid out otherwise".into(),
    })))
}

fn missing(path: &TreePath, has: &str) -> Inside {
    Inside {
        place: Place::of(format!("file {path}"), 0),
        cause: Cause::Names,
        detail: format!("only the {has} one has it"),
    }
}

fn contents(path: &TreePath, one: &Inode, two: &Inode) -> io::Result<Option<Inside>> {
    let bytes = |target: &[u8]| Content::bytes(target);
    let (a, b) = match (&one.node, &two.node) {
        (Node::File(a), Node::File(b)) => (a.clone(), b.clone()),
        (Node::Symlink(a), Node::Symlink(b)) => (bytes(a), bytes(b)),
        (Node::Directory, Node::Directory) => return Ok(None),
        _ => {
            return Ok(Some(Inside {
                place: Place::of(format!("file {path}"), 0),
                cause: Cause::Content,
                detail: "it is of another kind in each".into(),
            }));
        }
    };
    let Some(byte) = first_difference(&a, &b)? else { return Ok(None) };
    let step = format!("file {path}");
    if let Some(inside) = nested::archive(&a, &b)? {
        return Ok(Some(Inside { place: inside.place.within(step), ..inside }));
    }
    let (cause, detail) = cause::of_bytes(&a, &b, byte)?;
    Ok(Some(Inside { place: Place::of(step, byte), cause, detail }))
}

fn metadata(path: &TreePath, one: &Inode, two: &Inode) -> Option<Inside> {
    let (a, b) = (&one.meta, &two.meta);
    let (cause, detail) = if a.mode != b.mode {
        (Cause::Permissions, format!("mode {:04o} and {:04o}", a.mode, b.mode))
    } else if (a.uid, a.gid) != (b.uid, b.gid) {
        (Cause::Owner, format!("owner {}:{} and {}:{}", a.uid, a.gid, b.uid, b.gid))
    } else if a.mtime_s != b.mtime_s {
        (Cause::Time, format!("time of the file {} and {}", a.mtime_s, b.mtime_s))
    } else if a.xattrs != b.xattrs {
        (Cause::Content, "extended attributes differ".to_owned())
    } else if one.name_count != two.name_count {
        (Cause::Names, format!("{} names and {} names", one.name_count, two.name_count))
    } else {
        return None;
    };
    let kind = if matches!(one.node, Node::Directory) { "directory" } else { "file" };
    Some(Inside { place: Place::of(format!("{kind} {path}"), 0), cause, detail })
}
