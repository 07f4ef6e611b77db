//! What is kept, and what is refused.

use super::*;

fn made() -> Programs {
    Programs {
        key: "k".into(),
        toolchain_sha256: "t".into(),
        source_sha256: "s".into(),
        crates_sha256: "c".into(),
        programs: BTreeMap::new(),
    }
}

#[test]
fn a_full_disk_is_told_as_one() {
    let told = |text: &str| {
        ProgramsError::compile("exit status: 101", text.to_owned(), Path::new("/work")).to_string()
    };
    let full =
        told("error: failed to write to `full.rmeta`: No space left on device (os error 28)");
    assert!(full.contains("full.rmeta"), "{full}");
    let last = full.lines().last().unwrap();
    assert!(last.starts_with("the disk of /work is full: free some room"), "{last}");
    let other = told("error[E0308]: mismatched types");
    assert!(other.contains("E0308") && !other.contains("free some room"), "{other}");
}

#[test]
fn kept_programs_are_checked_whenever_they_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let compiled = folder.path().join("compiled");
    fs::write(&compiled, "program").unwrap();
    let place = folder.path().join("kept");
    assert_eq!(read(&made(), &place).unwrap(), None);
    let kept = keep(made(), &BTreeMap::from([("aa".to_owned(), compiled)]), &place).unwrap();
    assert_eq!(kept.programs["aa"].bytes, 7);
    assert_eq!(read(&made(), &place).unwrap(), Some(kept.clone()));
    let out = folder.path().join("out");
    for _ in 0..2 {
        copy(&kept, &place, &out).unwrap();
    }
    let meta = out.join("aa").metadata().unwrap();
    assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (7, 0o755));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    // One byte, another record, no record.
    fs::write(place.join("aa"), "Program").unwrap();
    let error = read(&made(), &place).unwrap_err().to_string();
    assert!(error.contains("remove it"), "{error}");
    fs::write(place.join("aa"), "program").unwrap();
    let other = Programs { source_sha256: "other".into(), ..made() };
    assert!(matches!(read(&other, &place), Err(ProgramsError::Changed { .. })));
    fs::write(place.join(RECORD), "{}").unwrap();
    assert!(matches!(read(&made(), &place), Err(ProgramsError::Changed { .. })));
}

#[test]
fn a_program_that_names_its_folder_is_refused() {
    let check = |bytes: &[u8]| check_paths("aa", bytes, &[Path::new("/a/made"), Path::new("/tc")]);
    check(b"/plinth/src/main.rs").unwrap();
    let error = check(b"\0/a/made/src/main.rs").unwrap_err().to_string();
    assert!(error.contains("aa holds the path /a/made"), "{error}");
    assert!(check(b"/tc/usr").is_err());
}

#[test]
fn descriptions_say_where_programs_come_from() {
    let text = |origin: &Origin| serde_json::to_string(origin).unwrap();
    assert_eq!(text(&Origin::Given), r#"{"programs":"given"}"#);
    assert_eq!(
        text(&made().origin()),
        r#"{"programs":"locked","toolchain_sha256":"t","source_sha256":"s","crates_sha256":"c"}"#
    );
}

#[test]
fn programs_of_images_are_those_that_they_carry_and_start_from() {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut manifest = crate::build::manifest(&clone, "guestos").unwrap();
    manifest.kernel.init = Some("first".into());
    let names = of_images([&manifest]);
    assert!(["first", "orchestrator", "replica"].iter().all(|name| names.contains(*name)));
}
