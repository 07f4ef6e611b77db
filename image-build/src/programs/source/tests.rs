//! A small workspace in a folder.

use super::*;

const FILES: [(&str, &str); 17] = [
    (
        "Cargo.toml",
        "[workspace]\nmembers = [\"app\", \"base\", \"base/inner\", \"other\", \"tool\"]\n\
         [workspace.dependencies]\nbase = { path = \"base\" }\nserde = \"1\"\n",
    ),
    ("Cargo.lock", "version = 4\n"),
    ("README.md", "text"),
    (
        "app/Cargo.toml",
        "[package]\nname = \"the-app\"\n[[bin]]\nname = \"app\"\npath = \"src/main.rs\"\n\
         [dependencies]\nbase.workspace = true\nserde.workspace = true\n[dev-dependencies]\n\
         other = { path = \"../other\" }\n",
    ),
    ("app/src/main.rs", "fn main() {}"),
    ("app/src/bin/second.rs", "fn main() {}"),
    ("app/data.txt", "data"),
    (
        "base/Cargo.toml",
        "[package]\nname = \"base\"\n[target.'cfg(unix)'.build-dependencies]\n\
         tool = { path = \"../tool\" }\n",
    ),
    ("base/src/lib.rs", "pub fn base() {}"),
    ("base/inner/Cargo.toml", "[package]\nname = \"inner\"\n[lib]\npath = \"odd.rs\"\n"),
    ("base/inner/odd.rs", "pub fn inner() {}"),
    (
        "other/Cargo.toml",
        "[package]\nname = \"other\"\nbuild = \"b.rs\"\ndefault-run = \"x\"\n[[test]]\nname = \"t\"\n\
         [dependencies]\nserde = \"1\"\n",
    ),
    ("other/b.rs", "fn main() {}"),
    ("other/src/main.rs", "fn main() {}"),
    ("tool/Cargo.toml", "[package]\nname = \"tool\"\n"),
    ("tool/src/lib.rs", "pub fn tool() {}"),
    ("target/junk", "junk"),
];

fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let place = folder.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }
    folder
}

fn read(folder: &Path, programs: &[&str]) -> Result<Source, SourceError> {
    Source::read(folder, &programs.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn what_a_program_needs_takes_part_and_nothing_else() {
    let clone = workspace(&FILES);
    let source = read(clone.path(), &["app", "second"]).unwrap();
    let package = |name: &str| source.packages[name].as_str();
    assert_eq!((package("app"), package("second")), ("the-app", "the-app"));
    let paths: Vec<_> = source.files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "Cargo.lock",
            "Cargo.toml",
            "app/Cargo.toml",
            "app/data.txt",
            "app/src/bin/second.rs",
            "app/src/main.rs",
            "base/Cargo.toml",
            "base/inner/Cargo.toml",
            "base/inner/src/lib.rs",
            "base/src/lib.rs",
            "other/Cargo.toml",
            "other/src/lib.rs",
            "tool/Cargo.toml",
            "tool/src/lib.rs",
        ]
    );
    let text = |path: &str| std::str::from_utf8(&source.files[path]).unwrap();
    assert_eq!(text("tool/src/lib.rs"), "pub fn tool() {}");
    assert_eq!(text("other/src/lib.rs"), "");
    let other = text("other/Cargo.toml");
    assert!(other.contains("serde"), "{other}");
    assert!(!other.contains("b.rs") && !other.contains("test") && !other.contains("default-run"));
    assert!(!text("base/inner/Cargo.toml").contains("odd.rs"));
}

#[test]
fn only_changes_of_what_takes_part_change_the_hash() {
    let clone = workspace(&FILES);
    let sha256 = || read(clone.path(), &["app"]).unwrap().sha256;
    let first = sha256();
    for path in ["README.md", "other/src/main.rs", "other/b.rs", "base/inner/odd.rs"] {
        fs::write(clone.path().join(path), "changed").unwrap();
        assert_eq!(sha256(), first, "{path}");
    }
    let mut seen = BTreeSet::from([first]);
    for path in ["app/data.txt", "tool/src/lib.rs", "base/src/new.rs", "Cargo.lock"] {
        fs::write(clone.path().join(path), "changed").unwrap();
        assert!(seen.insert(sha256()), "{path}");
    }
    let path = clone.path().join("other/Cargo.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("serde = \"1\"", "serde = \"2\"")).unwrap();
    assert!(seen.insert(sha256()), "dependencies of all members are in Cargo.lock");
}

