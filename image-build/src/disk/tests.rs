use super::*;
use crate::gpt;
use os_kit_disk_layout::table::{GUESTOS, HOSTOS, SETUPOS};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

#[test]
fn contents_lie_where_the_table_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (root, boot) = (vec![5; 3 << 20], b"kernel and all".to_vec());
    fs::write(path("root"), &root).unwrap();
    fs::write(path("boot"), &boot).unwrap();
    let (root_path, boot_path) = (path("root"), path("boot"));
    let contents = BTreeMap::from([("root-a", root_path.as_path()), ("boot-a", &boot_path)]);
    let mut disk = tempfile::tempfile_in(dir.path()).unwrap();
    let placement = write(&GUESTOS, &contents, None, &mut disk).unwrap();
    assert_eq!(disk.metadata().unwrap().len(), placement.disk_bytes);
    // Holes take no room: 3 MiB of content and two tables in more than 10 GiB.
    assert!(disk.metadata().unwrap().blocks() * 512 < 8 << 20);
    let table = gpt::read(&mut disk).unwrap();
    for (label, bytes) in [("root-a", root), ("boot-a", boot)] {
        let entry = table.entries.iter().find(|entry| entry.label == label).unwrap();
        disk.seek(SeekFrom::Start(entry.first_sector * 512)).unwrap();
        let mut found = vec![0; bytes.len()];
        disk.read_exact(&mut found).unwrap();
        assert!(found == bytes, "{label}");
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let big = tempfile::NamedTempFile::new().unwrap();
    big.as_file().set_len((2 << 30) + 1).unwrap();
    let mut disk = tempfile::tempfile().unwrap();
    let contents = BTreeMap::from([("root-b", big.path())]);
    let error = write(&HOSTOS, &contents, None, &mut disk).unwrap_err().to_string();
    assert!(error.contains("do not fit into the partition hostos/root-b"), "{error}");
    let missing = BTreeMap::from([("root-b", Path::new("/nowhere"))]);
    let error = write(&HOSTOS, &missing, None, &mut disk).unwrap_err().to_string();
    assert!(error.contains("the partition root-b"), "{error}");
    assert_eq!(disk.metadata().unwrap().len(), 0);
}

/// Whatever the threads, and for the empty parts too: what is unpacked is what would have been written.
#[test]
fn a_compressed_disk_is_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // Longer than a frame, with a hole of its own, and an end inside of a block.
    let mut root: Vec<u8> = (0..9 << 20).map(|at: u32| (at ^ at >> 11) as u8).collect();
    root[5 << 20..6 << 20].fill(0);
    root.push(7);
    fs::write(path("root"), &root).unwrap();
    let root_path = path("root");
    let contents = BTreeMap::from([("root", root_path.as_path())]);
    let mut raw = tempfile::tempfile_in(dir.path()).unwrap();
    let placement = write(&SETUPOS, &contents, None, &mut raw).unwrap();
    let packed = |threads| {
        let mut bytes = Vec::new();
        let placed = write_compressed(&SETUPOS, &contents, None, threads, &mut bytes).unwrap();
        assert_eq!(placed, placement);
        bytes
    };
    let bytes = packed(1);
    assert!(bytes == packed(3));
    fs::write(path("disk.zst"), &bytes).unwrap();
    assert_eq!(unpack(&path("disk.zst"), &path("disk")).unwrap(), placement.disk_bytes);
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    raw.seek(SeekFrom::Start(0)).unwrap();
    raw.read_to_end(&mut expected).unwrap();
    let mut disk = File::open(path("disk")).unwrap();
    disk.read_to_end(&mut found).unwrap();
    assert!(expected == found);
    assert!(disk.metadata().unwrap().blocks() * 512 < 12 << 20);
}

#[test]
fn a_damaged_compressed_disk_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut bytes = Vec::new();
    write_compressed(&SETUPOS, &BTreeMap::new(), None, 1, &mut bytes).unwrap();
    let check = |bytes: &[u8], expected: &str| {
        fs::write(path("disk.zst"), bytes).unwrap();
        let error = unpack(&path("disk.zst"), &path("disk")).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!path("disk").exists());
    };
    check(b"no zstd at all", "cannot unpack");
    check(&bytes[..bytes.len() - 1], "cannot unpack");
    check(&zstd::bulk::compress(&[0; 1 << 20], 1).unwrap(), "no whole disk");
    check(&[], "cannot unpack");
}
