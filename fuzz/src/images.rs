//! Readers of what images are made of: partition tables, executables, update payloads.

use image_build::gpt::{self, Table};
use image_build::payload::{Index, Payload, PayloadError};
use image_build::pe::Pe;
use std::io::Cursor;

const SECTOR: usize = 512;
/// A small disk: both copies of the table, and something between them.
const DISK_SECTORS: usize = 128;
const HEAD_SECTORS: usize = 34;
const TAIL_SECTORS: usize = 33;
const HEADER_BYTES: usize = 92;

/// A partition table. The input is a header and the first entries; both copies are made of it, with
/// their checksums set right, so that what lies behind them is reached. Its first byte may spoil one
/// byte of the disk.
pub fn gpt(data: &[u8]) {
    let Some((spoil, data)) = data.split_first_chunk::<3>() else { return };
    let mut disk = vec![0; DISK_SECTORS * SECTOR];
    let (header, entries) = data.split_at(data.len().min(HEADER_BYTES));
    let entries = &entries[..entries.len().min(32 * SECTOR)];
    let last = (DISK_SECTORS - 1) as u64;
    put(&mut disk, 1, 2, last, header, entries);
    put(&mut disk, last as usize, DISK_SECTORS - TAIL_SECTORS, 1, header, entries);
    disk[446..462]
        .copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, last as u8, 0, 0, 0]);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    let at = usize::from(u16::from_le_bytes([spoil[0], spoil[1]]));
    disk[at] ^= spoil[2];
    let Ok(table) = gpt::read(&mut Cursor::new(&disk)) else { return };
    let mut again = vec![0; disk.len()];
    table.write(&mut Cursor::new(&mut again)).expect("a disk in memory takes what it has");
    let is_table =
        |at: usize| at < HEAD_SECTORS * SECTOR || at >= disk.len() - TAIL_SECTORS * SECTOR;
    assert!((0..disk.len()).filter(|at| is_table(*at)).all(|at| disk[at] == again[at]));
    check_table(&table);
}

fn check_table(table: &Table) {
    let mut free_from = HEAD_SECTORS as u64;
    for entry in &table.entries {
        assert!(entry.first_sector >= free_from && entry.last_sector >= entry.first_sector);
        free_from = entry.last_sector + 1;
    }
    assert!(free_from <= table.sector_count - TAIL_SECTORS as u64);
}

/// One copy of the table, with right checksums and its own place.
fn put(disk: &mut [u8], at: usize, entries_at: usize, other: u64, header: &[u8], entries: &[u8]) {
    let area = &mut disk[entries_at * SECTOR..][..32 * SECTOR];
    area[..entries.len()].copy_from_slice(entries);
    let entries_checksum = crc32fast::hash(area);
    let sector = &mut disk[at * SECTOR..][..SECTOR];
    sector[..header.len()].copy_from_slice(header);
    sector[24..32].copy_from_slice(&(at as u64).to_le_bytes());
    sector[32..40].copy_from_slice(&other.to_le_bytes());
    sector[72..80].copy_from_slice(&(entries_at as u64).to_le_bytes());
    sector[88..92].copy_from_slice(&entries_checksum.to_le_bytes());
    sector[16..20].fill(0);
    let checksum = crc32fast::hash(&sector[..HEADER_BYTES]);
    sector[16..20].copy_from_slice(&checksum.to_le_bytes());
}

/// An executable: what is taken lies within the file, in order, and apart.
pub fn pe(data: &[u8]) {
    let Ok(pe) = Pe::parse(data) else { return };
    let (mut raw_end, mut address) = (pe.header_bytes, 0);
    assert!(raw_end <= data.len());
    for section in &pe.sections {
        let raw = &section.raw;
        assert!(raw.end <= data.len() && section.data.end <= raw.end);
        assert!(raw.is_empty() || raw.start >= raw_end);
        raw_end = raw_end.max(raw.end);
        assert!(section.address >= address);
        address = section.address + section.memory_bytes;
        assert_eq!(pe.section(&section.name), Some(section));
    }
    assert!(pe.certificates.is_empty() || pe.certificates.start >= raw_end);
}

/// A payload: the input is an index without its hash, which is set right, then the data.
pub fn update_payload(data: &[u8]) {
    let Some((length, data)) = data.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length)).min(data.len());
    let (index, stored) = data.split_at(length);
    let whole = [index, &sha256(index), stored].concat();
    let _ = Index::read(&mut &data[..]);
    let Ok(mut payload) = Payload::open(Cursor::new(&whole), None) else { return };
    let index = payload.index().clone();
    assert_eq!(Index::read(&mut index.encode().as_slice()).expect("it was read once"), index);
    assert!(index.delta(Some(&index)).chunks.is_empty());
    // A few chunks suffice: each is read alone.
    for number in 0..index.chunks.len().min(8) {
        match payload.chunk(number) {
            Ok(bytes) => assert_eq!(sha256(&bytes), index.chunks[number].hash),
            Err(error) => assert!(matches!(error, PayloadError::Chunk { .. }), "{error}"),
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
