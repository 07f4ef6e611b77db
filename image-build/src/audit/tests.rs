use super::*;
use crate::release::tests::{Made, made, noise};
use std::fs;
use std::os::unix::fs::FileExt as _;

fn audit_with(made: &Made, tier: Tier, digest: Option<HexBytes<32>>) -> Report {
    let scratch = tempfile::tempdir().unwrap();
    let options = Options {
        folder: made.folder.path().into(),
        tier,
        digest,
        scratch: scratch.path().into(),
        thread_count: 2,
    };
    // A rebuild that gives what the release was.
    let mut rebuild = |_: &Release, out: &Path| {
        let again = crate::release::tests::made();
        for entry in fs::read_dir(again.folder.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), out.join(entry.file_name())).unwrap();
        }
        Ok(())
    };
    let report = run(&options, &mut rebuild, &mut |_| {}).unwrap();
    assert_eq!(
        fs::read_dir(scratch.path()).unwrap().count(),
        0,
        "nothing is left in the scratch folder"
    );
    report
}

fn audit(made: &Made, tier: Tier) -> Report {
    audit_with(made, tier, Some(HexBytes(made.release.digest())))
}

fn failed(report: &Report) -> Vec<String> {
    let failed = report.checks.iter().filter(|check| !check.findings.is_empty());
    failed.map(|check| format!("{}: {:?}", check.subject, check.findings)).collect()
}

#[test]
fn a_good_release_matches() {
    let made = made();
    let report = audit(&made, Tier::Rebuild);
    assert!(report.matched, "{:#?}", failed(&report));
    assert!(report.checks.len() > 60, "{}", report.checks.len());
    assert_eq!(report.durations.len(), 3);
    assert!(html(&report).contains("All matched"));
}

/// Files with no second copy in the release: their name is all that can be told without a rebuild.
fn is_alone(name: &str) -> bool {
    [".firmware.fd", ".spdx.json", ".cdx.json", ".lock"].iter().any(|ending| name.ends_with(ending))
}

/// 200 bytes, each flipped alone, are found by the first tier in the right file at the right byte.
#[test]
fn every_flipped_byte_is_found_and_located() {
    let made = made();
    let names: Vec<String> = made
        .release
        .all_files()
        .map(|(name, _)| name.to_owned())
        .chain([RELEASE_FILE.into()])
        .collect();
    let mut random = noise(200 * 16, 77).into_iter();
    let mut number = || {
        let bytes: Vec<u8> = random.by_ref().take(8).collect();
        u64::from_le_bytes(bytes.try_into().unwrap())
    };
    for _ in 0..200 {
        let name = &names[(number() % names.len() as u64) as usize];
        let path = made.folder.path().join(name);
        let choice = number();
        let byte = choice % path.metadata().unwrap().len();
        let bit = 1 << (choice >> 61);
        let file = fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut good = [0];
        file.read_exact_at(&mut good, byte).unwrap();
        file.write_all_at(&[good[0] ^ bit], byte).unwrap();
        let report = audit(&made, Tier::Manifest);
        file.write_all_at(&good, byte).unwrap();

        assert!(!report.matched, "{name} at byte {byte}");
        let check =
            report.checks.iter().find(|check| check.subject == *name && !check.findings.is_empty());
        let finding =
            &check.unwrap_or_else(|| panic!("{name} at byte {byte}: {report:#?}")).findings[0];
        if name == RELEASE_FILE || is_alone(name) {
            continue;
        }
        assert_eq!(finding.byte, Some(byte), "{name}: {finding:?}");
        assert_eq!(finding.cause, Some(Cause::Damage), "{name}: {finding:?}");
        let place = finding.place.as_ref().unwrap();
        assert!(!place.steps.is_empty(), "{name} at byte {byte}: {finding:?}");
    }
    assert!(audit(&made, Tier::Manifest).matched, "the release is whole again");
}

/// Changes a file of the release and keeps the manifest in step with it, as whoever publishes a bad release
/// would.
fn published(change: impl FnOnce(&Path, &mut Release)) -> Made {
    let mut made = made();
    change(made.folder.path(), &mut made.release);
    for image in made.release.images.values_mut() {
        for (name, file) in &mut image.artifacts {
            *file = crate::release::digest_of(&made.folder.path().join(name)).unwrap();
        }
    }
    let names: Vec<String> = made.release.images.keys().cloned().collect();
    for name in names {
        let text = crate::release::description(&made.release, &name, &made.release.images[&name]);
        let file = format!("{name}.json");
        fs::write(made.folder.path().join(&file), &text).unwrap();
        let image = made.release.images.get_mut(&name).unwrap();
        image.artifacts.insert(file, types::release::FileDigest::of(&text));
    }
    fs::write(made.folder.path().join(RELEASE_FILE), made.release.encode()).unwrap();
    made
}

