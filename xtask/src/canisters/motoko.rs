//! Motoko canisters: the compiler of the npm package, run by node with `motoko.mjs`.

use crate::error::Error;
use crate::folders::Folders;
use crate::setup::Ready;
use std::path::Path;

const SCRIPT: &str = "xtask/src/canisters/motoko.mjs";

/// Compiles `examples/<name>/src/Main.mo` and puts its module and interface into a folder.
pub fn build(folders: &Folders, ready: &Ready, name: &str, into: &Path) -> Result<(), Error> {
    eprintln!("canisters: {name}");
    let example = folders.root.join("examples").join(name);
    let module = into.join(format!("{name}.wasm"));
    let interface = example.join(format!("{name}.did"));
    super::node(
        folders,
        SCRIPT,
        &[&ready.node_modules, &example.join("src"), &interface, &module],
    )?;
    super::copy_interface(folders, name, into)
}
