use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    check: CheckMachine,
}

fn machine(words: &[&str]) -> CheckMachine {
    Line::try_parse_from(["check"].iter().chain(words)).unwrap().check
}

/// A machine in a folder: its processor alone.
fn folder(cpuinfo: &str, registers: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("proc/cpuinfo", cpuinfo);
    write("registers.yaml", registers);
    folder
}

const MILAN: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n";

fn root(folder: &Path) -> CheckMachine {
    machine(&["--root", folder.to_str().unwrap()])
}

#[test]
fn the_spec_is_chosen_by_the_processor() {
    let folder = folder(MILAN, "{}");
    let arguments = root(folder.path());
    let facts = facts(&arguments).unwrap();
    let spec = spec_of(None, &facts).unwrap();
    assert_eq!(spec.name, "gen2");
    let text = as_text(&spec, &compare(&spec, &facts));
    assert!(text.starts_with("gen2: EPYC 7003 (Milan)\nok       processor.kind: "), "{text}");
    assert!(text.contains("MISSED   drives: no drives (wanted: at least 5 of nvme with 6400.0 GB each)\n         fix: "), "{text}");
    assert!(text.contains("UNKNOWN  snp.api: not told (wanted: 1.51 or newer)\n"), "{text}");
    let error = check(&arguments).unwrap_err();
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn unusable_input_has_exit_code_2() {
    let other = folder(&MILAN.replace("25", "23"), "{}");
    let error = check(&root(other.path())).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().ends_with("name one of gen1, gen2, gen3, gen4, qemu"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(check(&root(empty.path())).unwrap_err().exit_code(), 2);
    let wrong = folder(MILAN, "cpuid: 7");
    let error = check(&root(wrong.path())).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().starts_with("registers.yaml"), "{error}");
    assert_eq!(show("gen0", false).unwrap_err().exit_code(), 2);
}
