//! Bills of small images, licences of copyright files, crates of a small workspace.

use super::*;
use crate::archive::Control;
use serde_json::Value;

fn package(name: &str, source: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1:2+x".into(),
        architecture: "amd64".into(),
        suite: "trixie".into(),
        path: format!("pool/{name}.deb"),
        size: 1,
        sha256: hex::encode(<sha2::Sha256 as sha2::Digest>::digest(name)),
        source: source.into(),
        source_version: "2+x".into(),
    }
}

fn unpacked(name: &str, copyright: Option<&str>) -> Unpacked {
    Unpacked {
        package: name.into(),
        control: Control::default(),
        copyright: copyright.map(|text| text.as_bytes().to_vec()),
        entry_count: 1,
        stripped: Vec::new(),
    }
}

const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
    Files: *\nCopyright: x\nLicense: GPL-2+ or Expat\n\nFiles: b\nCopyright: y\nLicense: odd-1\n\n\
    License: odd-1\n Do as you like.\n .\n Or not.\n";

fn bill() -> Bill {
    let packages = [package("bb", "aa"), package("aa", "aa"), package("cc", "cc")];
    let found =
        [unpacked("aa", Some(COPYRIGHT)), unpacked("bb", None), unpacked("cc", Some("plain"))];
    let crates = [Crate {
        name: "serde".into(),
        version: "1.0.1".into(),
        sha256: "0".repeat(64),
        licence: Some("MIT OR Apache-2.0".into()),
        binaries: vec!["tool".into()],
    }];
    let packages: Vec<_> = packages.iter().collect();
    Bill::of("small", ("f".repeat(64), 1_795_252_544), &packages, &found, &crates)
}

#[test]
fn spdx_has_every_package_with_licence_and_hash() {
    let document: Value = serde_json::from_str(&bill().spdx()).unwrap();
    assert_eq!(document["spdxVersion"], "SPDX-2.3");
    assert_eq!(document["creationInfo"]["created"], "2026-11-21T09:15:44Z");
    let packages = document["packages"].as_array().unwrap();
    let names: Vec<_> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["plinth-small", "serde", "aa", "bb", "cc"]);
    let licence = "(GPL-2.0-or-later OR MIT) AND LicenseRef-Debian-odd-1";
    assert_eq!(packages[2]["licenseDeclared"], licence);
    assert_eq!(packages[3]["licenseDeclared"], licence, "that of its source package");
    assert_eq!(packages[4]["licenseDeclared"], "NOASSERTION");
    assert_eq!(packages[2]["checksums"][0]["checksumValue"], package("aa", "aa").sha256);
    let address = &packages[2]["externalRefs"][0]["referenceLocator"];
    assert_eq!(address, "pkg:deb/debian/aa@1%3A2%2Bx?arch=amd64");
    let texts = document["hasExtractedLicensingInfos"].as_array().unwrap();
    assert_eq!(texts.len(), 1);
    assert!(texts[0]["extractedText"].as_str().unwrap().starts_with("Do as you like."));
    assert_eq!(document["relationships"].as_array().unwrap().len(), 5);
}

