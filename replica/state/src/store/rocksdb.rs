//! RocksDB behind safe calls: columns, batches, cursors. Only this module has unsafe calls of it.
//!
//! The library is the system's and its C interface is used directly: a crate that binds all of it fits
//! one version of the library, and nodes run another one than developers do
//! (docs/decisions/081-rocksdb-through-its-c-interface.md).
//!
//! What the `SAFETY` remarks rest on: a pointer comes from the library's own `create` or `open`, is never
//! null (checked once), is owned by one value here, and is destroyed by its `Drop` alone. Cursors borrow the
//! database, and handles of columns are fields of it, so none outlives it. Keys and values are
//! copied by the library before a call returns, or by us before what holds them is destroyed.

mod c;

use libc::{c_char, size_t};
use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};

/// What RocksDB says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RocksdbError(String);

/// How a database is opened.
pub(super) struct Settings<'a> {
    /// Its columns; those that are missing are made.
    pub columns: &'a [&'a str],
    /// Bytes that a column gathers in memory before it writes a file.
    pub write_buffer_bytes: usize,
    /// Bytes of the log above which columns are written, so that it can be cut.
    pub log_bytes_max: u64,
    /// Files of RocksDB's own messages that are kept.
    pub message_file_count: usize,
}

/// An open database; it may be shared by threads.
pub(super) struct Rocksdb {
    db: NonNull<c::Db>,
    columns: Vec<NonNull<c::ColumnFamily>>,
    read: ReadOptions,
}

// SAFETY: RocksDB documents the database, its column handles and constant read options as usable by many
// threads at once without a lock; nothing else is in the value.
unsafe impl Send for Rocksdb {}
// SAFETY: as above.
unsafe impl Sync for Rocksdb {}

impl Rocksdb {
    /// Opens a database, or makes it. Columns are named by their place in the settings from then on.
    pub(super) fn open(path: &Path, settings: &Settings) -> Result<Self, RocksdbError> {
        let options = Options::new(settings.write_buffer_bytes);
        // SAFETY: the options are alive; the setters take plain values.
        unsafe {
            c::rocksdb_options_set_create_if_missing(options.0.as_ptr(), 1);
            c::rocksdb_options_set_create_missing_column_families(options.0.as_ptr(), 1);
            c::rocksdb_options_set_keep_log_file_num(
                options.0.as_ptr(),
                settings.message_file_count,
            );
            c::rocksdb_options_set_max_total_wal_size(options.0.as_ptr(), settings.log_bytes_max);
        }
        let path = c_string(path.as_os_str().as_bytes())?;
        // The default column is always there and must be named.
        let names: Vec<CString> = std::iter::once(&"default")
            .chain(settings.columns)
            .map(|name| c_string(name.as_bytes()))
            .collect::<Result<_, _>>()?;
        let names: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let column_options = Options::new(settings.write_buffer_bytes);
        let each: Vec<*const c::Options> = vec![column_options.0.as_ptr(); names.len()];
        let count = i32::try_from(names.len()).expect("columns are few");
        let mut handles = vec![ptr::null_mut(); names.len()];
        let db = checked(|error| {
            // SAFETY: the three arrays have `count` elements, and live until the call returns.
            unsafe {
                c::rocksdb_open_column_families(
                    options.0.as_ptr(),
                    path.as_ptr(),
                    count,
                    names.as_ptr(),
                    each.as_ptr(),
                    handles.as_mut_ptr(),
                    error,
                )
            }
        })?;
        let db = NonNull::new(db).expect("RocksDB opens a database or gives an error");
        let columns = handles
            .into_iter()
            .map(|handle| NonNull::new(handle).expect("an open database has all its columns"))
            .collect();
        Ok(Self { db, columns, read: ReadOptions::new() })
    }

