//! Archives made by hand, good and bad.

use super::*;

/// A header with the right checksum.
fn header(path: &[u8], kind: u8, size: u64) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..path.len()].copy_from_slice(path);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000052\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"14000000000\0");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

fn seal(block: &mut [u8; BLOCK_BYTES]) {
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn entry(path: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(path, kind, content.len() as u64).to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    bytes
}

fn link(path: &[u8], kind: u8, target: &[u8]) -> Vec<u8> {
    let mut block = header(path, kind, 0);
    block[157..157 + target.len()].copy_from_slice(target);
    seal(&mut block);
    block.to_vec()
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 2 * BLOCK_BYTES]].concat()
}

fn read(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let mut reader = TarReader::new(bytes);
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        let at = reader.offset;
        reader.read_to_end(&mut content).map_err(|source| TarError::Read { offset: at, source })?;
        found.push((entry, content));
    }
    Ok(found)
}

fn text(error: &TarError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

#[test]
fn files_directories_and_links_are_read() {
    let bytes = archive(&[
        entry(b"./", b'5', b""),
        entry(b"./a", b'0', b"hello"),
        link(b"./s", b'2', b"a"),
        link(b"./h", b'1', b"./a"),
    ]);
    let found = read(&bytes).unwrap();
    let (file, content) = &found[1];
    assert_eq!(content, b"hello");
    assert_eq!((file.mode, file.uid, file.gid, file.size), (0o644, 0, 42, 5));
    assert_eq!(file.mtime_s, 0o14_000_000_000);
    let offset = usize::try_from(file.content_offset).unwrap();
    assert_eq!(&bytes[offset..offset + 5], b"hello");
    let kinds: Vec<_> = found.iter().map(|(entry, _)| entry.kind.clone()).collect();
    let expected = [
        EntryKind::Directory,
        EntryKind::File,
        EntryKind::Symlink(b"a".to_vec()),
        EntryKind::HardLink(b"./a".to_vec()),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn content_that_is_not_read_is_skipped() {
    let bytes = archive(&[entry(b"a", b'0', &[7; 700]), entry(b"b", b'0', b"x")]);
    let mut reader = TarReader::new(bytes.as_slice());
    reader.next_entry().unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    assert_eq!(reader.next_entry().unwrap().unwrap().path, b"b");
    assert_eq!(reader.next_entry().unwrap(), None);
    assert_eq!(reader.next_entry().unwrap(), None);
}

#[test]
fn long_names_of_gnu_and_of_pax_are_read() {
    let long = [b"d/".as_slice(), &[b'x'; 300]].concat();
    let with_nul = [long.as_slice(), b"\0"].concat();
    let gnu = archive(&[
        entry(b"././@LongLink", b'L', &with_nul),
        entry(b"././@LongLink", b'K', &with_nul),
        link(b"short", b'2', b"short"),
    ]);
    let found = read(&gnu).unwrap();
    assert_eq!(found[0].0.path, long);
    assert_eq!(found[0].0.kind, EntryKind::Symlink(long.clone()));

    let record = |key: &str, value: &[u8]| {
        let rest = 3 + key.len() + value.len();
        let length = (rest..).find(|length| length.to_string().len() + rest == *length).unwrap();
        [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
    };
    let records = [
        record("path", &long),
        record("mtime", b"12.75"),
        record("uid", b"7"),
        record("SCHILY.xattr.security.capability", b"\x01\x00\x00\x02"),
    ]
    .concat();
    let found = read(&archive(&[entry(b"pax", b'x', &records), entry(b"s", b'0', b"1")])).unwrap();
    let (entry_found, _) = &found[0];
    assert_eq!(entry_found.path, long);
    assert_eq!((entry_found.mtime_s, entry_found.uid), (12, 7));
    assert_eq!(entry_found.xattrs[b"security.capability".as_slice()], b"\x01\x00\x00\x02".to_vec());
}

#[test]
fn a_posix_prefix_comes_before_the_name() {
    let mut block = header(b"name", b'0', 0);
    block[345..351].copy_from_slice(b"prefix");
    seal(&mut block);
    assert_eq!(read(&archive(&[block.to_vec()])).unwrap()[0].0.path, b"prefix/name");
}

#[test]
fn what_an_image_must_not_hold_is_refused() {
    for (kind, word) in
        [(b'3', "character device"), (b'4', "block device"), (b'6', "pipe"), (b'S', "sparse")]
    {
        let error = read(&archive(&[entry(b"dev/x", kind, b"")])).unwrap_err();
        assert!(text(&error).contains(word), "{error}");
        assert!(text(&error).contains("dev/x"), "{error}");
    }
}

#[test]
fn damage_is_named_with_its_place() {
    let check = |bytes: &[u8], expected: &str| {
        let error = read(bytes).unwrap_err();
        assert!(text(&error).contains(expected), "{expected}: {}", text(&error));
    };
    let good = archive(&[entry(b"a", b'0', &[1; 600])]);
    check(b"", "without an end mark");
    check(&good[..100], "without an end mark");
    check(&good[..800], "ends early");
    check(&good[..good.len() - 512], "within its end mark");
    check(&good[..good.len() - 1024], "without an end mark");
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    check(&flipped, "checksum");
    let mut behind = good.clone();
    behind.extend_from_slice(&[1; 512]);
    check(&behind, "follows the end mark");
    check(&archive(&[entry(b"d", b'5', b"content")]), "only a file has content");
    check(&archive(&[entry(b"", b'0', b"")]), "no name");
    check(&archive(&[entry(b"L", b'L', b"no nul")]), "NUL");
    check(&archive(&[entry(b"x", b'x', b"8 path=a\n"), entry(b"a", b'0', b"")]), "length");
    check(&archive(&[entry(b"x", b'x', b"12 GNU.x=yz\n"), entry(b"a", b'0', b"")]), "not known");
    check(&archive(&[entry(b"x", b'x', b"9 size=1\n")]), "the entry it extends is missing");
    check(&archive(&[header(b"big", b'L', 2 << 20).to_vec()]), "extends by more");
    let mut endless = header(b"big", b'0', 0);
    endless[124..136].copy_from_slice(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    seal(&mut endless);
    check(&archive(&[endless.to_vec()]), "beyond any file");
    check(&archive(&[header(b"huge", b'0', 1 << 32).to_vec()]), "ends early");
}

#[test]
fn every_cut_and_every_flip_ends_without_a_panic() {
    let good = archive(&[
        entry(b"./", b'5', b""),
        entry(b"x", b'x', b"9 size=3\n"),
        entry(b"./a", b'0', b"abc"),
    ]);
    for cut in 0..good.len() {
        assert!(read(&good[..cut]).is_err(), "{cut}");
    }
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x41;
        let _ = read(&flipped);
    }
}
