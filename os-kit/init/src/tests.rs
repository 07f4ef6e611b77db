use super::*;
use crate::device_mapper::HEADER_BYTES;
use crate::partitions::Partition;
use crate::superblock::{BLOCK_BYTES, HEAD_BYTES};
use sha2::{Digest, Sha256};

#[test]
fn one_root_hash_in_one_form() {
    let word = "ab".repeat(32);
    let check =
        |line: String, expected| assert_eq!(command_line::root_hash(&line), expected, "{line}");
    check(format!("console=ttyS0 plinth.roothash={word}\n"), Ok([0xab; 32]));
    check("console=ttyS0 panic=10".into(), Err(CommandLineError::Missing));
    check(String::new(), Err(CommandLineError::Missing));
    check(format!("xplinth.roothash={word}"), Err(CommandLineError::Missing));
    check(format!("plinth.roothash={word} plinth.roothash={word}"), Err(CommandLineError::Twice));
    for bad in ["", "ab", &word[1..], &word.to_uppercase(), &format!("{word}0"), &"é".repeat(32)] {
        check(format!("plinth.roothash={bad}"), Err(CommandLineError::Form));
    }
}

const UEVENT: &str =
    "MAJOR=254\nMINOR=2\nDEVNAME=vda2\nDEVTYPE=partition\nDISKSEQ=9\nPARTN=2\nPARTNAME=root-a\n";

fn partition(disk: &str, label: &str) -> Partition {
    Partition {
        label: label.into(),
        device: format!("{disk}-{label}"),
        disk: disk.into(),
        number: "254:2".into(),
        sector_count: 80,
    }
}

#[test]
fn partitions_are_what_the_kernel_says() {
    let expected = Partition { device: "vda2".into(), ..partition("vda", "root-a") };
    assert_eq!(partitions::parse(UEVENT, "80\n", "vda"), Some(expected));
    assert_eq!(partitions::parse(&UEVENT.replace("partition", "disk"), "80\n", "vda"), None);
    assert_eq!(partitions::parse(&UEVENT.replace("PARTNAME=", "PARTNAMES="), "80\n", "vda"), None);
    assert_eq!(partitions::parse(UEVENT, "many", "vda"), None);
    assert_eq!(partitions::parse("", "", ""), None);
}

#[test]
fn pairs_lie_on_one_disk_and_have_one_label_each() {
    let labels = partitions::labels();
    assert_eq!(labels, [("root-a", "verity-a"), ("root-b", "verity-b"), ("root", "verity")]);
    let on = |disk: &str, labels: &[&str]| -> Vec<Partition> {
        labels.iter().map(|label| partition(disk, label)).collect()
    };
    let found = |partitions: &[Partition]| -> Vec<String> {
        partitions::pairs(partitions)
            .into_iter()
            .map(|pair| format!("{} {} {}", pair.data.disk, pair.data.label, pair.hash.label))
            .collect()
    };
    let host = on("vda", &["verity-b", "root-b", "esp", "verity-a", "root-a"]);
    let stick = on("sda", &["esp", "root", "verity"]);
    let both = [host.clone(), stick].concat();
    let expected = ["sda root verity", "vda root-a verity-a", "vda root-b verity-b"];
    assert_eq!(found(&both), expected);
    let apart = [on("vda", &["root-a"]), on("vdb", &["verity-a"])].concat();
    assert!(found(&apart).is_empty());
    let twice = [host, on("vda", &["root-a"])].concat();
    assert_eq!(found(&twice), ["vda root-b verity-b"]);
}

/// A head as `plinth image build` writes it, and its root hash.
fn head(block_count: u64) -> ([u8; HEAD_BYTES], RootHash) {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(b"verity\0\0");
    head[8] = 1;
    head[12] = 1;
    head[16..32].fill(7);
    head[32..38].copy_from_slice(b"sha256");
    head[64..68].copy_from_slice(&4096_u32.to_le_bytes());
    head[68..72].copy_from_slice(&4096_u32.to_le_bytes());
    head[72..80].copy_from_slice(&block_count.to_le_bytes());
    head[80] = 32;
    head[88..120].fill(5);
    head[BLOCK_BYTES..BLOCK_BYTES + 64].fill(9);
    let salted = [&[5; 32][..], &head[BLOCK_BYTES..]].concat();
    (head, Sha256::digest(salted).into())
}

