//! What the first program of a node reads: the head of a hash partition, partitions as the kernel lists them, the
//! command line.

use os_kit_init::device_mapper::{self, Mapping};
use os_kit_init::partitions::{self, Pair};
use os_kit_init::superblock::{self, BLOCK_BYTES, HEAD_BYTES};
use os_kit_init::{command_line, hex};
use sha2::{Digest, Sha256};

/// The input is a superblock and the beginning of the hash block, whose hash is set right; then the lines that the
/// kernel says of two partitions.
pub fn early_boot(data: &[u8]) {
    let (superblock, rest) = data.split_at(data.len().min(136));
    let mut head = [0; HEAD_BYTES];
    head[..superblock.len()].copy_from_slice(superblock);
    let (hashes, text) = rest.split_at(rest.len().min(64));
    head[BLOCK_BYTES..BLOCK_BYTES + hashes.len()].copy_from_slice(hashes);
    let salted = [&head[88..120], &head[BLOCK_BYTES..]].concat();
    let root_hash = Sha256::digest(salted).into();
    let verity = superblock::read(&head, &root_hash);
    assert!(superblock::read(&head, &[0; 32]).is_err());
    let text = String::from_utf8_lossy(text);
    if let Ok(found) = command_line::root_hash(&text) {
        assert!(text.contains(&hex(&found)), "a hash has one form");
    }
    let (first, second) = text.split_once('\0').unwrap_or((&text, ""));
    let listed = [first, second].map(|uevent| partitions::parse(uevent, "80", "vda"));
    let listed: Vec<_> = listed.into_iter().flatten().collect();
    for pair in partitions::pairs(&listed) {
        assert_ne!(pair.data.label, pair.hash.label);
    }
    let (Ok(verity), [data, hash]) = (verity, &listed[..]) else { return };
    let pair = Pair { data: data.clone(), hash: hash.clone() };
    if let Ok(mapping) = Mapping::new(&pair, verity, &root_hash) {
        assert!(mapping.sector_count <= 80);
        let request = device_mapper::load(&mapping);
        assert_eq!(request[12..16], (request.len() as u32).to_ne_bytes());
    }
}
