use super::*;
use crate::tree::Meta;
use std::io::Cursor;

const VOLUME: u64 = 5 << 20;

fn path(path: &str) -> TreePath {
    TreePath::new(path.as_bytes()).unwrap()
}

fn with_file(name: &str, content: Content) -> Tree {
    let mut tree = Tree::new(1_750_000_000);
    tree.add_file(path(name), Meta::root(0o644), content).unwrap();
    tree
}

/// Writing the tree fails with the text.
fn check(tree: &Tree, expected: &str) {
    let error = write(tree, "ESP", VOLUME, &mut Cursor::new(Vec::new())).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_fat_cannot_hold_is_refused() {
    for name in ["a:b", "a?", "x.", "x ", " x", "tab\t", "quote\"", &"é".repeat(127)] {
        let tree = with_file(name, Content::bytes(""));
        if name.starts_with('é') {
            write(&tree, "ESP", VOLUME, &mut Cursor::new(Vec::new())).unwrap();
        } else {
            check(&tree, "rename it");
        }
    }
    let mut tree = with_file("ReadMe", Content::bytes(""));
    tree.add_file(path("README"), Meta::root(0o644), Content::bytes("")).unwrap();
    check(&tree, "are one name to FAT");
    let mut tree = with_file("x", Content::bytes("x"));
    tree.add_link(path("y"), &path("x")).unwrap();
    check(&tree, "make copies");
    let mut tree = with_file("x", Content::bytes("x"));
    tree.add_symlink(path("y"), Meta::root(0o777), b"x".to_vec()).unwrap();
    check(&tree, "symbolic link");
    let mut tree = Tree::new(0);
    let name = TreePath::new(b"\xff").unwrap();
    tree.add_file(name, Meta::root(0o644), Content::bytes("")).unwrap();
    check(&tree, "/\\xff is not UTF-8");
}

#[test]
fn what_does_not_fit_is_said() {
    let tree = with_file("x", Content::bytes(vec![1; 6 << 20]));
    check(&tree, "the files need 6291456 bytes");
    let sparse = tempfile::NamedTempFile::new().unwrap();
    sparse.as_file().set_len(1 << 32).unwrap();
    check(&with_file("x", Content::file(sparse.path()).unwrap()), "4 GiB or more");
    let mut tree = Tree::new(0);
    for number in 0..511 {
        let name = path(&format!("F{number}"));
        tree.add_file(name, Meta::root(0o644), Content::bytes("")).unwrap();
    }
    check(&tree, "more entries than FAT16");
    for label in ["", "esp", "TWELVELETTER", "A B"] {
        let error = write(&Tree::new(0), label, VOLUME, &mut Cursor::new(Vec::new())).unwrap_err();
        assert!(matches!(error, FatError::Label { .. }));
    }
    let error = write(&Tree::new(0), "ESP", 1 << 20, &mut Cursor::new(Vec::new())).unwrap_err();
    assert!(error.to_string().contains("1048576 bytes cannot be"));
}

#[test]
fn the_serial_number_follows_the_content() {
    let serial = |text: &str, length: u64, at: usize| {
        let mut volume = Cursor::new(Vec::new());
        write(&with_file("x", Content::bytes(text)), "ESP", length, &mut volume).unwrap();
        assert_eq!(volume.get_ref().len() as u64, length);
        volume.get_ref()[at..at + 4].to_vec()
    };
    assert_eq!(serial("a", VOLUME, 39), serial("a", VOLUME, 39));
    assert_ne!(serial("a", VOLUME, 39), serial("b", VOLUME, 39));
    assert_ne!(serial("a", 40 << 20, 67), serial("b", 40 << 20, 67));
}

fn volume(tree: &Tree, length: u64) -> Vec<u8> {
    let mut volume = Cursor::new(Vec::new());
    write(tree, "ESP", length, &mut volume).unwrap();
    volume.into_inner()
}

fn esp() -> Tree {
    let mut tree = Tree::new(1_750_000_001);
    tree.add_directory(path("EFI"), Meta::root(0o755)).unwrap();
    tree.add_directory(path("EFI/Linux"), Meta::root(0o755)).unwrap();
    for (name, length) in [("EFI/BOOTX64.EFI", 5_000), ("EFI/Linux/hostos-a.efi", 70_001)] {
        let content = Content::bytes(vec![7; length]);
        tree.add_file(path(name), Meta::root(0o644), content).unwrap();
    }
    for number in 0..40 {
        let name = format!("EFI/Linux/a rather long name {number}.txt");
        tree.add_file(path(&name), Meta::root(0o644), Content::bytes("x")).unwrap();
    }
    tree
}

#[test]
fn what_was_written_is_read() {
    for length in [5 << 20, 20 << 20, 40 << 20] {
        let read = read(&Content::bytes(volume(&esp(), length))).unwrap();
        let names = |tree: &Tree| tree.walk().map(|(path, ..)| path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&read.tree), names(&esp()));
        assert_eq!(read.label, "ESP");
        let inode = read.tree.get(&path("EFI/Linux/hostos-a.efi")).unwrap();
        let Node::File(content) = &inode.node else { panic!("it is a file") };
        assert_eq!(content.read().unwrap(), vec![7; 70_001]);
    }
}

#[test]
fn a_flipped_bit_is_found() {
    let good = volume(&esp(), VOLUME);
    // Boot sector, both tables, directories, contents, what is free.
    for at in [3, 20, 39, 43, 511, 515, 0x5100, 0xa000, 0xb000, VOLUME as usize - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        assert!(read(&Content::bytes(bytes)).is_err(), "{at:#x}");
    }
}
