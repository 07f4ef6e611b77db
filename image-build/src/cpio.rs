//! Archives in the "newc" form of cpio, which the kernel unpacks as its first root
//! (Documentation/driver-api/early-userspace/buffer-format.rst), and which holds what a host needs
//! to start a guest.
//!
//! Files are numbered in the order of the walk; device numbers are zero; of hard links the last name
//! carries the bytes, as the kernel and GNU cpio expect. The format has neither extended attributes
//! nor files of 4 GiB, nor owners above 32 bits.

mod place;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use read::read_tree;
pub use read::{Archive, Record, length_bytes, read};

use crate::tree::{Content, Inode, InodeId, Node, Tree, TreePath};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use thiserror::Error;

const TRAILER: &[u8] = b"TRAILER!!!";
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;

/// A tree that cannot be written as such an archive.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CpioError {
    /// The format has no room for it.
    #[error("{path} {problem}")]
    Unfit {
        /// The file.
        path: TreePath,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// A file of the tree cannot be read.
    #[error("cannot read the content of {path}")]
    Content {
        /// The file in the tree.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// The archive cannot be written.
    #[error("cannot write the archive")]
    Write(#[from] io::Error),
}

/// Writes a tree. The kernel wants nothing after the trailer; the archive is padded to 512 bytes, as
/// GNU cpio does.
pub fn write(tree: &Tree, to: &mut impl Write) -> Result<u64, CpioError> {
    let mut archive = Writer { to, length: 0 };
    let mut numbers: BTreeMap<InodeId, (u32, u32)> = BTreeMap::new();
    for (path, id, inode) in tree.walk().filter(|(path, ..)| !path.is_root()) {
        let next = numbers.len() as u32 + 1;
        let (number, names_seen) = numbers.entry(id).or_insert((next, 0));
        *names_seen += 1;
        let is_last_name = *names_seen == inode.name_count;
        archive.file(path, inode, *number, link_count(tree, path, inode), is_last_name)?;
    }
    archive.record(TRAILER, &Fields { link_count: 1, ..Fields::default() })?;
    archive.pad(512)?;
    Ok(archive.length)
}

/// Two for a directory and one for each directory in it, as file systems count.
fn link_count(tree: &Tree, path: &TreePath, inode: &Inode) -> u32 {
    if !matches!(inode.node, Node::Directory) {
        return inode.name_count;
    }
    let is_directory = |inode: &Inode| matches!(inode.node, Node::Directory);
    let inside = tree.children(path).filter(|(.., inode)| is_directory(inode)).count();
    2 + u32::try_from(inside).expect("a tree has at most a million names")
}

/// What a record's head says, in its order.
#[derive(Default)]
struct Fields {
    number: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    link_count: u32,
    mtime_s: u32,
    length: u32,
}

struct Writer<'a, W> {
    to: &'a mut W,
    length: u64,
}

impl<W: Write> Writer<'_, W> {
    fn file(
        &mut self,
        path: &TreePath,
        inode: &Inode,
        number: u32,
        link_count: u32,
        is_last_name: bool,
    ) -> Result<(), CpioError> {
        let unfit = |problem| CpioError::Unfit { path: path.clone(), problem };
        if path.as_bytes() == TRAILER {
            return Err(unfit("has the name that ends an archive; rename it"));
        }
        if !inode.meta.xattrs.is_empty() {
            return Err(unfit("has extended attributes, which cpio cannot hold; drop them"));
        }
        let data = match &inode.node {
            Node::Directory => Content::bytes([]),
            Node::Symlink(target) => Content::bytes(target.as_slice()),
            Node::File(content) if is_last_name => content.clone(),
            Node::File(_) => Content::bytes([]),
        };
        let fields = Fields {
            number,
            mode: u32::from(inode.meta.mode) | file_type(&inode.node),
            uid: inode.meta.uid,
            gid: inode.meta.gid,
            link_count,
            mtime_s: u32::try_from(inode.meta.mtime_s)
                .map_err(|_| unfit("is from after 2106, which cpio cannot say; lower its time"))?,
            length: u32::try_from(data.length())
                .map_err(|_| unfit("has 4 GiB or more, which cpio cannot hold; split it"))?,
        };
        self.record(path.as_bytes(), &fields)?;
        self.content(path, &data)?;
        Ok(self.pad(4)?)
    }

    fn record(&mut self, name: &[u8], fields: &Fields) -> io::Result<()> {
        let name_length = name.len() as u32 + 1;
        let f = fields;
        let numbers = [
            f.number,
            f.mode,
            f.uid,
            f.gid,
            f.link_count,
            f.mtime_s,
            f.length,
            0,
            0,
            0,
            0,
            name_length,
            0,
        ];
        let mut head = String::from("070701");
        for number in numbers {
            head.push_str(&format!("{number:08X}"));
        }
        self.write(head.as_bytes())?;
        self.write(name)?;
        self.write(&[0])?;
        self.pad(4)
    }

    fn content(&mut self, path: &TreePath, content: &Content) -> Result<(), CpioError> {
        let failed = |source| CpioError::Content { path: path.clone(), source };
        let mut reader = content.reader().map_err(failed)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let got = reader.read(&mut buffer).map_err(failed)?;
            if got == 0 {
                return Ok(());
            }
            self.write(&buffer[..got])?;
        }
    }

    fn pad(&mut self, to_multiple_of: u64) -> io::Result<()> {
        let zeros = self.length.next_multiple_of(to_multiple_of) - self.length;
        self.write(&vec![0; zeros as usize])
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

fn file_type(node: &Node) -> u32 {
    match node {
        Node::Directory => S_IFDIR,
        Node::File(_) => S_IFREG,
        Node::Symlink(_) => S_IFLNK,
    }
}
