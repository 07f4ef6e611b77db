//! Which events of two sequences belong together: the longest common subsequence of their digests.

use std::ops::Range;

/// Longer sequences are compared by their common beginning and end alone: work without bound helps nobody.
const ALIGNED_MAX: usize = 256;

/// A place where two sequences differ: what was wanted there, and what was found instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub wanted: Range<usize>,
    pub found: Range<usize>,
}

/// All places where they differ, in order.
pub(super) fn gaps<T: PartialEq>(wanted: &[T], found: &[T]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let (mut from_wanted, mut from_found) = (0, 0);
    let end = (wanted.len(), found.len());
    for (at_wanted, at_found) in common(wanted, found).into_iter().chain([end]) {
        if (from_wanted, from_found) != (at_wanted, at_found) {
            gaps.push(Gap { wanted: from_wanted..at_wanted, found: from_found..at_found });
        }
        (from_wanted, from_found) = (at_wanted + 1, at_found + 1);
    }
    gaps
}

/// Pairs of equal elements, ascending on both sides.
fn common<T: PartialEq>(wanted: &[T], found: &[T]) -> Vec<(usize, usize)> {
    let start = wanted.iter().zip(found).take_while(|(a, b)| a == b).count();
    let (wanted_rest, found_rest) = (&wanted[start..], &found[start..]);
    let end =
        wanted_rest.iter().rev().zip(found_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let wanted_middle = &wanted_rest[..wanted_rest.len() - end];
    let found_middle = &found_rest[..found_rest.len() - end];
    let mut pairs: Vec<_> = (0..start).map(|at| (at, at)).collect();
    if wanted_middle.len() <= ALIGNED_MAX && found_middle.len() <= ALIGNED_MAX {
        let middle = subsequence(wanted_middle, found_middle);
        pairs.extend(middle.into_iter().map(|(a, b)| (a + start, b + start)));
    }
    let (last_wanted, last_found) = (wanted.len() - end, found.len() - end);
    pairs.extend((0..end).map(|at| (last_wanted + at, last_found + at)));
    pairs
}

/// The longest common subsequence, by the usual table of lengths.
fn subsequence<T: PartialEq>(wanted: &[T], found: &[T]) -> Vec<(usize, usize)> {
    let width = found.len() + 1;
    let mut lengths = vec![0u16; (wanted.len() + 1) * width];
    for a in (0..wanted.len()).rev() {
        for b in (0..found.len()).rev() {
            lengths[a * width + b] = if wanted[a] == found[b] {
                lengths[(a + 1) * width + b + 1] + 1
            } else {
                lengths[(a + 1) * width + b].max(lengths[a * width + b + 1])
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    let mut pairs = Vec::new();
    while a < wanted.len() && b < found.len() {
        if wanted[a] == found[b] {
            pairs.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if lengths[(a + 1) * width + b] >= lengths[a * width + b + 1] {
            a += 1;
        } else {
            b += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: &str, found: &str, expected: &[(Range<usize>, Range<usize>)]) {
        let gaps = gaps(wanted.as_bytes(), found.as_bytes());
        let expected: Vec<_> =
            expected.iter().cloned().map(|(wanted, found)| Gap { wanted, found }).collect();
        assert_eq!(gaps, expected, "{wanted} {found}");
    }

    #[test]
    fn finds_what_differs() {
        check("abc", "abc", &[]);
        check("", "", &[]);
        check("abc", "axc", &[(1..2, 1..2)]);
        check("abc", "ac", &[(1..2, 1..1)]);
        check("ac", "abc", &[(1..1, 1..2)]);
        check("abcd", "xbyd", &[(0..1, 0..1), (2..3, 2..3)]);
        check("ab", "", &[(0..2, 0..0)]);
        check("", "ab", &[(0..0, 0..2)]);
        check("abab", "ab", &[(2..4, 2..2)]);
        check("abcde", "axcye", &[(1..2, 1..2), (3..4, 3..4)]);
    }

    #[test]
    fn long_sequences_are_compared_at_both_ends() {
        let wanted = vec![1; ALIGNED_MAX + 10];
        let mut found = vec![2; ALIGNED_MAX + 10];
        found[0] = 1;
        let gaps = gaps(&wanted, &found);
        assert_eq!(gaps, [Gap { wanted: 1..266, found: 1..266 }]);
    }
}
