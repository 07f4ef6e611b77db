//! Builds of GuestOS that cannot come to their end: a full disk, a kill, another build in the same folder. Whatever is there
//! under its name is whole, nothing else is left, and the next build gives the bytes that all builds give.
//!
//! The images to compare with are those that `cargo xtask test` has made of the same source and programs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set in the child that has a namespace of its own: where it mounts.
const PLACE: &str = "PLINTH_TEST_FULL_DISK";

/// A folder by the variable that `cargo xtask test` sets.
fn provided(name: &str) -> PathBuf {
    std::env::var_os(name)
        .unwrap_or_else(|| panic!("{name} is not set: run this by `cargo xtask test`"))
        .into()
}

fn build(out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plinth"));
    command
        .args(["image", "build", "guestos", "--out"])
        .arg(out)
        .arg("--source")
        .arg(provided("PLINTH_IMAGES_SOURCE"))
        .arg("--binaries")
        .arg(provided("PLINTH_IMAGES_PROGRAMS"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(listing) = fs::read_dir(folder) else { return BTreeSet::new() };
    listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Every file that has its name has the bytes of the finished image; unfinished ones may only be there where a kill
/// left no time. Gives whether the image says that it is whole.
fn check(out: &Path, was_killed: bool) -> bool {
    let images = provided("PLINTH_IMAGES");
    for name in names(out) {
        let is_unfinished = name.starts_with(".unfinished-") || name.starts_with("plinth-image-");
        let is_note = [".builder", ".guestos.inputs"].contains(&name.as_str());
        assert!(was_killed || !is_unfinished, "{name} is left");
        assert!(is_unfinished || is_note || name.starts_with("guestos."), "{name}");
        if !is_unfinished && !is_note {
            assert!(same(&out.join(&name), &images.join(&name)), "{name} is not whole");
        }
    }
    let description = out.join("guestos.json");
    if !description.exists() {
        return false;
    }
    let of_image = |name: &String| name.starts_with("guestos.");
    let expected: BTreeSet<_> = names(&images).into_iter().filter(of_image).collect();
    assert_eq!(names(out).into_iter().filter(of_image).collect::<BTreeSet<_>>(), expected);
    true
}

fn same(one: &Path, two: &Path) -> bool {
    let (mut one, mut two) = (File::open(one).unwrap(), File::open(two).unwrap());
    let mut buffers = [vec![0; 1 << 20], vec![0; 1 << 20]];
    loop {
        let [first, second] = &mut buffers;
        let length = one.read(first).unwrap();
        if length == 0 {
            return two.read(second).unwrap() == 0;
        }
        if two.read_exact(&mut second[..length]).is_err() || first[..length] != second[..length] {
            return false;
        }
    }
}

/// A file system in memory that is made larger and larger, until an image fits.
#[test]
fn a_full_disk_leaves_whole_files_and_says_what_to_do() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else {
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let status = command
            .arg("--mount")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "a_full_disk_leaves_whole_files_and_says_what_to_do", "--nocapture"])
            .env(PLACE, place.path())
            .status()
            .unwrap();
        assert!(status.success(), "see above");
        return;
    };
    let mount = |options: String| {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "none"]).arg(&place);
        assert!(command.status().unwrap().success(), "cannot mount {options}");
    };
    mount("size=1m".into());
    let of_image = |name: &String| name.starts_with("guestos.");
    let images = provided("PLINTH_IMAGES");
    let bytes: u64 = names(&images)
        .iter()
        .filter(|name| of_image(name))
        .map(|name| images.join(name).metadata().unwrap().len())
        .sum();
    let out = place.join("out");
    let mut ended = BTreeSet::new();
    for thirds in 1.. {
        mount(format!("remount,size={}", bytes / 3 * thirds));
        let output = build(&out).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            break;
        }
        assert_eq!(output.status.code(), Some(1), "{said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.contains("free some room"), "{said}");
        assert!(!check(&out, false), "an image that is not whole says that it is");
        // What was being done, without the figures.
        ended.insert(last.split(place.to_str().unwrap()).next().unwrap_or_default().to_owned());
        fs::remove_dir_all(&out).unwrap();
        assert!(thirds < 18, "{said}");
    }
    assert!(check(&out, false));
    assert!(ended.len() >= 3, "the disk was full at the same step each time: {ended:?}");
    println!("ended at: {ended:#?}");
}

/// The process is killed after steps that it tells. Then two builds go on at once: one works, the other waits for it and
/// finds the image.
#[test]
fn a_killed_build_is_gone_on_with_and_by_one_builder_alone() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    for step in ["packages unpacked", "root written", "disk written"] {
        let mut child = build(&out).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.any(|line| line.contains(step));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(told, "no build told {step:?}");
        assert!(!check(&out, true), "an image that is not whole says that it is");
    }
    let both = [build(&out).spawn().unwrap(), build(&out).spawn().unwrap()];
    let said = both.map(|child| {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    });
    assert!(said.iter().any(|said| said.contains("waiting for its end")), "{said:?}");
    assert!(said.iter().any(|said| said.contains("made of the same inputs")), "{said:?}");
    assert!(check(&out, false));
}
