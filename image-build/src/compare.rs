//! Two forms of one artifact: whether they are equal, and if not, where they first differ and why.
//!
//! ```text
//!  bytes differ --> what both hold (trees, sections, partitions) --> the file that differs, and its cause
//!               \-> where the first differing byte lies
//! ```
//!
//! Sums and ids that are made of everything else differ with anything; so what is inside is compared before
//! the bytes are.

mod cause;
mod nested;
#[cfg(test)]
mod tests;
mod trees;

pub use cause::{Cause, differs_in_one_byte, of_bytes};

use crate::output::read_full;
use crate::place::{Format, Place};
use crate::tree::Content;
use crate::{cpio, erofs, fat};
use serde::Serialize;
use std::io;

/// How two forms of an artifact differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The first byte of the artifact that differs; the length of the shorter one if it is the beginning of
    /// the other.
    pub artifact_byte: u64,
    /// Where they differ: the innermost part that can be told, and the byte there.
    pub place: Place,
    /// What may have made the difference.
    pub cause: Cause,
    /// What is there in each, in a few words.
    pub detail: String,
}

/// Compares two forms of an artifact of some name; none if all bytes are equal.
pub fn compare(name: &str, one: &Content, two: &Content) -> io::Result<Option<Difference>> {
    let Some(artifact_byte) = first_difference(one, two)? else { return Ok(None) };
    let format = Format::of(name);
    let inside = inside(format, one, two)?;
    let (place, cause, detail) = match inside {
        Some(Inside { place, cause, detail }) => (place, cause, detail),
        None => {
            let place = format.place(one, artifact_byte);
            let (cause, detail) = cause::of_bytes(one, two, artifact_byte)?;
            (place, cause, detail)
        }
    };
    Ok(Some(Difference { artifact_byte, place, cause, detail }))
}

/// A difference of what two artifacts hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inside {
    pub place: Place,
    pub cause: Cause,
    pub detail: String,
}

/// What differs inside of two contents of one format; none if that cannot be told, as when one of them is
/// damaged.
pub(crate) fn inside(format: Format, one: &Content, two: &Content) -> io::Result<Option<Inside>> {
    match format {
        Format::Erofs => match (erofs::read_tree(one), erofs::read_tree(two)) {
            (Ok(a), Ok(b)) => trees::compare(&a.tree, &b.tree),
            _ => Ok(None),
        },
        Format::Cpio => match (cpio::read_tree(one), cpio::read_tree(two)) {
            (Ok(a), Ok(b)) => trees::compare(&a.tree, &b.tree),
            _ => Ok(None),
        },
        Format::Fat => match (fat::read_tree(one), fat::read_tree(two)) {
            (Ok(a), Ok(b)) => trees::compare(&a.tree, &b.tree),
            _ => Ok(None),
        },
        Format::Uki => nested::sections(one, two),
        Format::Disk => nested::disks(one, two),
        Format::Verity => Ok(Some(Inside {
            place: format.place(one, first_difference(one, two)?.unwrap_or(0)),
            cause: Cause::Follows,
            detail: "a hash tree differs where its root does".into(),
        })),
        Format::Payload | Format::Text | Format::Opaque => Ok(None),
    }
}

/// The first byte that differs, the length counted among the bytes.
pub fn first_difference(one: &Content, two: &Content) -> io::Result<Option<u64>> {
    first_difference_of(&mut one.reader()?, &mut two.reader()?)
}

/// The same of two streams.
pub(crate) fn first_difference_of(
    one: &mut impl io::Read,
    two: &mut impl io::Read,
) -> io::Result<Option<u64>> {
    const BUFFER_BYTES: usize = 1 << 18;
    let (mut a, mut b) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let mut at = 0;
    loop {
        let (length, other) = (read_full(one, &mut a)?, read_full(two, &mut b)?);
        let shorter = length.min(other);
        if a[..shorter] != b[..shorter] {
            let differs = a.iter().zip(&b).position(|(a, b)| a != b);
            return Ok(Some(at + differs.expect("they differ within what was read") as u64));
        }
        if length != other {
            return Ok(Some(at + shorter as u64));
        }
        if length == 0 {
            return Ok(None);
        }
        at += length as u64;
    }
}
