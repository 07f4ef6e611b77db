//! A whole file mapped into memory for reading: the only unsafe code of this part.
//!
//! Reading page by page with `pread` would need a copy of every page that a canister touches; the
//! mapping shares the kernel's. An unreadable disk block shows as SIGBUS, which ends the process:
//! the node must not go on with a state that it cannot read.

use bytes::Bytes;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

struct Mapping {
    start: NonNull<libc::c_void>,
    length: NonZeroUsize,
}

// SAFETY: the mapping is read-only memory that lives until `drop`; nothing in it is tied to the
// thread that made it.
unsafe impl Send for Mapping {}
// SAFETY: as above; shared reading of memory that nobody writes is no data race.
unsafe impl Sync for Mapping {}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start` is the begin of `length` mapped, readable bytes, which stay mapped as
        // long as `self`. They do not change: overlay files are written once, before they are
        // mapped, and only ever unlinked afterwards, which leaves the mapping alone. The node's
        // directory is its own; who truncates a file there gets a SIGBUS as an answer.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.length.get()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` and is unmapped only here. No reference into it
        // is left, as every one borrows from `self`.
        let result = unsafe { nix::sys::mman::munmap(self.start, self.length.get()) };
        debug_assert!(result.is_ok(), "a mapping that was made can be unmapped");
    }
}

/// Maps a file that nobody writes any more. An empty file gives no bytes.
pub(super) fn map(file: &File) -> io::Result<Bytes> {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap};
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let Some(length) = NonZeroUsize::new(length) else { return Ok(Bytes::new()) };
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists;
    // the file is open and has this length.
    let start = unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, file, 0) }?;
    Ok(Bytes::from_owner(Mapping { start, length }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_mapping_outlives_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        File::create(&path).unwrap().write_all(b"some bytes").unwrap();
        let bytes = map(&File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let part = bytes.slice(5..);
        drop(bytes);
        assert_eq!(&part[..], b"bytes");
        File::create(&path).unwrap();
        assert!(map(&File::open(&path).unwrap()).unwrap().is_empty());
    }
}
