//! `plinth image programs` on a small workspace, with the real toolchain of the lock: a program with a
//! build script that compiles C, and a procedural macro. Twice, as two users on two machines would.
//!
//! The build script, what it compiles and the macro look at the processes that they run in: no file that is
//! mapped there may be the host's, and no variable of the host's environment may be seen.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CARGO_TOML: &str = r#"
[workspace]
resolver = "3"
members = ["macros", "other", "small"]

[profile.release]
debug = "line-tables-only"
incremental = true
"#;

const CARGO_LOCK: &str = r#"version = 4

[[package]]
name = "macros"
version = "0.1.0"

[[package]]
name = "other"
version = "0.1.0"

[[package]]
name = "small"
version = "0.1.0"
dependencies = [
 "macros",
]
"#;

/// Looks at the process that it is compiled into.
const WITNESS: &str = r#"
fn witness(who: &str) {
    let path = std::env::var("PATH").unwrap();
    let work = std::path::Path::new(&path).parent().unwrap().to_str().unwrap().to_owned();
    let plan = std::fs::read_to_string(format!("{path}/launch.json")).unwrap();
    let root = plan.split("\"root\":\"").nth(1).unwrap().split('"').next().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut count = 0;
    for line in maps.lines() {
        let Some(file) = line.find('/').map(|at| &line[at..]) else { continue };
        count += 1;
        assert!(file.starts_with(root) || file.starts_with(&work), "{who}: {file} is the host's");
    }
    assert!(count > 3, "{who}: {maps}");
    for (name, value) in std::env::vars() {
        assert!(!name.starts_with("HOSTILE") && !value.contains("hostile"), "{who}: {name}");
    }
}
"#;

const BUILD_RS: &str = r#"
use std::process::Command;
WITNESS
fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
fn main() {
    witness("build script");
    let out = std::env::var("OUT_DIR").unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/part.c");
    let (object, library) = (format!("{out}/part.o"), format!("{out}/libpart.a"));
    run("cc", &["-O2", "-g", "-c", source, "-o", &object]);
    run("ar", &["crs", &library, &object]);
    let probe = format!("{out}/probe");
    run("c++", &[concat!(env!("CARGO_MANIFEST_DIR"), "/probe.cc"), "-o", &probe]);
    let loader = run(&probe, &[]);
    assert!(loader.ends_with(b"ld-linux-x86-64.so.2\n") && !loader.starts_with(b"/lib"));
    for missing in ["sh", "gcc", "ld", "git", "python3", "env"] {
        assert!(Command::new(missing).output().is_err(), "{missing} was found");
    }
    std::fs::write(format!("{out}/made.rs"), "pub fn made() -> &'static str { file!() }").unwrap();
    println!("cargo:rustc-link-search={out}");
    println!("cargo:rustc-link-lib=static=part");
}
"#;

const FILES: [(&str, &str); 10] = [
    ("Cargo.toml", CARGO_TOML),
    ("Cargo.lock", CARGO_LOCK),
    (
        "macros/Cargo.toml",
        "[package]\nname = \"macros\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [lib]\nproc-macro = true\n",
    ),
    (
        "macros/src/lib.rs",
        "WITNESS\n#[proc_macro]\npub fn answer(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n\
         witness(\"compiler\");\n\"41\".parse().unwrap()\n}\n",
    ),
    ("other/Cargo.toml", "[package]\nname = \"other\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
    ("other/src/main.rs", "this does not compile"),
    (
        "small/Cargo.toml",
        "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\nmacros = { path = \"../macros\" }\n",
    ),
    ("small/build.rs", BUILD_RS),
    (
        "small/src/main.rs",
        "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\
         unsafe extern \"C\" { fn part(n: i32) -> i32; fn place() -> *const std::ffi::c_char; }\n\
         fn main() {\n\
         let place = unsafe { std::ffi::CStr::from_ptr(place()) }.to_str().unwrap();\n\
         println!(\"{} {} {} {place}\", unsafe { part(macros::answer!()) }, made(), file!());\n\
         }\n",
    ),
    (
        "small/part.c",
        "int part(int n) { return n + 1; }\nconst char *place(void) { return __FILE__; }\n",
    ),
];

/// Prints the loader that it was started by.
const PROBE: &str = r#"
#include <fstream>
#include <iostream>
#include <string>
int main() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        auto at = line.find('/');
        if (at != std::string::npos && line.find("/ld-linux") != std::string::npos) {
            std::cout << line.substr(at) << "\n";
            return 0;
        }
    }
    return 1;
}
"#;

fn clone(folder: &Path) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let images = folder.join("image-build/images");
    fs::create_dir_all(&images).unwrap();
    fs::copy(own.join("image-build/image.lock"), folder.join("image-build/image.lock")).unwrap();
    let toolchain = "image-build/images/toolchain.yaml";
    fs::copy(own.join(toolchain), folder.join(toolchain)).unwrap();
    for (path, text) in FILES.into_iter().chain([("small/probe.cc", PROBE)]) {
        let place = folder.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text.replace("WITNESS", WITNESS)).unwrap();
    }
}