#[test]
fn a_hash_tree_is_that_of_the_root_hash() {
    let (good, root_hash) = head(10);
    let expected = Verity { block_count: 10, salt: [5; 32] };
    assert_eq!(superblock::read(&good, &root_hash), Ok(expected));
    let none = Err("has no hash tree of ours".to_owned());
    // Every byte is as it must be, but the id and the lower bytes of the number of blocks.
    for at in 0..HEAD_BYTES {
        let mut bad = good;
        bad[at] ^= 0x80;
        let read = superblock::read(&bad, &root_hash);
        match at {
            16..32 | 72..74 => assert!(read.is_ok(), "byte {at}"),
            88..120 | BLOCK_BYTES.. => {
                assert!(read.unwrap_err().starts_with("has the root hash "), "byte {at}");
            }
            74 => assert!(read.is_ok(), "byte {at}"),
            _ => assert_eq!(read, none, "byte {at}"),
        }
    }
    for count in [0, 1, (1 << 24) + 1, u64::MAX] {
        let (bad, root_hash) = head(count);
        assert_eq!(superblock::read(&bad, &root_hash), none, "{count} blocks");
    }
}

fn pair() -> Pair {
    let hash = Partition { number: "254:3".into(), ..partition("vda", "verity-a") };
    Pair { data: partition("vda", "root-a"), hash }
}

#[test]
fn the_root_hash_alone_chooses() {
    let root_hash = [0xab; 32];
    let verity = || Ok(Verity { block_count: 10, salt: [5; 32] });
    let other = Pair { data: partition("vda", "root-b"), hash: partition("vda", "verity-b") };
    let chosen =
        choose(vec![(pair(), Err("has the root hash 00".into())), (other, verity())], &root_hash);
    assert_eq!(chosen.expect("slot b has it").root, "root-b (vda-root-b)");
    let error = choose(vec![(pair(), Err("has the root hash 00".into()))], &root_hash).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("verity-a on vda has the root hash 00; install"), "{text}");
    let text = choose(Vec::new(), &root_hash).unwrap_err().to_string();
    assert!(text.contains("no disk with our partitions was seen"), "{text}");
    let longer = Verity { block_count: 11, salt: [5; 32] };
    let text = choose(vec![(pair(), Ok(longer))], &root_hash).unwrap_err().to_string();
    assert!(text.contains("is for 11 blocks, more than root-a has"), "{text}");
}

#[test]
fn requests_are_as_the_kernel_reads_them() {
    let verity = Verity { block_count: 10, salt: [5; 32] };
    let mapping = Mapping::new(&pair(), verity, &[0xab; 32]).expect("it fits");
    let parameters = format!(
        "1 254:2 254:3 4096 4096 10 1 sha256 {} {} 1 panic_on_corruption",
        "ab".repeat(32),
        "05".repeat(32)
    );
    assert_eq!((mapping.sector_count, &mapping.parameters), (80, &parameters));
    let request = device_mapper::load(&mapping);
    let number = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
    assert_eq!(number(12) as usize, request.len(), "data_size");
    assert_eq!((number(16) as usize, number(20), number(28)), (HEADER_BYTES, 1, 1));
    assert_eq!(&request[48..53], b"root\0");
    assert_eq!(request.len() % 8, 0);
    let target = &request[HEADER_BYTES..];
    assert_eq!(target[8..16], 80_u64.to_ne_bytes());
    assert_eq!(&target[24..31], b"verity\0");
    assert_eq!(&target[40..40 + parameters.len()], parameters.as_bytes());
    assert_eq!(target[40 + parameters.len()], 0);
    for request in [device_mapper::create(), device_mapper::resume()] {
        assert_eq!(request.len(), HEADER_BYTES);
        assert_eq!(request[12..16], (HEADER_BYTES as u32).to_ne_bytes());
    }
    let mut answer = device_mapper::create();
    answer[40..48].copy_from_slice(&0x10fe05_u64.to_ne_bytes());
    assert_eq!(device_mapper::minor(&answer), Some(0x105));
    assert_eq!(device_mapper::minor(&answer[..44]), None);
}
