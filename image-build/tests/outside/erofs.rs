//! erofs: checked and unpacked by `fsck.erofs`, described by `dump.erofs`.

use super::tool::{is_root, run, tool};
use super::trees::{self, Holds, assert_same, reversed, seen_in_tree, seen_on_disk};
use image_build::erofs::{Options, Plan};
use image_build::tree::{Content, Meta, Tree, TreePath};
use proptest::prelude::*;
use std::fs::File;
use std::path::Path;

const HOLDS: Holds = Holds { odd_names: true, links: true, xattrs: true };

fn write(tree: &Tree, image: &Path) {
    let options = Options { label: "test".into(), last: Vec::new() };
    let mut file = File::create(image).unwrap();
    Plan::new(tree, &options).unwrap().write(&mut file).unwrap();
}

fn unpacked(image: &Path, folder: &Path) {
    let keep = if is_root() { "--preserve" } else { "--preserve-perms" };
    run(tool("fsck.erofs")
        .arg(format!("--extract={}", folder.display()))
        .args(["--force", "--overwrite", keep])
        .arg(image));
}

fn check(tree: &Tree) {
    let dir = tempfile::tempdir().unwrap();
    let (image, folder) = (dir.path().join("image"), dir.path().join("unpacked"));
    write(tree, &image);
    unpacked(&image, &folder);
    let (mut expected, mut found) = (seen_in_tree(tree), seen_on_disk(&folder));
    for seen in expected.values_mut().chain(found.values_mut()) {
        // erofs-utils 1.5 unpacks each name of a hard link as a file; see the test below. It gives
        // links no mode, which Linux does not look at.
        seen.link_count = 0;
        if seen.kind == 'l' {
            seen.mode = 0o777;
        }
        if !is_root() {
            seen.owner = (0, 0);
        }
    }
    assert_same(&expected, &found);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_tree_is_unpacked_as_it_was(steps in trees::steps(HOLDS)) {
        check(&trees::tree(&steps));
    }

    #[test]
    fn order_of_insertion_changes_nothing(steps in trees::steps(HOLDS)) {
        let tree = trees::tree(&steps);
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("a-much-longer-name"));
        write(&tree, &one);
        write(&reversed(&tree), &two);
        prop_assert!(std::fs::read(one).unwrap() == std::fs::read(two).unwrap());
    }
}

fn path(path: &str) -> TreePath {
    TreePath::new(path.as_bytes()).unwrap()
}

#[test]
fn a_large_directory_and_a_deep_one() {
    let mut tree = Tree::new(trees::TIME_S);
    tree.add_directory(path("many"), Meta::root(0o755)).unwrap();
    for number in 0..3_000 {
        let name = format!("many/file-{number}-{}", "x".repeat(number % 90));
        tree.add_file(path(&name), Meta::root(0o644), Content::bytes(name.clone())).unwrap();
    }
    let mut deep = TreePath::root();
    for level in 0..400 {
        deep = deep.join(format!("{level}").as_bytes()).unwrap();
        tree.add_directory(deep.clone(), Meta::root(0o755)).unwrap();
    }
    check(&tree);
}

#[test]
fn dump_shows_superblock_links_and_owners() {
    let mut tree = Tree::new(trees::TIME_S);
    let meta = Meta { uid: 70_000, gid: 5, ..Meta::root(0o640) };
    tree.add_file(path("one"), meta, Content::bytes("text")).unwrap();
    tree.add_link(path("two"), &path("one")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    write(&tree, &image);
    let superblock = run(tool("dump.erofs").arg("-s").arg(&image));
    assert!(superblock.contains("0xE0F5E1E2"), "{superblock}");
    assert!(superblock.contains("Filesystem inode count:                       2"), "{superblock}");
    let described = |name: &str| run(tool("dump.erofs").arg(format!("--path=/{name}")).arg(&image));
    let number = |text: &str| {
        text.split("NID:").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    let (one, two) = (described("one"), described("two"));
    assert_eq!(number(&one), number(&two));
    assert!(one.contains("Links: 2") && one.contains("Uid: 70000"), "{one}");
    assert!(one.contains("Gid: 5") && one.contains("Access: 0640"), "{one}");
}

/// More than 4 GiB: a length of 64 bits, in an image of holes.
#[test]
fn a_file_above_4_gib() {
    let dir = tempfile::tempdir().unwrap();
    let (big, image) = (dir.path().join("big"), dir.path().join("image"));
    let length = (4_u64 << 30) + 4097;
    let file = File::create(&big).unwrap();
    file.set_len(length).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"the end", length - 7).unwrap();
    let mut tree = Tree::new(trees::TIME_S);
    tree.add_file(path("big"), Meta::root(0o644), Content::file(&big).unwrap()).unwrap();
    write(&tree, &image);
    let described = run(tool("dump.erofs").arg("--path=/big").arg(&image));
    assert!(described.contains(&format!("Size: {length}")), "{described}");
    run(tool("fsck.erofs").arg(&image));
}
