//! The sectors before the table: boot sector with the parameters, free space, copies.

use super::SECTOR;
use super::geometry::{Geometry, Width};

/// Fixed disk.
const MEDIA: u8 = 0xf8;
/// FAT32 keeps a copy of its first sectors here.
const COPY_SECTOR: u16 = 6;
const INFO_SECTOR: u16 = 1;
const ROOT_CLUSTER: u32 = super::CLUSTER_FIRST;

/// Each sector with the byte where it goes.
pub fn sectors(
    geometry: &Geometry,
    serial: u32,
    label: &str,
    free_clusters: u32,
    next_cluster: u32,
) -> Vec<(u64, Vec<u8>)> {
    let boot = boot_sector(geometry, serial, label);
    if geometry.width == Width::Fat16 {
        return vec![(0, boot)];
    }
    let info = info_sector(free_clusters, next_cluster);
    let at = |sector: u16| u64::from(sector) * SECTOR as u64;
    vec![
        (0, boot.clone()),
        (at(INFO_SECTOR), info.clone()),
        (at(COPY_SECTOR), boot),
        (at(COPY_SECTOR + INFO_SECTOR), info),
    ]
}

fn boot_sector(geometry: &Geometry, serial: u32, label: &str) -> Vec<u8> {
    let g = geometry;
    let mut sector = Vec::with_capacity(SECTOR);
    let wide = g.width == Width::Fat32;
    // A jump over the parameters, to an endless loop: nothing boots from here.
    sector.extend(if wide { [0xeb, 0x58, 0x90] } else { [0xeb, 0x3c, 0x90] });
    sector.extend(b"PLINTH  ");
    sector.extend((SECTOR as u16).to_le_bytes());
    sector.push(g.sectors_per_cluster as u8);
    sector.extend((g.reserved_sectors as u16).to_le_bytes());
    sector.push(2); // Copies of the table.
    sector.extend(((g.root_sectors as usize * SECTOR / super::ENTRY_BYTES) as u16).to_le_bytes());
    // A volume of fewer than 2^16 sectors says so in the narrow field, but for FAT32.
    let narrow = if wide { 0 } else { u16::try_from(g.sector_count).unwrap_or(0) };
    sector.extend(narrow.to_le_bytes());
    sector.push(MEDIA);
    sector.extend((if wide { 0 } else { g.table_sectors as u16 }).to_le_bytes());
    sector.extend(32_u16.to_le_bytes()); // Sectors of a track, and heads: no disk has them.
    sector.extend(64_u16.to_le_bytes());
    sector.extend([0; 4]); // Sectors before the volume: unknown, since an image can be anywhere.
    sector.extend((if narrow == 0 { g.sector_count } else { 0 }).to_le_bytes());
    if wide {
        sector.extend(g.table_sectors.to_le_bytes());
        sector.extend([0; 4]); // Both copies are kept alike; version 0.0.
        sector.extend(ROOT_CLUSTER.to_le_bytes());
        sector.extend(INFO_SECTOR.to_le_bytes());
        sector.extend(COPY_SECTOR.to_le_bytes());
        sector.extend([0; 12]);
    }
    sector.extend([0x80, 0, 0x29]);
    sector.extend(serial.to_le_bytes());
    sector.extend(format!("{label:<11}").as_bytes());
    sector.extend(if wide { b"FAT32   " } else { b"FAT16   " });
    sector.extend([0xeb, 0xfe]); // The endless loop.
    sector.resize(SECTOR - 2, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

/// How many clusters are free, and where to look for one.
fn info_sector(free_clusters: u32, next_cluster: u32) -> Vec<u8> {
    let mut sector = vec![0; SECTOR];
    sector[..4].copy_from_slice(b"RRaA");
    sector[484..488].copy_from_slice(b"rrAa");
    sector[488..492].copy_from_slice(&free_clusters.to_le_bytes());
    sector[492..496].copy_from_slice(&next_cluster.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}
