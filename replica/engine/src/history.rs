//! How much of the archive of final blocks is kept: bounded by number and by bytes.

use std::collections::BTreeMap;

use crate::tuning::ARCHIVE_SECTION;

/// What the archive holds, by the first height of each section: sections are dropped as a whole.
pub(crate) struct History {
    sections: BTreeMap<u64, u64>,
    /// The highest block that is counted.
    counted: u64,
    blocks_max: u64,
    bytes_max: u64,
}

fn section(height: u64) -> u64 {
    height - height % ARCHIVE_SECTION.get()
}

impl History {
    /// Of sections that are on disk, with their bytes; blocks above `counted` are to be added.
    pub(crate) fn new(
        sections: impl IntoIterator<Item = (u64, u64)>,
        counted: u64,
        blocks_max: u64,
        bytes_max: u64,
    ) -> Self {
        Self { sections: sections.into_iter().collect(), counted, blocks_max, bytes_max }
    }

    /// A block of so many bytes has come into the archive.
    pub(crate) fn add(&mut self, height: u64, bytes: u64) {
        if height > self.counted {
            self.counted = height;
            *self.sections.entry(section(height)).or_default() += bytes;
        }
    }

    /// The lowest height to keep when the application needs none up to `durable`. The newest
    /// section stays whatever it takes: the others need some history to serve a member that was
    /// away for a moment.
    pub(crate) fn lowest(&self, durable: u64) -> u64 {
        let by_count = durable.saturating_sub(self.blocks_max);
        let mut bytes = 0_u64;
        let fitting = self.sections.iter().rev().enumerate().take_while(|(at, (_, size))| {
            bytes = bytes.saturating_add(**size);
            *at == 0 || bytes <= self.bytes_max
        });
        let by_bytes = fitting.last().map_or(0, |(_, (first, _))| *first);
        by_count.max(by_bytes).min(durable)
    }

    /// The blocks below this height have been dropped.
    pub(crate) fn dropped_below(&mut self, height: u64) {
        self.sections = self.sections.split_off(&section(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: u64 = ARCHIVE_SECTION.get();

    /// Sections of ten bytes each, on disk.
    fn history(sections: u64, bytes_max: u64) -> History {
        let kept = (0..sections).map(|at| (at * SECTION, 10));
        History::new(kept, sections * SECTION - 1, 3 * SECTION, bytes_max)
    }

    #[test]
    fn the_number_of_blocks_is_bounded() {
        let history = history(2, 1_000);
        assert_eq!(history.lowest(SECTION), 0);
        assert_eq!(history.lowest(3 * SECTION + 7), 7);
    }

    #[test]
    fn the_bytes_are_bounded_by_whole_sections() {
        let durable = 6 * SECTION;
        assert_eq!(history(6, 60).lowest(durable - 4 * SECTION), 0);
        assert_eq!(history(6, 25).lowest(durable), 4 * SECTION);
        // The newest stays, however large it is.
        assert_eq!(history(6, 5).lowest(durable), 5 * SECTION);
        // What the application needs stays too.
        assert_eq!(history(6, 5).lowest(SECTION + 3), SECTION + 3);
    }

    #[test]
    fn new_blocks_are_counted_once_and_dropped_ones_no_more() {
        let mut history = history(2, 45);
        (2 * SECTION..2 * SECTION + 3).for_each(|height| history.add(height, 10));
        history.add(2 * SECTION + 1, 1_000);
        assert_eq!(history.lowest(2 * SECTION + 2), SECTION);
        history.dropped_below(SECTION);
        assert_eq!(history.sections.len(), 2);
        assert_eq!(history.lowest(2 * SECTION + 2), SECTION);
    }
}
