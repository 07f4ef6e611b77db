//! Tests of checkpoints: what is read back, what a crash leaves, what damage does.

use super::*;
use crate::execution_state::{ExecutionState, Memory, Metadata, Module, ModuleInfo};
use crate::page_map::PAGE_BYTES;
use crate::test_state::{add_canister, empty_state};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use tempfile::TempDir;
use types::{CanisterId, Height, MessageId, PrincipalId};

fn install(state: &mut ReplicatedState, id: &CanisterId, code: u8) {
    let metadata = Metadata { public: true, content: Bytes::from(vec![code; 3]) };
    let info = ModuleInfo { metadata: [("m".into(), metadata)].into(), ..ModuleInfo::default() };
    state.canister_mut(id).unwrap().execution = Some(ExecutionState {
        module: Module::new(vec![code; 100]),
        info: Arc::new(info),
        heap: Memory { size: 1 << 10, ..Memory::default() },
        stable: Memory::default(),
        globals: vec![],
    });
}

fn write_pages(state: &mut ReplicatedState, id: &CanisterId, pages: &[u64], byte: u8) {
    let Some(execution) = &mut state.canister_mut(id).unwrap().execution else { return };
    for page in pages {
        execution.heap.pages.write(page * PAGE_BYTES as u64, &[byte; PAGE_BYTES]);
        execution.stable.pages.write(page * PAGE_BYTES as u64 + 1, &[byte; 10]);
    }
}

/// A state of the next height, its checkpoint written and its pages moved.
fn checkpoint(store: &Store, state: &mut ReplicatedState) -> CheckpointSize {
    state.height = state.height.next();
    let root = StateTree::build(Arc::new(state.clone())).root();
    let checkpoint = store.checkpoint(state, root).unwrap();
    let size = checkpoint.size;
    checkpoint.move_pages(state);
    size
}

fn assert_same(found: &ReplicatedState, expected: &ReplicatedState) {
    assert_eq!(found.height, expected.height);
    assert!(found.canisters().eq(expected.canisters()));
    assert_eq!(format!("{:?}", found.ingress_history), format!("{:?}", expected.ingress_history));
    assert_eq!(found.subnet_queues, expected.subnet_queues);
    assert_eq!(found.totals, expected.totals);
    assert_eq!(found.config, expected.config);
}

