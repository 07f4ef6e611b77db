//! The unified kernel image of a machine, and the ESP that its firmware reads.

use super::disk::Contents;
use super::{BuildError, Options, write_bytes};
use crate::output::{Output, OutputError};
use crate::rootfs::Rootfs;
use crate::tree::{Content, Meta, Tree, TreePath};
use crate::{fat, uki};
use os_kit_disk_layout::{Kind, Size};
use std::path::Path;

/// Where firmware looks that knows no boot entry of ours: a new disk, a stick.
const FALLBACK: [&str; 3] = ["EFI", "BOOT", "BOOTX64.EFI"];
/// What the boot entries of slot a name; an image is installed into slot a (docs/decisions/087).
const SLOT_A: [&str; 3] = ["EFI", "plinth", "a.efi"];
/// Room beside the files, for tables and directories.
const SLACK_BYTES: u64 = 4 << 20;
/// FAT32 begins here; firmware need not read FAT16.
const FAT32_BYTES_MIN: u64 = 36 << 20;

/// Writes `IMAGE.efi` out of stub, initrd and command line.
pub fn write(
    options: &Options,
    image: &str,
    (stub, initrd, command_line): (&Content, &[u8], &str),
    rootfs: &Rootfs,
) -> Result<(), BuildError> {
    let bad = |problem: String| BuildError::Boot { image: image.to_owned(), problem };
    let read = |content: &Content| content.read().map_err(|error| bad(error.to_string()));
    let parts = uki::Parts {
        os_release: &os_release(&rootfs.tree).map_err(bad)?,
        command_line,
        initrd,
        uname: &rootfs.kernel.version,
        linux: &read(&rootfs.kernel.image)?,
    };
    let unified = uki::assemble(&read(stub)?, &parts)
        .map_err(|source| BuildError::Uki { image: image.to_owned(), source })?;
    Ok(write_bytes(&options.out.join(format!("{image}.efi")), &unified)?)
}

fn os_release(tree: &Tree) -> Result<String, String> {
    let path = TreePath::new(b"usr/lib/os-release").map_err(|error| error.to_string())?;
    match tree.get(&path).map(|inode| &inode.node) {
        Some(crate::tree::Node::File(content)) => {
            let bytes = content.read().map_err(|error| error.to_string())?;
            String::from_utf8(bytes).map_err(|_| "os-release is not in UTF-8".into())
        }
        _ => Err("the root has no /usr/lib/os-release".into()),
    }
}

/// Writes `IMAGE.esp`, as large as its partition.
pub fn write_esp(
    options: &Options,
    image: &str,
    contents: &Contents,
    unified: &Path,
    time_s: u64,
) -> Result<(), BuildError> {
    let failed = |source| BuildError::Esp { image: image.to_owned(), source };
    let content = Content::file(unified).map_err(OutputError::at("read", unified))?;
    let esp = contents.table.partitions.iter().find(|partition| partition.kind == Kind::Esp);
    let esp = esp.ok_or_else(|| BuildError::Boot {
        image: image.to_owned(),
        problem: "its disk has no ESP; give it one in os-kit/disk-layout".into(),
    })?;
    let mut tree = Tree::new(time_s);
    add(&mut tree, FALLBACK, &content)?;
    let length_bytes = match esp.size {
        Size::Fixed(bytes) => {
            add(&mut tree, SLOT_A, &content)?;
            bytes
        }
        // The whole MiB that the partition will have.
        Size::Content { .. } | Size::Rest { .. } => {
            (content.length() + SLACK_BYTES).max(FAT32_BYTES_MIN).next_multiple_of(1 << 20)
        }
    };
    let path = options.out.join(format!("{image}.esp"));
    let mut output = Output::create(&path)?;
    fat::write(&tree, "PLINTH-ESP", length_bytes, output.file()).map_err(failed)?;
    Ok(output.commit()?)
}

fn add(tree: &mut Tree, names: [&str; 3], content: &Content) -> Result<(), BuildError> {
    let mut path = TreePath::root();
    for (at, name) in names.iter().enumerate() {
        path = path.join(name.as_bytes()).expect("these are good names");
        if at + 1 < names.len() && tree.get(&path).is_none() {
            tree.add_directory(path.clone(), Meta::root(0o755)).expect("its parent is there");
        }
    }
    tree.add_file(path, Meta::root(0o644), content.clone()).expect("its folder is there");
    Ok(())
}
