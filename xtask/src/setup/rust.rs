//! The wasm toolchain. Debian's rustc-web compiles canisters (it comes with the std source, which the
//! pinned toolchain may lack); the linker is the `rust-lld` of the pinned toolchain.

use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use std::path::PathBuf;

pub const REASON: &str =
    "rust-lld of the pinned toolchain: links canister modules, Debian ships none that fits";

/// File name of the linker, which also tells rustc its flavour.
pub const LINKER: &str = "rust-lld";

/// The linker inside the toolchain that builds this workspace.
pub fn find_wasm_linker(folders: &Folders) -> Result<PathBuf, Error> {
    let sysroot = Run::new(folders, "rustc").args(["--print", "sysroot"]).read()?;
    let folder = PathBuf::from(sysroot.trim()).join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
    let linker = folder.join(LINKER);
    if linker.is_file() {
        return Ok(linker);
    }
    Err(Error::Missing(format!(
        "{} does not exist: install Rust with rustup (rust-toolchain.toml names the version), \
         whose x86_64 Linux toolchain brings it",
        linker.display()
    )))
}