fn page_files(dir: &Path) -> BTreeSet<std::ffi::OsString> {
    std::fs::read_dir(dir.join("pages")).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn open(dir: &Path) -> (Store, ReplicatedState) {
    let opened = Store::open(dir).unwrap();
    let latest = opened.latest.map(|tree| ReplicatedState::clone(tree.state()));
    (opened.store, latest.unwrap_or_else(empty_state))
}

#[derive(Clone, Debug)]
enum Change {
    Create,
    Remove(usize),
    Install(usize, u8),
    Write(usize, Vec<u64>, u8),
    Chunk(usize, u8),
    Receive(u8),
    Reply(u8),
    Pass,
    Checkpoint,
    Reopen,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let pages = prop::collection::vec(0..40u64, 1..20);
    let change = prop_oneof![
        2 => Just(Change::Create),
        1 => any::<usize>().prop_map(Change::Remove),
        3 => any::<(usize, u8)>().prop_map(|(at, code)| Change::Install(at, code % 4)),
        // Byte 0 writes pages of zeroes, which are not stored but must hide what was there.
        6 => (any::<usize>(), pages, 0..5u8).prop_map(|(at, p, b)| Change::Write(at, p, b)),
        1 => any::<(usize, u8)>().prop_map(|(at, chunk)| Change::Chunk(at, chunk % 4)),
        2 => (0..20u8).prop_map(Change::Receive),
        2 => (0..20u8).prop_map(Change::Reply),
        1 => Just(Change::Pass),
        5 => Just(Change::Checkpoint),
        1 => Just(Change::Reopen),
    ];
    prop::collection::vec(change, 1..60)
}

fn apply(state: &mut ReplicatedState, change: &Change) {
    let pick = |state: &ReplicatedState, at: &usize| {
        let ids: Vec<_> = state.canister_ids().collect();
        (!ids.is_empty()).then(|| ids[at % ids.len()])
    };
    let (Change::Remove(at)
    | Change::Install(at, _)
    | Change::Write(at, ..)
    | Change::Chunk(at, _)) = change
    else {
        let now = state.time;
        match change {
            Change::Create => drop(add_canister(state)),
            Change::Receive(n) => {
                let (id, sender) = (MessageId([*n; 32]), PrincipalId::anonymous());
                let _ = state.ingress_history.receive(id, sender, None, now.plus_ms(100));
            }
            Change::Reply(n) => {
                let reply = Bytes::from(vec![*n; 5]);
                let _ = state.ingress_history.reply(&MessageId([*n; 32]), reply, now);
            }
            _ => {
                state.time = now.plus_ms(200_000);
                state.ingress_history.prune(state.time);
            }
        }
        return;
    };
    let Some(id) = pick(state, at) else { return };
    match change {
        Change::Remove(_) => drop(state.remove_canister(&id)),
        Change::Install(_, code) => install(state, &id, *code),
        Change::Write(_, pages, byte) => write_pages(state, &id, pages, *byte),
        Change::Chunk(_, n) => {
            let chunks = &mut state.canister_mut(&id).unwrap().system.chunk_store;
            chunks.insert(Bytes::from(vec![*n; 9]), 100).unwrap();
        }
        _ => unreachable!("matched above"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn what_was_written_is_read(changes in changes()) {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, mut state) = open(dir.path());
        let mut written = state.clone();
        for change in changes.iter().chain([&Change::Checkpoint, &Change::Reopen]) {
            match change {
                Change::Checkpoint => {
                    checkpoint(&store, &mut state);
                    written = state.clone();
                }
                Change::Reopen => {
                    drop(store);
                    (store, state) = open(dir.path());
                    assert_same(&state, &written);
                    prop_assert!(store.checkpoint_heights().unwrap().len() <= CHECKPOINTS_KEPT);
                }
                change => apply(&mut state, change),
            }
        }
    }
}

/// Two canisters with pages, at a checkpoint.
fn example() -> (TempDir, Store, ReplicatedState, [CanisterId; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut state) = open(dir.path());
    let ids = [add_canister(&mut state), add_canister(&mut state)];
    for (id, code) in ids.iter().zip(1..) {
        install(&mut state, id, code);
        write_pages(&mut state, id, &(0..50).collect::<Vec<_>>(), code);
    }
    checkpoint(&store, &mut state);
    (dir, store, state, ids)
}

/// What a directory holds at each step of a checkpoint is what a process that is killed there
/// leaves behind.
#[test]
fn a_crash_at_any_step_leaves_the_old_or_the_new_checkpoint() {
    let (dir, store, mut state, ids) = example();
    for byte in [7, 8] {
        write_pages(&mut state, &ids[0], &[1, 2, 60], byte);
        checkpoint(&store, &mut state);
    }
    let old = state.clone();
    let copies = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().to_owned(), copies.path().to_owned());
    *store.at_step.lock().unwrap() =
        Some(Box::new(move |step| copy_dir(&from, &to.join(format!("{step:?}")))));
    let id = add_canister(&mut state);
    install(&mut state, &id, 9);
    write_pages(&mut state, &ids[1], &(0..50).collect::<Vec<_>>(), 9);
    write_pages(&mut state, &id, &[3], 9);
    checkpoint(&store, &mut state);

    let steps = [
        (Step::OverlayBegun, &old),
        (Step::OverlaySynced, &old),
        (Step::BatchWritten, &state),
        (Step::Finished, &state),
    ];
    for (step, expected) in steps {
        let dir = copies.path().join(format!("{step:?}"));
        let (store, mut found) = open(&dir);
        assert_same(&found, expected);
        let needed = store.inner().usage.files().len();
        assert_eq!(page_files(&dir).len(), needed, "{step:?}: files nobody needs are removed");
        write_pages(&mut found, &ids[0], &[5], 3);
        checkpoint(&store, &mut found);
        drop(store);
        assert_same(&open(&dir).1, &found);
    }
}

#[test]
fn a_checkpoint_writes_what_changed() {
    let (_dir, store, mut state, ids) = example();
    for _ in 0..100 {
        add_canister(&mut state);
    }
    let size = checkpoint(&store, &mut state);
    assert_eq!((size.canisters, size.overlay_bytes), (100, 0));
    write_pages(&mut state, &ids[1], &[4, 5], 9);
    let size = checkpoint(&store, &mut state);
    // Header; for heap and stable memory each an index and two pages.
    assert_eq!((size.canisters, size.overlay_bytes), (1, 7 * PAGE_BYTES as u64));
    let size = checkpoint(&store, &mut state);
    assert_eq!((size.canisters, size.calls, size.overlay_bytes), (0, 0, 0));
    assert!(size.database_bytes < 3_000, "{size:?}");
}

#[test]
fn pages_move_to_disk_also_when_rounds_went_on() {
    let (_dir, store, mut state, ids) = example();
    write_pages(&mut state, &ids[0], &[1, 2], 9);
    state.height = state.height.next();
    let root = StateTree::build(Arc::new(state.clone())).root();
    let checkpoint = store.checkpoint(&state, root).unwrap();
    write_pages(&mut state, &ids[0], &[2, 3], 10);
    let expected = state.clone();
    checkpoint.move_pages(&mut state);
    assert_same(&state, &expected);
    let execution = state.canister(&ids[0]).unwrap().execution.as_ref().unwrap();
    let on_disk =
        |index| matches!(execution.heap.pages.page(index), Some(crate::Page::Mapped { .. }));
    assert_eq!([1, 2, 3, 4].map(on_disk), [true, false, false, true]);
}

#[test]
fn files_that_are_hardly_used_are_left() {
    let (dir, store, mut state, ids) = example();
    for round in 0..30u8 {
        // The second canister writes once and then rests, among the many pages of the first.
        if round == 0 {
            write_pages(&mut state, &ids[1], &[3], 200);
        }
        write_pages(&mut state, &ids[0], &(0..50).collect::<Vec<_>>(), round + 1);
        checkpoint(&store, &mut state);
    }
    assert!(page_files(dir.path()).len() <= 5, "{:?}", page_files(dir.path()));
    drop(store);
    assert_same(&open(dir.path()).1, &state);
}

#[test]
fn what_was_deleted_leaves_nothing_behind() {
    let (dir, store, mut state, ids) = example();
    for id in &ids {
        state.remove_canister(id);
    }
    for _ in 0..3 {
        checkpoint(&store, &mut state);
    }
    assert_eq!(page_files(dir.path()).len(), 0);
    for column in [database::Column::Canisters, database::Column::Blobs] {
        let mut count = 0;
        store
            .database
            .for_each(column, |_, _| {
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, 0, "{column:?}");
    }
}

#[test]
fn damage_stops_the_node() {
    let (dir, store, _, _) = example();
    drop(store);
    let file = dir.path().join("pages").join(page_files(dir.path()).pop_first().unwrap());
    let whole = std::fs::read(&file).unwrap();
    let error = |bytes: Option<&[u8]>| {
        std::fs::remove_file(&file).unwrap();
        if let Some(bytes) = bytes {
            std::fs::write(&file, bytes).unwrap();
        }
        Store::open(dir.path()).err().map(|error| error.to_string())
    };
    let mut flipped = whole.clone();
    flipped[3 * PAGE_BYTES + 7] ^= 1;
    assert!(error(Some(&flipped)).unwrap().contains("is damaged"));
    assert!(error(Some(&whole[..whole.len() - 1])).unwrap().contains("is damaged"));
    assert_eq!(error(Some(&whole)), None);
    assert!(error(None).unwrap().contains("cannot open"));
}

#[test]
fn a_wrong_root_stops_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut state) = open(dir.path());
    state.height = Height(5);
    store.checkpoint(&state, types::StateRoot([1; 32])).unwrap();
    let order = store.checkpoint(&state, types::StateRoot([1; 32]));
    assert!(matches!(order, Err(StoreError::Order { .. })));
    drop(store);
    let error = Store::open(dir.path()).err().unwrap();
    assert!(matches!(error, StoreError::Root { height: Height(5), .. }), "{error}");
}

#[test]
fn a_second_node_in_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path()).unwrap();
    let error = Store::open(dir.path()).err().unwrap();
    assert!(matches!(error, StoreError::Database { .. }));
    assert!(error.to_string().contains("if another node uses the directory stop it"));
    drop(first);
    assert!(Store::open(dir.path()).is_ok());
}