    /// The value of a key.
    pub(super) fn get(&self, column: usize, key: &[u8]) -> Result<Option<Vec<u8>>, RocksdbError> {
        let slice = checked(|error| {
            // SAFETY: pointers of this database; the key is read within the call.
            unsafe {
                c::rocksdb_get_pinned_cf(
                    self.db.as_ptr(),
                    self.read.0.as_ptr(),
                    self.column(column),
                    key.as_ptr().cast(),
                    key.len(),
                    error,
                )
            }
        })?;
        let Some(slice) = NonNull::new(slice) else { return Ok(None) };
        // SAFETY: the slice is alive until it is destroyed, once, after its bytes were copied.
        let value = unsafe {
            let value = copied(|length| c::rocksdb_pinnableslice_value(slice.as_ptr(), length));
            c::rocksdb_pinnableslice_destroy(slice.as_ptr());
            value
        };
        Ok(Some(value))
    }

    /// Writes all of a batch or nothing; `synced` returns only when it is on disk.
    pub(super) fn write(&self, batch: WriteBatch, synced: bool) -> Result<(), RocksdbError> {
        let options = WriteOptions::new();
        // SAFETY: options, batch and database are alive.
        unsafe { c::rocksdb_writeoptions_set_sync(options.0.as_ptr(), synced.into()) };
        checked(|error| {
            // SAFETY: as above.
            unsafe {
                c::rocksdb_write(self.db.as_ptr(), options.0.as_ptr(), batch.0.as_ptr(), error);
            }
        })
    }

    /// Adds a write to a batch.
    pub(super) fn put(&self, batch: &mut WriteBatch, column: usize, key: &[u8], value: &[u8]) {
        // SAFETY: batch and column are alive; key and value are copied within the call.
        unsafe {
            c::rocksdb_writebatch_put_cf(
                batch.0.as_ptr(),
                self.column(column),
                key.as_ptr().cast(),
                key.len(),
                value.as_ptr().cast(),
                value.len(),
            );
        }
    }

    /// Adds a removal to a batch.
    pub(super) fn delete(&self, batch: &mut WriteBatch, column: usize, key: &[u8]) {
        // SAFETY: batch and column are alive; the key is copied within the call.
        unsafe {
            c::rocksdb_writebatch_delete_cf(
                batch.0.as_ptr(),
                self.column(column),
                key.as_ptr().cast(),
                key.len(),
            );
        }
    }

    /// The entries of a column as they are now, from the first key on.
    pub(super) fn first(&self, column: usize) -> Cursor<'_> {
        let cursor = self.cursor(column);
        // SAFETY: the iterator is alive.
        unsafe { c::rocksdb_iter_seek_to_first(cursor.iterator.as_ptr()) };
        cursor
    }

    /// The entries of a column as they are now, from the last key at or below `key` on.
    pub(super) fn last_up_to(&self, column: usize, key: &[u8]) -> Cursor<'_> {
        let cursor = self.cursor(column);
        // SAFETY: the iterator is alive; the key is read within the call.
        unsafe {
            c::rocksdb_iter_seek_for_prev(cursor.iterator.as_ptr(), key.as_ptr().cast(), key.len());
        }
        cursor
    }

    fn cursor(&self, column: usize) -> Cursor<'_> {
        // SAFETY: pointers of this database.
        let iterator = unsafe {
            c::rocksdb_create_iterator_cf(
                self.db.as_ptr(),
                self.read.0.as_ptr(),
                self.column(column),
            )
        };
        let iterator = NonNull::new(iterator).expect("RocksDB gives an iterator");
        Cursor { iterator, _database: PhantomData }
    }

    /// A column by its place in the settings; the default one lies before them.
    fn column(&self, column: usize) -> *mut c::ColumnFamily {
        self.columns[column + 1].as_ptr()
    }
}

impl Drop for Rocksdb {
    fn drop(&mut self) {
        // SAFETY: no cursor is left, since they borrow this value; each pointer is given back once, and
        // columns go before the database, as RocksDB wants it.
        unsafe {
            for column in &self.columns {
                c::rocksdb_column_family_handle_destroy(column.as_ptr());
            }
            c::rocksdb_close(self.db.as_ptr());
        }
    }
}

