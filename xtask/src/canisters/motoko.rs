//! Motoko canisters: the compiler of the npm package, run by node with `motoko.mjs`.

use crate::error::Error;
use crate::folders::Folders;
use crate::output::note;
use crate::setup::Ready;
use std::path::Path;

const SCRIPT: &str = "xtask/src/canisters/motoko.mjs";

/// Compiles `<home>/<name>/src/Main.mo` and puts its module and interface into a folder.
pub fn build(
    folders: &Folders,
    ready: &Ready,
    home: &str,
    name: &str,
    into: &Path,
) -> Result<(), Error> {
    note!("canisters: {name}");
    let source = folders.root.join(home).join(name);
    let module = into.join(format!("{name}.wasm"));
    let interface = source.join(format!("{name}.did"));
    super::node(folders, SCRIPT, &[&ready.node_modules, &source.join("src"), &interface, &module])?;
    super::copy(&interface, into)
}
