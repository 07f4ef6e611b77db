//! A small archive in a folder, unsigned parts of a lock, and what is refused.

use super::*;
use crate::manifest::Manifest;

const MANIFEST: &str = "
image: small
purpose: for tests
kernel: {package: linux-image-amd64, modules: [], initrd_modules: [], command_line: []}
packages: [aa]
rootfs: rootfs
units: {}
budget: {root_bytes_max: 1, payload_bytes_max: 1}
";

fn manifest() -> Manifest {
    Manifest::parse(MANIFEST, Path::new("small.yaml")).unwrap()
}

const TOOLCHAIN: &str = "
purpose: for tests
packages: [aa]
layout:
  programs: {ar: /ar, cargo: /cargo, clang: /clang, lld: /lld, rustc: /rustc}
  loader: /ld.so
  libraries: [/lib]
  clang_resources: /clang
";

fn description() -> Description {
    Description::parse(TOOLCHAIN, Path::new("toolchain.yaml")).unwrap()
}

fn package(name: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1".into(),
        architecture: "all".into(),
        suite: "trixie".into(),
        path: format!("pool/{name}.deb"),
        size: 1,
        sha256: "0".repeat(64),
        source: name.into(),
        source_version: "1".into(),
    }
}

fn lock() -> Lock {
    let index = LockedIndex {
        suite: "trixie".into(),
        area: "debian".into(),
        date: time_text(1_795_252_544),
        release_sha256: "1".repeat(64),
        packages_sha256: "2".repeat(64),
        signed_by: vec!["ABCD".into()],
    };
    let image = LockedImage {
        request_sha256: request_sha256(&manifest().variant(Variant::Production)),
        kernel: "kk".into(),
        install: vec!["aa".into()],
        inputs: Vec::new(),
    };
    Lock {
        format: FORMAT,
        time_s: 1_795_252_544,
        indexes: vec![index],
        images: BTreeMap::from([("small".to_owned(), image)]),
        toolchain: LockedToolchain {
            request_sha256: toolchain_request_sha256(&description()),
            packages: vec!["aa".into()],
        },
        packages: vec![package("aa"), package("kk")],
    }
}

#[test]
fn a_lock_has_one_text() {
    let text = lock().text();
    assert_eq!(Lock::parse(&text).unwrap(), lock());
    assert_eq!(Lock::parse(&text).unwrap().text(), text);
    assert_eq!(lock().sha256().len(), 64);
}

#[test]
fn a_lock_says_what_the_store_is_asked_for() {
    let lock = lock();
    let wanted = lock.wanted(lock.package("aa").unwrap());
    assert_eq!((wanted.area.as_str(), wanted.date_s), ("debian", 1_795_252_544));
    assert_eq!(lock.package("zz"), None);
}

#[test]
fn a_stale_lock_is_named() {
    let lock = lock();
    let manifest = manifest();
    assert!(lock.image(&manifest, Variant::Production).is_ok());
    let error = lock.image(&manifest, Variant::Dev).unwrap_err().to_string();
    assert!(error.contains("small-dev") && error.contains("plinth image lock"), "{error}");
    for (from, to) in [
        ("[aa]", "[aa, bb]"),
        ("linux-image-amd64", "linux-image-cloud-amd64"),
        ("rootfs: r", "omit: {x: why}\nrootfs: r"),
        ("rootfs: r", "choose: {x: y}\nrootfs: r"),
        ("rootfs: r", "inputs: {x: {reason: why}}\nrootfs: r"),
    ] {
        let changed = Manifest::parse(&MANIFEST.replacen(from, to, 1), Path::new("x")).unwrap();
        let error = lock.image(&changed, Variant::Production).unwrap_err().to_string();
        assert!(error.contains("other packages"), "{error}");
    }
    // What is not about packages needs no new lock.
    let other = MANIFEST.replacen("for tests", "for other tests", 1);
    let changed = Manifest::parse(&other, Path::new("x")).unwrap();
    assert!(lock.image(&changed, Variant::Production).is_ok());
}

#[test]
fn a_stale_toolchain_is_named() {
    let lock = lock();
    let packages = lock.toolchain(&description()).unwrap();
    assert_eq!(packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["aa"]);
    for (from, to) in [("[aa]", "[bb]"), ("layout", "omit: {x: why}\nlayout")] {
        let text = TOOLCHAIN.replacen(from, to, 1);
        let changed = Description::parse(&text, Path::new("toolchain.yaml")).unwrap();
        let error = lock.toolchain(&changed).unwrap_err().to_string();
        assert!(error.contains("the toolchain") && error.contains("plinth image lock"), "{error}");
    }
    // Where a program is does not change which packages there are.
    let moved = TOOLCHAIN.replacen("/ar", "/usr/bin/ar", 1);
    let moved = Description::parse(&moved, Path::new("toolchain.yaml")).unwrap();
    assert!(lock.toolchain(&moved).is_ok());
}

#[test]
fn a_damaged_lock_is_refused() {
    let text = lock().text();
    let check = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        assert!(Lock::parse(&text.replacen(from, to, 1)).is_err(), "{from} -> {to}");
    };
    check("format: 2", "format: 1");
    check("format: 2", "format: 2\nmore: 1");
    check("2026-11-21T09:15:44Z", "2026-11-31T09:15:44Z");
    check("name: aa", "name: zz");
    check("name: kk", "name: aa");
    check("path: pool/aa.deb", "path: ../aa.deb");
    check("kernel: kk", "kernel: none");
    check("  packages:\n  - aa", "  packages:\n  - none");
    check("suite: trixie\n  path", "suite: sid\n  path");
    check(&"0".repeat(64), &"0".repeat(63));
    assert!(Lock::parse("").is_err());
    let error = Lock::read(Path::new("/nowhere/image.lock")).unwrap_err().to_string();
    assert!(error.contains("plinth image lock"), "{error}");
}

#[test]
fn times_are_written_and_read() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_709_208_000, "2024-02-29T12:00:00Z"),
        (1_795_252_544, "2026-11-21T09:15:44Z"),
        (4_102_444_799, "2099-12-31T23:59:59Z"),
    ] {
        assert_eq!(time_text(seconds), text);
        assert_eq!(time_of(text), Some(seconds));
    }
    for bad in ["", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-21 09:15:44", "x"] {
        assert_eq!(time_of(bad), None, "{bad}");
    }
    // Every day for 130 years comes back.
    assert!((0..47_500).all(|day| time_of(&time_text(day * 86_400)) == Some(day * 86_400)));
}

#[test]
fn the_clones_own_lock_fits_its_manifests() {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lock = Lock::read(&crate::build::lock_path(&clone)).unwrap();
    let models = crate::rootfs::Scripts::read(&clone.join("image-build/images/scripts.yaml"));
    assert!(models.is_ok(), "{models:?}");
    assert!(
        Archive::read(&crate::build::archive_path(&clone))
            .unwrap()
            .keyring(&clone.join("image-build"))
            .is_ok()
    );
    let toolchain = Description::read(&crate::build::toolchain_path(&clone)).unwrap();
    let packages = lock.toolchain(&toolchain).unwrap();
    assert!(packages.iter().any(|package| package.name == "rustc-web"));
    for image in ["guestos", "hostos", "setupos"] {
        let manifest = crate::build::manifest(&clone, image).unwrap();
        assert!(clone.join(&manifest.rootfs).is_dir());
        let production = lock.image(&manifest, Variant::Production).unwrap();
        let dev = lock.image(&manifest, Variant::Dev).unwrap();
        assert!(!production.install.contains(&"bash".to_owned()));
        assert!(dev.install.contains(&"bash".to_owned()));
    }
}
