//! FAT file systems for the ESP and for settings, as the UEFI specification 2.10 (section 13.3) and
//! the FAT specification 1.03 it refers to describe them: FAT32 from 34 MiB, FAT16 below, long names.
//!
//! ```text
//!  boot sector, info, copies | table | table | (FAT16: root) | directories | files
//! ```
//!
//! Everything lies in the order of the walk and without gaps; the serial number is derived from the
//! content; times are in UTC, and those before 1980 become 1980. Owners and permissions are lost,
//! since the format has none; links and extended attributes are refused.

mod boot;
mod entry;
mod geometry;
mod name;
mod place;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use read::read_tree;
pub use read::{Volume, read};

use crate::tree::{Content, Node, Tree, TreePath};
use entry::{Attributes, DirectoryEntry};
use geometry::{Geometry, Width};
use name::Names;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Seek, SeekFrom, Write};
use thiserror::Error;

const SECTOR: usize = 512;
const ENTRY_BYTES: usize = 32;
/// The first two entries of the table are not clusters.
const CLUSTER_FIRST: u32 = 2;
/// Bytes of a label.
const LABEL_BYTES_MAX: usize = 11;

/// A tree that cannot be written as FAT.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FatError {
    /// A volume that has no FAT form.
    #[error("a FAT volume of {bytes} bytes cannot be; give whole sectors, 4 MiB to 1 TiB")]
    Volume {
        /// Its size.
        bytes: u64,
    },
    /// The label is no label.
    #[error("the label {label:?} is not 1 to 11 capital letters, digits, `-` or `_`; correct it")]
    Label {
        /// The label.
        label: String,
    },
    /// The content needs more room than there is.
    #[error(
        "the files need {needed_bytes} bytes, the volume has {free_bytes}; make the partition \
         larger in os-kit/disk-layout, or the files smaller"
    )]
    TooSmall {
        /// With directories, in whole clusters.
        needed_bytes: u64,
        /// Of all clusters.
        free_bytes: u64,
    },
    /// FAT16 has a root of fixed size.
    #[error("the root has more entries than FAT16 can hold (512); put files into folders")]
    RootFull,
    /// A name that FAT cannot hold.
    #[error("{path} {problem}; rename it")]
    Name {
        /// The file.
        path: TreePath,
        /// What is wrong.
        problem: &'static str,
    },
    /// Two names that differ in case alone.
    #[error("{path} and {other} are one name to FAT, which does not tell case; rename one")]
    Collision {
        /// One.
        path: TreePath,
        /// The other.
        other: TreePath,
    },
    /// A file that FAT cannot hold.
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
    /// The volume cannot be written.
    #[error("cannot write the FAT volume")]
    Write(#[from] io::Error),
}

/// Writes a volume of exactly `length_bytes` from the beginning of `to`, which must be empty; room
/// that nothing uses becomes a hole.
pub fn write(
    tree: &Tree,
    label: &str,
    length_bytes: u64,
    to: &mut (impl Write + Seek),
) -> Result<(), FatError> {
    let geometry = Geometry::of(length_bytes).ok_or(FatError::Volume { bytes: length_bytes })?;
    let plan = Plan::new(tree, label, geometry)?;
    let mut hash = Sha256::new();
    let mut put = |at: u64, bytes: &[u8]| {
        hash.update(at.to_le_bytes());
        hash.update(bytes);
        to.seek(SeekFrom::Start(at))?;
        to.write_all(bytes)
    };
    let table = plan.table();
    put(geometry.table_at(0), &table)?;
    put(geometry.table_at(1), &table)?;
    for place in plan.places.values() {
        match &place.data {
            Data::Directory(bytes) => put(plan.at(place), bytes)?,
            Data::File(path, content) => {
                copy(path, content, plan.at(place), &mut put)?;
            }
        }
    }
    let digest = hash.finalize();
    let serial = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let free = geometry.cluster_count - plan.used_clusters;
    for (at, sector) in boot::sectors(&geometry, serial, label, free, plan.next_cluster()) {
        to.seek(SeekFrom::Start(at))?;
        to.write_all(&sector)?;
    }
    // The last byte, so that the file is as long as the volume.
    let end = length_bytes - 1;
    if plan.end() < length_bytes {
        to.seek(SeekFrom::Start(end))?;
        to.write_all(&[0])?;
    }
    Ok(())
}

fn copy(
    path: &TreePath,
    content: &Content,
    mut at: u64,
    put: &mut impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> Result<(), FatError> {
    let failed = |source| FatError::Content { path: path.clone(), source };
    let mut reader = content.reader().map_err(failed)?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let got = crate::output::read_full(&mut reader, &mut buffer).map_err(failed)?;
        if got == 0 {
            return Ok(());
        }
        put(at, &buffer[..got])?;
        at += got as u64;
    }
}

/// Where everything lies.
struct Plan<'a> {
    geometry: Geometry,
    /// By path, which is the order of the walk. The root is among them.
    places: BTreeMap<&'a TreePath, Place<'a>>,
    used_clusters: u32,
}

struct Place<'a> {
    /// 0 for an empty file, and for the root of FAT16.
    first_cluster: u32,
    cluster_count: u32,
    data: Data<'a>,
}

enum Data<'a> {
    Directory(Vec<u8>),
    File(&'a TreePath, &'a Content),
}

