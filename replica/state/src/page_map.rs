//! A canister's memory at one moment: a persistent map from page index to 4 KiB page.
//!
//! Copies are O(1) and share everything, so a snapshot of each round, of each checkpoint and of
//! each message is simply a clone. Two copies are compared in time proportional to their
//! difference, because shared subtrees are recognised by pointer.
//!
//! ```text
//!  clone A --> root --+--> node ----> pages 0..32      (shared)
//!                     |
//!  clone B --> root' -+--> node' ---> pages 32..64     (one page differs)
//! ```
//!
//! A page of zeroes is never stored: equal contents mean equal sets of stored pages, whatever the
//! history. The map knows nothing of limits nor of the size of a memory in use: reads beyond any
//! stored page give zeroes, and growing is the caller's affair.

mod node;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use node::Node;
use std::sync::Arc;

/// Bytes of a page: the unit of dirty tracking, of storage and of this map.
pub const PAGE_BYTES: usize = 4096;

/// The content of one page.
pub type PageBytes = [u8; PAGE_BYTES];

static ZEROES: PageBytes = [0; PAGE_BYTES];

/// One stored page: in our own heap, or a slice of an overlay file mapped into memory.
#[derive(Clone, Debug)]
pub enum Page {
    /// Written since the last checkpoint.
    Heap(Arc<PageBytes>),
    /// Part of an immutable file; the slot counts whole pages from the start of its mapping.
    Mapped {
        /// The mapping (`Bytes::from_owner` of it), one `Arc` for all pages of a file.
        file: Arc<Bytes>,
        /// Which page of the mapping.
        slot: u32,
    },
}

impl Page {
    /// A page in the heap with this content.
    pub fn heap(bytes: &PageBytes) -> Self {
        Page::Heap(Arc::new(*bytes))
    }

    /// A page of a mapped file, or `None` if the mapping is too short to hold the slot.
    pub fn mapped(file: Arc<Bytes>, slot: u32) -> Option<Self> {
        let end = (slot as usize + 1).checked_mul(PAGE_BYTES)?;
        (end <= file.len()).then_some(Page::Mapped { file, slot })
    }

    /// The content.
    pub fn bytes(&self) -> &PageBytes {
        match self {
            Page::Heap(bytes) => bytes,
            Page::Mapped { file, slot } => {
                let start = *slot as usize * PAGE_BYTES;
                file[start..start + PAGE_BYTES]
                    .try_into()
                    .expect("a slice of one page has its length")
            }
        }
    }

    /// Whether both are the same piece of memory (then their contents are equal at no cost).
    pub fn same_memory(&self, other: &Page) -> bool {
        match (self, other) {
            (Page::Heap(a), Page::Heap(b)) => Arc::ptr_eq(a, b),
            (Page::Mapped { file: a, slot: i }, Page::Mapped { file: b, slot: j }) => {
                Arc::ptr_eq(a, b) && i == j
            }
            _ => false,
        }
    }
}

/// Two pages are equal if their contents are, wherever they live.
impl PartialEq for Page {
    fn eq(&self, other: &Page) -> bool {
        self.same_memory(other) || self.bytes() == other.bytes()
    }
}

impl Eq for Page {}

/// The map; see the module's text.
#[derive(Clone, Default)]
pub struct PageMap {
    root: Option<Arc<Node>>,
    /// Levels of inner nodes above the leaves.
    height: u32,
    stored: u64,
}

impl PageMap {
    /// A memory of zeroes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of pages stored, that is, of pages that are not all zeroes.
    pub fn stored_pages(&self) -> u64 {
        self.stored
    }

    /// Whether all bytes are zero.
    pub fn is_empty(&self) -> bool {
        self.stored == 0
    }

    /// The content of a page; `None` stands for a page of zeroes.
    pub fn get(&self, index: u64) -> Option<&PageBytes> {
        self.page(index).map(Page::bytes)
    }

    /// The page as it is stored, for code that must know where it lives.
    pub fn page(&self, index: u64) -> Option<&Page> {
        if !node::reaches(self.height, index) {
            return None;
        }
        self.root.as_ref()?.get(self.height, index)
    }

