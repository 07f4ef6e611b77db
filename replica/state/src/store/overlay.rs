//! Overlay files: the pages that one checkpoint wrote.
//!
//! ```text
//!  page 0      magic, number of the file, zeroes
//!  segment     index (u64 LE each, ascending, zeroes up to the end of the page), then the pages
//!  segment     ...
//! ```
//!
//! A segment belongs to one memory of one canister; the canister's record says where it is and
//! what its digest is, so the file itself needs no directory. A file is written once and synced
//! before any record names it.

use super::error::StoreError;
use super::files;
use super::mapping;
use crate::page_map::{PAGE_BYTES, Page, PageBytes};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 16] = b"plinth-overlay 1";
const INDEX_ENTRIES_PER_PAGE: usize = PAGE_BYTES / 8;

/// Where a segment is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// The number of the file.
    pub file: u64,
    /// The first page of the segment's index.
    pub first_slot: u32,
    /// How many pages it holds, the index aside.
    pub count: u32,
    /// SHA-256 of the index and the pages.
    pub digest: [u8; 32],
}

impl Segment {
    fn index_pages(&self) -> u32 {
        index_pages(self.count as usize)
    }

    /// The place of the page that the index names at `position`.
    fn slot(&self, position: u32) -> u32 {
        self.first_slot + self.index_pages() + position
    }
}

fn index_pages(count: usize) -> u32 {
    count.div_ceil(INDEX_ENTRIES_PER_PAGE) as u32
}

/// The path of an overlay file.
pub(super) fn path(dir: &Path, file: u64) -> PathBuf {
    dir.join("pages").join(format!("{file:016x}"))
}

/// The number of the overlay file at a path; `None` if something else is there.
pub(super) fn number(dir: &Path, at: &Path) -> Option<u64> {
    let number = u64::from_str_radix(at.file_name()?.to_str()?, 16).ok()?;
    (path(dir, number) == at).then_some(number)
}

/// An overlay file that is being written.
pub(super) struct OverlayWriter {
    path: PathBuf,
    file: u64,
    writer: BufWriter<File>,
    next_slot: u32,
}

impl OverlayWriter {
    /// Begins the file of this number.
    pub(super) fn create(dir: &Path, file: u64) -> Result<Self, StoreError> {
        let path = path(dir, file);
        let opened = OpenOptions::new().write(true).read(true).create_new(true).open(&path);
        let opened = opened.map_err(StoreError::io("create", &path))?;
        let writer = BufWriter::with_capacity(1 << 20, opened);
        let mut overlay = Self { path, file, writer, next_slot: 1 };
        overlay.write(&header(file))?;
        Ok(overlay)
    }

    /// Appends a segment of these pages, which are in ascending order.
    pub(super) fn append(&mut self, pages: &[(u64, &PageBytes)]) -> Result<Segment, StoreError> {
        let count = u32::try_from(pages.len()).map_err(|_| self.too_large())?;
        let mut index: Vec<u8> = pages.iter().flat_map(|(index, _)| index.to_le_bytes()).collect();
        index.resize(index_pages(pages.len()) as usize * PAGE_BYTES, 0);
        let mut digest = Sha256::new();
        digest.update(&index);
        self.write(&index)?;
        for (_, page) in pages {
            digest.update(page);
            self.write(*page)?;
        }
        let segment = Segment {
            file: self.file,
            first_slot: self.next_slot,
            count,
            digest: digest.finalize().into(),
        };
        let slots = segment.index_pages().checked_add(count);
        let next_slot = slots.and_then(|slots| self.next_slot.checked_add(slots));
        self.next_slot = next_slot.ok_or_else(|| self.too_large())?;
        Ok(segment)
    }

    /// Syncs the file and maps it.
    pub(super) fn finish(mut self) -> Result<Overlay, StoreError> {
        self.writer.flush().map_err(StoreError::io("write", &self.path))?;
        let file = self.writer.get_ref();
        file.sync_all().map_err(StoreError::io("sync", &self.path))?;
        files::sync_parent(&self.path)?;
        let bytes = mapping::map(file).map_err(StoreError::io("map", &self.path))?;
        Ok(Overlay { path: self.path, file: self.file, bytes: Arc::new(bytes) })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.writer.write_all(bytes).map_err(StoreError::io("write", &self.path))
    }

    fn too_large(&self) -> StoreError {
        StoreError::Damaged {
            path: self.path.clone(),
            what: "a checkpoint of more than 16 TiB has no place in one overlay file".into(),
        }
    }
}

fn header(file: u64) -> PageBytes {
    let mut page = [0; PAGE_BYTES];
    page[..16].copy_from_slice(MAGIC);
    page[16..24].copy_from_slice(&file.to_le_bytes());
    page
}

/// A finished overlay file, mapped.
pub(super) struct Overlay {
    path: PathBuf,
    file: u64,
    bytes: Arc<Bytes>,
}

impl Overlay {
    /// Maps a file and checks its header.
    pub(super) fn open(dir: &Path, file: u64) -> Result<Self, StoreError> {
        let path = path(dir, file);
        let opened = File::open(&path).map_err(StoreError::io("open", &path))?;
        let bytes = mapping::map(&opened).map_err(StoreError::io("map", &path))?;
        if bytes.get(..PAGE_BYTES) != Some(&header(file)[..]) {
            return Err(StoreError::damaged(&path, "the header is not the one of this file"));
        }
        Ok(Self { path, file, bytes: Arc::new(bytes) })
    }

