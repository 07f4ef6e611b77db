//! Crates made by hand: in the store, where cargo keeps them, or nowhere good.

use super::*;
use crate::archive::testing::{Sample, device, directory, file, gzip, symlink, tar};

fn lock(crates: &[(&str, &[u8])]) -> String {
    let mut text = "version = 4\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n".to_owned();
    for (name, archive) in crates {
        text += &format!(
            "\n[[package]]\nname = \"{name}\"\nversion = \"1.0.0+a\"\n\
             source = \"registry+https://example.org/index\"\nchecksum = \"{}\"\n",
            hex::encode(Sha256::digest(archive))
        );
    }
    text
}

fn archive(entries: &[Sample]) -> Vec<u8> {
    gzip(&tar(entries))
}

fn good() -> Vec<u8> {
    archive(&[
        directory("aa-1.0.0+a/"),
        file("aa-1.0.0+a/Cargo.toml", 0o644, b"[package]"),
        file("aa-1.0.0+a/src/lib.rs", 0o664, b"pub fn aa() {}"),
        file("aa-1.0.0+a/configure", 0o775, b"#!/bin/sh"),
    ])
}

/// A folder as cargo keeps crates in, and a store.
struct Bench {
    folder: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("store"));
        fs::create_dir_all(folder.path().join("kept/registry")).unwrap();
        Self { folder, store }
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("kept")
    }

    fn fetched(&self, bytes: &[u8]) {
        fs::write(self.kept().join("registry/aa-1.0.0+a.crate"), bytes).unwrap();
    }

    fn unpack(&self, bytes: &[u8]) -> Result<PathBuf, String> {
        let crates = Crates::parse(lock(&[("aa", bytes)]).as_bytes()).unwrap();
        self.fetched(bytes);
        assert!(keep(&self.store, &self.kept(), &crates.all[0]).unwrap());
        let vendor = self.folder.path().join("vendor");
        crates.unpack(&self.store, &vendor).map_err(|error| error.to_string())?;
        Ok(vendor.join("aa-1.0.0+a"))
    }
}

#[test]
fn crates_are_unpacked_as_cargo_wants_them() {
    let bench = Bench::new();
    let place = bench.unpack(&good()).unwrap();
    assert_eq!(fs::read(place.join("src/lib.rs")).unwrap(), b"pub fn aa() {}");
    let mode = |name: &str| place.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("src/lib.rs"), mode("configure")), (0o644, 0o755));
    let sha256 = hex::encode(Sha256::digest(good()));
    let expected = format!("{{\"files\":{{}},\"package\":\"{sha256}\"}}");
    assert_eq!(fs::read_to_string(place.join(CHECKSUM)).unwrap(), expected);
    // What an interrupted run left is made anew, what is whole stays.
    fs::remove_file(place.join(CHECKSUM)).unwrap();
    fs::write(place.join("src/stray.rs"), "half").unwrap();
    bench.unpack(&good()).unwrap();
    assert!(!place.join("src/stray.rs").exists());
}

#[test]
fn bytes_that_cargo_lock_does_not_name_are_refused() {
    let bench = Bench::new();
    let crates = Crates::parse(lock(&[("aa", &good())]).as_bytes()).unwrap();
    let wanted = &crates.all[0];
    assert!(!keep(&bench.store, &bench.kept(), wanted).unwrap(), "it is nowhere");
    bench.fetched(b"other");
    let error = keep(&bench.store, &bench.kept(), wanted).unwrap_err().to_string();
    assert!(error.contains("crate aa 1.0.0+a") && error.contains("remove the file"), "{error}");
    // In another registry's folder it is right.
    fs::create_dir(bench.kept().join("second")).unwrap();
    fs::write(bench.kept().join("second/aa-1.0.0+a.crate"), good()).unwrap();
    assert!(keep(&bench.store, &bench.kept(), wanted).unwrap());
    // The store's own copy is checked when it is used.
    let path = bench.store.path(&wanted.sha256);
    fs::write(&path, "changed").unwrap();
    let error = crates.unpack(&bench.store, &bench.folder.path().join("vendor")).unwrap_err();
    assert!(matches!(&error, CrateError::Changed { path: found, .. } if *found == path), "{error}");
}

#[test]
fn archives_that_lead_elsewhere_are_refused() {
    let check = |entries: &[Sample], expected: &str| {
        let bench = Bench::new();
        let error = bench.unpack(&archive(entries)).unwrap_err();
        assert!(error.contains("crate aa 1.0.0+a") && error.contains(expected), "{error}");
        assert!(!bench.folder.path().join("vendor/aa-1.0.0+a").join(CHECKSUM).exists());
    };
    check(&[file("bb-1.0.0/x", 0o644, b"")], "outside");
    check(&[file("../x", 0o644, b"")], "outside");
    check(&[file("aa-1.0.0+a/../../x", 0o644, b"")], "outside");
    check(&[symlink("aa-1.0.0+a/x", "/etc")], "is a link");
    check(&[device("aa-1.0.0+a/x")], "device");
    let bench = Bench::new();
    let error = bench.unpack(&good()[..40]).unwrap_err();
    assert!(error.contains("damaged"), "{error}");
}

#[test]
fn every_crate_is_pinned() {
    let text = lock(&[("bb", b"b"), ("aa", b"a")]);
    let crates = Crates::parse(text.as_bytes()).unwrap();
    let names: Vec<_> = crates.all.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["aa", "bb"]);
    let check = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{from}");
        let error = Crates::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
        assert!(error.contains("Cargo.lock") && error.contains(expected), "{error}");
    };
    check("registry+", "git+", "pins its bytes");
    check("checksum", "other", "pins its bytes");
    check("name = \"aa\"", "name = \"../aa\"", "good name");
    check("[[package]]\nname = \"ours\"\nversion = \"0.1.0\"", "[[package]]", "good name");
    check("version = 4", "version = ", "Cargo.lock");
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    assert!(Crates::parse(&fs::read(clone).unwrap()).unwrap().all.len() > 100);
}
