use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn filled(byte: u8) -> PageBytes {
    [byte; PAGE_BYTES]
}

fn mapped(bytes: &[PageBytes]) -> Vec<Page> {
    let file = Arc::new(Bytes::from(bytes.concat()));
    (0..bytes.len()).map(|slot| Page::mapped(file.clone(), slot as u32).unwrap()).collect()
}

/// Indices near each other and far apart, up to the very last page.
fn index() -> impl Strategy<Value = u64> {
    prop_oneof![0..70u64, 900..1100u64, Just(1 << 27), Just(u64::MAX / 4096), Just(u64::MAX)]
}

#[derive(Clone, Debug)]
enum Step {
    Set(u64, u8),
    Write { offset: u64, bytes: Vec<u8> },
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (index(), 0..3u8).prop_map(|(index, byte)| Step::Set(index, byte)),
        2 => (0..600_000u64, proptest::collection::vec(0..3u8, 0..9000))
            .prop_map(|(offset, bytes)| Step::Write { offset, bytes }),
        1 => Just(Step::Snapshot),
    ]
}

type Model = BTreeMap<u64, PageBytes>;

fn apply(map: &mut PageMap, model: &mut Model, step: &Step) {
    match step {
        Step::Set(index, byte) => {
            map.update([(*index, &filled(*byte))]);
            model.insert(*index, filled(*byte));
        }
        Step::Write { offset, bytes } => {
            map.write(*offset, bytes);
            for (position, byte) in (*offset..).zip(bytes) {
                model.entry(position / 4096).or_insert(ZEROES)[(position % 4096) as usize] = *byte;
            }
        }
        Step::Snapshot => {}
    }
    model.retain(|_, page| page != &ZEROES);
}

fn model_diff(a: &Model, b: &Model) -> Vec<u64> {
    let all: std::collections::BTreeSet<u64> = a.keys().chain(b.keys()).copied().collect();
    all.into_iter().filter(|index| a.get(index) != b.get(index)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_map_behaves_like_its_model_and_snapshots_do_not_move(steps in proptest::collection::vec(step(), 1..40)) {
        let (mut map, mut model) = (PageMap::new(), Model::new());
        let mut snapshots = vec![(map.clone(), model.clone())];
        for step in &steps {
            apply(&mut map, &mut model, step);
            if matches!(step, Step::Snapshot) {
                snapshots.push((map.clone(), model.clone()));
            }
        }
        for (old, old_model) in &snapshots {
            let pages: Vec<_> = old.iter().map(|(index, page)| (index, *page.bytes())).collect();
            prop_assert_eq!(&pages, &old_model.iter().map(|(i, p)| (*i, *p)).collect::<Vec<_>>());
            prop_assert_eq!(old.stored_pages(), old_model.len() as u64);
            prop_assert_eq!(map.diff(old), model_diff(&model, old_model));
            prop_assert_eq!(old.diff(&map), model_diff(&model, old_model));
            prop_assert_eq!(old == &map, old_model == &model);
        }
    }

    #[test]
    fn reading_gives_what_was_written(offset in 0..100_000u64, bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        let mut map = PageMap::new();
        map.write(offset, &bytes);
        let mut with_margins = vec![7; bytes.len() + 2];
        map.read(offset.saturating_sub(1), &mut with_margins);
        let skip = usize::from(offset > 0);
        prop_assert_eq!(&with_margins[skip..skip + bytes.len()], &bytes[..]);
        prop_assert_eq!(with_margins[bytes.len() + 1], 0);
    }
}

#[test]
fn a_page_of_zeroes_is_not_stored() {
    let mut map = PageMap::new();
    map.update([(5, &filled(1)), (70_000, &filled(2))]);
    map.update([(5, &ZEROES), (9, &ZEROES)]);
    assert_eq!(map.stored_pages(), 1);
    assert_eq!(map.get(5), None);
    map.update([(70_000, &ZEROES)]);
    assert!(map.is_empty());
    assert!(map == PageMap::new());
}

#[test]
fn equal_contents_are_equal_wherever_they_live() {
    let mut heap = PageMap::new();
    heap.update([(0, &filled(1)), (40, &filled(2))]);
    let mut file = PageMap::new();
    for (index, page) in [0, 40].into_iter().zip(mapped(&[filled(1), filled(2)])) {
        file.set(index, page);
    }
    assert!(heap == file);
    assert!(!heap.same_memory(&file));
}

#[test]
fn a_mapping_too_short_for_the_slot_is_refused() {
    let file = Arc::new(Bytes::from(vec![1; 2 * PAGE_BYTES - 1]));
    assert!(Page::mapped(file.clone(), 0).is_some());
    assert!(Page::mapped(file, 1).is_none());
}

#[test]
fn moving_pages_leaves_newer_ones_alone() {
    let mut live = PageMap::new();
    live.update([(1, &filled(1)), (2, &filled(2)), (3, &filled(3))]);
    let written = live.clone();
    live.update([(2, &filled(9)), (3, &ZEROES)]);
    let homes = mapped(&[filled(1), filled(2), filled(3)]);
    live.move_pages(&written, [1, 2, 3].into_iter().zip(homes));
    assert!(matches!(live.page(1), Some(Page::Mapped { .. })));
    assert_eq!(live.get(2), Some(&filled(9)));
    assert_eq!(live.get(3), None);
}

#[test]
fn nothing_lies_beyond_the_last_byte() {
    let mut map = PageMap::new();
    map.write(u64::MAX - 1, &[1, 2, 3]);
    let mut buffer = [9; 3];
    map.read(u64::MAX - 1, &mut buffer[..2]);
    assert_eq!(buffer, [1, 2, 9]);
    assert_eq!(map.stored_pages(), 1);
}
