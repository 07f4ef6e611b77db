use super::*;
use std::io::Cursor;
use std::process::Command;

#[test]
fn a_file_has_its_name_only_when_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("artifact");
    let mut output = Output::create(&path).unwrap();
    output.file().write_all(b"half").unwrap();
    drop(output);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let mut output = Output::create(&path).unwrap();
    output.file().write_all(b"whole").unwrap();
    assert!(!path.exists());
    output.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
    let missing = Output::create(&dir.path().join("no/artifact")).unwrap_err();
    assert!(missing.to_string().contains("its folder is missing"), "{missing}");
}

#[test]
fn what_an_ended_build_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".unfinished-x"), "").unwrap();
    fs::write(dir.path().join("artifact"), "").unwrap();
    remove_unfinished(dir.path()).unwrap();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["artifact"]);
}

/// The limit on file sizes is one of the process, so the writing happens in a child: this test
/// again, with the variable set.
#[test]
fn a_full_disk_leaves_nothing_and_says_what_to_do() {
    const FOLDER: &str = "PLINTH_TEST_OUTPUT_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let path = Path::new(&folder).join("artifact");
        let error = write_file::<(), OutputError>(&path, |file| {
            file.write_all(&[7; 64 << 10]).map_err(OutputError::at("write", &path))
        });
        println!("said: {}", error.unwrap_err());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    // Ignored, the signal turns into an error of the write. The limit counts blocks of 512 bytes.
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" --nocapture --exact \"$1\""])
        .arg(this)
        .arg("output::tests::a_full_disk_leaves_nothing_and_says_what_to_do")
        .env(FOLDER, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    assert!(said.contains("raise `ulimit -f`"), "{said}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn zeros_become_holes() {
    let mut bytes = vec![0; 300_000];
    bytes[5] = 1;
    bytes[200_001] = 2;
    bytes[299_999] = 3;
    let mut to = Cursor::new(vec![0; 300_100]);
    assert_eq!(copy_sparse(&mut bytes.as_slice(), &mut to, 100).unwrap(), 300_000);
    assert_eq!(to.get_ref()[100..], bytes);
    let written = to.get_ref().chunks(4096).filter(|block| block.iter().any(|b| *b != 0)).count();
    assert!(written <= 4);
}
