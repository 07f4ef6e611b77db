//! Small toolchains out of packages made by hand.

use super::*;
use crate::archive::testing::{Sample, deb, directory, file, hard_link, symlink};
use std::os::unix::fs::MetadataExt as _;

const DESCRIPTION: &str = "
purpose: for tests
packages: [tools]
exclude: [/usr/share/doc]
layout:
  programs: {ar: /usr/bin/tool, cargo: /bin/tool, clang: /usr/bin/tool, lld: /usr/bin/link, rustc: /usr/bin/tool}
  loader: /lib64/ld.so
  libraries: [/usr/lib/x, /lib/y]
  clang_resources: /usr/lib/clang
";

fn locked() -> LockedPackage {
    LockedPackage {
        name: "tools".into(),
        version: "1".into(),
        architecture: "all".into(),
        suite: "trixie".into(),
        path: "pool/tools.deb".into(),
        size: 1,
        sha256: "0".repeat(64),
        source: "tools".into(),
        source_version: "1".into(),
    }
}

/// A real program, which needs the C library.
fn program() -> Vec<u8> {
    let bytes = fs::read("/bin/true").unwrap();
    assert_eq!(needed(&bytes), [b"libc.so.6"]);
    bytes
}

fn description() -> Description {
    Description::parse(DESCRIPTION, Path::new("toolchain.yaml")).unwrap()
}

fn unpack_files(entries: &[Sample], root: &Path) -> Result<(), String> {
    with_packages(entries, |files| unpack(&description(), files, root))
}

/// Gives a package with these files to a function.
fn with_packages(
    entries: &[Sample],
    run: impl FnOnce(&[(&LockedPackage, PathBuf)]) -> Result<(), ToolchainError>,
) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.deb");
    let control = b"Package: tools\nVersion: 1\nArchitecture: all\n";
    fs::write(&path, deb(&[file("./control", 0o644, control)], entries)).unwrap();
    run(&[(&locked(), path)]).map_err(|error| error.to_string())
}

fn entries<'a>(program: &'a [u8], library: &'a str) -> Vec<Sample<'a>> {
    vec![
        file("./usr/bin/tool", 0o4755, program),
        hard_link("./usr/bin/same", "./usr/bin/tool"),
        symlink("./usr/bin/link", "/usr/bin/tool"),
        file("./usr/lib64/ld.so", 0o755, b"loader"),
        directory("./usr/lib/x/"),
        directory("./lib/y/"),
        file(library, 0o644, b"library"),
        directory("./usr/lib/clang/"),
        directory("./usr/share/"),
        directory("./usr/share/doc/"),
        file("./usr/share/doc/text", 0o644, b"text"),
        symlink("./usr/lib/x/up", "/"),
    ]
}

#[test]
fn a_toolchain_is_unpacked_and_keeps_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("toolchains/abc");
    let program = program();
    unpack_files(&entries(&program, "./lib/y/libc.so.6"), &root).unwrap();
    let at = |path: &str| root.join(path);
    assert_eq!(fs::read(at("usr/bin/tool")).unwrap(), program);
    let meta = at("usr/bin/tool").metadata().unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o755);
    assert_eq!(meta.ino(), at("usr/bin/same").metadata().unwrap().ino());
    assert_eq!(fs::read_link(at("usr/bin/link")).unwrap(), Path::new("../../usr/bin/tool"));
    assert_eq!(fs::read_link(at("usr/lib/x/up")).unwrap(), Path::new("../../../"));
    assert_eq!(fs::read(at("lib/y/libc.so.6")).unwrap(), b"library");
    assert!(at("usr/lib/y/libc.so.6").is_file(), "/lib and /usr/lib are one");
    assert!(!at("usr/share/doc").exists());
    // Nothing else is left.
    assert_eq!(fs::read_dir(root.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_toolchain_with_a_gap_is_none() {
    let program = program();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("abc");
    let check = |entries: Vec<Sample>, expected: &str| {
        let error = unpack_files(&entries, &root).unwrap_err();
        assert!(error.contains(expected) && error.contains("toolchain.yaml"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    };
    let all = || entries(&program, "./lib/y/libc.so.6");
    let without = |path: &str| all().into_iter().filter(|it| it.path != path).collect();
    check(without("./usr/lib64/ld.so"), "/lib64/ld.so");
    check(without("./usr/bin/link"), "/usr/bin/link");
    check(without("./usr/lib/clang/"), "/usr/lib/clang");
    check(
        entries(&program, "./usr/lib/libc.so.6"),
        "usr/bin/tool of the toolchain needs libc.so.6",
    );
}

/// Whatever differs from the packages is found: the loader would take it for the toolchain's own.
#[test]
fn a_changed_toolchain_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("toolchains/abc");
    let program = program();
    let entries = entries(&program, "./lib/y/libc.so.6");
    unpack_files(&entries, &root).unwrap();
    let compared = || with_packages(&entries, |files| compare(&description(), files, &root));
    compared().unwrap();
    type Change = fn(&Path) -> io::Result<()>;
    let changes: [(&str, Change, Change); 7] = [
        // It has a second name, which is compared first.
        ("usr/bin/same", |p| flip(&p.join("usr/bin/tool")), |p| flip(&p.join("usr/bin/tool"))),
        (
            "usr/lib/y/libc.so.6",
            |p| fs::write(p.join("lib/y/libc.so.6"), "librar"),
            |p| fs::write(p.join("lib/y/libc.so.6"), "library"),
        ),
        (
            "usr/lib64/ld.so",
            |p| set_mode(&p.join("usr/lib64/ld.so"), 0o644),
            |p| set_mode(&p.join("usr/lib64/ld.so"), 0o755),
        ),
        (
            "usr/bin/link",
            |p| {
                fs::remove_file(p.join("usr/bin/link"))?;
                std::os::unix::fs::symlink("/bin/true", p.join("usr/bin/link"))
            },
            |p| {
                fs::remove_file(p.join("usr/bin/link"))?;
                std::os::unix::fs::symlink("../../usr/bin/tool", p.join("usr/bin/link"))
            },
        ),
        (
            "usr/lib/clang",
            |p| fs::remove_dir(p.join("usr/lib/clang")),
            |p| fs::create_dir(p.join("usr/lib/clang")),
        ),
        (
            "usr/lib/x/more.h",
            |p| fs::write(p.join("usr/lib/x/more.h"), ""),
            |p| fs::remove_file(p.join("usr/lib/x/more.h")),
        ),
        (
            "usr/lib/y/deep",
            |p| fs::create_dir(p.join("usr/lib/y/deep")),
            |p| fs::remove_dir(p.join("usr/lib/y/deep")),
        ),
    ];
    for (path, change, back) in changes {
        change(&root).unwrap();
        let error = compared().unwrap_err();
        assert!(error.contains(path) && error.contains("remove that folder"), "{path}: {error}");
        back(&root).unwrap();
        compared().unwrap();
    }
    assert_eq!(fs::read_dir(root.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
}

fn flip(path: &Path) -> io::Result<()> {
    let mut bytes = fs::read(path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes)
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}