#[test]
fn what_git_does_not_track_does_not_take_part() {
    let clone = workspace(&FILES);
    let git = |arguments: &[&str]| {
        let status = Command::new("git").args(arguments).current_dir(clone.path()).status();
        assert!(status.unwrap().success(), "{arguments:?}");
    };
    git(&["init", "--quiet"]);
    git(&["add", "--force", "app", "base", "other", "tool", "Cargo.toml", "Cargo.lock"]);
    let first = read(clone.path(), &["app"]).unwrap();
    fs::write(clone.path().join("app/src/bin/stray.rs"), "fn main() {}").unwrap();
    assert_eq!(read(clone.path(), &["app"]).unwrap(), first);
    assert!(matches!(read(clone.path(), &["stray"]), Err(SourceError::NoProgram(_))));
    // A tracked file that is gone, and one that became a link.
    fs::remove_file(clone.path().join("app/data.txt")).unwrap();
    let error = read(clone.path(), &["app"]).unwrap_err().to_string();
    assert!(error.contains("data.txt") && error.contains("git checkout"), "{error}");
    std::os::unix::fs::symlink("/etc/passwd", clone.path().join("app/data.txt")).unwrap();
    assert!(matches!(read(clone.path(), &["app"]), Err(SourceError::NoFile(_))));
}

#[test]
fn manifests_that_cannot_be_used_are_named() {
    let check = |path: &str, from: &str, to: &str, expected: &str| {
        let mut files = FILES;
        let file = files.iter_mut().find(|(name, _)| *name == path).unwrap();
        assert!(file.1.contains(from), "{from}");
        let text = file.1.replacen(from, to, 1);
        file.1 = &text;
        let clone = workspace(&files);
        let error = read(clone.path(), &["app"]).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(path), "{error}");
    };
    check("Cargo.toml", "[workspace]", "[workplace]", "[workspace]");
    check("Cargo.toml", "\"app\", ", "\"*\", ", "no folder");
    check("Cargo.toml", "\"app\", ", "\"../app\", ", "no folder");
    check("Cargo.toml", "members", "members = 1\nmembers", "duplicate");
    check("app/Cargo.toml", "name = \"the-app\"", "", "package.name");
    check("base/Cargo.toml", "../tool", "../../tool", "leads out");
    check("base/Cargo.toml", "../tool", "../nothing", "nothing, which is no member");
    let error = read(workspace(&FILES).path(), &["none"]).unwrap_err().to_string();
    assert!(error.contains("none") && error.contains("manifest"), "{error}");
}

#[test]
fn writing_again_touches_only_what_differs() {
    let clone = workspace(&FILES);
    let source = read(clone.path(), &["app"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    source.write(folder.path()).unwrap();
    let place = |path: &str| folder.path().join(path);
    let time = |path: &str| place(path).metadata().unwrap().modified().unwrap();
    let before = (time("app/data.txt"), time("app/src/main.rs"));
    fs::write(place("app/data.txt"), "half").unwrap();
    source.write(folder.path()).unwrap();
    assert_eq!(fs::read(place("app/data.txt")).unwrap(), b"data");
    assert_ne!(time("app/data.txt"), before.0);
    assert_eq!(time("app/src/main.rs"), before.1);
}

#[test]
fn the_clones_own_programs_have_a_source() {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let source = read(&clone, &["orchestrator"]).unwrap();
    assert!(source.files.contains_key("orchestrator/src/main.rs"));
    assert_eq!(source.files["xtask/src/lib.rs"], b"");
    let replica = read(&clone, &["replica"]).unwrap();
    assert!(replica.files.contains_key("replica/state/src/store/rocksdb.rs"));
}
