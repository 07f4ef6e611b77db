//! What starts an image: the command line, the initrd, and for a guest the archive of both with the kernel.

use super::{BuildError, Options, write_bytes};
use crate::cpio;
use crate::manifest::Manifest;
use crate::output::{Output, OutputError};
use crate::rootfs::{self, Kernel, Rootfs};
use crate::tree::{Content, Meta, Tree, TreePath};
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// How much the initrd is compressed; it is unpacked at every start, and measured.
const ZSTD_LEVEL: i32 = 19;

/// The words of the manifest, the root that alone will start, and what the image carries.
pub fn command_line(manifest: &Manifest, root_hash: &str, carried_sha256: Option<&str>) -> String {
    let mut words = manifest.kernel.command_line.clone();
    words.extend(carried_sha256.map(|sha256| format!("plinth.payload={sha256}")));
    words.push(format!("plinth.roothash={root_hash}"));
    words.join(" ")
}

/// Writes `IMAGE.boot.cpio`.
pub fn write_archive(
    options: &Options,
    image: &str,
    initrd: Vec<u8>,
    kernel: &Kernel,
    command_line: &str,
) -> Result<(), BuildError> {
    let bad = |problem: String| BuildError::Boot { image: image.to_owned(), problem };
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
    cpio::write(&tree, &mut writer)
        .map_err(|source| BuildError::Archive { image: image.to_owned(), source })?;
    writer.flush().map_err(OutputError::at("write", &path))?;
    drop(writer);
    Ok(output.commit()?)
}

/// Writes `IMAGE.firmware.fd`.
pub fn write_firmware(
    options: &Options,
    image: &str,
    firmware: &Content,
) -> Result<(), BuildError> {
    let path = options.out.join(format!("{image}.firmware.fd"));
    let bytes = firmware.read().map_err(OutputError::at("read", &path))?;
    Ok(write_bytes(&path, &bytes)?)
}

/// The first program with the shared libraries that it needs, out of the root; and the modules it loads, in
/// their order; as one frame of zstd. Decision 085 says why the program is not linked statically.
pub fn initrd(init: &Path, rootfs: &Rootfs) -> Result<Vec<u8>, String> {
    let text = |error: crate::tree::TreeError| error.to_string();
    let mut tree = Tree::new(0);
    for name in ["dev", "proc", "root", "run", "sys"] {
        let path = TreePath::new(name.as_bytes()).map_err(text)?;
        tree.add_directory(path, Meta::root(0o755)).map_err(text)?;
    }
    let content = Content::file(init).map_err(|_| {
        format!("{} is missing; build it, or say where it is with --binaries", init.display())
    })?;
    let program = content.read().map_err(|error| error.to_string())?;
    let libraries = rootfs::libraries_of(&rootfs.tree, &program)
        .map_err(|problem| format!("{} cannot start: {problem}", init.display()))?;
    add(&mut tree, TreePath::new(b"init").map_err(text)?, 0o755, content)?;
    for (path, content) in libraries {
        // Below /lib as below /usr/lib: the loader looks in both.
        let short = path.as_bytes().strip_prefix(b"usr/").unwrap_or(path.as_bytes());
        add(&mut tree, TreePath::new(short).map_err(text)?, 0o755, content)?;
    }
    for (at, module) in rootfs.kernel.initrd_modules.iter().enumerate() {
        let path = format!("modules/{at:02}-{}.ko", module.name);
        let path = TreePath::new(path.as_bytes()).map_err(text)?;
        add(&mut tree, path, 0o644, module.content.clone())?;
    }
    let mut archive = Vec::new();
    cpio::write(&tree, &mut archive).map_err(|error| error.to_string())?;
    zstd::bulk::compress(&archive, ZSTD_LEVEL).map_err(|error| error.to_string())
}

/// A file with the directories above it.
fn add(tree: &mut Tree, path: TreePath, mode: u16, content: Content) -> Result<(), String> {
    let text = |error: crate::tree::TreeError| error.to_string();
    let mut missing = Vec::new();
    let mut above = path.parent();
    while let Some(parent) = above.filter(|parent| tree.get(parent).is_none()) {
        above = parent.parent();
        missing.push(parent);
    }
    for parent in missing.into_iter().rev() {
        tree.add_directory(parent, Meta::root(0o755)).map_err(text)?;
    }
    tree.add_file(path, Meta::root(mode), content).map_err(text)
}
