use super::*;
use crate::gpt;
use os_kit_disk_layout::table::{GUESTOS, HOSTOS};
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
