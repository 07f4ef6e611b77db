//! The memory of one canister as the machine sees it: a range of addresses whose pages are made
//! accessible one by one, so that we learn which of them an execution touches.
//!
//! This file and `fault` hold the unsafe code of the sandbox: mapping, protection, copying, and
//! the handler that runs when a page is touched for the first time. Safe code cannot do it,
//! because the compiled canister accesses raw addresses.
//!
//! ```text
//!  one mapping:  | bitmaps | pages in use          | not in use yet ... | guard |
//!  protection:     RW        none / read / RW        none                 none
//!
//!  a page in use is   absent   (no access): content is in the base only
//!                     clean    (read):      content equals the base
//!                     writable (read+write): content may differ from the base
//! ```
//!
//! The base is the committed memory. Nothing here decides any result: what changed is found by
//! comparing the writable pages with the base, so it does not matter how many pages a fault makes
//! accessible.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use replica_state::{PAGE_BYTES, PageBytes, PageMap};

use super::bitmap::{Bitmap, words_for};

/// Pages of 4 KiB in a wasm page of 64 KiB.
const PAGES_PER_WASM_PAGE: usize = 16;

/// Pages that the first faults on absent pages bring in. Larger chunks fault less often; smaller
/// ones copy less in vain.
const LOAD_PAGES: usize = 16;

/// After this many loads the chunk doubles, which bounds the number of separate mappings.
const LOADS_PER_DOUBLING: usize = 64;

/// Pages that one load brings in at most: 16 MiB.
const LOAD_PAGES_MAX: usize = 4096;

/// Pages that one fault makes writable at most, when writes run through memory: 1 MiB.
const WRITE_PAGES_MAX: usize = 256;

/// After this many write faults of one execution, each further one makes twice as many pages around
/// the touched one writable, up to 16: comparing a page is cheaper than a fault.
const FAULTS_PER_DOUBLING: usize = 32;
const AROUND_DOUBLINGS_MAX: usize = 4;

/// Up to so many pages stay writable between executions: small messages write the same few pages
/// again and again (the stack, a counter), and comparing a page is cheaper than a fault.
const HOT_PAGES_MAX: usize = 16;

/// Pages that a run to protect may skip.
const PROTECT_GAP_PAGES: usize = 64;

/// If more loaded pages than this differ from a new base, all are forgotten and come in again on
/// demand.
const REPLACED_PAGES_MAX: usize = 256;

static ZEROES: PageBytes = [0; PAGE_BYTES];

/// Sizes of a region, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Addresses for pages; memory can grow up to here.
    pub reserved: usize,
    /// Addresses behind them that are never accessible.
    pub guard: usize,
}

/// A region with its base; see the text of the module.
///
/// Everything that changes while a canister runs is atomic or raw memory, because three parties
/// share the region then, all on one thread: the compiled canister, the host functions it calls,
/// and the handler of faults. Between executions there is one owner.
pub(super) struct Region {
    mapping: NonNull<c_void>,
    mapping_bytes: NonZeroUsize,
    pages: NonNull<u8>,
    geometry: Geometry,
    /// The committed memory that absent and clean pages equal.
    base: PageMap,
    /// Pages of 4 KiB in use.
    pages_in_use: AtomicUsize,
    loaded: Bitmap,
    writable: Bitmap,
    loads: AtomicUsize,
    loaded_count: AtomicUsize,
    /// Where the next write fault is expected if writes run through memory, and how many pages it
    /// would make writable.
    next_write: AtomicUsize,
    write_pages: AtomicUsize,
    /// Of this execution.
    write_faults: AtomicUsize,
}

