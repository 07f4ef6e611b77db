use super::*;
use crate::tree::{Content, Meta, Tree, TreePath};

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tree = Tree::new(0);
    for (name, content) in files {
        let path = TreePath::new(name.as_bytes()).unwrap();
        tree.add_file(path, Meta::root(0o644), Content::bytes(*content)).unwrap();
    }
    let mut archive = Vec::new();
    crate::cpio::write(&tree, &mut archive).unwrap();
    archive
}

fn guest() -> Vec<u8> {
    archive(&[("cmdline", b"quiet"), ("initrd", b"initrd"), ("kernel", &[7; 1_000])])
}

#[test]
fn what_was_written_is_read() {
    let bytes = guest();
    let read = BootArchive::parse(&bytes).unwrap();
    let expected = BootArchive { command_line: "quiet", initrd: b"initrd", kernel: &[7; 1_000] };
    assert_eq!(read, expected);
}

#[test]
fn other_archives_are_refused() {
    let check = |bytes: &[u8], expected: &str| {
        let error = BootArchive::parse(bytes).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error} does not say: {expected}");
    };
    check(b"", "cut off");
    check(&[0; 512], "no newc archive");
    let order = "cmdline, initrd and kernel, in this order";
    check(&archive(&[("cmdline", b"quiet"), ("kernel", b"k")]), order);
    check(
        &archive(&[("a", b"a"), ("cmdline", b"quiet"), ("initrd", b"i"), ("kernel", b"k")]),
        order,
    );
    let four = [("cmdline", &b"quiet"[..]), ("initrd", b"i"), ("kernel", b"k"), ("more", b"m")];
    check(&archive(&four), order);
    let text = "not plain text";
    check(&archive(&[("cmdline", b"qui\0et"), ("initrd", b"i"), ("kernel", b"k")]), text);
    check(&archive(&[("cmdline", &[0xff]), ("initrd", b"i"), ("kernel", b"k")]), text);
    let mut folder = guest();
    folder[18] = b'4'; // the mode becomes that of a directory
    check(&folder, "no plain file");
    let mut longer = guest();
    longer.push(0);
    check(&longer, "bytes follow the trailer");
    let mut padded = guest();
    *padded.last_mut().unwrap() = 1;
    check(&padded, "padding is not zero");
    let mut lower = guest();
    lower[6..14].copy_from_slice(b"0000000a");
    check(&lower, "upper-case hex");
}

#[test]
fn every_cut_is_refused() {
    let bytes = guest();
    for end in 0..bytes.len() {
        assert!(BootArchive::parse(&bytes[..end]).is_err(), "cut at {end}");
    }
}
