//! What the store relies on: order, versions below a key, batches whole, errors as text.

use super::*;

const SETTINGS: Settings<'static> = Settings {
    columns: &["a", "b"],
    write_buffer_bytes: 1 << 20,
    log_bytes_max: 8 << 20,
    message_file_count: 2,
};

fn key_values(cursor: Cursor) -> Vec<(Vec<u8>, Vec<u8>)> {
    cursor.collect::<Result<_, _>>().unwrap()
}

#[test]
fn columns_are_apart_and_survive() {
    let folder = tempfile::tempdir().unwrap();
    let long = vec![7; 3 << 20];
    {
        let db = Rocksdb::open(folder.path(), &SETTINGS).unwrap();
        let mut batch = WriteBatch::new();
        db.put(&mut batch, 0, b"key", b"of a");
        db.put(&mut batch, 1, b"key", &long);
        db.put(&mut batch, 1, b"", b"");
        db.put(&mut batch, 1, b"gone", b"x");
        db.delete(&mut batch, 1, b"gone");
        db.write(batch, true).unwrap();
    }
    let db = Rocksdb::open(folder.path(), &SETTINGS).unwrap();
    assert_eq!(db.get(0, b"key").unwrap().unwrap(), b"of a");
    assert_eq!(db.get(1, b"key").unwrap().unwrap(), long);
    assert_eq!(db.get(1, b"").unwrap().unwrap(), b"");
    assert_eq!(db.get(1, b"gone").unwrap(), None);
    assert_eq!(db.get(0, b"other").unwrap(), None);
}

#[test]
fn cursors_go_by_key_and_see_no_later_write() {
    let folder = tempfile::tempdir().unwrap();
    let db = Rocksdb::open(folder.path(), &SETTINGS).unwrap();
    let put = |key: &[u8], value: &[u8]| {
        let mut batch = WriteBatch::new();
        db.put(&mut batch, 0, key, value);
        db.write(batch, false).unwrap();
    };
    for key in [b"3", b"1", b"5"] {
        put(key, key);
    }
    let cursor = db.first(0);
    put(b"2", b"late");
    let keys: Vec<_> = key_values(cursor).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"1", b"3", b"5"]);
    let last = |key: &[u8]| db.last_up_to(0, key).next().transpose().unwrap();
    assert_eq!(last(b"4").unwrap().0, b"3");
    assert_eq!(last(b"5").unwrap().0, b"5");
    assert_eq!(last(b"9").unwrap().0, b"5");
    assert_eq!(last(b"0"), None);
    assert_eq!(key_values(db.first(1)), []);
}

#[test]
fn errors_are_the_librarys_words() {
    let folder = tempfile::tempdir().unwrap();
    let _db = Rocksdb::open(folder.path(), &SETTINGS).unwrap();
    let twice = Rocksdb::open(folder.path(), &SETTINGS).err().unwrap();
    assert!(twice.to_string().contains("lock"), "{twice}");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let no_folder = Rocksdb::open(&file.join("db"), &SETTINGS).err().unwrap();
    assert!(no_folder.to_string().contains("directory"), "{no_folder}");
}

#[test]
fn threads_share_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let db = Rocksdb::open(folder.path(), &SETTINGS).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let db = &db;
            scope.spawn(move || {
                for at in 0..100_u8 {
                    let mut batch = WriteBatch::new();
                    db.put(&mut batch, 0, &[thread, at], &[at]);
                    db.write(batch, false).unwrap();
                    assert_eq!(db.get(0, &[thread, at]).unwrap().unwrap(), [at]);
                }
            });
        }
    });
    assert_eq!(key_values(db.first(0)).len(), 400);
}
