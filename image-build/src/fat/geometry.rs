//! How a volume of some size is divided.

use super::SECTOR;

/// Smaller volumes become FAT16, which may have few clusters; UEFI firmware reads both.
const FAT32_BYTES_MIN: u64 = 34 << 20;
/// From here a cluster is 4 KiB, as large as a page, and there are still enough of them for FAT32.
const FAT32_WIDE_BYTES_MIN: u64 = 260 << 20;
const VOLUME_BYTES_MIN: u64 = 4 << 20;
const VOLUME_BYTES_MAX: u64 = 1 << 40;
/// Below 4,085 clusters a volume counts as FAT12, from 65,525 as FAT32, whatever else it says. Some
/// software is off by up to 16, so these counts are avoided.
const FAT16_CLUSTERS: std::ops::RangeInclusive<u32> = 4_101..=65_508;
const FAT32_CLUSTERS: std::ops::RangeInclusive<u32> = 65_541..=0x0fff_ffe0;
/// Entries of a root of FAT16, in sectors: 512 entries.
const FAT16_ROOT_SECTORS: u32 = 32;

/// The width of an entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Fat16,
    Fat32,
}

impl Width {
    /// What marks the last cluster of a file.
    pub fn end(self) -> u32 {
        match self {
            Self::Fat16 => 0xffff,
            Self::Fat32 => 0x0fff_ffff,
        }
    }

    /// Appends one entry to a table.
    pub fn put(self, table: &mut Vec<u8>, entry: u32) {
        let bytes = entry.to_le_bytes();
        match self {
            Self::Fat16 => table.extend(&bytes[..2]),
            Self::Fat32 => table.extend(bytes),
        }
    }

    fn entry_bytes(self) -> u64 {
        match self {
            Self::Fat16 => 2,
            Self::Fat32 => 4,
        }
    }
}

/// The division of one volume; all counts in sectors but for the clusters.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub width: Width,
    pub sector_count: u32,
    pub sectors_per_cluster: u32,
    pub reserved_sectors: u32,
    pub table_sectors: u32,
    /// 0 for FAT32, whose root is a directory like any other.
    pub root_sectors: u32,
    pub cluster_count: u32,
}

impl Geometry {
    /// The division of a volume; none if there is none.
    pub fn of(length_bytes: u64) -> Option<Self> {
        if !length_bytes.is_multiple_of(SECTOR as u64)
            || !(VOLUME_BYTES_MIN..=VOLUME_BYTES_MAX).contains(&length_bytes)
        {
            return None;
        }
        let (width, sectors_per_cluster, reserved_sectors, root_sectors) = match length_bytes {
            FAT32_BYTES_MIN.. => {
                let mut sectors = if length_bytes < FAT32_WIDE_BYTES_MIN { 1 } else { 8 };
                while length_bytes / (u64::from(sectors) * SECTOR as u64) > 1 << 24 {
                    sectors *= 2;
                }
                (Width::Fat32, sectors, 32, 0)
            }
            _ => {
                let sectors = if length_bytes < 16 << 20 { 1 } else { 4 };
                (Width::Fat16, sectors, 1, FAT16_ROOT_SECTORS)
            }
        };
        let sector_count = u32::try_from(length_bytes / SECTOR as u64).ok()?;
        // A table for clusters everywhere, its own place among them: a little too long, never short.
        let entries = u64::from(sector_count / sectors_per_cluster) + 2;
        let table_bytes = entries * width.entry_bytes();
        let table_sectors = u32::try_from(table_bytes.div_ceil(SECTOR as u64)).ok()?;
        let data_sectors =
            sector_count.checked_sub(reserved_sectors + 2 * table_sectors + root_sectors)?;
        let cluster_count = data_sectors / sectors_per_cluster;
        let allowed = match width {
            Width::Fat16 => FAT16_CLUSTERS,
            Width::Fat32 => FAT32_CLUSTERS,
        };
        allowed.contains(&cluster_count).then_some(Self {
            width,
            sector_count,
            sectors_per_cluster,
            reserved_sectors,
            table_sectors,
            root_sectors,
            cluster_count,
        })
    }

    pub fn cluster_bytes(&self) -> u64 {
        u64::from(self.sectors_per_cluster) * SECTOR as u64
    }

    /// Clusters that some bytes take; saturates, which no volume can satisfy.
    pub fn clusters_for(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(self.cluster_bytes())).unwrap_or(u32::MAX)
    }

    /// The byte where a copy of the table begins.
    pub fn table_at(&self, copy: u32) -> u64 {
        u64::from(self.reserved_sectors + copy * self.table_sectors) * SECTOR as u64
    }

    /// The byte where the root of FAT16 begins.
    pub fn root_at(&self) -> u64 {
        self.table_at(2)
    }

    /// The byte where a cluster begins.
    pub fn cluster_at(&self, cluster: u32) -> u64 {
        let data = self.root_at() + u64::from(self.root_sectors) * SECTOR as u64;
        data + u64::from(cluster - super::CLUSTER_FIRST) * self.cluster_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_geometry() {
        let sizes =
            (4..600).map(|mib| mib << 20).chain([1 << 30, 2 << 30, 1 << 40, (5 << 20) + 512]);
        for bytes in sizes {
            let geometry = Geometry::of(bytes).unwrap_or_else(|| panic!("{bytes}"));
            let end = geometry.cluster_at(geometry.cluster_count + 2);
            assert!(end <= bytes && bytes - end < geometry.cluster_bytes(), "{bytes}");
            let entries = u64::from(geometry.cluster_count) + 2;
            let table_bytes = u64::from(geometry.table_sectors) * SECTOR as u64;
            assert!(table_bytes >= entries * geometry.width.entry_bytes(), "{bytes}");
        }
        for bytes in [0, 1 << 20, (4 << 20) + 1, u64::MAX, 2 << 40] {
            assert!(Geometry::of(bytes).is_none(), "{bytes}");
        }
    }
}
