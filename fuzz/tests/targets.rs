//! Each target with its seeds and with thousands of changed forms of them, the same in each run. It shares the
//! libraries of all other tests; `fuzz/run` looks further, by coverage, and takes minutes to be compiled.

#[path = "../mutations.rs"]
mod mutations;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many changed forms each target is given.
const MUTANTS: u64 = 4_000;

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let seeds = seeds(stringify!($name));
                seeds.iter().for_each(|seed| fuzz::$name(seed));
                mutations::for_each_mutant(&seeds, MUTANTS, fuzz::$name);
            }
        )*

        const TARGETS: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    ar boot_archive certificate compressed consensus cpio_read crate_archive deb deb822 delegation early_boot enrolment
    envelope erofs_read event_log evidence evidence_rules fat_read gpt hash_tree management_call measurements payload pe
    peer_message release_manifest revocation_list shares smbios snp_firmware snp_guest snp_report subnet_config tar tpm_public tpm_quote
    transcript uki update_payload user_key x509
}

/// What a target begins with.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = fuzz_folder().join("seeds").join(target);
    let names = names(&folder);
    names.iter().map(|name| fs::read(folder.join(name)).expect("a seed is a file")).collect()
}

/// A target that is missing in one of these places would never run there.
#[test]
fn each_target_is_everywhere() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|name| name.to_string()).collect();
    assert_eq!(names(&fuzz_folder().join("seeds")), listed, "seeds");
    let programs = names(&fuzz_folder().join("coverage/targets"));
    let expected: BTreeSet<String> = listed.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(programs, expected, "programs");
    let manifest = read("coverage/Cargo.toml");
    let readme = read("README.md");
    for name in &listed {
        let section = format!(
            "[[bin]]\nname = \"{name}\"\npath = \"targets/{name}.rs\"\ntest = false\ndoc = false\n"
        );
        assert!(manifest.contains(&section), "{name} is a program of coverage/Cargo.toml");
        let program = format!(
            "#![no_main]\nlibfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::{name}(data));\n"
        );
        assert_eq!(read(&format!("coverage/targets/{name}.rs")), program);
        assert!(readme.contains(&format!("`{name}`")), "README.md says what {name} tries");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(fuzz_folder().join(path)).expect("a text file")
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
    entries.map(|entry| name(entry.expect("an entry"))).collect()
}

fn fuzz_folder() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
