//! Versions of packages and their order (Debian Policy, section 5.6.12).

use std::cmp::Ordering;
use std::fmt;
use thiserror::Error;

/// Text that is no version.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{text:?} is no version of a package: {problem}")]
pub struct VersionError {
    text: String,
    problem: &'static str,
}

/// `[epoch:]upstream[-revision]`, as written. Versions that compare equal may be written apart
/// (`1.0` and `1.00`), so equality is that of the order.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    epoch: u32,
    /// Where the upstream version begins and ends.
    upstream: (usize, usize),
}

impl Version {
    /// Checks and keeps a version.
    pub fn new(text: &str) -> Result<Self, VersionError> {
        let bad = |problem| VersionError { text: text.to_owned(), problem };
        let (epoch, start) = match text.split_once(':') {
            None => (0, 0),
            Some((epoch, _)) => {
                if epoch.is_empty() || !epoch.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(bad("its epoch is no number"));
                }
                let number = epoch.parse().map_err(|_| bad("its epoch is too large"))?;
                (number, epoch.len() + 1)
            }
        };
        let end = text[start..].rfind('-').map_or(text.len(), |dash| start + dash);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte);
        if start == end || !text[start..end].bytes().all(allowed) {
            return Err(bad("its upstream version is empty or has odd characters"));
        }
        let revision = text.get(end + 1..);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".+~".contains(&byte);
        if revision.is_some_and(|text| text.is_empty() || !text.bytes().all(allowed)) {
            return Err(bad("its revision is empty or has odd characters"));
        }
        Ok(Self { text: text.to_owned(), epoch, upstream: (start, end) })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn upstream(&self) -> &[u8] {
        &self.text.as_bytes()[self.upstream.0..self.upstream.1]
    }

    /// None counts as the lowest.
    fn revision(&self) -> &[u8] {
        self.text.as_bytes().get(self.upstream.1 + 1..).unwrap_or_default()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(self.upstream(), other.upstream()))
            .then_with(|| compare(self.revision(), other.revision()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Compares runs of what is no digit and runs of digits in turn.
fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = split(a, |byte| !byte.is_ascii_digit());
        let (text_b, rest_b) = split(b, |byte| !byte.is_ascii_digit());
        let (number_a, after_a) = split(rest_a, u8::is_ascii_digit);
        let (number_b, after_b) = split(rest_b, u8::is_ascii_digit);
        let order = compare_text(text_a, text_b).then_with(|| compare_number(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
    Ordering::Equal
}

fn split(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|byte| !belongs(byte)).unwrap_or(bytes.len()))
}

/// A tilde sorts before the end, the end before letters, letters before all else.
fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |bytes: &[u8], at: usize| match bytes.get(at) {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    (0..a.len().max(b.len()))
        .map(|at| weight(a, at).cmp(&weight(b, at)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Numbers of any length; none counts as 0.
fn compare_number(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| {
        digits[digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len())..].to_vec()
    };
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_debians_order() {
        // Each is lower than the next.
        let ordered = [
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0a",
            "0+",
            "1.0~rc1",
            "1.0",
            "1.0-0.1",
            "1.0-1~deb13u1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0a-1",
            "1.0+dfsg-1",
            "1.2",
            "1.10",
            "1.010.1",
            "6.12.117-1",
            "6.12.118-1",
            "20250419+deb13u1",
            "1:0.1",
            "2:0~",
            "10:0",
        ];
        for (at, low) in ordered.iter().enumerate() {
            for high in &ordered[at + 1..] {
                let (low, high) = (Version::new(low).unwrap(), Version::new(high).unwrap());
                assert_eq!(low.cmp(&high), Ordering::Less, "{low} {high}");
                assert_eq!(high.cmp(&low), Ordering::Greater, "{low} {high}");
            }
        }
    }

    #[test]
    fn equal_versions_may_be_written_apart() {
        for (a, b) in [("1.0", "0:1.0"), ("1.0", "1.00"), ("1.0", "1.0-0"), ("1-2-3", "1-2-03")] {
            assert_eq!(Version::new(a).unwrap(), Version::new(b).unwrap(), "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "-1", "1-", ":1", "a:1", "99999999999:1", "1 2", "1_2", "1-a_b", "1\n"] {
            assert!(Version::new(text).is_err(), "{text:?}");
        }
        assert_eq!(Version::new("1:2-3-4").unwrap().revision(), b"4");
    }
}
