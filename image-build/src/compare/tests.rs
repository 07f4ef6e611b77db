use super::*;
use crate::erofs::{Options, Plan};
use crate::tree::{Meta, Tree, TreePath};
use os_kit_disk_layout::table::SETUPOS;
use std::collections::BTreeMap;
use std::io::Cursor;

const TIME_S: u64 = 1_750_000_000;

fn path(path: &str) -> TreePath {
    TreePath::new(path.as_bytes()).unwrap()
}

type Change = dyn Fn(&mut BTreeMap<&'static str, (Meta, Vec<u8>)>);

/// A small root, changed.
fn tree(change: &Change) -> Tree {
    let file = |text: &str| (Meta::root(0o644), text.as_bytes().to_vec());
    let mut files = BTreeMap::from([
        ("etc/built", file("built at 1750000123 on some machine")),
        ("etc/date", file("made 2026-11-26 10:00:00")),
        ("etc/folder", file("compiled in /tmp/one/src/main.rs")),
        ("etc/list", file("alpha\nbeta\ngamma\n")),
        ("usr/program", file(&"program ".repeat(3_000))),
    ]);
    change(&mut files);
    let mut tree = Tree::new(TIME_S);
    for folder in ["etc", "usr"] {
        tree.add_directory(path(folder), Meta::root(0o755)).unwrap();
    }
    for (name, (meta, bytes)) in files {
        tree.add_file(path(name), meta, Content::bytes(bytes)).unwrap();
    }
    tree
}

fn erofs(tree: &Tree) -> Content {
    let plan = Plan::new(tree, &Options { label: "test".into(), last: vec![] }).unwrap();
    let mut image = Cursor::new(Vec::new());
    plan.write(&mut image).unwrap();
    Content::bytes(image.into_inner())
}

fn cpio(tree: &Tree) -> Content {
    let mut archive = Vec::new();
    crate::cpio::write(tree, &mut archive).unwrap();
    Content::bytes(archive)
}

/// The changed root differs there, for that reason, in every format that holds it.
#[track_caller]
fn check(change: &Change, place: &str, cause: Cause) {
    let (one, two) = (tree(&|_| {}), tree(change));
    for (name, a, b) in [
        ("guestos.root.erofs", erofs(&one), erofs(&two)),
        ("guestos.boot.cpio", cpio(&one), cpio(&two)),
    ] {
        let found = compare(name, &a, &b).unwrap().expect("they differ");
        assert_eq!(
            (found.place.to_string().as_str(), found.cause),
            (place, cause),
            "{name}: {found:?}"
        );
        assert_eq!(compare(name, &a, &a.clone()).unwrap(), None);
    }
}

fn replace(
    file: &'static str,
    text: &'static str,
) -> impl Fn(&mut BTreeMap<&'static str, (Meta, Vec<u8>)>) {
    move |files| files.get_mut(file).unwrap().1 = text.as_bytes().to_vec()
}

#[test]
fn causes_are_named() {
    check(
        &replace("etc/built", "built at 1750009999 on some machine"),
        "file /etc/built, byte 15",
        Cause::Time,
    );
    check(&replace("etc/date", "made 2026-11-27 10:00:00"), "file /etc/date, byte 14", Cause::Time);
    check(
        &replace("etc/folder", "compiled in /tmp/two/src/main.rs"),
        "file /etc/folder, byte 17",
        Cause::Path,
    );
    check(&replace("etc/list", "alpha\ngamma\nbeta\n"), "file /etc/list, byte 6", Cause::Order);
    check(
        &replace("etc/list", "alpha\nbeta\ngamma\ndelta\n"),
        "file /etc/list, byte 17",
        Cause::Length,
    );
    check(&replace("etc/list", "alpha\nbeta\nGamma\n"), "file /etc/list, byte 11", Cause::Damage);
    check(&replace("etc/list", "alpha\nother\nwor\n"), "file /etc/list, byte 6", Cause::Content);
    check(
        &|files| files.get_mut("usr/program").unwrap().0.mode = 0o600,
        "file /usr/program, byte 0",
        Cause::Permissions,
    );
    check(
        &|files| files.get_mut("etc/list").unwrap().0.uid = 7,
        "file /etc/list, byte 0",
        Cause::Owner,
    );
    check(
        &|files| files.get_mut("etc/list").unwrap().0.mtime_s = 5,
        "file /etc/list, byte 0",
        Cause::Time,
    );
    check(&|files| drop(files.remove("etc/list")), "file /etc/list, byte 0", Cause::Names);
    check(
        &|files| drop(files.insert("etc/more", (Meta::root(0o644), vec![]))),
        "file /etc/more, byte 0",
        Cause::Names,
    );
}

/// The layout differs although the files are the same.
#[test]
fn another_order_is_an_order() {
    let tree = tree(&|_| {});
    let last = Options { label: "test".into(), last: vec![path("etc/list")] };
    let mut image = Cursor::new(Vec::new());
    Plan::new(&tree, &last).unwrap().write(&mut image).unwrap();
    let found =
        compare("x.root.erofs", &erofs(&tree), &Content::bytes(image.into_inner())).unwrap();
    assert_eq!(found.unwrap().cause, Cause::Order);
}

#[test]
fn an_initrd_is_looked_into() {
    let archive = |change: &Change| {
        let initrd = zstd::bulk::compress(&cpio(&tree(change)).read().unwrap(), 3).unwrap();
        let mut outer = Tree::new(0);
        let names =
            [("cmdline", b"quiet".to_vec()), ("initrd", initrd), ("kernel", vec![0; 5_000])];
        for (name, bytes) in names {
            outer.add_file(path(name), Meta::root(0o644), Content::bytes(bytes)).unwrap();
        }
        cpio(&outer)
    };
    let two = archive(&replace("etc/list", "alpha\nbeta\ndelta\n"));
    let found = compare("guestos.boot.cpio", &archive(&|_| {}), &two).unwrap().unwrap();
    assert_eq!(found.place.steps, ["file /initrd", "unpacked", "file /etc/list"]);
    assert_eq!(found.place.byte, 11);
}

#[test]
fn a_partition_of_a_disk_is_looked_into() {
    let dir = tempfile::tempdir().unwrap();
    let disk = |change: &Change| {
        let root = dir.path().join("root");
        std::fs::write(&root, erofs(&tree(change)).read().unwrap()).unwrap();
        let contents = BTreeMap::from([("root", root.as_path())]);
        let mut compressed = Vec::new();
        crate::disk::write_compressed(&SETUPOS, &contents, None, 2, &mut compressed).unwrap();
        Content::bytes(compressed)
    };
    let (one, two) = (disk(&|_| {}), disk(&replace("etc/list", "alpha\nbeta\nGamma\n")));
    let found = compare("setupos.disk.zst", &one, &two).unwrap().unwrap();
    assert_eq!(found.place.steps, ["partition root", "file /etc/list"]);
    assert_eq!((found.place.byte, found.cause), (11, Cause::Damage));
}
