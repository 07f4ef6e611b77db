//! Everything twice, in two processes that differ in whatever a machine can differ in: umask, time
//! zone, locale, working folder, length of paths, threads, order of insertion. The bytes must not.

use super::trees::{TIME_S, bytes, reversed};
use image_build::payload::{self, Source};
use image_build::tree::{Content, Meta, Tree, TreePath};
use image_build::verity::{HashTree, Salt};
use image_build::{cpio, disk, erofs, fat, output};
use os_kit_disk_layout::table::SETUPOS;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "PLINTH_TEST_VARIATION_FOLDER";
const THIS: &str = "variation::a_second_run_elsewhere_gives_the_same_bytes";
const ARTIFACTS: [&str; 6] = ["cpio", "disk", "erofs", "fat", "payload", "verity"];

fn tree() -> Tree {
    let path = |path: &str| TreePath::new(path.as_bytes()).unwrap();
    let mut tree = Tree::new(TIME_S);
    for (index, folder) in ["usr", "usr/bin", "usr/lib", "etc"].into_iter().enumerate() {
        tree.add_directory(path(folder), Meta::root(0o755)).unwrap();
        for number in 0..40 {
            let meta = Meta { mtime_s: TIME_S - number, ..Meta::root(0o644) };
            let length = (number as usize).pow(3) * (index + 1);
            let name = path(&format!("{folder}/file{number}"));
            tree.add_file(name, meta, Content::bytes(bytes(length, number as u8))).unwrap();
        }
    }
    let large = Content::bytes(bytes(3_000_000, 1));
    tree.add_file(path("usr/bin/replica"), Meta::root(0o755), large).unwrap();
    tree
}

/// All artifacts, as a build would make them.
fn write_all(folder: &Path, tree: &Tree, threads: usize) {
    let path = |name: &str| folder.join(name);
    let write = |name: &str, write: &dyn Fn(&mut File)| {
        output::write_file(&path(name), |file| {
            write(file);
            Ok::<_, output::OutputError>(())
        })
        .unwrap();
    };
    let last = vec![TreePath::new(b"usr/bin/replica").unwrap()];
    let options = erofs::Options { label: "test".into(), last };
    let plan = erofs::Plan::new(tree, &options).unwrap();
    write("erofs", &|file| {
        plan.write(file).unwrap();
    });
    write("fat", &|file| fat::write(tree, "ESP", 16 << 20, file).unwrap());
    write("cpio", &|file| {
        cpio::write(tree, file).unwrap();
    });
    let data = File::open(path("erofs")).unwrap();
    let hashes = HashTree::of(&data, Salt::of("test/root"), threads).unwrap();
    write("verity", &|file| hashes.write(file).unwrap());
    let source = |name: &str| Source { name: name.to_owned(), path: path(name) };
    let sources = [source("erofs"), source("verity")];
    write("payload", &|file| drop(payload::write(&sources, threads, file).unwrap()));
    let (erofs_path, verity_path, fat_path) = (path("erofs"), path("verity"), path("fat"));
    let contents = BTreeMap::from([
        ("esp", fat_path.as_path()),
        ("root", &erofs_path),
        ("verity", &verity_path),
    ]);
    write("disk", &|file| drop(disk::write(&SETUPOS, &contents, None, file).unwrap()));
}

/// This test again in another process; there it writes and is done.
fn elsewhere(folder: &Path, umask: &str, environment: &[(&str, &str)]) {
    let this = std::env::current_exe().unwrap();
    let child = Command::new("sh")
        .args(["-c", "umask \"$2\"; exec \"$0\" --exact \"$1\""])
        .arg(this)
        .args([THIS, umask])
        .current_dir(folder)
        .env(FOLDER, folder)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

#[test]
fn a_second_run_elsewhere_gives_the_same_bytes() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let tree = tree();
        match std::env::var("THREADS").as_deref() {
            Ok("1") => write_all(Path::new(&folder), &tree, 1),
            _ => write_all(Path::new(&folder), &reversed(&tree), 3),
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let one = dir.path().join("1");
    let two = dir.path().join(format!("a longer name with spaces/{}", "x".repeat(200)));
    fs::create_dir_all(&one).unwrap();
    fs::create_dir_all(&two).unwrap();
    elsewhere(&one, "022", &[("TZ", "UTC"), ("LC_ALL", "C"), ("THREADS", "1")]);
    let other = [("TZ", "Pacific/Apia"), ("LC_ALL", "tr_TR.UTF-8"), ("SOURCE_DATE_EPOCH", "1")];
    elsewhere(&two, "077", &other);
    for name in ARTIFACTS {
        let (a, b) = (one.join(name), two.join(name));
        assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap(), "{name} differs");
        let (a, b) = (a.metadata().unwrap(), b.metadata().unwrap());
        assert_eq!(a.permissions(), b.permissions(), "{name}");
    }
}
