use super::*;
use crate::tree::{Content, Meta, Node, Tree};
use std::io::Cursor;

fn path(path: &str) -> TreePath {
    TreePath::new(path.as_bytes()).unwrap()
}

fn image(tree: &Tree, options: &Options) -> Vec<u8> {
    let plan = Plan::new(tree, options).unwrap();
    let mut image = Cursor::new(Vec::new());
    plan.write(&mut image).unwrap();
    assert_eq!(image.get_ref().len() as u64, plan.length_bytes());
    image.into_inner()
}

fn tree_of(sizes: &[(&str, usize)]) -> Tree {
    let mut tree = Tree::new(1_750_000_000);
    for (index, (name, size)) in sizes.iter().enumerate() {
        let bytes: Vec<u8> = (0..*size).map(|at| (at * 7 + at / 4096 * 13 + index) as u8).collect();
        tree.add_file(path(name), Meta::root(0o644), Content::bytes(bytes)).unwrap();
    }
    tree
}

fn differing_blocks(a: &[u8], b: &[u8]) -> usize {
    a.chunks(4096).zip(b.chunks(4096)).filter(|(a, b)| a != b).count()
}

#[test]
fn an_empty_tree_is_one_block() {
    assert_eq!(image(&Tree::new(0), &Options::default()).len(), 4096);
}

/// The reason for the order of files: the file that changes lies at the end and moves nothing.
#[test]
fn a_file_at_the_end_changes_alone() {
    let options = Options { label: "guestos".into(), last: vec![path("m")] };
    let names: Vec<String> = (b'a'..=b'z').map(|name| char::from(name).to_string()).collect();
    let sized = |changed: usize| {
        let sizes: Vec<(&str, usize)> = names
            .iter()
            .map(|name| (name.as_str(), if name == "m" { changed } else { 40_000 }))
            .collect();
        image(&tree_of(&sizes), &options)
    };
    let (short, long) = (sized(2_000_001), sized(2_100_500));
    // Its own inode, and the superblock in the same block.
    assert_eq!(differing_blocks(&short[..4096 * 300], &long[..4096 * 300]), 1);
    let last = |image: &[u8]| image.len() - image.len() % (128 << 10);
    assert!(last(&short) > 25 * 40_000);
}

#[test]
fn large_files_begin_on_the_border_of_a_chunk() {
    let tree = tree_of(&[("a", 10), ("b", 5_000), ("c", 1 << 20), ("d", (1 << 20) + 1)]);
    let image = image(&tree, &Options::default());
    for (index, length) in [(2_usize, 1 << 20), (3, (1 << 20) + 1)] {
        let begin: Vec<u8> =
            (0..4096).map(|at: usize| (at * 7 + at / 4096 * 13 + index) as u8).collect();
        let places: Vec<usize> = (0..image.len() / (128 << 10))
            .filter(|chunk| image[chunk << 17..].starts_with(&begin))
            .collect();
        assert_eq!(places.len(), 1, "{length}");
    }
}

#[test]
fn what_erofs_cannot_hold_is_refused() {
    let refused = |tree: &Tree, options: &Options| {
        Plan::new(tree, options).map(|_| ()).unwrap_err().to_string()
    };
    let long = Options { label: "sixteen-letters-".into(), last: vec![] };
    assert!(refused(&Tree::new(0), &long).contains("more than 15 bytes"));
    let missing = Options { label: String::new(), last: vec![path("nowhere")] };
    assert!(refused(&Tree::new(0), &missing).contains("correct `last`"));
    let mut tree = Tree::new(0);
    let mut meta = Meta::root(0o755);
    meta.xattrs.insert(b"btrfs.compression".to_vec(), vec![]);
    tree.add_directory(path("d"), meta).unwrap();
    assert!(refused(&tree, &Options::default()).contains("btrfs.compression"));
}

#[test]
fn a_file_that_shrank_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(10_000).unwrap();
    let mut tree = Tree::new(0);
    let content = Content::file(file.path()).unwrap();
    tree.add_file(path("etc"), Meta::root(0o644), content).unwrap();
    file.as_file().set_len(5_000).unwrap();
    let plan = Plan::new(&tree, &Options::default()).unwrap();
    let error = plan.write(&mut Cursor::new(Vec::new())).unwrap_err();
    assert!(matches!(&error, ErofsError::Content { path, .. } if path.to_string() == "/etc"));
}

