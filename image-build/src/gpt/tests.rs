use super::*;
use os_kit_disk_layout::table::{DISKS, SETUPOS};
use std::collections::BTreeMap;
use std::io::Cursor;

const MIB: u64 = 1 << 20;

fn small_disk() -> (Table, Vec<u8>) {
    let contents = BTreeMap::from([("root", 2 * MIB)]);
    let table = Table::of(&SETUPOS.place(&contents, None).unwrap());
    let mut disk = Cursor::new(vec![0; (table.sector_count * SECTOR_BYTES) as usize]);
    table.write(&mut disk).unwrap();
    (table, disk.into_inner())
}

#[test]
fn what_is_written_is_read() {
    let (table, disk) = small_disk();
    assert_eq!(read(&mut Cursor::new(&disk)).unwrap(), table);
    for layout in DISKS {
        let table = Table::of(&layout.place(&BTreeMap::new(), None).unwrap());
        assert_eq!(table.entries.len(), layout.partitions.len());
        assert_eq!(table.head().len() + table.tail().len(), 67 * SECTOR);
    }
}

#[test]
fn every_flipped_byte_of_the_table_is_found() {
    let (_, mut disk) = small_disk();
    let head = 0..34 * SECTOR;
    let tail = disk.len() - 33 * SECTOR..disk.len();
    // Empty entries are all alike: one of them stands for the rest.
    let interesting = |at: &usize| at % ENTRIES_BYTES < 3 * SECTOR || at.is_multiple_of(61);
    for at in head.chain(tail).filter(interesting) {
        disk[at] ^= 0x40;
        assert!(read(&mut Cursor::new(&disk)).is_err(), "byte {at}");
        disk[at] ^= 0x40;
    }
}

/// A table with a change, its checksums right again, must fail with the given text.
fn check(change: impl FnOnce(&mut Table), expected: &str) {
    let (mut table, mut disk) = small_disk();
    change(&mut table);
    table.write(&mut Cursor::new(&mut disk)).unwrap();
    let error = read(&mut Cursor::new(&disk)).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn wrong_tables_are_refused() {
    check(|table| table.entries[1].first_sector -= 1, "partition 2: it overlaps");
    check(|table| table.entries.swap(1, 2), "the order is wrong");
    check(|table| table.entries[0].first_sector = 33, "partition 1: it overlaps");
    check(|table| table.entries[4].last_sector = u64::MAX, "reaches out of the disk");
    check(|table| table.entries[4].last_sector = table.sector_count - 33, "out of the disk");
    check(|table| table.entries[1].last_sector = 1, "ends before it begins");
    check(|table| table.entries[1].id = table.entries[0].id, "another one has its id");
    let cut = small_disk().1[..100_000].to_vec();
    assert!(read(&mut Cursor::new(&cut)).unwrap_err().to_string().contains("are no disk"));
    let mut grown = small_disk().1;
    grown.extend([0; 4096]);
    let error = read(&mut Cursor::new(&grown)).unwrap_err().to_string();
    assert!(error.contains("does not begin with `EFI PART`"), "{error}");
}