/// What differs between the two.
struct Machine<'a> {
    clone: &'a Path,
    cache: &'a Path,
    umask: &'a str,
    jobs: &'a str,
    variables: &'a [(&'a str, &'a str)],
}

impl Machine<'_> {
    fn build(&self, out: &Path) -> Output {
        // `umask` is known to shells only.
        let command = format!("umask {}; exec \"$@\"", self.umask);
        Command::new("sh")
            .args(["-c", &command, "sh", env!("CARGO_BIN_EXE_plinth"), "image", "programs"])
            .args(["--program", "small", "--jobs", self.jobs, "--json"])
            .arg("--source")
            .arg(self.clone)
            .arg("--cache")
            .arg(self.cache)
            .arg("--out")
            .arg(out)
            .env("HOSTILE", "hostile")
            .env("RUSTFLAGS", "--hostile")
            .env("CFLAGS", "--hostile")
            .env("LD_LIBRARY_PATH", "/hostile")
            .env("CARGO_BUILD_TARGET", "hostile")
            .envs(self.variables.iter().copied())
            .output()
            .unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Where packages and the toolchain are kept between runs of the tests.
fn shared_cache() -> PathBuf {
    std::env::home_dir().expect("HOME is set").join(".cache/plinth/packages")
}

/// The same files under other names, so that the toolchain lies elsewhere without being unpacked again.
fn link_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            link_all(&path, &place);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path).unwrap(), place).unwrap();
        } else {
            fs::hard_link(&path, &place).unwrap();
        }
    }
}

#[test]
fn two_machines_compile_the_same_bytes_without_the_hosts_help() {
    let shared = shared_cache();
    fs::create_dir_all(&shared).unwrap();
    // Beside the shared cache, so that hard links can be made.
    let folder = tempfile::tempdir_in(shared.parent().unwrap()).unwrap();
    let at = |path: &str| folder.path().join(path);
    for path in ["a", "b/a longer path, with spaces/c"] {
        fs::create_dir_all(at(path)).unwrap();
        clone(&at(path).join("clone"));
    }
    let (first_cache, second_cache) = (at("a/cache"), at("b/a longer path, with spaces/c/cache"));
    for cache in [&first_cache, &second_cache] {
        fs::create_dir_all(cache).unwrap();
        fs::create_dir_all(shared.join("sha256")).unwrap();
        symlink(shared.join("sha256"), cache.join("sha256")).unwrap();
    }
    fs::create_dir_all(shared.join("toolchains")).unwrap();
    symlink(shared.join("toolchains"), first_cache.join("toolchains")).unwrap();
    let first = Machine {
        clone: &at("a/clone"),
        cache: &first_cache,
        umask: "022",
        jobs: "1",
        variables: &[("TZ", "UTC"), ("LC_ALL", "C")],
    };
    let output = first.build(&at("a/out"));
    assert!(output.status.success(), "{}", said(&output));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let toolchain = made["toolchain_sha256"].as_str().unwrap();
    link_all(
        &shared.join("toolchains").join(toolchain),
        &second_cache.join("toolchains").join(toolchain),
    );
    let second = Machine {
        clone: &at("b/a longer path, with spaces/c/clone"),
        cache: &second_cache,
        umask: "077",
        jobs: "3",
        variables: &[("TZ", "Asia/Kathmandu"), ("LC_ALL", "tr_TR.UTF-8"), ("USER", "somebody")],
    };
    let output = second.build(&at("b/out"));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap(), made);
    let bytes = fs::read(at("a/out/small")).unwrap();
    assert_eq!(fs::read(at("b/out/small")).unwrap(), bytes);
    assert_eq!(made["programs"]["small"]["bytes"], bytes.len());
    // It runs with the loader of the toolchain, as it will with that of the image.
    let root = shared.join("toolchains").join(toolchain);
    let output = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"))
        .arg("--library-path")
        .arg(root.join("usr/lib/x86_64-linux-gnu"))
        .arg(at("a/out/small"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("42 /plinth/target/"), "{text}{}", said(&output));
    assert!(text.ends_with("small/src/main.rs /plinth/source/small/part.c\n"), "{text}");
    // What was made is taken again, unless it was changed.
    let output = first.build(&at("a/out"));
    assert!(said(&output).contains("the programs are there"), "{}", said(&output));
    let kept = first_cache.join("programs").join(made["key"].as_str().unwrap()).join("small");
    fs::write(&kept, "changed").unwrap();
    let output = first.build(&at("a/out"));
    assert!(said(&output).contains("the disk or somebody changed it"), "{}", said(&output));
    assert_eq!(output.status.code(), Some(1));
}
