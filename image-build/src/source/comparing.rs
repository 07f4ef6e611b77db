//! What a writer is given in place of a file when one wants to know whether it would write the bytes
//! that are there already.

use super::Source;
use std::collections::BTreeMap;
use std::io::{self, Seek, SeekFrom, Write};

/// Differences are kept for each block, since a writer may come back and write a block again.
const BLOCK: u64 = 4096;

/// Takes what a writer writes, anywhere and in any order, and compares it with a source. What was
/// never written counts as zeros.
#[derive(Debug)]
pub struct Comparing<'a> {
    source: &'a Source,
    at: u64,
    end: u64,
    /// The first byte that differs, by block.
    differences: BTreeMap<u64, u64>,
    /// Ranges that were written: where each begins and ends; they do not touch.
    written: BTreeMap<u64, u64>,
}

impl<'a> Comparing<'a> {
    /// Compares with a source.
    pub fn new(source: &'a Source) -> Self {
        Self { source, at: 0, end: 0, differences: BTreeMap::new(), written: BTreeMap::new() }
    }

    /// The first byte that differs, the length counted among the bytes.
    pub fn finish(mut self) -> io::Result<Option<u64>> {
        let mut gaps = Vec::new();
        let mut at = 0;
        for (start, end) in std::mem::take(&mut self.written) {
            if start > at {
                gaps.push((at, start));
            }
            at = end;
        }
        let length = self.source.length();
        gaps.push((at, self.end.min(length)));
        for (start, end) in gaps {
            self.compare_zeros(start, end)?;
        }
        let shorter = self.end.min(length);
        let lengths_differ = (self.end != length).then_some(shorter);
        let first = self.differences.values().next().copied();
        Ok(first.into_iter().chain(lengths_differ).min())
    }

    fn compare_zeros(&mut self, start: u64, end: u64) -> io::Result<()> {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        let mut at = start;
        while at < end {
            let length = (end - at).min(ZEROS.len() as u64);
            self.compare(at, &ZEROS[..length as usize])?;
            at += length;
        }
        Ok(())
    }

    fn compare(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let there = self.source.length().saturating_sub(at).min(bytes.len() as u64) as usize;
        let found = self.source.read(at, there)?.unwrap_or_default();
        // Blocks that are written whole are judged by their last writing alone.
        let (first, last) = (at.div_ceil(BLOCK), (at + bytes.len() as u64) / BLOCK);
        if !self.differences.is_empty() && first < last {
            let stale: Vec<u64> = self.differences.range(first..last).map(|(b, _)| *b).collect();
            for block in stale {
                self.differences.remove(&block);
            }
        }
        if found == bytes[..there] {
            return Ok(());
        }
        for (index, (a, b)) in found.iter().zip(bytes).enumerate() {
            if a != b {
                let place = at + index as u64;
                let known = self.differences.entry(place / BLOCK).or_insert(place);
                *known = place.min(*known);
            }
        }
        Ok(())
    }

    /// Joins a range to those that were written.
    fn add_written(&mut self, mut start: u64, mut end: u64) {
        let before = self.written.range(..=start).next_back().map(|(s, e)| (*s, *e));
        if let Some((other_start, other_end)) = before.filter(|(_, other_end)| *other_end >= start)
        {
            self.written.remove(&other_start);
            (start, end) = (other_start, end.max(other_end));
        }
        while let Some((other_start, other_end)) =
            self.written.range(start..=end).next().map(|(s, e)| (*s, *e))
        {
            self.written.remove(&other_start);
            end = end.max(other_end);
        }
        self.written.insert(start, end);
    }
}

impl Write for Comparing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.compare(self.at, bytes)?;
        self.add_written(self.at, self.at + bytes.len() as u64);
        self.at += bytes.len() as u64;
        self.end = self.end.max(self.at);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Comparing<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    fn difference(found: &[u8], write: impl FnOnce(&mut Comparing<'_>)) -> Option<u64> {
        let source = Source::open(&Content::bytes(found)).unwrap();
        let mut comparing = Comparing::new(&source);
        write(&mut comparing);
        comparing.finish().unwrap()
    }

    #[test]
    fn finds_the_first_byte_that_differs() {
        let mut found = vec![7; 20_000];
        let all = |comparing: &mut Comparing<'_>| comparing.write_all(&[7; 20_000]).unwrap();
        assert_eq!(difference(&found, all), None);
        found[9_000] = 8;
        found[19_000] = 8;
        assert_eq!(difference(&found, all), Some(9_000));
        assert_eq!(difference(&found[..100], all), Some(100));
        assert_eq!(difference(&[7; 20_001], all), Some(20_000));
    }

    #[test]
    fn holes_are_zeros_and_blocks_are_written_again() {
        let mut found = vec![0; 20_000];
        found[..4096].fill(1);
        found[19_999] = 1;
        let write = |comparing: &mut Comparing<'_>| {
            comparing.write_all(&[9; 4096]).unwrap();
            comparing.seek(SeekFrom::Start(19_999)).unwrap();
            comparing.write_all(&[1]).unwrap();
            comparing.seek(SeekFrom::Start(0)).unwrap();
            comparing.write_all(&[1; 4096]).unwrap();
        };
        assert_eq!(difference(&found, write), None);
        found[12_345] = 1;
        assert_eq!(difference(&found, write), Some(12_345));
    }
}