impl<'a> Plan<'a> {
    fn new(tree: &'a Tree, label: &str, geometry: Geometry) -> Result<Self, FatError> {
        check_label(label)?;
        let names = Names::of(tree)?;
        let mut plan = Self { geometry, places: BTreeMap::new(), used_clusters: 0 };
        let is_directory = |node: &Node| matches!(node, Node::Directory);
        // Directories first: what a firmware reads to find a file lies together.
        for (path, _, inode) in tree.walk().filter(|(.., inode)| is_directory(&inode.node)) {
            check_fit(path, inode)?;
            let entry_count = names.entry_count(path);
            let bytes = entry_count * ENTRY_BYTES;
            let clusters = match geometry.width {
                Width::Fat16 if path.is_root() => {
                    if bytes > geometry.root_sectors as usize * SECTOR {
                        return Err(FatError::RootFull);
                    }
                    0
                }
                _ => geometry.clusters_for(bytes.max(1) as u64),
            };
            plan.add(path, clusters, Data::Directory(Vec::with_capacity(bytes)));
        }
        for (path, _, inode) in tree.walk() {
            if let Node::File(content) = &inode.node {
                check_fit(path, inode)?;
                let clusters = geometry.clusters_for(content.length());
                plan.add(path, clusters, Data::File(path, content));
            } else if !is_directory(&inode.node) {
                let problem = "is a symbolic link, which FAT cannot hold; put the file there";
                return Err(FatError::Unfit { path: path.clone(), problem });
            }
        }
        plan.check_room()?;
        plan.fill_directories(tree, label, &names);
        Ok(plan)
    }

    fn add(&mut self, path: &'a TreePath, cluster_count: u32, data: Data<'a>) {
        let first_cluster = match cluster_count {
            0 => 0,
            _ => CLUSTER_FIRST.saturating_add(self.used_clusters),
        };
        self.used_clusters = self.used_clusters.saturating_add(cluster_count);
        self.places.insert(path, Place { first_cluster, cluster_count, data });
    }

    fn check_room(&self) -> Result<(), FatError> {
        if self.used_clusters <= self.geometry.cluster_count {
            return Ok(());
        }
        let bytes = |clusters: u32| u64::from(clusters) * self.geometry.cluster_bytes();
        Err(FatError::TooSmall {
            needed_bytes: bytes(self.used_clusters),
            free_bytes: bytes(self.geometry.cluster_count),
        })
    }

    fn fill_directories(&mut self, tree: &'a Tree, label: &str, names: &Names) {
        let clusters: BTreeMap<&TreePath, u32> =
            self.places.iter().map(|(path, place)| (*path, place.first_cluster)).collect();
        for (path, place) in &mut self.places {
            let Data::Directory(bytes) = &mut place.data else { continue };
            let here = tree.get(path).expect("the walk gave this path");
            match path.parent() {
                None => bytes.extend(entry::label(label, here.meta.mtime_s)),
                Some(parent) => {
                    // The root is known as cluster 0 here, whatever its real one.
                    let above = if parent.is_root() { 0 } else { clusters[&parent] };
                    bytes.extend(entry::dot(".", place.first_cluster, here.meta.mtime_s));
                    bytes.extend(entry::dot("..", above, here.meta.mtime_s));
                }
            }
            for (child, _, inode) in tree.children(path) {
                let length_bytes = match &inode.node {
                    Node::File(content) => content.length() as u32,
                    _ => 0,
                };
                let attributes = match &inode.node {
                    Node::Directory => Attributes::Directory,
                    _ => Attributes::File,
                };
                let entry = DirectoryEntry {
                    name: names.get(child),
                    attributes,
                    first_cluster: clusters[child],
                    length_bytes,
                    mtime_s: inode.meta.mtime_s,
                };
                bytes.extend(entry.encode());
            }
        }
    }

    /// One copy of the table.
    fn table(&self) -> Vec<u8> {
        let width = self.geometry.width;
        let mut table = Vec::with_capacity(self.geometry.table_sectors as usize * SECTOR);
        width.put(&mut table, width.end() & !0xff | 0xf8);
        width.put(&mut table, width.end());
        let mut places: Vec<&Place> =
            self.places.values().filter(|place| place.cluster_count > 0).collect();
        places.sort_by_key(|place| place.first_cluster);
        for place in places {
            let last = place.first_cluster + place.cluster_count - 1;
            for next in place.first_cluster + 1..=last {
                width.put(&mut table, next);
            }
            width.put(&mut table, width.end());
        }
        table.resize(self.geometry.table_sectors as usize * SECTOR, 0);
        table
    }

    fn at(&self, place: &Place) -> u64 {
        match place.first_cluster {
            0 => self.geometry.root_at(),
            cluster => self.geometry.cluster_at(cluster),
        }
    }

    fn next_cluster(&self) -> u32 {
        CLUSTER_FIRST + self.used_clusters
    }

    /// Where the last used cluster ends.
    fn end(&self) -> u64 {
        self.geometry.cluster_at(self.next_cluster())
    }
}

fn check_label(label: &str) -> Result<(), FatError> {
    let good = |byte: u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    if label.is_empty() || label.len() > LABEL_BYTES_MAX || !label.bytes().all(good) {
        return Err(FatError::Label { label: label.to_owned() });
    }
    Ok(())
}

fn check_fit(path: &TreePath, inode: &crate::tree::Inode) -> Result<(), FatError> {
    let unfit = |problem| Err(FatError::Unfit { path: path.clone(), problem });
    if !inode.meta.xattrs.is_empty() {
        return unfit("has extended attributes, which FAT cannot hold; drop them");
    }
    if inode.name_count > 1 {
        return unfit("has several names, which FAT cannot hold; make copies of it");
    }
    match &inode.node {
        Node::File(content) if u32::try_from(content.length()).is_err() => {
            unfit("has 4 GiB or more, which FAT cannot hold; split it")
        }
        _ => Ok(()),
    }
}
