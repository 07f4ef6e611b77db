//! The stable memory as one message sees it: the pages it wrote over those committed.

use std::collections::BTreeMap;

use replica_state::{Memory, PAGE_BYTES, PageBytes, WASM_PAGE_BYTES};

use crate::sandbox::{ApiError, Guest};

const PAGE: u64 = PAGE_BYTES as u64;

/// The most bytes that one message may change, by the kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteLimit {
    Message,
    Upgrade,
    Query,
}

const GIB: u64 = 1 << 30;

impl WriteLimit {
    /// In bytes (published resource limits).
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::Message => 2 * GIB,
            Self::Upgrade => 8 * GIB,
            Self::Query => GIB,
        }
    }

    /// The published text for a message that wants more.
    pub(crate) fn text() -> String {
        let kib = |limit: Self| limit.bytes() / 1024;
        format!(
            "Exceeded the limit for the number of modified pages in the stable memory in a single \
             execution: limit {} KB for regular messages, {} KB for upgrade messages and {} KB for \
             queries.",
            kib(Self::Message),
            kib(Self::Upgrade),
            kib(Self::Query)
        )
    }
}

/// Reads see the message's own writes; nothing reaches the committed pages before the end.
pub(crate) struct StableMemory {
    committed: Memory,
    /// In wasm pages.
    size: u64,
    written: BTreeMap<u64, Box<PageBytes>>,
}

impl StableMemory {
    pub(crate) fn new(committed: Memory) -> Self {
        let size = committed.size;
        Self { committed, size, written: BTreeMap::new() }
    }

    /// In wasm pages.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.size * WASM_PAGE_BYTES
    }

    /// Wasm pages that the message added.
    pub(crate) fn grown(&self) -> u64 {
        self.size - self.committed.size
    }

    pub(crate) fn grow(&mut self, pages: u64) {
        self.size += pages;
    }

    /// How many pages of 4 KiB a write to this range would be the first to change.
    pub(crate) fn pages_newly_written(&self, offset: u64, length: u64) -> u64 {
        if length == 0 {
            return 0;
        }
        let pages = offset / PAGE..=(offset + length - 1) / PAGE;
        let count = pages.end() - pages.start() + 1;
        count - self.written.range(pages).count() as u64
    }

    /// Pages of 4 KiB that the message changed.
    pub(crate) fn pages_written(&self) -> u64 {
        self.written.len() as u64
    }

    /// From the heap. Both ranges must lie within their memories.
    pub(crate) fn write(
        &mut self,
        offset: u64,
        source: u64,
        length: u64,
        guest: &mut dyn Guest,
    ) -> Result<(), ApiError> {
        for piece in pieces(offset, length) {
            let page = self.written.entry(piece.page).or_insert_with(|| {
                Box::new(*self.committed.pages.get(piece.page).unwrap_or(&[0; PAGE_BYTES]))
            });
            guest.read(source + piece.done, &mut page[piece.within])?;
        }
        Ok(())
    }

    /// To the heap. Both ranges must lie within their memories.
    pub(crate) fn read(
        &self,
        target: u64,
        offset: u64,
        length: u64,
        guest: &mut dyn Guest,
    ) -> Result<(), ApiError> {
        for piece in pieces(offset, length) {
            let page = self.written.get(&piece.page).map(|page| &**page);
            let page = page.or_else(|| self.committed.pages.get(piece.page));
            let page = page.unwrap_or(&[0; PAGE_BYTES]);
            guest.write(target + piece.done, &page[piece.within])?;
        }
        Ok(())
    }

    /// The memory with the message's writes, or `None` if there were none.
    pub(crate) fn finish(self) -> Option<Memory> {
        if self.written.is_empty() && self.grown() == 0 {
            return None;
        }
        let mut memory = self.committed;
        memory.size = self.size;
        memory.pages.update(self.written.iter().map(|(index, page)| (*index, &**page)));
        Some(memory)
    }
}

/// The part of a range that lies in one page.
struct Piece {
    page: u64,
    within: std::ops::Range<usize>,
    /// Bytes of the range before this part.
    done: u64,
}

fn pieces(offset: u64, length: u64) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let position = offset + done;
        let start = position % PAGE;
        let count = (PAGE - start).min(length - done);
        let within = start as usize..(start + count) as usize;
        let piece = Piece { page: position / PAGE, within, done };
        done += count;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::check_range;

    struct Heap(Vec<u8>);

    impl Guest for Heap {
        fn memory_bytes(&self) -> u64 {
            self.0.len() as u64
        }
        fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ApiError> {
            check_range(offset, buffer.len() as u64, self.memory_bytes())?;
            buffer.copy_from_slice(&self.0[offset as usize..][..buffer.len()]);
            Ok(())
        }
        fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), ApiError> {
            check_range(offset, bytes.len() as u64, self.memory_bytes())?;
            self.0[offset as usize..][..bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
        fn instructions_left(&mut self) -> u64 {
            u64::MAX
        }
        fn charge(&mut self, _: u64) -> Result<(), ApiError> {
            Ok(())
        }
    }

    #[test]
    fn a_write_over_a_page_border_is_read_back_and_kept_aside() {
        let mut stable = StableMemory::new(Memory::default());
        stable.grow(1);
        let mut heap = Heap((0..100).collect());
        assert_eq!(stable.pages_newly_written(PAGE - 10, 50), 2);
        stable.write(PAGE - 10, 20, 50, &mut heap).unwrap();
        assert_eq!(stable.pages_newly_written(PAGE - 10, 50), 0);
        stable.read(0, PAGE - 10, 50, &mut heap).unwrap();
        assert_eq!(heap.0[..50], (20..70).collect::<Vec<u8>>());
        assert_eq!(stable.committed, Memory::default());
        let memory = stable.finish().expect("it changed");
        assert_eq!((memory.size, memory.pages.stored_pages()), (1, 2));
    }

    #[test]
    fn reading_changes_nothing() {
        let mut stable = StableMemory::new(Memory { size: 1, ..Memory::default() });
        let mut heap = Heap(vec![9; 10]);
        stable.read(0, 5, 10, &mut heap).unwrap();
        assert_eq!(heap.0, [0; 10]);
        assert_eq!(stable.pages_written(), 0);
        stable.grow(0);
        assert!(stable.finish().is_none());
    }
}
