//! Partitions as the kernel lists them below `/sys/class/block`, and those of our tables.

use os_kit_disk_layout::{DISKS, Kind};

/// A partition that the kernel has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in the partition table.
    pub label: String,
    /// The kernel's name of its device, such as `vda2`.
    pub device: String,
    /// That of the disk it is on.
    pub disk: String,
    /// `MAJOR:MINOR`, by which the device mapper knows it.
    pub number: String,
    /// Its length in sectors of 512 bytes.
    pub sector_count: u64,
}

/// A root with its hash tree, on one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The root.
    pub data: Partition,
    /// Its hash tree.
    pub hash: Partition,
}

/// A partition, from its `uevent` and `size` files and the name of the folder it lies in. None of what is
/// no partition, or has no label.
pub fn parse(uevent: &str, size: &str, disk: &str) -> Option<Partition> {
    let value = |key: &str| {
        uevent.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned)
    };
    if value("DEVTYPE")? != "partition" {
        return None;
    }
    let (major, minor) = (value("MAJOR")?, value("MINOR")?);
    Some(Partition {
        label: value("PARTNAME")?,
        device: value("DEVNAME")?,
        disk: disk.to_owned(),
        number: format!("{major}:{minor}"),
        sector_count: size.trim().parse().ok()?,
    })
}

/// The labels of roots and hash trees in our tables, each once, slot a before slot b.
pub fn labels() -> Vec<(&'static str, &'static str)> {
    let mut labels = Vec::new();
    for disk in DISKS {
        for two in disk.partitions.windows(2) {
            let kinds = [two[0].kind, two[1].kind];
            let pair = (two[0].label, two[1].label);
            if kinds == [Kind::Root, Kind::Verity] && !labels.contains(&pair) {
                labels.push(pair);
            }
        }
    }
    labels
}

/// The pairs among some partitions, sorted by disk and slot. A label that a disk has twice makes no pair:
/// our tables have each once.
pub fn pairs(partitions: &[Partition]) -> Vec<Pair> {
    let mut disks: Vec<&str> = partitions.iter().map(|partition| partition.disk.as_str()).collect();
    disks.sort_unstable();
    disks.dedup();
    let find = |disk: &str, label: &str| {
        let is_it = |partition: &&Partition| partition.disk == disk && partition.label == label;
        let mut found = partitions.iter().filter(is_it);
        found.next().filter(|_| found.next().is_none()).cloned()
    };
    let mut pairs = Vec::new();
    for disk in disks {
        for (data, hash) in labels() {
            if let (Some(data), Some(hash)) = (find(disk, data), find(disk, hash)) {
                pairs.push(Pair { data, hash });
            }
        }
    }
    pairs
}
