//! Which pages a checkpoint writes for one memory.
//!
//! A memory lies in a few segments, each newer one over the older. What changed becomes a new
//! segment on top; so that there are never many, those on top that are not much larger are
//! written into it again. A page is thus rewritten about as often as the logarithm of the size of
//! its memory, and an untouched large segment is left alone.

use super::error::StoreError;
use super::overlay::Segment;
use std::collections::BTreeSet;

/// The most segments of one memory.
const SEGMENTS_MAX: usize = 8;

/// What to keep and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// How many of the oldest segments stay.
    pub keep: usize,
    /// The pages of the new segment, in order. Empty if nothing is to be written.
    pub write: BTreeSet<u64>,
}

/// Plans for a memory in `segments` whose pages `changed` since. Segments in files for which
/// `leave` holds are not kept. `index` gives the pages of a segment.
pub(super) fn plan(
    segments: &[Segment],
    changed: impl IntoIterator<Item = u64>,
    leave: impl Fn(&Segment) -> bool,
    mut index: impl FnMut(&Segment) -> Result<Vec<u64>, StoreError>,
) -> Result<Plan, StoreError> {
    let mut write: BTreeSet<u64> = changed.into_iter().collect();
    let stay = segments.iter().position(leave).unwrap_or(segments.len());
    let mut keep = segments.len();
    while let Some(top) = segments[..keep].last() {
        let is_small = top.count as usize <= write.len().saturating_mul(2);
        if keep <= stay && !is_small && keep < SEGMENTS_MAX {
            break;
        }
        if keep <= stay && write.is_empty() {
            break;
        }
        write.extend(index(top)?);
        keep -= 1;
    }
    Ok(Plan { keep, write })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of so many pages each; the pages of segment i are 1000 i, 1000 i + 1, ...
    fn check(counts: &[u32], changed: u64, leave: &[usize], keep: usize, written: usize) {
        let segment = |(i, count): (usize, &u32)| Segment {
            file: i as u64,
            first_slot: 1,
            count: *count,
            digest: [0; 32],
        };
        let segments: Vec<_> = counts.iter().enumerate().map(segment).collect();
        let plan = plan(
            &segments,
            (0..changed).map(|n| 900_000 + n),
            |segment| leave.contains(&(segment.file as usize)),
            |segment| Ok((0..u64::from(segment.count)).map(|n| segment.file * 1000 + n).collect()),
        )
        .unwrap();
        assert_eq!((plan.keep, plan.write.len()), (keep, written), "{counts:?}");
    }

    #[test]
    fn small_segments_on_top_are_merged() {
        check(&[], 5, &[], 0, 5);
        check(&[100], 5, &[], 1, 5);
        check(&[100, 10], 5, &[], 1, 15);
        check(&[30, 10], 5, &[], 0, 45);
        check(&[100, 10, 11], 5, &[], 3, 5);
    }

    #[test]
    fn an_unchanged_memory_stays() {
        check(&[100, 1], 0, &[], 2, 0);
        check(&[90; 7], 0, &[], 7, 0);
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        check(&[65_536, 16_384, 4_096, 1_024, 256, 64, 16, 4], 1, &[], 7, 5);
    }

    #[test]
    fn files_to_leave_are_left() {
        check(&[500, 50, 40], 0, &[1], 1, 90);
        check(&[500, 50, 40], 0, &[0], 0, 590);
        check(&[500, 100, 40], 1, &[2], 2, 41);
    }
}