#[test]
fn cyclonedx_has_the_same() {
    let document: Value = serde_json::from_str(&bill().cyclonedx()).unwrap();
    let components = document["components"].as_array().unwrap();
    assert_eq!(components.len(), 4);
    assert_eq!(components[0]["purl"], "pkg:cargo/serde@1.0.1");
    assert_eq!(components[0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
    assert!(components[3].get("licenses").is_none());
    let serial = document["serialNumber"].as_str().unwrap();
    assert!(serial.starts_with("urn:uuid:") && serial.len() == 45, "{serial}");
    assert_eq!(document["dependencies"][0]["dependsOn"].as_array().unwrap().len(), 4);
}

#[test]
fn bills_do_not_change() {
    assert_eq!(bill().spdx(), bill().spdx());
    assert_eq!(bill().cyclonedx(), bill().cyclonedx());
}

#[test]
fn licences_of_copyright_files() {
    let check = |licences: &str, expected: Option<&str>| {
        let text = format!("Format: x\n\n{licences}");
        assert_eq!(licence::read(text.as_bytes()).expression.as_deref(), expected, "{licences}");
    };
    check("License: MIT", Some("MIT"));
    check("License: GPL-3+\n\nLicense: BSD-3-clause", Some("BSD-3-Clause AND GPL-3.0-or-later"));
    check("License: GPL-2 and LGPL-2.1+", Some("(GPL-2.0-only AND LGPL-2.1-or-later)"));
    check(
        "License: GPL-2+ with OpenSSL exception",
        Some("LicenseRef-Debian-GPL-2-or-later-with-OpenSSL-exception"),
    );
    check("Files: *", None);
    assert_eq!(licence::read(b"free text"), Licence::default());
    assert_eq!(licence::read(b"\xff\xfe"), Licence::default());
}

const METADATA: &str = r#"{
  "packages": [
    {"id": "w", "name": "tool", "version": "0.1.0", "source": null, "license": "Apache-2.0",
     "targets": [{"name": "tool", "kind": ["bin"]}]},
    {"id": "a", "name": "aa", "version": "1.0.0", "source": "registry", "license": "MIT/Apache-2.0",
     "targets": [{"name": "aa", "kind": ["lib"]}]},
    {"id": "b", "name": "bb", "version": "2.0.0", "source": "registry", "license": null, "targets": []},
    {"id": "d", "name": "dd", "version": "3.0.0", "source": "registry", "license": "MIT", "targets": []}
  ],
  "resolve": {"nodes": [
    {"id": "w", "deps": [{"pkg": "a", "dep_kinds": [{"kind": null}]},
                         {"pkg": "d", "dep_kinds": [{"kind": "dev"}, {"kind": "build"}]}]},
    {"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": "build"}, {"kind": null}]}]},
    {"id": "b", "deps": []}, {"id": "d", "deps": []}
  ]}
}"#;

fn cargo_lock() -> String {
    ["aa 1.0.0", "bb 2.0.0", "dd 3.0.0"]
        .iter()
        .map(|text| {
            let (name, version) = text.split_once(' ').unwrap();
            let hash = name.repeat(32);
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nchecksum = \"{hash}\"\n\n"
            )
        })
        .collect()
}

#[test]
fn crates_are_those_that_are_compiled_in() {
    let binaries = ["tool".to_owned()].into();
    let crates = crates::list(METADATA, &cargo_lock(), &binaries).unwrap();
    let names: Vec<_> = crates.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["aa", "bb"]);
    assert_eq!(crates[0].licence.as_deref(), Some("MIT OR Apache-2.0"));
    assert_eq!(crates[1].licence, None);
    let error = crates::list(METADATA, "", &["none".to_owned()].into()).unwrap_err().to_string();
    assert!(error.contains("no package makes the executable none"), "{error}");
    assert!(crates::list("{}", "", &binaries).is_err());
    assert!(crates::list("no json", "", &binaries).is_err());
}

#[test]
fn an_old_list_of_crates_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (list, lock) = (temp.path().join("crates.lock"), temp.path().join("Cargo.lock"));
    let crates = crates::list(METADATA, &cargo_lock(), &["tool".to_owned()].into()).unwrap();
    std::fs::write(&list, crates::text(&crates)).unwrap();
    std::fs::write(&lock, cargo_lock()).unwrap();
    assert_eq!(crates::read(&list, &lock, &["tool"]).unwrap(), crates);
    let error = crates::read(&list, &lock, &["other"]).unwrap_err().to_string();
    assert!(error.contains("no crate of other"), "{error}");
    std::fs::write(&lock, cargo_lock().replace("1.0.0", "1.0.1")).unwrap();
    let error = crates::read(&list, &lock, &["tool"]).unwrap_err().to_string();
    assert!(error.contains("aa 1.0.0") && error.contains("plinth image lock"), "{error}");
}