#[track_caller]
fn check_published(change: impl FnOnce(&Path, &mut Release), subject: &str, expected: &str) {
    let made = published(change);
    let report = audit(&made, Tier::Measure);
    assert!(!report.matched);
    let failed = failed(&report);
    let found = failed.iter().any(|text| text.starts_with(subject) && text.contains(expected));
    assert!(found, "{subject}, {expected}: {failed:#?}");
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The second tier finds what the manifest itself does not know.
#[test]
fn a_published_contradiction_is_found() {
    let changed = |name: &'static str, byte: usize| {
        move |folder: &Path, _: &mut Release| flip(&folder.join(name), byte)
    };
    check_published(changed("guestos.root.erofs", 200_000), "guestos.root.verity", "usr/replica");
    check_published(
        changed("guestos.root.erofs", 200_000),
        "guestos.payload",
        "not that of guestos.root",
    );
    check_published(changed("guestos.root.erofs", 200_000), "guestos.disk.zst", "partition root-a");
    check_published(
        changed("guestos.root.verity", 4_100),
        "guestos.root.verity",
        "not that of the root",
    );
    check_published(changed("guestos.boot.cpio", 20_000), "guestos", "launch digest");
    check_published(changed("guestos.firmware.fd", 100), "guestos", "launch digest");
    check_published(changed("setupos.esp", 0x20_0000), "setupos.esp", "another byte");
    check_published(changed("setupos.carried.erofs", 300_000), "setupos.carried.erofs", "");
    check_published(
        |_, release| {
            let image = release.images.get_mut("setupos").unwrap();
            image.measurements.as_mut().unwrap().pcrs[0].sha256.0[3] ^= 1;
        },
        "setupos",
        "PCR 4 will be",
    );
    check_published(
        |_, release| {
            let image = release.images.get_mut("guestos").unwrap();
            image.launch_digests.as_mut().unwrap().digests[5].digest.0[3] ^= 1;
        },
        "guestos",
        "the launch digest for",
    );
    check_published(
        |_, release| release.images.get_mut("setupos").unwrap().kernel_version += "x",
        "setupos.efi",
        "its kernel is 6.12.1",
    );
    check_published(
        |folder, _| {
            let bill = folder.join("guestos.spdx.json");
            let text = fs::read_to_string(&bill).unwrap();
            fs::write(&bill, text.replace("pkg:deb/debian/libc6@", "pkg:deb/debian/libd6@"))
                .unwrap();
        },
        "guestos",
        "which the lock has",
    );
}

#[test]
fn other_files_missing_files_and_other_digests_are_found() {
    let made = made();
    fs::write(made.folder.path().join("more.efi"), "x").unwrap();
    fs::remove_file(made.folder.path().join("guestos.firmware.fd")).unwrap();
    fs::write(made.folder.path().join("guestos.payload"), "short").unwrap();
    let other = audit_with(&made, Tier::Measure, Some(HexBytes([1; 32])));
    let failed = failed(&other).join("\n");
    for expected in [
        "more.efi is not in the manifest",
        "and must be 0101",
        "guestos.firmware.fd",
        "it has 5 bytes",
    ] {
        assert!(failed.contains(expected), "{expected}: {failed}");
    }
    let page = html(&other);
    assert!(page.contains("Not matched") && page.contains("more.efi is not in the manifest"));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
}

/// A rebuild that gives other bytes says where.
#[test]
fn a_rebuild_is_compared_byte_by_byte() {
    let made = made();
    let options = Options {
        folder: made.folder.path().into(),
        tier: Tier::Rebuild,
        digest: None,
        scratch: std::env::temp_dir(),
        thread_count: 2,
    };
    let mut rebuild = |_: &Release, out: &Path| {
        for entry in fs::read_dir(made.folder.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), out.join(entry.file_name())).unwrap();
        }
        flip(&out.join("guestos.root.erofs"), 200_000);
        fs::remove_file(out.join("setupos.efi")).unwrap();
        Ok(())
    };
    let report = run(&options, &mut rebuild, &mut |_| {}).unwrap();
    let failed = failed(&report);
    assert_eq!(failed.len(), 2, "{failed:#?}");
    assert!(failed[0].contains("file /usr/replica") && failed[0].contains("Damage"), "{failed:#?}");
    assert!(failed[1].contains("the rebuild does not have it"), "{failed:#?}");
    let broken = run(&options, &mut |_, _| Err("no packages".into()), &mut |_| {});
    assert!(matches!(broken, Err(AuditError::Rebuild(_))));
}

#[test]
fn names_of_others_are_no_markup() {
    let made = made();
    fs::write(made.folder.path().join("<b>&\"x"), "").unwrap();
    let page = html(&audit(&made, Tier::Manifest));
    assert!(page.contains("&lt;b&gt;&amp;&quot;x") && !page.contains("<b>"));
}