    /// The number of the file.
    pub(super) fn number(&self) -> u64 {
        self.file
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The page indices of a segment, in order, without a check of its digest.
    pub(super) fn index(&self, segment: &Segment) -> Result<Vec<u64>, StoreError> {
        let start = segment.first_slot as usize * PAGE_BYTES;
        let bytes = self.bytes.get(start..start + segment.count as usize * 8);
        let entry = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let bytes = bytes.ok_or_else(|| self.cut_short())?;
        Ok(bytes.chunks_exact(8).map(entry).collect())
    }

    /// The pages of a segment, in order.
    pub(super) fn pages(&self, segment: &Segment) -> Result<Vec<(u64, Page)>, StoreError> {
        let page = |(position, index)| {
            let page = Page::mapped(Arc::clone(&self.bytes), segment.slot(position));
            page.map(|page| (index, page)).ok_or_else(|| self.cut_short())
        };
        (0..).zip(self.index(segment)?).map(page).collect()
    }

    /// Checks a segment against its digest.
    pub(super) fn check(&self, segment: &Segment) -> Result<(), StoreError> {
        let slots = segment.index_pages() as usize + segment.count as usize;
        let start = segment.first_slot as usize * PAGE_BYTES;
        let bytes = self.bytes.get(start..start + slots * PAGE_BYTES);
        let digest: [u8; 32] = Sha256::digest(bytes.ok_or_else(|| self.cut_short())?).into();
        match digest == segment.digest {
            true => Ok(()),
            false => Err(StoreError::damaged(
                &self.path,
                format!("the pages from slot {} do not have their digest", segment.first_slot),
            )),
        }
    }

    fn cut_short(&self) -> StoreError {
        StoreError::damaged(&self.path, "the file is shorter than what was written")
    }
}

/// The overlay files that are in use, mapped once each.
#[derive(Default)]
pub(super) struct Overlays {
    open: BTreeMap<u64, Arc<Overlay>>,
}

impl Overlays {
    /// The file of this number.
    pub(super) fn get(&mut self, dir: &Path, file: u64) -> Result<Arc<Overlay>, StoreError> {
        if let Some(overlay) = self.open.get(&file) {
            return Ok(Arc::clone(overlay));
        }
        let overlay = Arc::new(Overlay::open(dir, file)?);
        self.open.insert(file, Arc::clone(&overlay));
        Ok(overlay)
    }

    /// Adds a file that was just written.
    pub(super) fn insert(&mut self, overlay: Overlay) -> Arc<Overlay> {
        let overlay = Arc::new(overlay);
        self.open.insert(overlay.number(), Arc::clone(&overlay));
        overlay
    }

    /// Forgets a file; pages that still point into it keep it mapped.
    pub(super) fn forget(&mut self, file: u64) {
        self.open.remove(&file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n: u8) -> PageBytes {
        [n; PAGE_BYTES]
    }

    fn written(dir: &Path) -> (Overlay, Vec<Segment>) {
        std::fs::create_dir_all(dir.join("pages")).unwrap();
        let mut writer = OverlayWriter::create(dir, 3).unwrap();
        let many: Vec<_> = (0..600u64).map(|n| (n * 2, page(n as u8))).collect();
        let many: Vec<_> = many.iter().map(|(index, page)| (*index, page)).collect();
        let segments =
            vec![writer.append(&[(7, &page(1))]).unwrap(), writer.append(&many).unwrap()];
        (writer.finish().unwrap(), segments)
    }

    #[test]
    fn segments_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let (overlay, segments) = written(dir.path());
        let again = Overlay::open(dir.path(), 3).unwrap();
        for overlay in [&overlay, &again] {
            assert_eq!(overlay.index(&segments[0]).unwrap(), [7]);
            let pages = overlay.pages(&segments[1]).unwrap();
            assert_eq!(pages.len(), 600);
            for (index, content) in pages {
                assert_eq!(content.bytes(), &page((index / 2) as u8));
            }
            segments.iter().for_each(|segment| overlay.check(segment).unwrap());
        }
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (overlay, segments) = written(dir.path());
        let file = path(dir.path(), 3);
        let whole = std::fs::read(&file).unwrap();
        assert_eq!(whole.len() as u64, overlay.len());
        drop(overlay);
        let result = |bytes: &[u8]| {
            // A new file: the old one may still be mapped.
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, bytes).unwrap();
            let overlay = Overlay::open(dir.path(), 3)?;
            segments.iter().try_for_each(|segment| overlay.check(segment))
        };
        assert!(result(&whole).is_ok());
        for at in [0, 16, PAGE_BYTES, 2 * PAGE_BYTES, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(matches!(result(&bytes), Err(StoreError::Damaged { .. })), "at {at}");
        }
        for length in [0, 100, PAGE_BYTES, whole.len() - 1] {
            let cut = result(&whole[..length]);
            assert!(matches!(cut, Err(StoreError::Damaged { .. })), "cut to {length}");
        }
    }
}
