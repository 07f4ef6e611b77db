//! Records and files that were changed on disk: another version, a bad disk, a slipping hand. The
//! node says so and stops; it does not panic, and it does not take an endless time or memory.

#[path = "../../../../fuzz/mutations.rs"]
mod mutations;

use super::database::{Batch, Column, Database, Durability, height_key};
use super::full_state::full_state;
use super::recovery::recover;
use super::*;
use mutations::for_each_mutant;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;
use types::Height;

/// Reading a whole directory takes about half a millisecond.
const MUTANTS_OF_RECORDS: u64 = 6_000;
const MUTANTS_OF_FILES: u64 = 1_500;

const COLUMNS: [Column; 5] =
    [Column::Checkpoints, Column::Canisters, Column::Calls, Column::Journals, Column::Blobs];

/// A directory with two checkpoints, the second of which took some things away.
struct Directory {
    dir: TempDir,
    database: Database,
    /// The files of pages, to be put back when a reader took them for left over.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Directory {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().store;
        let mut state = full_state();
        for _ in 0..2 {
            let root = StateTree::build(Arc::new(state.clone())).root();
            store.checkpoint(&state, root).unwrap();
            state.height = state.height.next();
            let ids: Vec<_> = state.canister_ids().collect();
            state.remove_canister(&ids[2]);
            let execution = state.canister_mut(&ids[0]).unwrap().execution.as_mut().unwrap();
            execution.heap.pages.write(5, b"changed");
        }
        drop(store);
        let database = Database::open(&dir.path().join("db")).unwrap();
        let entries = std::fs::read_dir(dir.path().join("pages")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let files = paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        Self { dir, database, files }
    }

    fn records(&self, column: Column) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        let each = |key: &[u8], value: &[u8]| {
            all.push((key.to_vec(), value.to_vec()));
            Ok(())
        };
        self.database.for_each(column, each).unwrap();
        all
    }

    fn put(&self, column: Column, key: &[u8], value: &[u8]) {
        self.database.put(column, key, value.to_vec(), Durability::Buffered).unwrap();
    }

    fn delete(&self, column: Column, key: &[u8]) {
        let mut batch = Batch::default();
        batch.delete(column, key.to_vec());
        self.database.write(batch, Durability::Buffered).unwrap();
    }

    /// Reads all; a panic is the failure that is looked for. Whether it is an error.
    fn is_refused(&self) -> bool {
        let recovered = recover(self.dir.path(), &self.database);
        for (path, content) in self.files.iter().filter(|(path, _)| !path.exists()) {
            std::fs::write(path, content).unwrap();
        }
        recovered.is_err()
    }
}

#[test]
fn changed_records_are_refused_or_read() {
    let directory = Directory::new();
    assert!(!directory.is_refused());
    let mut refused = 0;
    for column in COLUMNS {
        let records = directory.records(column);
        let values: Vec<_> = records.iter().map(|(_, value)| value.clone()).collect();
        let keys: Vec<_> = records.iter().map(|(key, _)| key.clone()).collect();
        let share = MUTANTS_OF_RECORDS / COLUMNS.len() as u64;
        let mut turn = records.iter().cycle();
        for_each_mutant(&values, share, |bytes| {
            let (key, value) = turn.next().unwrap();
            directory.put(column, key, bytes);
            refused += u64::from(directory.is_refused());
            directory.put(column, key, value);
        });
        for_each_mutant(&keys, share / 10, |key| {
            if !keys.iter().any(|good| good == key) {
                directory.put(column, key, &values[0]);
                directory.is_refused();
                directory.delete(column, key);
            }
        });
        assert!(!directory.is_refused(), "{column:?}: all is as before");
    }
    assert!(refused > MUTANTS_OF_RECORDS / 3, "only {refused} are refused");
}

#[test]
fn changed_files_of_pages_are_refused() {
    let directory = Directory::new();
    let (path, good) = directory.files.first_key_value().unwrap();
    let mut refused = 0;
    for_each_mutant(std::slice::from_ref(good), MUTANTS_OF_FILES, |bytes| {
        // A new file: the old one may still be mapped.
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
        // What follows the last segment is nobody's, and what only the older checkpoint needs is
        // not looked at.
        refused += u64::from(directory.is_refused());
        assert!(bytes != good || !directory.is_refused());
    });
    assert!(refused > MUTANTS_OF_FILES / 2, "only {refused} are refused");
}

/// A name that is not one of ours is left alone, one that could be ours is left over and removed.
#[test]
fn foreign_names_among_the_pages_do_no_harm() {
    let directory = Directory::new();
    for (name, stays) in [
        ("ffffffffffffffff", false),
        ("00000000000000ff", false),
        ("FFFFFFFFFFFFFFFF", true),
        ("ff", true),
        ("+0000000000000ff", true),
        ("notes", true),
    ] {
        let path = directory.dir.path().join("pages").join(name);
        std::fs::write(&path, b"foreign").unwrap();
        assert!(!directory.is_refused(), "{name}");
        assert_eq!(path.exists(), stays, "{name}");
    }
}

#[test]
fn small_files_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let file = dir.path().join("FORMAT");
    let good = std::fs::read(&file).unwrap();
    for_each_mutant(std::slice::from_ref(&good), 300, |bytes| {
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(format::prepare(dir.path()).is_ok(), bytes == good);
    });
    let share = KeyShareFile::in_dir(dir.path());
    for_each_mutant(&[vec![3; 32]], 300, |bytes| {
        std::fs::write(share.path(), bytes).unwrap();
        if let Ok(Some(read)) = share.load() {
            assert_eq!(&read.expose_bytes()[..], bytes);
        }
    });
    let store = Store::open(&dir.path().join("other")).unwrap().store;
    for_each_mutant(&[vec![1; 48], vec![2; 80]], 300, |bytes| {
        for column in [Column::Tapes, Column::Certifications] {
            let key = height_key(Height(1));
            store.database.put(column, &key, bytes.to_vec(), Durability::Buffered).unwrap();
        }
        assert_eq!(store.tape(Height(1)).is_ok(), bytes.len() == 48);
        assert_eq!(store.certification(Height(1)).is_ok(), bytes.len() == 80);
        assert_eq!(store.last_certification().is_ok(), bytes.len() == 80);
    });
}
