//! What `cargo xtask test` provides: the programs, the example canisters, the npm packages.

use std::path::PathBuf;

/// A program of this workspace: tests are built into `<target>/release/deps`, programs one level up.
pub fn program(name: &str) -> PathBuf {
    let program = release_folder().join(name);
    assert!(program.is_file(), "{} does not exist: run `cargo xtask test`", program.display());
    program
}

/// A folder for what a test leaves to be looked at; it stays in the target folder.
pub fn output(test: &str) -> PathBuf {
    let folder = release_folder().join("test-output").join(test);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

fn release_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a file");
    test.ancestors().nth(2).expect("cargo puts tests two levels deep").to_owned()
}

/// The module of an example canister.
pub fn module(name: &str) -> Vec<u8> {
    let path = canisters().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The module of a canister that only tests use.
pub fn test_module(name: &str) -> Vec<u8> {
    let path = folder("PLINTH_TEST_CANISTERS").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The folder with the modules of the example canisters.
pub fn canisters() -> PathBuf {
    folder("PLINTH_CANISTERS")
}

/// The folder with the npm packages.
pub fn node_modules() -> PathBuf {
    folder("PLINTH_NODE_MODULES")
}

/// A file of the clone that this run belongs to. `CARGO_MANIFEST_DIR` is read at run time: clones
/// share the target folder, so the binary may have been compiled in another one.
pub fn source(path: &str) -> PathBuf {
    folder("CARGO_MANIFEST_DIR").join("..").join(path)
}

fn folder(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(value) => value.into(),
        None => panic!(
            "{variable} is not set: run `cargo xtask test`, or `eval \"$(cargo xtask env)\"` first"
        ),
    }
}