// SAFETY: the raw pointers are to a mapping that the region owns alone. Shared access from several
// threads reads only atomics and the base; pages are read and written through methods whose
// callers hold the region for the one execution that is running (`Resident` hands it out by value).
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// A region over `base`, with so many wasm pages in use. Fails if the system has no addresses
    /// left.
    pub fn new(base: PageMap, wasm_pages: u64, geometry: Geometry) -> io::Result<Self> {
        let pages_max = geometry.reserved / PAGE_BYTES;
        let words = words_for(pages_max);
        let bitmap_bytes = (2 * words * 8).next_multiple_of(PAGE_BYTES);
        let mapping_bytes = NonZeroUsize::new(bitmap_bytes + geometry.reserved + geometry.guard)
            .ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
        let mapping = unsafe {
            let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
            mmap_anonymous(None, mapping_bytes, ProtFlags::PROT_NONE, flags)?
        };
        let start = mapping.cast::<u8>();
        // SAFETY: the bitmaps are the first part of the mapping just made.
        unsafe { mprotect(mapping, bitmap_bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)? };
        // SAFETY: the mapping is zeroed, aligned to pages, lives as long as the region, and the
        // two bitmaps lie one behind the other in its first `bitmap_bytes`.
        let (loaded, writable, pages) = unsafe {
            let first = start.cast::<AtomicU64>();
            let loaded = Bitmap::new(first, pages_max);
            let writable = Bitmap::new(first.add(words), pages_max);
            (loaded, writable, start.add(bitmap_bytes))
        };
        let region = Region {
            mapping,
            mapping_bytes,
            pages,
            geometry,
            base,
            pages_in_use: AtomicUsize::new(0),
            loaded,
            writable,
            loads: AtomicUsize::new(0),
            loaded_count: AtomicUsize::new(0),
            next_write: AtomicUsize::new(0),
            write_pages: AtomicUsize::new(1),
            write_faults: AtomicUsize::new(0),
        };
        if !region.grow_to(wasm_pages) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(region)
    }

    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub fn wasm_pages(&self) -> u64 {
        (self.pages_in_use.load(Relaxed) / PAGES_PER_WASM_PAGE) as u64
    }

    pub fn bytes_in_use(&self) -> usize {
        self.pages_in_use.load(Relaxed) * PAGE_BYTES
    }

    /// Bytes of pages brought in: what the region costs.
    pub fn bytes_loaded(&self) -> u64 {
        (self.loaded_count.load(Relaxed) * PAGE_BYTES) as u64
    }

    /// Address of the first page.
    pub fn start(&self) -> NonNull<u8> {
        self.pages
    }

    /// Puts more pages in use; they are zero. `false` if there is no room.
    pub fn grow_to(&self, wasm_pages: u64) -> bool {
        let room = self.geometry.reserved / PAGE_BYTES;
        let wanted =
            usize::try_from(wasm_pages).ok().and_then(|n| n.checked_mul(PAGES_PER_WASM_PAGE));
        match wanted {
            Some(pages) if pages <= room && pages >= self.pages_in_use.load(Relaxed) => {
                self.pages_in_use.store(pages, Relaxed);
                true
            }
            _ => false,
        }
    }

    /// The page that an address lies in, if it is one in use.
    fn page_at(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.pages.as_ptr() as usize)?;
        (offset < self.bytes_in_use()).then_some(offset / PAGE_BYTES)
    }

    /// Makes the access possible that caused a fault at this address; `false` if the address is
    /// not in use. Runs inside of the fault handler: it allocates nothing and takes no lock.
    pub(super) fn handle_fault(&self, address: usize, is_write: bool) -> bool {
        let Some(page) = self.page_at(address) else {
            return false;
        };
        let absent = !self.loaded.get(page);
        if absent {
            self.load_around(page);
        }
        if is_write || !absent {
            self.make_writable_from(page);
        }
        true
    }

    /// Brings in the absent pages of the chunk that contains this one.
    fn load_around(&self, page: usize) {
        let doublings = self.loads.fetch_add(1, Relaxed) / LOADS_PER_DOUBLING;
        let chunk = LOAD_PAGES.checked_shl(doublings as u32).unwrap_or(0);
        let chunk = if chunk == 0 { LOAD_PAGES_MAX } else { chunk.min(LOAD_PAGES_MAX) };
        let first = page - page % chunk;
        self.load(first, (first + chunk).min(self.pages_in_use.load(Relaxed)));
    }

    /// Brings in the absent pages from `first` to before `end`.
    fn load(&self, first: usize, end: usize) {
        let mut page = first;
        while page < end {
            if self.loaded.get(page) {
                page += 1;
                continue;
            }
            let run_end = (page..end).find(|&next| self.loaded.get(next)).unwrap_or(end);
            self.load_run(page, run_end);
            page = run_end;
        }
    }

    fn load_run(&self, first: usize, end: usize) {
        self.protect(first, end, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
        for page in first..end {
            if let Some(content) = self.base.get(page as u64) {
                self.overwrite(page, content);
            }
            self.loaded.set(page);
        }
        self.loaded_count.fetch_add(end - first, Relaxed);
        self.protect(first, end, ProtFlags::PROT_READ);
    }

    /// Makes a clean page writable, and others with it that are likely to be written: those behind
    /// it if writes run through memory, those around it if this execution writes many pages.
    fn make_writable_from(&self, page: usize) {
        let faults = self.write_faults.fetch_add(1, Relaxed);
        let in_use = self.pages_in_use.load(Relaxed);
        let (first, count) = if self.next_write.load(Relaxed) == page {
            (page, (self.write_pages.load(Relaxed) * 2).min(WRITE_PAGES_MAX))
        } else {
            let around = (faults / FAULTS_PER_DOUBLING).min(AROUND_DOUBLINGS_MAX);
            (page >> around << around, 1 << around)
        };
        let end = (first + count).min(in_use);
        self.next_write.store(end, Relaxed);
        self.write_pages.store(count, Relaxed);
        self.make_writable(first, end);
    }

    fn make_writable(&self, first: usize, end: usize) {
        self.load(first, end);
        self.protect(first, end, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
        for page in first..end {
            self.writable.set(page);
        }
    }

    /// Changes the protection of some pages. The kernel bounds the number of pieces of different
    /// protection in a process; when it refuses, all pages in use become writable, which is one
    /// piece and only costs comparisons.
    fn protect(&self, first: usize, end: usize, protection: ProtFlags) {
        if first < end && self.try_protect(first, end, protection).is_err() {
            self.make_all_writable();
        }
    }

    fn try_protect(&self, first: usize, end: usize, protection: ProtFlags) -> nix::Result<()> {
        debug_assert!(first <= end && end <= self.geometry.reserved / PAGE_BYTES);
        // SAFETY: the pages are ours and lie within the mapping. No reference into them is held:
        // their content is only accessed within the methods of this type.
        unsafe {
            let start = self.pages.add(first * PAGE_BYTES).cast();
            mprotect(start, (end - first) * PAGE_BYTES, protection)
        }
    }

    #[cold]
    fn make_all_writable(&self) {
        let end = self.pages_in_use.load(Relaxed);
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        if self.try_protect(0, end, protection).is_err() {
            // Not a panic: this may run inside of the fault handler, where unwinding is not
            // possible. Without protection there is no way to go on.
            std::process::abort();
        }
        for page in 0..end {
            if !self.loaded.get(page) {
                if let Some(content) = self.base.get(page as u64) {
                    self.overwrite(page, content);
                }
                self.loaded.set(page);
                self.loaded_count.fetch_add(1, Relaxed);
            }
            self.writable.set(page);
        }
    }

    /// Replaces the content of a page that the protection allows to be written.
    fn overwrite(&self, page: usize, content: &PageBytes) {
        // SAFETY: the page lies within the mapping and is writable at the moment; `content` is in
        // another allocation.
        unsafe {
            let target = self.pages.add(page * PAGE_BYTES);
            target.copy_from_nonoverlapping(NonNull::from(content).cast(), PAGE_BYTES);
        }
    }

    /// The content of a loaded page. The reference must not outlive the next write to the region,
    /// so it stays within this file.
    fn content(&self, page: usize) -> &PageBytes {
        // SAFETY: the page lies within the mapping and is readable, because it is loaded; nobody
        // writes while the reference lives: the canister is not running, and the methods of this
        // type do not hold one over a write.
        unsafe { self.pages.add(page * PAGE_BYTES).cast::<PageBytes>().as_ref() }
    }

    /// Copies bytes out of the memory. The range must be in use.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) {
        if let Some((first, end)) = self.pages_of(offset, buffer.len()) {
            self.load(first, end);
            // SAFETY: the range is in use and loaded, hence readable; the buffer is in another
            // allocation.
            unsafe {
                let source = self.pages.add(offset);
                source.copy_to_nonoverlapping(NonNull::from(&mut *buffer).cast(), buffer.len());
            }
        }
    }

    /// Copies bytes into the memory. The range must be in use.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        if let Some((first, end)) = self.pages_of(offset, bytes.len()) {
            if !(first..end).all(|page| self.writable.get(page)) {
                self.make_writable(first, end);
            }
            // SAFETY: the range is in use and writable; the bytes are in another allocation.
            unsafe {
                let target = self.pages.add(offset);
                target.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            }
        }
    }

    /// The pages of a range, from the first to before the last; `None` if it is empty.
    fn pages_of(&self, offset: usize, length: usize) -> Option<(usize, usize)> {
        let end = offset.checked_add(length).filter(|&end| end <= self.bytes_in_use());
        let end = end.expect("the caller has checked that the range is in use");
        (length > 0).then(|| (offset / PAGE_BYTES, end.div_ceil(PAGE_BYTES)))
    }

    /// The committed memory with all changes made since, and how many pages changed. The region
    /// takes it as its new base.
    pub fn commit(&mut self) -> (PageMap, u64) {
        let changed: Vec<usize> = self.writable.iter().filter(|&page| self.differs(page)).collect();
        let mut base = std::mem::take(&mut self.base);
        base.update(changed.iter().map(|&page| (page as u64, self.content(page))));
        self.base = base;
        self.settle(&changed);
        (self.base.clone(), changed.len() as u64)
    }

    /// Undoes all changes, including growth beyond this size.
    ///
    /// # Errors
    /// The kernel refuses; the region is of no use any more.
    pub fn roll_back(&mut self, wasm_pages: u64) -> io::Result<()> {
        let kept = usize::try_from(wasm_pages).expect("an earlier size") * PAGES_PER_WASM_PAGE;
        self.shrink_to(kept)?;
        let changed: Vec<usize> = self.writable.iter().filter(|&page| self.differs(page)).collect();
        for &page in &changed {
            self.restore(page);
        }
        self.settle(&changed);
        Ok(())
    }

    /// Whether a page has another content than the base.
    fn differs(&self, page: usize) -> bool {
        let base = self.base.get(page as u64).unwrap_or(&ZEROES);
        self.content(page) != base
    }

    /// Makes a writable page equal to the base again.
    fn restore(&self, page: usize) {
        self.overwrite(page, self.base.get(page as u64).unwrap_or(&ZEROES));
    }

    /// After an execution: keeps few pages writable, those that it changed rather than others.
    fn settle(&mut self, changed: &[usize]) {
        self.write_pages.store(1, Relaxed);
        self.next_write.store(usize::MAX, Relaxed);
        self.write_faults.store(0, Relaxed);
        let writable: Vec<usize> = self.writable.iter().collect();
        if writable.len() <= HOT_PAGES_MAX {
            return;
        }
        let keep = if changed.len() <= HOT_PAGES_MAX { changed } else { &[] };
        let cool: Vec<usize> =
            writable.into_iter().filter(|page| keep.binary_search(page).is_err()).collect();
        // One call protects a run of pages, with clean ones in between, which stay as they are.
        let is_clean = |page| self.loaded.get(page) && !self.writable.get(page);
        let joins = |page: &usize, next: &usize| {
            next - page <= PROTECT_GAP_PAGES && (page + 1..*next).all(is_clean)
        };
        for run in cool.chunk_by(joins) {
            let (first, end) = (run[0], run[run.len() - 1] + 1);
            // A refusal leaves the pages writable, which is never wrong.
            if self.try_protect(first, end, ProtFlags::PROT_READ).is_ok() {
                run.iter().for_each(|&page| self.writable.clear(page));
            }
        }
    }

    fn shrink_to(&mut self, pages: usize) -> io::Result<()> {
        let end = self.pages_in_use.swap(pages, Relaxed);
        self.forget(pages, end)
    }

    /// Makes pages absent, whatever they contain. The kernel may refuse, as it bounds the number
    /// of pieces of different protection: then the region must not be used any more.
    fn forget(&mut self, first: usize, end: usize) -> io::Result<()> {
        if first >= end {
            return Ok(());
        }
        for page in
            self.loaded.iter().filter(|page| (first..end).contains(page)).collect::<Vec<_>>()
        {
            self.loaded.clear(page);
            self.writable.clear(page);
            self.loaded_count.fetch_sub(1, Relaxed);
        }
        // SAFETY: the pages are ours, within the mapping, and no reference into them is held. A
        // fresh mapping over them is zeroed and not accessible.
        let forgotten = unsafe {
            let start = self.pages.add(first * PAGE_BYTES).cast::<c_void>();
            let bytes = (end - first) * PAGE_BYTES;
            madvise(start, bytes, MmapAdvise::MADV_DONTNEED)
                .and_then(|()| mprotect(start, bytes, ProtFlags::PROT_NONE))
        };
        Ok(forgotten?)
    }

    /// Moves the region to another base: pages that differ are replaced or forgotten.
    ///
    /// # Errors
    /// The kernel refuses; the region is of no use any more.
    pub fn rebase(&mut self, base: &PageMap) -> io::Result<()> {
        if self.base.same_memory(base) {
            return Ok(());
        }
        let differing = self.base.diff(base);
        self.base = base.clone();
        let loaded = differing.into_iter().filter_map(|page| usize::try_from(page).ok());
        let loaded: Vec<usize> = loaded
            .take_while(|&page| page < self.pages_in_use.load(Relaxed))
            .filter(|&page| self.loaded.get(page))
            .collect();
        if loaded.len() > REPLACED_PAGES_MAX {
            return self.forget(0, self.pages_in_use.load(Relaxed));
        }
        for page in loaded {
            self.replace(page);
        }
        Ok(())
    }

    /// Gives a loaded page the content of the base.
    fn replace(&self, page: usize) {
        if self.writable.get(page) {
            return self.restore(page);
        }
        self.protect(page, page + 1, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
        self.restore(page);
        self.protect(page, page + 1, ProtFlags::PROT_READ);
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and with the region the last pointer to it goes.
        let unmapped = unsafe { munmap(self.mapping, self.mapping_bytes.get()) };
        debug_assert!(unmapped.is_ok(), "a mapping of ours can be unmapped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the kernel refuses to protect single pages, all become writable: nothing may be lost,
    /// and only real changes may be reported.
    #[test]
    fn the_last_resort_keeps_all_contents() {
        let mut base = PageMap::new();
        base.write(5 * 4096, b"committed");
        base.write(20 * 4096, b"changed");
        let geometry = Geometry { reserved: 1 << 20, guard: 1 << 16 };
        let mut region = Region::new(base.clone(), 2, geometry).unwrap();
        region.write(20 * 4096, b"CHANGED");
        region.make_all_writable();
        region.write(31 * 4096, b"new");
        let mut bytes = [0; 9];
        region.read(5 * 4096, &mut bytes);
        assert_eq!(&bytes, b"committed");
        let (committed, changed) = region.commit();
        assert_eq!((changed, committed.diff(&base)), (2, vec![20, 31]));
        region.make_all_writable();
        region.write(0, b"to be undone");
        assert!(region.grow_to(3));
        region.roll_back(2).unwrap();
        assert_eq!(region.commit(), (committed, 0));
    }

    #[test]
    fn growth_ends_at_the_reserved_addresses() {
        let geometry = Geometry { reserved: 1 << 17, guard: 1 << 16 };
        let region = Region::new(PageMap::new(), 1, geometry).unwrap();
        assert!(region.grow_to(2));
        assert!(!region.grow_to(3));
        assert!(!region.grow_to(u64::MAX));
        assert!(!region.grow_to(1), "memory does not shrink");
        assert_eq!(region.wasm_pages(), 2);
    }
}
