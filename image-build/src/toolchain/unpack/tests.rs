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

fn unpack_files(entries: &[Sample], root: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.deb");
    let control = b"Package: tools\nVersion: 1\nArchitecture: all\n";
    fs::write(&path, deb(&[file("./control", 0o644, control)], entries)).unwrap();
    let description = Description::parse(DESCRIPTION, Path::new("toolchain.yaml")).unwrap();
    unpack(&description, &[(&locked(), path)], root).map_err(|error| error.to_string())
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