/// A place in a column, which does not see writes that come later.
pub(super) struct Cursor<'a> {
    iterator: NonNull<c::Iterator>,
    _database: PhantomData<&'a Rocksdb>,
}

impl Iterator for Cursor<'_> {
    /// Key and value.
    type Item = Result<(Vec<u8>, Vec<u8>), RocksdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        let iterator = self.iterator.as_ptr();
        // SAFETY: the iterator is alive; key and value are read only where it is valid, and copied before
        // it moves.
        unsafe {
            if c::rocksdb_iter_valid(iterator) == 0 {
                // Invalid at the end, and also where reading failed.
                return checked(|error| c::rocksdb_iter_get_error(iterator, error)).err().map(Err);
            }
            let key = copied(|length| c::rocksdb_iter_key(iterator, length));
            let value = copied(|length| c::rocksdb_iter_value(iterator, length));
            c::rocksdb_iter_next(iterator);
            Some(Ok((key, value)))
        }
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        // SAFETY: it is destroyed once.
        unsafe { c::rocksdb_iter_destroy(self.iterator.as_ptr()) };
    }
}

/// An object of the library that is created without arguments and destroyed with its owner.
macro_rules! owned {
    ($(#[$doc:meta])* $name:ident, $create:ident, $destroy:ident) => {
        $(#[$doc])*
        pub(super) struct $name(NonNull<c::$name>);

        impl $name {
            fn create() -> Self {
                // SAFETY: it takes nothing, and gives what only this value owns.
                let pointer = unsafe { c::$create() };
                Self(NonNull::new(pointer).expect("RocksDB has memory"))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: it is destroyed once.
                unsafe { c::$destroy(self.0.as_ptr()) };
            }
        }
    };
}

owned!(
    /// Options of a database or of a column.
    Options,
    rocksdb_options_create,
    rocksdb_options_destroy
);
owned!(
    /// Options of reads.
    ReadOptions,
    rocksdb_readoptions_create,
    rocksdb_readoptions_destroy
);
owned!(
    /// Options of writes.
    WriteOptions,
    rocksdb_writeoptions_create,
    rocksdb_writeoptions_destroy
);
owned!(
    /// Writes that happen together.
    WriteBatch,
    rocksdb_writebatch_create,
    rocksdb_writebatch_destroy
);

impl Options {
    /// What the database and all its columns have in common.
    fn new(write_buffer_bytes: usize) -> Self {
        let options = Self::create();
        // SAFETY: the options are alive; the setters take plain values.
        unsafe {
            c::rocksdb_options_set_compression(options.0.as_ptr(), c::NO_COMPRESSION);
            c::rocksdb_options_set_write_buffer_size(options.0.as_ptr(), write_buffer_bytes);
        }
        options
    }
}

impl WriteBatch {
    /// An empty batch.
    pub(super) fn new() -> Self {
        Self::create()
    }
}

impl ReadOptions {
    fn new() -> Self {
        Self::create()
    }
}

impl WriteOptions {
    fn new() -> Self {
        Self::create()
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, RocksdbError> {
    CString::new(bytes).map_err(|_| RocksdbError("a path must not have a zero byte".into()))
}

/// Calls a function that tells of a failure through its last argument.
fn checked<T>(call: impl FnOnce(*mut *mut c_char) -> T) -> Result<T, RocksdbError> {
    let mut error: *mut c_char = ptr::null_mut();
    let value = call(&raw mut error);
    if error.is_null() {
        return Ok(value);
    }
    // SAFETY: the library gave a text that ends with a zero byte and is ours to free, once.
    let text = unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        c::rocksdb_free(error.cast());
        text
    };
    Err(RocksdbError(text))
}

/// Copies the bytes that a function names by pointer and length.
///
/// # Safety
///
/// The pointer that `bytes` gives must be good for as many bytes as it says, until this returns.
unsafe fn copied(bytes: impl FnOnce(*mut size_t) -> *const c_char) -> Vec<u8> {
    let mut length = 0;
    let start: *const c_char = bytes(&raw mut length);
    if length == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }.to_vec()
}

#[cfg(test)]
mod tests;
