//! Rust canisters: Debian's rustc-web builds std for wasm32-unknown-unknown together with the crate.

use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::output::note;
use crate::setup::{LINKER, Ready};
use std::path::Path;

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const TARGET: &str = "wasm32-unknown-unknown";
const INTERFACE_CHECK: &str = "xtask/src/canisters/interface.mjs";

/// Which compiler builds them, as it calls itself.
pub fn compiler_version(folders: &Folders) -> Result<String, Error> {
    Run::new(folders, RUSTC).arg("--version").read()
}

/// Builds the crate in `<home>/<name>` and puts its module and interface into a folder.
pub fn build(
    folders: &Folders,
    ready: &Ready,
    home: &str,
    name: &str,
    into: &Path,
) -> Result<(), Error> {
    note!("canisters: {name} (the first time this compiles std and takes some minutes)");
    let source = folders.root.join(home).join(name);
    // Their own target folder: another compiler than the workspace's.
    let target = folders.cache.join("canisters/target");
    let mut cargo = Run::new(folders, CARGO)
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "-Z",
            "build-std=std,panic_abort",
        ])
        .within(&source)
        .quiet_env("CARGO_TARGET_DIR", &target)
        .quiet_env("RUSTC", RUSTC)
        .quiet_env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &ready.wasm_linker)
        // build-std is an unstable flag; this is how a release compiler accepts it.
        .env("RUSTC_BOOTSTRAP", "1")
        .output_to_stderr();
    // What the outer cargo or a user set for the host's compiler does not fit this one.
    for name in
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTDOC", "RUSTUP_TOOLCHAIN"]
    {
        cargo = cargo.without_env(name);
    }
    debug_assert!(
        ready.wasm_linker.ends_with(LINKER),
        "rustc reads the flavour off the linker's name"
    );
    cargo.run()?;
    let module =
        target.join(TARGET).join("release").join(format!("{}.wasm", name.replace('-', "_")));
    let interface = source.join(format!("{name}.did"));
    super::node(folders, INTERFACE_CHECK, &[&module, &interface])?;
    // Tools read the interface from the module's metadata.
    Run::new(folders, ready.node_modules.join("@icp-sdk/ic-wasm-linux-x64/bin/ic-wasm"))
        .arg(&module)
        .arg("--output")
        .arg(into.join(format!("{name}.wasm")))
        .args(["metadata", "candid:service", "--visibility", "public", "--file"])
        .arg(&interface)
        .output_to_stderr()
        .run()?;
    super::copy(&interface, into)
}
