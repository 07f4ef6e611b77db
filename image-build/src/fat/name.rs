//! Names: each file has a long one in UTF-16 and a short one of 8 and 3 characters, which must be
//! the only one of its directory.

use super::{ENTRY_BYTES, FatError};
use crate::tree::{Tree, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// UTF-16 units of a long name.
const LONG_UNITS_MAX: usize = 255;
/// Units in one entry of a long name.
pub const UNITS_PER_ENTRY: usize = 13;
/// The largest number behind a `~`.
const NUMBER_MAX: u32 = 999_999;
/// Entries that every directory has besides its files: `.` and `..`, or the label of the root.
const FIXED_ENTRIES: usize = 2;

/// The two names of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Eight characters and three, filled up with spaces.
    pub short: [u8; 11],
    /// None if the short name says it all.
    pub long: Option<Vec<u16>>,
}

impl Name {
    fn entry_count(&self) -> usize {
        let long = self.long.as_ref().map_or(0, |units| units.len().div_ceil(UNITS_PER_ENTRY));
        long + 1
    }
}

/// The names of all files of a tree.
#[derive(Debug)]
pub struct Names {
    by_path: BTreeMap<TreePath, Name>,
    entry_counts: BTreeMap<TreePath, usize>,
}

impl Names {
    pub fn of(tree: &Tree) -> Result<Self, FatError> {
        let mut names = Self { by_path: BTreeMap::new(), entry_counts: BTreeMap::new() };
        let mut taken: BTreeMap<TreePath, BTreeSet<[u8; 11]>> = BTreeMap::new();
        let mut folded: BTreeMap<(TreePath, String), TreePath> = BTreeMap::new();
        let entries: Vec<_> = tree.walk().filter(|(path, ..)| !path.is_root()).collect();
        // Whoever needs no number keeps its name; only then are numbers given.
        let mut unnumbered = Vec::new();
        for (path, ..) in entries {
            let text = checked(path)?;
            let parent = path.parent().expect("the root was left out");
            let key = (parent.clone(), fold(text));
            if let Some(other) = folded.insert(key, path.clone()) {
                return Err(FatError::Collision { path: path.clone(), other });
            }
            match exact_short(text) {
                Some(short) => {
                    taken.entry(parent).or_default().insert(short);
                    names.by_path.insert(path.clone(), Name { short, long: None });
                }
                None => unnumbered.push((path, parent, text)),
            }
        }
        for (path, parent, text) in unnumbered {
            let short = numbered_short(text, taken.entry(parent).or_default())
                .ok_or_else(|| bad(path, "is one of too many similar names"))?;
            let long = Some(text.encode_utf16().collect());
            names.by_path.insert(path.clone(), Name { short, long });
        }
        for (path, name) in &names.by_path {
            let parent = path.parent().expect("the root was left out");
            *names.entry_counts.entry(parent).or_default() += name.entry_count();
        }
        Ok(names)
    }

    pub fn get(&self, path: &TreePath) -> &Name {
        &self.by_path[path]
    }

    /// Entries of 32 bytes that a directory needs.
    pub fn entry_count(&self, directory: &TreePath) -> usize {
        FIXED_ENTRIES + self.entry_counts.get(directory).copied().unwrap_or(0)
    }
}

fn bad(path: &TreePath, problem: &'static str) -> FatError {
    FatError::Name { path: path.clone(), problem }
}

/// The name as text, if FAT can hold it.
fn checked(path: &TreePath) -> Result<&str, FatError> {
    let text =
        std::str::from_utf8(path.name()).map_err(|_| bad(path, "is not UTF-8, as FAT needs"))?;
    let forbidden = |char: char| {
        matches!(char, '\0'..='\x1f' | '\x7f' | '"' | '*' | ':' | '<' | '>' | '?' | '\\' | '|')
    };
    if text.contains(forbidden) {
        return Err(bad(path, "has a character that FAT cannot hold"));
    }
    if text.ends_with(['.', ' ']) || text.starts_with(' ') {
        return Err(bad(path, "ends in a dot or begins or ends in a space, which FAT drops"));
    }
    if text.encode_utf16().count() > LONG_UNITS_MAX {
        return Err(bad(path, "has more than 255 UTF-16 units"));
    }
    Ok(text)
}

/// The form in which names are compared. Wider than what firmware does (simple case folding of a
/// part of Unicode), so that two names never meet.
fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

fn is_short_character(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"$%'-_@~`!(){}^#&".contains(&byte)
}

/// The short form of a name that is one already.
fn exact_short(text: &str) -> Option<[u8; 11]> {
    let (base, extension) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let fits = !base.is_empty() && base.len() <= 8 && extension.len() <= 3;
    let plain = base.bytes().chain(extension.bytes()).all(is_short_character);
    (fits && plain).then(|| joined(base.as_bytes(), extension.as_bytes()))
}

/// A short form made from the beginning of a name and the first free number.
fn numbered_short(text: &str, taken: &mut BTreeSet<[u8; 11]>) -> Option<[u8; 11]> {
    let text = text.trim_start_matches('.');
    let (base, extension) = text.rsplit_once('.').unwrap_or((text, ""));
    let (base, extension) = (short_characters(base, 6), short_characters(extension, 3));
    for number in 1..=NUMBER_MAX {
        let number = format!("~{number}");
        let mut numbered = base[..base.len().min(8 - number.len())].to_vec();
        numbered.extend(number.as_bytes());
        let short = joined(&numbered, &extension);
        if taken.insert(short) {
            return Some(short);
        }
    }
    None
}

fn short_characters(text: &str, count_max: usize) -> Vec<u8> {
    let character = |char: char| match char.to_ascii_uppercase() {
        ' ' | '.' => None,
        upper if upper.is_ascii() && is_short_character(upper as u8) => Some(upper as u8),
        _ => Some(b'_'),
    };
    text.chars().filter_map(character).take(count_max).collect()
}

fn joined(base: &[u8], extension: &[u8]) -> [u8; 11] {
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base);
    short[8..8 + extension.len()].copy_from_slice(extension);
    short
}

/// The checksum of a short name, by which the entries of its long name are known to belong to it.
pub fn checksum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

const _: () = assert!(ENTRY_BYTES == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names() {
        let exact =
            |text| exact_short(text).map(|short| String::from_utf8(short.to_vec()).unwrap());
        assert_eq!(exact("BOOTX64.EFI").as_deref(), Some("BOOTX64 EFI"));
        assert_eq!(exact("EFI").as_deref(), Some("EFI        "));
        for long in ["efi", ".X", "A.B.C", "TOOLONGNAME", "A.HTML", "A B", "É"] {
            assert_eq!(exact(long), None, "{long}");
        }
        let mut taken = BTreeSet::new();
        let mut numbered =
            |text| String::from_utf8(numbered_short(text, &mut taken).unwrap().to_vec());
        assert_eq!(numbered("hostos-a.efi").unwrap(), "HOSTOS~1EFI");
        assert_eq!(numbered("hostos-b.efi").unwrap(), "HOSTOS~2EFI");
        assert_eq!(numbered(".profile").unwrap(), "PROFIL~1   ");
        assert_eq!(numbered("é+").unwrap(), "__~1       ");
        for _ in 3..=9 {
            numbered("hostos-b.efi").unwrap();
        }
        assert_eq!(numbered("hostos-b.efi").unwrap(), "HOSTO~10EFI");
    }
}
