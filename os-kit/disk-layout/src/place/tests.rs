use super::*;
use crate::table::{DISKS, GUESTOS, HOSTOS, SETUPOS};

const MIB: u64 = 1 << 20;

fn placed(disk: &Disk, contents: &[(&'static str, u64)], disk_bytes: Option<u64>) -> Placement {
    disk.place(&contents.iter().copied().collect(), disk_bytes).unwrap()
}

/// A table of one partition after another, for tables that are wrong.
fn check(partitions: &[Partition], expected: &str) {
    let disk = Disk { name: "test", partitions: partitions.to_vec().leak() };
    let result = disk.place(&BTreeMap::new(), None);
    let text = result.map_or_else(|error| error.to_string(), |_| String::new());
    assert!(text.contains(expected) && text.is_empty() == expected.is_empty(), "{text:?}");
}

const fn one(label: &'static str, size: Size) -> Partition {
    Partition { label, kind: Kind::State, size }
}

#[test]
fn the_tables_are_good_and_all_ids_differ() {
    let mut ids = BTreeSet::new();
    for disk in DISKS {
        let placement = placed(disk, &[], None);
        assert!(ids.insert(placement.id));
        assert!(placement.partitions().iter().all(|partition| ids.insert(partition.id)));
        assert_eq!(placement.partitions().len(), disk.partitions.len());
    }
}

/// Where HostOS partitions lie is known to installed machines: a change here is a migration.
#[test]
fn the_host_disk_is_frozen() {
    let placement = placed(&HOSTOS, &[], Some(64 << 30));
    let lines: Vec<String> = placement
        .partitions()
        .iter()
        .map(|p| format!("{} {} {}", p.label, p.start_bytes / MIB, p.length_bytes / MIB))
        .collect();
    let expected = [
        "esp 1 512",
        "root-a 513 2048",
        "verity-a 2561 32",
        "root-b 2593 2048",
        "verity-b 4641 32",
        "slots 4673 2",
        "config 4675 64",
        "var 4739 16384",
        "guest 21123 44412",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn both_slots_hold_the_same() {
    for disk in [&HOSTOS, &GUESTOS] {
        for partition in disk.partitions.iter().filter(|p| p.label.ends_with("-a")) {
            let other = format!("{}-b", partition.label.trim_end_matches("-a"));
            let other = disk.partition(&other).unwrap();
            assert_eq!((partition.kind, partition.size), (other.kind, other.size));
        }
    }
}

#[test]
fn the_hash_tree_of_a_full_root_fits() {
    for disk in DISKS {
        for verity in disk.partitions.iter().filter(|p| p.kind == Kind::Verity) {
            let root = disk.partition(&verity.label.replace("verity", "root")).unwrap();
            let bytes = |size| match size {
                Size::Fixed(bytes) | Size::Content { bytes_max: bytes } => bytes,
                Size::Rest { bytes_min } => bytes_min,
            };
            // 128 hashes of 32 bytes in a block of 4 KiB: less than 1/127 in all levels.
            assert!(bytes(verity.size) >= bytes(root.size) / 127 + 2 * 4096, "{}", disk.name);
        }
    }
}

#[test]
fn content_decides_where_the_table_says_so() {
    let contents = [("esp", 40 * MIB), ("root", 3 * MIB + 1), ("verity", 4096)];
    let placement = placed(&SETUPOS, &contents, None);
    let lengths: Vec<u64> = placement.partitions().iter().map(|p| p.length_bytes / MIB).collect();
    assert_eq!(lengths, [40, 4, 1, 1, 64]);
    assert_eq!(placement.disk_bytes, (1 + 40 + 4 + 1 + 1 + 64 + 1) * MIB);
}

#[test]
fn what_does_not_fit_is_said() {
    let place = |disk: &Disk, contents: &[(&'static str, u64)], disk_bytes| {
        disk.place(&contents.iter().copied().collect(), disk_bytes).unwrap_err().to_string()
    };
    let error = place(&GUESTOS, &[("root-a", (1 << 30) + 1)], None);
    assert!(error.contains("guestos/root-a of 1073741824 bytes"), "{error}");
    let error = place(&SETUPOS, &[("root", u64::MAX)], None);
    assert!(error.contains("do not fit into the partition setupos/root"), "{error}");
    let error = place(&GUESTOS, &[("store", u64::MAX)], None);
    assert!(error.contains("do not fit"), "{error}");
    let error = place(&HOSTOS, &[], Some(4 << 30));
    assert!(error.contains("the partitions of hostos need"), "{error}");
    for wrong in [MIB + 1, u64::MAX, 1 << 60] {
        assert!(place(&HOSTOS, &[], Some(wrong)).contains("is no disk"));
    }
    assert!(place(&HOSTOS, &[("root", 1)], None).contains("no partition root"));
}

#[test]
fn wrong_tables_are_refused() {
    check(&[one("a", Size::Fixed(MIB))], "");
    check(&[one("a", Size::Fixed(MIB)), one("a", Size::Fixed(MIB))], "two partitions");
    check(&[one("a", Size::Fixed(MIB + 512))], "whole MiB");
    check(&[one("a", Size::Fixed(0))], "whole MiB");
    check(&[one("A", Size::Fixed(MIB))], "a label is");
    check(&[one("", Size::Fixed(MIB))], "a label is");
    const REST: Size = Size::Rest { bytes_min: MIB };
    check(&[one("a", REST), one("b", Size::Fixed(MIB))], "only the last");
    check(&[one("b", Size::Fixed(MIB)), one("a", REST)], "");
}
