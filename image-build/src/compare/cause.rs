//! What may have made two bytes differ, judged by what stands around them. A guess that says so: it tells a
//! person where to look first.

use crate::compare::first_difference;
use crate::tree::Content;
use serde::Serialize;
use std::fmt;
use std::io::{self, Read};

/// A probable cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A time: of a file, or in a content.
    Time,
    /// The folder in which something was built.
    Path,
    /// Who built it.
    Owner,
    /// The umask, or another permission.
    Permissions,
    /// The same things in another order.
    Order,
    /// A file is only in one of them.
    Names,
    /// One is longer, and begins as the other.
    Length,
    /// It follows from a difference elsewhere.
    Follows,
    /// Few bits of one byte: damage on the way, not a build.
    Damage,
    /// The bytes are others; nothing says why.
    Content,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Time => "a time",
            Self::Path => "the folder of the build",
            Self::Owner => "who built it",
            Self::Permissions => "permissions, such as the umask",
            Self::Order => "the order of the same things",
            Self::Names => "a file that only one has",
            Self::Length => "a content that goes on",
            Self::Follows => "a difference elsewhere, from which it follows",
            Self::Damage => "damage: one byte alone differs",
            Self::Content => "another content",
        })
    }
}

/// Bytes on each side of the difference that are looked at.
const AROUND: u64 = 96;
/// What is compared as a whole to find another order.
const WHOLE_BYTES_MAX: u64 = 64 << 20;
/// Seconds since 1970 that can be meant as a time: 2001 to 2100.
const TIMES: std::ops::Range<u64> = 978_307_200..4_102_444_800;

/// The cause of a difference that begins at `at`, and what stands there.
pub fn of_bytes(one: &Content, two: &Content, at: u64) -> io::Result<(Cause, String)> {
    let start = at.saturating_sub(AROUND);
    let around = |content: &Content| content.part(start, 2 * AROUND).read();
    let (a, b) = (around(one)?, around(two)?);
    let here = (at - start) as usize;
    let detail = format!("{} and {}", shown(&a, here), shown(&b, here));
    if at >= one.length() || at >= two.length() {
        return Ok((Cause::Length, format!("{} bytes and {} bytes", one.length(), two.length())));
    }
    if text_time(&a, here) && text_time(&b, here) {
        return Ok((Cause::Time, detail));
    }
    let has_path = |bytes: &[u8]| word(bytes, here).contains(&b'/');
    if has_path(&a) && has_path(&b) {
        return Ok((Cause::Path, detail));
    }
    let is_alone = differs_in_one_byte(one, two, at)?;
    let flipped = a.get(here).zip(b.get(here)).is_some_and(|(a, b)| (a ^ b).is_power_of_two());
    if is_alone && flipped {
        return Ok((Cause::Damage, detail));
    }
    if number_time(&a, &b, here) {
        return Ok((Cause::Time, detail));
    }
    if one.length() == two.length() && one.length() <= WHOLE_BYTES_MAX && same_counts(one, two)? {
        return Ok((Cause::Order, detail));
    }
    Ok((if is_alone { Cause::Damage } else { Cause::Content }, detail))
}

/// Whether the byte at `at`, where they first differ, is the only one that does.
pub fn differs_in_one_byte(one: &Content, two: &Content, at: u64) -> io::Result<bool> {
    let behind = |content: &Content| content.part(at + 1, u64::MAX);
    Ok(one.length() == two.length() && first_difference(&behind(one), &behind(two))?.is_none())
}

/// A few bytes, readable if they are text.
fn shown(bytes: &[u8], here: usize) -> String {
    let word = word(bytes, here);
    if word.len() >= 4 {
        return format!("{:?}", String::from_utf8_lossy(word));
    }
    let end = bytes.len().min(here + 8);
    bytes
        .get(here..end)
        .map_or_else(|| "nothing".into(), |bytes| format!("0x{}", hex::encode(bytes)))
}

/// The printable bytes around a place, without spaces and quotes.
fn word(bytes: &[u8], here: usize) -> &[u8] {
    let is_word = |byte: &u8| byte.is_ascii_graphic() && *byte != b'"' && *byte != b'\'';
    let Some((before, after)) = bytes.split_at_checked(here) else { return &[] };
    let start = before.iter().rposition(|byte| !is_word(byte)).map_or(0, |at| at + 1);
    let length = after.iter().position(|byte| !is_word(byte)).unwrap_or(after.len());
    &bytes[start..here + length]
}

/// Whether there is a time in text: a number of seconds, a date, or a time of day.
fn text_time(bytes: &[u8], here: usize) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"-:TZ.+/ ".contains(byte);
    let Some((before, after)) = bytes.split_at_checked(here) else { return false };
    let start = before.iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at + 1);
    let length = after.iter().position(|byte| !is_part(byte)).unwrap_or(after.len());
    let text = String::from_utf8_lossy(&bytes[start..here + length]).into_owned();
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_seconds = text.parse().is_ok_and(|seconds: u64| TIMES.contains(&seconds));
    let parts: Vec<&str> =
        text.split(|c: char| !c.is_ascii_digit()).filter(|p| !p.is_empty()).collect();
    let is_date = (8..=20).contains(&digits)
        && parts.len() >= 2
        && parts
            .iter()
            .any(|part| part.len() == 4 && (part.starts_with("20") || part.starts_with("19")));
    let is_clock = parts.len() == 3 && text.matches(':').count() == 2 && digits == 6;
    is_seconds || is_date || is_clock
}

/// A number of four bytes at a border of four that is a time in both, and another one; either order of
/// bytes.
fn number_time(a: &[u8], b: &[u8], here: usize) -> bool {
    let candidates = (here.saturating_sub(3)..=here).filter(|at| at + 4 <= a.len().min(b.len()));
    let numbers = |bytes: &[u8], at: usize| {
        let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        [u32::from_le_bytes(four), u32::from_be_bytes(four)].map(u64::from)
    };
    // Within ten years of each other, since most random numbers are not.
    const NEAR: u64 = 10 * 366 * 86_400;
    candidates.into_iter().any(|at| {
        let pairs = numbers(a, at).into_iter().zip(numbers(b, at));
        pairs.into_iter().any(|(a, b)| {
            a != b
                && TIMES.contains(&a)
                && TIMES.contains(&b)
                && a.abs_diff(b) < NEAR
                && a.abs_diff(b) > 0
        }) && !is_text(&a[at..at + 4])
            && !is_text(&b[at..at + 4])
    })
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// Whether both have each byte equally often, which hardly happens but by another order.
fn same_counts(one: &Content, two: &Content) -> io::Result<bool> {
    let counts = |content: &Content| -> io::Result<[u64; 256]> {
        let mut counts = [0; 256];
        let mut reader = content.reader()?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(counts),
                got => buffer[..got].iter().for_each(|byte| counts[usize::from(*byte)] += 1),
            }
        }
    };
    Ok(counts(one)? == counts(two)?)
}
