//! Extended attributes: beside the inode, or once in the shared area when several files have the
//! same one.

use super::ErofsError;
use crate::tree::{Inode, Tree, TreePath};
use std::collections::BTreeMap;

/// Header of the attributes of an inode: name filter, count of shared ones, seven zeros.
pub const HEADER_BYTES: usize = 12;
/// Classes by number; a longer name first, so that it is found before its beginning.
pub const CLASSES: [(&[u8], u8); 5] = [
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
    (b"user.", 1),
];
/// As many shared attributes as one inode can name.
const SHARED_COUNT_MAX: usize = 255;

/// Encoded attributes that several files have, and where each lies in the shared area.
#[derive(Debug, Default)]
pub struct Shared {
    numbers: BTreeMap<Vec<u8>, u32>,
    /// The area itself.
    pub area: Vec<u8>,
}

impl Shared {
    /// Collects the attributes that more than one inode of the tree has.
    pub fn of(tree: &Tree) -> Result<Self, ErofsError> {
        let mut counts: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut seen = std::collections::BTreeSet::new();
        for (path, id, inode) in tree.walk() {
            if !seen.insert(id) {
                continue;
            }
            for encoded in encoded(path, inode)? {
                *counts.entry(encoded).or_default() += 1;
            }
        }
        let mut shared = Self::default();
        for (encoded, _) in counts.into_iter().filter(|(_, count)| *count > 1) {
            let number = u32::try_from(shared.area.len() / 4).map_err(|_| ErofsError::TooLarge)?;
            shared.area.extend(&encoded);
            shared.numbers.insert(encoded, number);
        }
        Ok(shared)
    }

    /// What follows the inode: nothing, or header, numbers of shared attributes, the others. A
    /// multiple of four bytes.
    pub fn body(&self, path: &TreePath, inode: &Inode) -> Result<Vec<u8>, ErofsError> {
        if inode.meta.xattrs.is_empty() {
            return Ok(Vec::new());
        }
        let (mut numbers, mut inline) = (Vec::new(), Vec::new());
        for encoded in encoded(path, inode)? {
            match self.numbers.get(&encoded) {
                Some(number) if numbers.len() < SHARED_COUNT_MAX => numbers.push(*number),
                _ => inline.extend(encoded),
            }
        }
        let mut body = vec![0; HEADER_BYTES];
        body[4] = numbers.len() as u8;
        body.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        body.extend(inline);
        match icount(body.len()) {
            Some(_) => Ok(body),
            None => Err(ErofsError::XattrsTooLarge { path: path.clone() }),
        }
    }
}

/// How an inode says the length of its attributes: 0 for none, else one more than the words after
/// the header.
pub fn icount(body_bytes: usize) -> Option<u16> {
    match body_bytes {
        0 => Some(0),
        _ => u16::try_from((body_bytes - HEADER_BYTES) / 4 + 1).ok(),
    }
}

/// Each attribute in its form on disk: length of the name, class, length of the value, name without
/// its class, value; padded to four bytes.
fn encoded(path: &TreePath, inode: &Inode) -> Result<Vec<Vec<u8>>, ErofsError> {
    let unknown = |name: &[u8]| ErofsError::XattrClass {
        path: path.clone(),
        name: name.escape_ascii().to_string(),
    };
    let too_large = || ErofsError::XattrsTooLarge { path: path.clone() };
    let mut all = Vec::new();
    for (name, value) in &inode.meta.xattrs {
        let (rest, class) = split_class(name).ok_or_else(|| unknown(name))?;
        let mut entry = vec![rest.len() as u8, class];
        entry.extend(u16::try_from(value.len()).map_err(|_| too_large())?.to_le_bytes());
        entry.extend(rest);
        entry.extend(value);
        entry.resize(entry.len().next_multiple_of(4), 0);
        all.push(entry);
    }
    Ok(all)
}

/// The name without its class, and the class's number. Lists have no name beyond their class.
fn split_class(name: &[u8]) -> Option<(&[u8], u8)> {
    let (prefix, class) = CLASSES.iter().find(|(prefix, _)| name.starts_with(prefix))?;
    let rest = &name[prefix.len()..];
    (rest.is_empty() != prefix.ends_with(b".")).then_some((rest, *class))
}
