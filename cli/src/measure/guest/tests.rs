use super::*;
use clap::Parser;

/// The options alone, as a command line.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    measure: MeasureGuest,
}

const FIRMWARE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors/launch/guest-firmware.bin");

fn line(words: &[&str]) -> Result<MeasureGuest, clap::Error> {
    let words = ["guest", "--firmware", FIRMWARE].iter().chain(words);
    Line::try_parse_from(words).map(|line| line.measure)
}

/// A record of a cpio archive in its newc form.
fn record(name: &str, mode: u32, content: &[u8]) -> Vec<u8> {
    let (length, name_length) = (content.len() as u32, name.len() as u32 + 1);
    let numbers = [0, mode, 0, 0, 1, 0, length, 0, 0, 0, 0, name_length, 0];
    let mut bytes = b"070701".to_vec();
    bytes.extend(numbers.into_iter().flat_map(|number| format!("{number:08X}").into_bytes()));
    bytes.extend(name.bytes().chain([0]));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn archives_and_single_files_give_the_same_digests() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    const FILE: u32 = 0o100_644;
    let mut archive = [
        record("cmdline", FILE, b"quiet"),
        record("initrd", FILE, b"an initrd"),
        record("kernel", FILE, b"a kernel"),
        record("TRAILER!!!", 0, b""),
    ]
    .concat();
    archive.resize(archive.len().next_multiple_of(512), 0);
    let boot = write("guestos.boot.cpio", &archive);
    let (kernel, initrd) = (write("kernel", b"a kernel"), write("initrd", b"an initrd"));
    let joined = measure(&line(&["--boot", &boot]).unwrap()).unwrap();
    let single = ["--kernel", &kernel, "--initrd", &initrd, "--command-line", "quiet"];
    assert_eq!(measure(&line(&single).unwrap()).unwrap(), joined);
    let other = ["--kernel", &kernel, "--initrd", &initrd, "--command-line", "quiet "];
    assert_ne!(measure(&line(&other).unwrap()).unwrap().base, joined.base);
    let text = as_text(&joined);
    assert!(text.contains(&format!("EPYC-Milan    8  {}", {
        let found = joined.digests.iter();
        let mut found = found.filter(|one| one.processor == "EPYC-Milan" && one.count == 8);
        found.next().unwrap().digest
    })));
    assert_eq!(text.lines().count(), 7 + joined.digests.len());
}

#[test]
fn unusable_input_has_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("boot.cpio");
    std::fs::write(&path, b"070701").unwrap();
    let error = measure(&line(&["--boot", path.to_str().unwrap()]).unwrap()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("boot archive"), "{error}");
    let missing = measure(&line(&["--kernel", "/none"]).unwrap()).unwrap_err();
    assert_eq!(missing.exit_code(), 2);
}

#[test]
fn either_an_archive_or_single_files() {
    assert!(line(&[]).is_err());
    assert!(line(&["--boot", "b", "--kernel", "k"]).is_err());
    assert!(line(&["--boot", "b", "--command-line", "quiet"]).is_err());
    assert!(line(&["--initrd", "i"]).is_err());
}