    /// Replaces the content of some pages. A later entry for one index wins.
    pub fn update<'a>(&mut self, pages: impl IntoIterator<Item = (u64, &'a PageBytes)>) {
        for (index, bytes) in pages {
            self.set(index, Page::heap(bytes));
        }
    }

    /// Stores one page, wherever it lives; a page of zeroes is removed instead.
    pub fn set(&mut self, index: u64, page: Page) {
        if page.bytes() == &ZEROES {
            return self.remove(index);
        }
        self.raise_until(index);
        let height = self.height;
        let root = self.root.get_or_insert_with(|| Arc::new(Node::empty(height)));
        if Arc::make_mut(root).insert(height, index, page).is_none() {
            self.stored += 1;
        }
    }

    fn remove(&mut self, index: u64) {
        if self.page(index).is_none() {
            return;
        }
        let height = self.height;
        if let Some(root) = &mut self.root {
            let root_mut = Arc::make_mut(root);
            root_mut.remove(height, index);
            self.stored -= 1;
            if root_mut.is_empty() {
                *self = Self::default();
            }
        }
    }

    fn raise_until(&mut self, index: u64) {
        while !node::reaches(self.height, index) {
            self.root = self.root.take().map(|root| Arc::new(Node::above(root)));
            self.height += 1;
        }
    }

    /// All stored pages, by index.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Page)> {
        let mut pages = Vec::with_capacity(usize::try_from(self.stored).unwrap_or(0));
        if let Some(root) = &self.root {
            root.collect(self.height, 0, &mut pages);
        }
        pages.into_iter()
    }

    /// The indices, in order, of the pages whose contents differ between the two maps. Shared parts
    /// cost nothing. To learn what changed since some moment, keep a clone of that moment.
    pub fn diff(&self, other: &PageMap) -> Vec<u64> {
        let height = self.height.max(other.height);
        let (left, right) = (self.root_at(height), other.root_at(height));
        let mut changed = Vec::new();
        node::diff(height, 0, left.as_ref(), right.as_ref(), &mut changed);
        changed
    }

    fn root_at(&self, height: u32) -> Option<Arc<Node>> {
        let raise = |root, _| Arc::new(Node::above(root));
        self.root.clone().map(|root| (self.height..height).fold(root, raise))
    }

    /// Whether both are one and the same piece of memory: a quick yes, never a wrong one.
    pub fn same_memory(&self, other: &PageMap) -> bool {
        match (&self.root, &other.root) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    /// Moves pages to another home without changing their content: each entry replaces the page
    /// that `written` holds at that index, unless this map has a newer one. A checkpoint calls it
    /// with the map it wrote and the slots of the file that it wrote them to.
    pub fn move_pages(&mut self, written: &PageMap, homes: impl IntoIterator<Item = (u64, Page)>) {
        for (index, home) in homes {
            let unchanged = match (self.page(index), written.page(index)) {
                (Some(mine), Some(theirs)) => mine.same_memory(theirs),
                _ => false,
            };
            if unchanged {
                self.set(index, home);
            }
        }
    }

    /// Fills the buffer from the bytes at `offset` (in bytes). Bytes beyond `u64::MAX` are zero.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) {
        for piece in pieces(offset, buffer.len()) {
            let target = &mut buffer[piece.buffer];
            match self.get(piece.page) {
                Some(page) => target.copy_from_slice(&page[piece.within]),
                None => target.fill(0),
            }
        }
    }

    /// Writes bytes at `offset` (in bytes); what would lie beyond `u64::MAX` is dropped, so the
    /// caller checks its limits first.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        for piece in pieces(offset, bytes.len()) {
            let mut page = *self.get(piece.page).unwrap_or(&ZEROES);
            page[piece.within].copy_from_slice(&bytes[piece.buffer]);
            self.set(piece.page, Page::heap(&page));
        }
    }
}

/// Equal contents.
impl PartialEq for PageMap {
    fn eq(&self, other: &PageMap) -> bool {
        self.stored == other.stored && self.diff(other).is_empty()
    }
}

impl Eq for PageMap {}

impl std::fmt::Debug for PageMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PageMap({} stored pages)", self.stored)
    }
}

/// The part of a byte range that lies in one page.
struct Piece {
    page: u64,
    within: std::ops::Range<usize>,
    buffer: std::ops::Range<usize>,
}

fn pieces(offset: u64, length: usize) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let position = offset.checked_add(done as u64)?;
        let start = (position % PAGE_BYTES as u64) as usize;
        let count = (PAGE_BYTES - start).min(length - done);
        let piece = Piece {
            page: position / PAGE_BYTES as u64,
            within: start..start + count,
            buffer: done..done + count,
        };
        done += count;
        Some(piece)
    })
}
