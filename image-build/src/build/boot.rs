//! What a host needs to start a guest: kernel, initrd and command line in one archive.

use super::{BuildError, Options};
use crate::cpio;
use crate::manifest::Manifest;
use crate::output::{Output, OutputError};
use crate::rootfs::Kernel;
use crate::tree::{Content, Meta, Tree, TreePath};
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// How much the initrd is compressed; it is unpacked at every start, and measured.
const ZSTD_LEVEL: i32 = 19;

/// The words of the manifest, and the root that alone will start.
pub fn command_line(manifest: &Manifest, root_hash: &str) -> String {
    let mut words = manifest.kernel.command_line.clone();
    words.push(format!("plinth.roothash={root_hash}"));
    words.join(" ")
}

/// Writes `IMAGE.boot.cpio`.
pub fn write(
    options: &Options,
    image: &str,
    init: &Path,
    kernel: &Kernel,
    command_line: &str,
) -> Result<(), BuildError> {
    let bad = |problem: String| BuildError::Boot { image: image.to_owned(), problem };
    let initrd = initrd(init, kernel).map_err(&bad)?;
    let mut tree = Tree::new(0);
    for (name, content) in [
        ("cmdline", Content::bytes(command_line.as_bytes())),
        ("initrd", Content::bytes(initrd)),
        ("kernel", kernel.image.clone()),
    ] {
        let path = TreePath::new(name.as_bytes()).map_err(|error| bad(error.to_string()))?;
        tree.add_file(path, Meta::root(0o644), content).map_err(|error| bad(error.to_string()))?;
    }
    let path = options.out.join(format!("{image}.boot.cpio"));
    let mut output = Output::create(&path)?;
    let mut writer = BufWriter::new(output.file());
    cpio::write(&tree, &mut writer).map_err(|error| bad(error.to_string()))?;
    writer.flush().map_err(OutputError::at("write", &path))?;
    drop(writer);
    Ok(output.commit()?)
}

/// The first program and the modules it loads, in their order; as one frame of zstd.
fn initrd(init: &Path, kernel: &Kernel) -> Result<Vec<u8>, String> {
    let text = |error: crate::tree::TreeError| error.to_string();
    let mut tree = Tree::new(0);
    for name in ["dev", "modules", "proc", "root", "run", "sys"] {
        let path = TreePath::new(name.as_bytes()).map_err(text)?;
        tree.add_directory(path, Meta::root(0o755)).map_err(text)?;
    }
    let content = Content::file(init).map_err(|_| {
        format!("{} is missing; build it, or say where it is with --binaries", init.display())
    })?;
    tree.add_file(TreePath::new(b"init").map_err(text)?, Meta::root(0o755), content)
        .map_err(text)?;
    for (at, module) in kernel.initrd_modules.iter().enumerate() {
        let path = format!("modules/{at:02}-{}.ko", module.name);
        let path = TreePath::new(path.as_bytes()).map_err(text)?;
        tree.add_file(path, Meta::root(0o644), module.content.clone()).map_err(text)?;
    }
    let mut archive = Vec::new();
    cpio::write(&tree, &mut archive).map_err(|error| error.to_string())?;
    zstd::bulk::compress(&archive, ZSTD_LEVEL).map_err(|error| error.to_string())
}
