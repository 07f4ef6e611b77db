use super::*;
use crate::programs::Origin;

fn built(folder: &Path) -> Built {
    fs::write(folder.join("small.payload"), "bytes").unwrap();
    let artifact = artifact("small.payload", &folder.join("small.payload")).unwrap();
    Built {
        image: "small".into(),
        lock_sha256: "00".into(),
        origin: Origin::Given,
        root_hash: "11".into(),
        command_line: None,
        kernel_version: "6.1".into(),
        package_count: 1,
        content_bytes: 1,
        program_count: 0,
        module_count: 0,
        artifacts: vec![artifact],
    }
}

#[test]
fn only_a_whole_image_of_the_same_inputs_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let built = built(folder);
    assert_eq!(finished(folder, "small", "key").unwrap(), None);
    finish(folder, "small", "key", &built).unwrap();
    assert_eq!(finished(folder, "small", "key").unwrap(), Some(built.clone()));
    assert_eq!(finished(folder, "small", "another key").unwrap(), None);
    assert_eq!(finished(folder, "smaller", "key").unwrap(), None);
    for bytes in ["bytez", "byte", ""] {
        fs::write(folder.join("small.payload"), bytes).unwrap();
        assert_eq!(finished(folder, "small", "key").unwrap(), None, "{bytes}");
    }
    fs::remove_file(folder.join("small.payload")).unwrap();
    assert_eq!(finished(folder, "small", "key").unwrap(), None);
}

#[test]
fn a_build_that_began_has_no_description_until_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    finish(folder, "small", "key", &built(folder)).unwrap();
    fs::write(folder.join(".unfinished-1"), "").unwrap();
    begin(folder, "small").unwrap();
    let mut left: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["small.payload"]);
    begin(folder, "small").unwrap();
}

#[test]
fn one_builder_works_in_a_folder_and_the_others_wait() {
    let dir = tempfile::tempdir().unwrap();
    let first = only_builder(dir.path(), &mut |step| panic!("{step:?}")).unwrap();
    let (said, told) = std::sync::mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let guard = only_builder(dir.path(), &mut |step| said.send(step).unwrap()).unwrap();
            let is_done = dir.path().join("done").exists();
            drop(guard);
            is_done
        });
        let Progress::Step(text) = told.recv().unwrap() else { panic!("it is a step") };
        assert!(text.contains("waiting for its end"), "{text}");
        fs::write(dir.path().join("done"), "").unwrap();
        drop(first);
        assert!(second.join().unwrap(), "it did not wait");
    });
}

#[test]
fn every_kind_of_file_below_a_folder_counts() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let seen = || {
        let mut all = Vec::new();
        walk(folder, &mut |path, content| all.push((path.to_owned(), content.to_vec()))).unwrap();
        all
    };
    fs::create_dir(folder.join("etc")).unwrap();
    fs::write(folder.join("etc/a"), "1").unwrap();
    let mut known = vec![seen()];
    let mut changed = || {
        let now = seen();
        assert!(!known.contains(&now));
        known.push(now);
    };
    fs::write(folder.join("etc/a"), "2").unwrap();
    changed();
    fs::set_permissions(folder.join("etc/a"), fs::Permissions::from_mode(0o755)).unwrap();
    changed();
    std::os::unix::fs::symlink("a", folder.join("etc/b")).unwrap();
    changed();
    fs::create_dir(folder.join("empty")).unwrap();
    changed();
}

#[test]
fn a_description_has_one_form_for_both_origins() {
    let dir = tempfile::tempdir().unwrap();
    let given = built(dir.path());
    let locked = Origin::Locked {
        toolchain_sha256: "22".into(),
        source_sha256: "33".into(),
        crates_sha256: "44".into(),
    };
    for built in [given.clone(), Built { origin: locked, ..given }] {
        let json = serde_json::to_string(&built).unwrap();
        assert_eq!(Built::parse(json.as_bytes()).unwrap(), built);
        for bad in [json.replacen('{', "{\"x\": 1, ", 1), json.replace("root_hash", "roothash")] {
            assert!(Built::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
