use super::*;

fn digest(byte: u8) -> HexBytes<32> {
    HexBytes([byte; 32])
}

fn release() -> Release {
    let file = |bytes: u64| FileDigest { bytes, sha256: digest(7) };
    let names = ["root.erofs", "root.verity", "payload", "json", "spdx.json", "cdx.json"];
    let artifacts = names.map(|ending| (format!("guestos.{ending}"), file(1 << 40)));
    let image = Image {
        artifacts: artifacts.into(),
        payload_id: digest(2),
        root_hash: digest(3),
        command_line: format!("console=ttyS0 plinth.roothash={}", digest(3)),
        kernel_version: "6.12.1".into(),
        package_count: 80,
        program_count: 200,
        module_count: 3,
        content_bytes: 1 << 30,
        measurements: None,
        launch_digests: None,
    };
    Release {
        format: RELEASE_FORMAT,
        version: Version::parse("1.4.0").unwrap(),
        security_version: 3,
        upgrade_from: Version::parse("1.2.0").unwrap(),
        inputs: Inputs {
            lock_sha256: digest(7),
            toolchain_sha256: None,
            source_sha256: None,
            crates_sha256: None,
        },
        files: [("image.lock".to_owned(), file(5))].into(),
        images: [("guestos".to_owned(), image)].into(),
    }
}

/// Whoever reads a release years later computes this hash with any tool.
#[test]
fn the_bytes_are_frozen() {
    let bytes = release().encode();
    assert!(bytes.starts_with(br#"{"files":{"image.lock":{"bytes":5,"sha256":"0707"#));
    let tail = br#""security_version":3,"upgrade_from":"1.2.0","version":"1.4.0"}"#;
    assert!(bytes.ends_with(tail), "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(Release::parse(&bytes).unwrap(), release());
    assert_eq!(release().digest(), <[u8; 32]>::from(Sha256::digest(&bytes)));
}

#[test]
fn other_spellings_are_refused() {
    let text = String::from_utf8(release().encode()).unwrap();
    let refused = |changed: &str| Release::parse(changed.as_bytes()).unwrap_err().to_string();
    let spaced = text.replacen(':', ": ", 1);
    assert!(refused(&spaced).contains("canonical form from byte 9 "), "{}", refused(&spaced));
    assert!(refused(&format!("{text}\n")).contains("canonical"));
    let escaped = text.replacen("console", "\\u0063onsole", 1);
    assert!(refused(&escaped).contains("canonical"));
    let twice = text.replacen("{\"files\"", "{\"format\":1,\"files\"", 1);
    assert!(refused(&twice).contains("cannot be read"));
    let more = text.replacen("{\"files\"", "{\"extra\":1,\"files\"", 1);
    assert!(refused(&more).contains("cannot be read"));
    for (from, to) in [("\"format\":1", "\"format\":1.0"), ("\"bytes\":5", "\"bytes\":5e0")] {
        assert!(refused(&text.replacen(from, to, 1)).contains("cannot be read"));
    }
    let upper = text.replacen("0707", "0A07", 1);
    assert!(refused(&upper).contains("cannot be read"));
    assert!(refused(&text[..text.len() - 1]).contains("cannot be read"));
    assert!(refused("[]").contains("cannot be read"));
}

#[test]
fn contradictions_are_refused() {
    let check = |change: &dyn Fn(&mut Release), expected: &str| {
        let mut changed = release();
        change(&mut changed);
        let error = Release::parse(&changed.encode()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    fn image(release: &mut Release) -> &mut Image {
        release.images.get_mut("guestos").unwrap()
    }
    let file = FileDigest { bytes: 1, sha256: digest(9) };
    check(&|release| release.format = 2, "format");
    check(&|release| release.upgrade_from.minor = 5, "newer than the release");
    check(&|release| release.images.clear(), "images");
    check(&|release| release.inputs.lock_sha256 = digest(9), "not the lock");
    check(&|release| image(release).root_hash = digest(1), "does not name its root hash");
    check(&|release| image(release).content_bytes = 1 << 53, "exceeds");
    for name in ["../x", ".x", "a/b", "A", ""] {
        check(
            &|release| {
                let _ = release.files.insert(name.into(), file);
            },
            "name",
        );
    }
    let insert = |name: &'static str| {
        move |release: &mut Release| {
            let _ = image(release).artifacts.insert(name.into(), file);
        }
    };
    check(&insert("hostos.efi"), "begins with the name");
    check(&insert("guestos.efi"), "unified kernel");
    check(&insert("guestos.firmware.fd"), "guest firmware");
    let remove = |release: &mut Release| {
        let _ = image(release).artifacts.remove("guestos.payload");
    };
    check(&remove, "lacks one");
}

#[test]
fn versions() {
    let version = |text: &str| Version::parse(text);
    assert!(version("1.10.0") > version("1.9.9"));
    assert_eq!(version("4294967295.0.1").unwrap().to_string(), "4294967295.0.1");
    for bad in ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "1.2.-3", "1.2.4294967296", "1..2"] {
        assert_eq!(version(bad), None, "{bad}");
    }
}