fn all_kinds() -> (Tree, Options) {
    let mut tree = tree_of(&[("a", 10), ("b", 5_000), ("m", 20_001), ("n", 1_200_000), ("z", 0)]);
    let mut meta = Meta { mode: 0o640, uid: 70_000, gid: 3, mtime_s: 5, ..Meta::root(0) };
    meta.xattrs.insert(b"user.one".to_vec(), b"value".to_vec());
    tree.add_directory(path("d"), meta.clone()).unwrap();
    tree.add_file(path("d/x"), meta.clone(), Content::bytes(vec![3; 9_000])).unwrap();
    meta.xattrs.insert(b"security.two".to_vec(), vec![1; 700]);
    tree.add_file(path("d/y"), meta, Content::bytes("text")).unwrap();
    tree.add_link(path("d/w"), &path("b")).unwrap();
    tree.add_symlink(path("l"), Meta::root(0o777), vec![b'x'; 3_000]).unwrap();
    for number in 0..300 {
        let name = format!("d/some file with a long name {number}");
        tree.add_file(path(&name), Meta::root(0o644), Content::bytes(name)).unwrap();
    }
    (tree, Options { label: "plinth".into(), last: vec![path("m"), path("d/x")] })
}

#[test]
fn what_was_written_is_read() {
    let (tree, options) = all_kinds();
    let bytes = image(&tree, &options);
    assert_eq!(length_bytes(&Content::bytes(bytes.clone())).unwrap(), bytes.len() as u64);
    let read = read(&Content::bytes(bytes)).unwrap();
    assert_eq!(read.options.label, "plinth");
    assert_eq!(read.tree.name_count(), tree.name_count());
    for ((path, id, inode), (other_path, other_id, other)) in tree.walk().zip(read.tree.walk()) {
        assert_eq!(path, other_path);
        assert_eq!((&inode.meta, inode.name_count), (&other.meta, other.name_count), "{path}");
        match (&inode.node, &other.node) {
            (Node::File(a), Node::File(b)) => assert_eq!(a.read().unwrap(), b.read().unwrap()),
            (Node::Symlink(a), Node::Symlink(b)) => assert_eq!(a, b),
            (Node::Directory, Node::Directory) => {}
            (a, b) => panic!("{path} is {a:?} and was read as {b:?}"),
        }
        let _ = (id, other_id);
    }
    assert_eq!(read.tree.id(&path("d/w")), read.tree.id(&path("b")));
}

/// One byte after another: the checksum, the id or the comparison sees each.
#[test]
fn a_flipped_bit_is_found() {
    let (tree, options) = all_kinds();
    let good = image(&tree, &options);
    let step = if good.len() > 4096 { 977 } else { 1 };
    for at in (0..good.len()).step_by(step) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        assert!(read(&Content::bytes(bytes)).is_err(), "{at:#x}");
    }
    for length in [0, 1_000, 1_100, 4_096, good.len() - 4_096] {
        assert!(read(&Content::bytes(&good[..length])).is_err(), "{length}");
    }
}

/// Which files were named to lie at the end is found from their places alone, whatever their size and name.
#[test]
fn files_at_the_end_are_found_again() {
    let sizes = [("a", 90_000), ("b", 300), ("m", 400_000), ("n", 1_500_000), ("z", 4_096)];
    let tree = tree_of(&sizes);
    for last in
        [&["m"][..], &["z"], &["a"], &["n"], &["b"], &["z", "a"], &["m", "n", "z"], &["n", "m"]]
    {
        let last = last.iter().map(|name| path(name)).collect();
        let options = Options { label: "x".into(), last };
        let bytes = image(&tree, &options);
        let read = read(&Content::bytes(bytes.clone()))
            .unwrap_or_else(|error| panic!("{options:?}: {error}"));
        assert!(image(&read.tree, &read.options) == bytes, "{options:?}");
    }
}
