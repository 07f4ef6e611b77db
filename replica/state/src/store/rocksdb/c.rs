//! The C interface of RocksDB, as far as we use it: the same in 7.8 (Debian 12) and 9.10 (Debian 13).
//!
//! Above each function stands its prototype. A test compares them with the header of the machine.

use libc::{c_char, c_int, c_uchar, c_void, size_t};

/// Kinds of objects that only pointers to are ever seen.
macro_rules! opaque {
    ($($name:ident),*) => { $(
        #[repr(C)]
        pub(super) struct $name {
            _private: [u8; 0],
        }
    )* };
}

opaque!(Db, Options, ColumnFamily, ReadOptions, WriteOptions, WriteBatch, Iterator, PinnableSlice);

/// `rocksdb_no_compression`.
pub(super) const NO_COMPRESSION: c_int = 0;

#[link(name = "rocksdb")]
unsafe extern "C" {
    /// rocksdb_options_t* rocksdb_options_create(void)
    pub(super) fn rocksdb_options_create() -> *mut Options;
    /// void rocksdb_options_destroy(rocksdb_options_t*)
    pub(super) fn rocksdb_options_destroy(options: *mut Options);
    /// void rocksdb_options_set_create_if_missing(rocksdb_options_t*, unsigned char)
    pub(super) fn rocksdb_options_set_create_if_missing(options: *mut Options, yes: c_uchar);
    /// void rocksdb_options_set_create_missing_column_families(rocksdb_options_t*, unsigned char)
    pub(super) fn rocksdb_options_set_create_missing_column_families(
        options: *mut Options,
        yes: c_uchar,
    );
    /// void rocksdb_options_set_keep_log_file_num(rocksdb_options_t*, size_t)
    pub(super) fn rocksdb_options_set_keep_log_file_num(options: *mut Options, count: size_t);
    /// void rocksdb_options_set_max_total_wal_size(rocksdb_options_t* opt, uint64_t n)
    pub(super) fn rocksdb_options_set_max_total_wal_size(options: *mut Options, bytes: u64);
    /// void rocksdb_options_set_compression(rocksdb_options_t*, int)
    pub(super) fn rocksdb_options_set_compression(options: *mut Options, kind: c_int);
    /// void rocksdb_options_set_write_buffer_size(rocksdb_options_t*, size_t)
    pub(super) fn rocksdb_options_set_write_buffer_size(options: *mut Options, bytes: size_t);

    /// rocksdb_t* rocksdb_open_column_families(const rocksdb_options_t* options, const char*
    /// name, int num_column_families, const char* const* column_family_names, const
    /// rocksdb_options_t* const* column_family_options, rocksdb_column_family_handle_t**
    /// column_family_handles, char** errptr)
    pub(super) fn rocksdb_open_column_families(
        options: *const Options,
        path: *const c_char,
        count: c_int,
        names: *const *const c_char,
        column_options: *const *const Options,
        handles: *mut *mut ColumnFamily,
        error: *mut *mut c_char,
    ) -> *mut Db;
    /// void rocksdb_column_family_handle_destroy(rocksdb_column_family_handle_t*)
    pub(super) fn rocksdb_column_family_handle_destroy(handle: *mut ColumnFamily);
    /// void rocksdb_close(rocksdb_t* db)
    pub(super) fn rocksdb_close(db: *mut Db);

    /// rocksdb_readoptions_t* rocksdb_readoptions_create(void)
    pub(super) fn rocksdb_readoptions_create() -> *mut ReadOptions;
    /// void rocksdb_readoptions_destroy(rocksdb_readoptions_t*)
    pub(super) fn rocksdb_readoptions_destroy(options: *mut ReadOptions);
    /// rocksdb_pinnableslice_t* rocksdb_get_pinned_cf(rocksdb_t* db, const
    /// rocksdb_readoptions_t* options, rocksdb_column_family_handle_t* column_family, const
    /// char* key, size_t keylen, char** errptr)
    pub(super) fn rocksdb_get_pinned_cf(
        db: *mut Db,
        options: *const ReadOptions,
        column: *mut ColumnFamily,
        key: *const c_char,
        key_length: size_t,
        error: *mut *mut c_char,
    ) -> *mut PinnableSlice;
    /// const char* rocksdb_pinnableslice_value(const rocksdb_pinnableslice_t* t, size_t* vlen)
    pub(super) fn rocksdb_pinnableslice_value(
        slice: *const PinnableSlice,
        length: *mut size_t,
    ) -> *const c_char;
    /// void rocksdb_pinnableslice_destroy(rocksdb_pinnableslice_t* v)
    pub(super) fn rocksdb_pinnableslice_destroy(slice: *mut PinnableSlice);

    /// rocksdb_writebatch_t* rocksdb_writebatch_create(void)
    pub(super) fn rocksdb_writebatch_create() -> *mut WriteBatch;
    /// void rocksdb_writebatch_destroy(rocksdb_writebatch_t*)
    pub(super) fn rocksdb_writebatch_destroy(batch: *mut WriteBatch);
    /// void rocksdb_writebatch_put_cf(rocksdb_writebatch_t*, rocksdb_column_family_handle_t*
    /// column_family, const char* key, size_t klen, const char* val, size_t vlen)
    pub(super) fn rocksdb_writebatch_put_cf(
        batch: *mut WriteBatch,
        column: *mut ColumnFamily,
        key: *const c_char,
        key_length: size_t,
        value: *const c_char,
        value_length: size_t,
    );
    /// void rocksdb_writebatch_delete_cf(rocksdb_writebatch_t*, rocksdb_column_family_handle_t*
    /// column_family, const char* key, size_t klen)
    pub(super) fn rocksdb_writebatch_delete_cf(
        batch: *mut WriteBatch,
        column: *mut ColumnFamily,
        key: *const c_char,
        key_length: size_t,
    );
    /// rocksdb_writeoptions_t* rocksdb_writeoptions_create(void)
    pub(super) fn rocksdb_writeoptions_create() -> *mut WriteOptions;
    /// void rocksdb_writeoptions_destroy(rocksdb_writeoptions_t*)
    pub(super) fn rocksdb_writeoptions_destroy(options: *mut WriteOptions);
    /// void rocksdb_writeoptions_set_sync(rocksdb_writeoptions_t*, unsigned char)
    pub(super) fn rocksdb_writeoptions_set_sync(options: *mut WriteOptions, yes: c_uchar);
    /// void rocksdb_write(rocksdb_t* db, const rocksdb_writeoptions_t* options,
    /// rocksdb_writebatch_t* batch, char** errptr)
    pub(super) fn rocksdb_write(
        db: *mut Db,
        options: *const WriteOptions,
        batch: *mut WriteBatch,
        error: *mut *mut c_char,
    );

    /// rocksdb_iterator_t* rocksdb_create_iterator_cf(rocksdb_t* db, const
    /// rocksdb_readoptions_t* options, rocksdb_column_family_handle_t* column_family)
    pub(super) fn rocksdb_create_iterator_cf(
        db: *mut Db,
        options: *const ReadOptions,
        column: *mut ColumnFamily,
    ) -> *mut Iterator;
    /// void rocksdb_iter_destroy(rocksdb_iterator_t*)
    pub(super) fn rocksdb_iter_destroy(iterator: *mut Iterator);
    /// unsigned char rocksdb_iter_valid(const rocksdb_iterator_t*)
    pub(super) fn rocksdb_iter_valid(iterator: *const Iterator) -> c_uchar;
    /// void rocksdb_iter_seek_to_first(rocksdb_iterator_t*)
    pub(super) fn rocksdb_iter_seek_to_first(iterator: *mut Iterator);
    /// void rocksdb_iter_seek_for_prev(rocksdb_iterator_t*, const char* k, size_t klen)
    pub(super) fn rocksdb_iter_seek_for_prev(
        iterator: *mut Iterator,
        key: *const c_char,
        key_length: size_t,
    );
    /// void rocksdb_iter_next(rocksdb_iterator_t*)
    pub(super) fn rocksdb_iter_next(iterator: *mut Iterator);
    /// const char* rocksdb_iter_key(const rocksdb_iterator_t*, size_t* klen)
    pub(super) fn rocksdb_iter_key(iterator: *const Iterator, length: *mut size_t)
    -> *const c_char;
    /// const char* rocksdb_iter_value(const rocksdb_iterator_t*, size_t* vlen)
    pub(super) fn rocksdb_iter_value(
        iterator: *const Iterator,
        length: *mut size_t,
    ) -> *const c_char;
    /// void rocksdb_iter_get_error(const rocksdb_iterator_t*, char** errptr)
    pub(super) fn rocksdb_iter_get_error(iterator: *const Iterator, error: *mut *mut c_char);

    /// void rocksdb_free(void* ptr)
    pub(super) fn rocksdb_free(memory: *mut c_void);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Without what a compiler does not look at.
    fn plain(text: &str) -> String {
        let text = text.replace("extern ROCKSDB_LIBRARY_API", "");
        let mut plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for mark in ["(", "*", ")", ","] {
            plain = plain.replace(&format!("{mark} "), mark).replace(&format!(" {mark}"), mark);
        }
        plain
    }

    #[test]
    fn every_prototype_is_that_of_the_header() {
        let folder = std::env::var("ROCKSDB_INCLUDE_DIR").unwrap_or("/usr/include".into());
        let path = Path::new(&folder).join("rocksdb/c.h");
        let header = std::fs::read_to_string(&path).expect("librocksdb-dev is installed");
        let header = plain(&header);
        let mut count = 0;
        let mut prototype = String::new();
        for line in include_str!("c.rs").lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("/// ") {
                prototype += &format!(" {text}");
                continue;
            }
            let text = std::mem::take(&mut prototype);
            if let Some(rest) = line.strip_prefix("pub(super) fn ") {
                let prototype = plain(&text) + ";";
                let name = rest.split('(').next().unwrap();
                assert!(prototype.contains(&format!("{name}(")), "{name}: {prototype}");
                assert!(header.contains(&prototype), "{path:?} does not have {prototype}");
                count += 1;
            }
        }
        assert_eq!(count, 34, "every function was compared");
    }
}
