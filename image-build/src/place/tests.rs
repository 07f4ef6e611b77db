use super::*;
use crate::erofs::{Options, Plan};
use crate::tree::{Meta, Tree, TreePath};
use std::io::Cursor;

fn path(path: &str) -> TreePath {
    TreePath::new(path.as_bytes()).unwrap()
}

fn tree() -> Tree {
    let mut tree = Tree::new(1_750_000_000);
    tree.add_directory(path("usr"), Meta::root(0o755)).unwrap();
    for (name, length, byte) in [("usr/a", 100, 1), ("usr/b", 9_000, 2), ("usr/c", 2_000_000, 3)] {
        let content = Content::bytes(vec![byte; length]);
        tree.add_file(path(name), Meta::root(0o644), content).unwrap();
    }
    tree
}

fn erofs() -> Vec<u8> {
    let tree = tree();
    let options = Options { label: "test".into(), last: vec![path("usr/b")] };
    let plan = Plan::new(&tree, &options).unwrap();
    let mut image = Cursor::new(Vec::new());
    plan.write(&mut image).unwrap();
    image.into_inner()
}

/// Each byte of a file's content is found as a byte of that file, wherever it lies.
#[track_caller]
fn check_files(format: Format, image: &[u8]) {
    let content = Content::bytes(image);
    for (name, length, byte) in [("usr/a", 100, 1_u8), ("usr/b", 9_000, 2), ("usr/c", 2_000_000, 3)]
    {
        let at = image.windows(64).position(|window| window == [byte; 64]).unwrap() as u64;
        for (byte, expected) in [(at, 0), (at + 63, 63)] {
            let place = format.place(&content, byte);
            let file = place.steps.last().unwrap();
            assert_eq!(file, &format!("file /{name}"));
            assert!(place.byte < length && (place.byte == expected || name != "usr/a"), "{place}");
        }
    }
}

#[test]
fn files_in_file_systems_and_archives() {
    check_files(Format::Erofs, &erofs());
    let mut volume = Cursor::new(Vec::new());
    fat::write(&tree(), "ESP", 8 << 20, &mut volume).unwrap();
    check_files(Format::Fat, volume.get_ref());
    let mut archive = Vec::new();
    cpio::write(&tree(), &mut archive).unwrap();
    check_files(Format::Cpio, &archive);
}

#[test]
fn every_byte_has_a_place() {
    let image = erofs();
    let content = Content::bytes(image.clone());
    let volume = erofs::read(&content).unwrap();
    let names =
        ["superblock", "inode of /", "padding", "file /", "directory /", "behind the end of /"];
    for byte in (0..image.len() as u64).step_by(61) {
        let place = volume.place(byte).unwrap();
        let step = &place.steps[0];
        assert!(names.iter().any(|name| step.contains(name)), "{place}");
        assert!(image[byte as usize] < 4 || !step.starts_with("padding"), "{place}");
    }
    assert_eq!(volume.place(image.len() as u64), None);
    let mut archive = Vec::new();
    cpio::write(&tree(), &mut archive).unwrap();
    let head = Format::Cpio.place(&Content::bytes(archive.clone()), 0);
    assert_eq!(head.to_string(), "head of /usr, byte 0");
    let end = Format::Cpio.place(&Content::bytes(archive.clone()), archive.len() as u64 - 1);
    assert_eq!(end.steps, ["end of the archive"]);
}

#[test]
fn lines_of_text() {
    let text = Content::bytes("one\ntwo\n");
    assert_eq!(Format::of("guestos.json").place(&text, 5).to_string(), "line 2, byte 1");
    assert_eq!(Format::of("guestos.firmware.fd").place(&text, 5).to_string(), "byte 5");
}
