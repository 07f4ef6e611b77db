//! What each tool becomes.

use super::*;
use std::collections::BTreeMap;

fn plan() -> Plan {
    let program = |name: &str, path: &str| (name.to_owned(), path.to_owned());
    Plan {
        root: "/t c".into(),
        layout: Layout {
            programs: BTreeMap::from([
                program("ar", "/usr/bin/x-ar"),
                program("cargo", "/usr/bin/cargo"),
                program("clang", "/llvm/clang"),
                program("lld", "/llvm/lld"),
                program("rustc", "/usr/bin/rustc"),
            ]),
            loader: "/lib/ld.so".into(),
            libraries: vec!["/lib".into(), "/llvm/lib".into()],
            clang_resources: "/llvm/resources".into(),
        },
        remap: vec![("/cache/made".into(), "/plinth".into()), ("/t c".into(), "/toolchain".into())],
    }
}

/// The arguments behind the program, as text.
fn call(name: &str, arguments: &[&str]) -> Vec<String> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let call = plan().command(Path::new("/tools"), name, &arguments).unwrap();
    assert_eq!(call.program, Path::new("/t c/lib/ld.so"));
    call.arguments.into_iter().map(|argument| argument.into_string().unwrap()).collect()
}

fn holds(all: &[String], part: &[&str]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[test]
fn every_tool_runs_by_the_loader_with_libraries_of_the_toolchain() {
    for (name, shown, program) in [
        ("ar", "/tools/ar", "/t c/usr/bin/x-ar"),
        ("cargo", "/tools/cargo", "/t c/usr/bin/cargo"),
        ("rustc", "/tools/rustc", "/t c/usr/bin/rustc"),
        ("ld.lld", "/tools/ld.lld", "/t c/llvm/lld"),
        ("c++", "/tools/c++", "/t c/llvm/clang"),
        (IMAGE_LINKER, "/tools/cc", "/t c/llvm/clang"),
    ] {
        let all = call(name, &["x"]);
        let start = [
            "--inhibit-cache",
            "--library-path",
            "/t c/lib:/t c/llvm/lib",
            "--argv0",
            shown,
            program,
        ];
        assert_eq!(all[..6], start, "{name}");
        assert!(all.contains(&"x".to_owned()), "{name}");
    }
    assert!(NAMES.iter().all(|name| plan().command(Path::new("/tools"), name, &[]).is_some()));
    assert_eq!(plan().command(Path::new("/tools"), "sh", &[]), None);
}

#[test]
fn what_runs_while_building_asks_for_the_toolchains_loader_and_images_for_their_own() {
    let here = call("cc", &["a.o", "-o", "a"]);
    assert!(holds(&here, &["-Xlinker", "--dynamic-linker=/t c/lib/ld.so"]), "{here:?}");
    assert!(holds(&here, &["-Xlinker", "-rpath=/t c/lib"]));
    assert!(holds(&here, &["-Xlinker", "-rpath=/t c/llvm/lib"]));
    let there = call(IMAGE_LINKER, &["a.o", "-o", "a"]);
    assert!(!there.iter().any(|it| it.contains("--dynamic-linker") || it.contains("-rpath")));
    for all in [here, there] {
        assert!(all.contains(&"--sysroot=/t c".to_owned()));
        assert!(all.contains(&"--ld-path=/tools/ld.lld".to_owned()));
        assert!(all.contains(&"-ffile-prefix-map=/cache/made=/plinth".to_owned()));
        assert!(all.ends_with(&["a.o".to_owned(), "-o".into(), "a".into()]));
    }
}

#[test]
fn rustc_links_by_what_it_compiles_for() {
    let image = call("rustc", &["--crate-name", "a", "--target", "x86_64-unknown-linux-gnu"]);
    assert!(holds(&image, &["-C", "linker=/tools/image-cc"]), "{image:?}");
    let script = call("rustc", &["--crate-name", "build_script_build"]);
    assert!(holds(&script, &["-C", "linker=/tools/cc"]), "{script:?}");
    for all in [image, script] {
        assert!(holds(&all, &["--sysroot", "/t c/usr"]));
        assert!(holds(&all, &["--remap-path-prefix", "/cache/made=/plinth"]));
        assert!(holds(&all, &["--remap-path-prefix", "/t c=/toolchain"]));
    }
    assert!(!holds(&call("rustc", &["-vV"]), &["-C"]));
}

#[test]
fn settings_say_all_that_is_added() {
    let text = Plan::settings(&plan().layout);
    for part in
        ["--hash-style=gnu", "image-cc", "--remap-path-prefix", "/llvm/resources", "-rpath="]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn clang_calling_itself_is_left_as_it_is() {
    assert_eq!(call("cc", &["-cc1", "-x"])[6..], ["-cc1", "-x"]);
}

#[test]
fn a_folder_of_tools_holds_all_names_and_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = folder.path().join("plinth");
    fs::write(&launcher, "program").unwrap();
    let tools = folder.path().join("tools");
    // Twice: a resumed build puts them there again.
    for _ in 0..2 {
        plan().install(&launcher, &tools).unwrap();
    }
    for name in NAMES {
        assert_eq!(fs::read(tools.join(name)).unwrap(), b"program", "{name}");
        assert_eq!(tools.join(name).metadata().unwrap().permissions().mode() & 0o777, 0o755);
    }
    let text = fs::read(tools.join(PLAN)).unwrap();
    assert_eq!(serde_json::from_slice::<Plan>(&text).unwrap(), plan());
    // This test's own executable lies in no folder of tools.
    launch(&[]);
}

#[test]
fn paths_are_found_in_bytes() {
    let check = |bytes: &[u8], path: &str, found| {
        assert_eq!(names_path(bytes, Path::new(path)), found, "{path}");
    };
    check(b"\0/cache/made/src/a.rs\0", "/cache/made", true);
    check(b"\0/cache/mad", "/cache/made", false);
    check(b"", "/cache/made", false);
    check(b"x", "", false);
}
