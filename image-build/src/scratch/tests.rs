use super::*;
use std::process::{Command, Stdio};

const PREFIX: &str = "plinth-image-";
/// Set in the child: where it makes its folder.
const PLACE: &str = "PLINTH_TEST_SCRATCH_PLACE";

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_goes_with_its_value_and_others_in_use_stay() {
    let place = tempfile::tempdir().unwrap();
    let one = Scratch::create_in(place.path(), PREFIX).unwrap();
    fs::write(one.path().join("file"), "of one").unwrap();
    let two = Scratch::create_in(place.path(), PREFIX).unwrap();
    assert!(one.path().join("file").exists());
    assert_eq!(names(place.path()).len(), 2);
    drop(one);
    drop(two);
    assert!(names(place.path()).is_empty());
}

#[test]
fn what_got_a_name_stays() {
    let place = tempfile::tempdir().unwrap();
    let scratch = Scratch::create_in(place.path(), PREFIX).unwrap();
    fs::write(scratch.path().join("file"), "whole").unwrap();
    scratch.rename(&place.path().join("result")).unwrap();
    drop(Scratch::create_in(place.path(), PREFIX).unwrap());
    assert_eq!(names(place.path()), ["result"]);
    assert_eq!(fs::read(place.path().join("result/file")).unwrap(), b"whole");
}

/// A child, this test again with the variable set, is killed while it has a folder.
#[test]
fn what_a_killed_process_left_is_removed() {
    if let Some(place) = std::env::var_os(PLACE) {
        let scratch = Scratch::create_in(Path::new(&place), PREFIX).unwrap();
        fs::create_dir(scratch.path().join("folder")).unwrap();
        fs::write(scratch.path().join("folder/file"), "half").unwrap();
        loop {
            std::thread::park();
        }
    }
    let place = tempfile::tempdir().unwrap();
    // Files and folders that only look alike are not ours.
    fs::write(place.path().join("plinth-image-of-mine"), "").unwrap();
    fs::create_dir(place.path().join("my-plinth-image-")).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "scratch::tests::what_a_killed_process_left_is_removed"])
        .env(PLACE, place.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let left = loop {
        let of_child = |name: &String| place.path().join(name).join("folder/file").exists();
        if let Some(name) = names(place.path()).into_iter().find(of_child) {
            break name;
        }
        std::thread::yield_now();
    };
    // As long as it lives, its folder stays.
    drop(Scratch::create_in(place.path(), PREFIX).unwrap());
    assert!(place.path().join(&left).join("folder/file").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    drop(Scratch::create_in(place.path(), PREFIX).unwrap());
    assert_eq!(names(place.path()), ["my-plinth-image-", "plinth-image-of-mine"]);
}

/// Whoever looks for abandoned folders may find one between its making and its lock.
#[test]
fn many_at_once_have_a_folder_each() {
    let place = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let place = place.path();
            scope.spawn(move || {
                for round in 0..25 {
                    let scratch = Scratch::create_in(place, PREFIX).unwrap();
                    let path = scratch.path().join("file");
                    fs::write(&path, format!("{number} {round}")).unwrap();
                    std::thread::yield_now();
                    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{number} {round}"));
                }
            });
        }
    });
    assert!(names(place.path()).is_empty());
}
