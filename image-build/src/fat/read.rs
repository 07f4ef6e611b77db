//! Reading a volume: the tree in it, and that every byte is as the writer puts it.

use super::entry::{DIRECTORY, LABEL, LONG_NAME};
use super::geometry::{Geometry, Width};
use super::{CLUSTER_FIRST, ENTRY_BYTES, write};
use crate::source::{ReadError, Reader, u16_at, u32_at};
use crate::tree::{Content, Meta, Tree, TreePath};
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: &str = "FAT volume";
/// Later than any time that the format can say.
const TIME_S: u64 = super::entry::TIME_S_END;
/// Bytes of one directory, as the specification bounds it.
const DIRECTORY_BYTES_MAX: u64 = 2 << 20;

/// A volume that was read and is exactly as we write it.
#[derive(Clone, Debug)]
pub struct Volume {
    /// What is in it; contents are ranges of what was read.
    pub tree: Tree,
    /// Its label.
    pub label: String,
}

/// Reads a volume that fills `content`.
pub fn read(content: &Content) -> Result<Volume, ReadError> {
    let volume = read_tree(content)?;
    let reader = Reader::open(content, FORMAT)?;
    let length = reader.source.length();
    reader.check_rewritten(|to| write(&volume.tree, &volume.label, length, to))?;
    Ok(volume)
}

/// Reads what is in a volume without asking whether every byte is right.
pub(crate) fn read_tree(content: &Content) -> Result<Volume, ReadError> {
    let reader = Reader::open(content, FORMAT)?;
    let geometry = Geometry::of(reader.source.length())
        .ok_or_else(|| reader.damaged(reader.source.length(), "it has a length of no volume"))?;
    let label_at = match geometry.width {
        Width::Fat16 => 43,
        Width::Fat32 => 71,
    };
    let label: [u8; 11] = reader.array(label_at)?;
    let label = String::from_utf8_lossy(&label).trim_end().to_owned();
    let mut walk =
        Walk { reader: &reader, geometry, tree: Tree::new(TIME_S), seen: BTreeSet::new() };
    walk.all()?;
    Ok(Volume { tree: walk.tree, label })
}

struct Walk<'a> {
    reader: &'a Reader,
    geometry: Geometry,
    tree: Tree,
    /// First clusters of the directories that were read.
    seen: BTreeSet<u32>,
}

/// One file of a directory.
struct Found {
    at: u64,
    name: String,
    is_directory: bool,
    first_cluster: u32,
    length_bytes: u32,
    mtime_s: u64,
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), ReadError> {
        let root_cluster = match self.geometry.width {
            Width::Fat16 => 0,
            Width::Fat32 => CLUSTER_FIRST,
        };
        let mut waiting = vec![(TreePath::root(), root_cluster)];
        while let Some((path, cluster)) = waiting.pop() {
            let (at, length) = self.directory(&path, cluster)?;
            for found in self.entries(&path, at, length)? {
                let damaged = |error: crate::tree::TreeError| {
                    self.reader.damaged(found.at, error.to_string())
                };
                let place = path.join(found.name.as_bytes()).map_err(damaged)?;
                let meta = Meta {
                    mode: if found.is_directory { 0o755 } else { 0o644 },
                    mtime_s: found.mtime_s,
                    ..Meta::root(0)
                };
                if found.is_directory {
                    self.tree.add_directory(place.clone(), meta).map_err(damaged)?;
                    waiting.push((place, found.first_cluster));
                } else {
                    let content = self.content(&found)?;
                    self.tree.add_file(place, meta, content).map_err(damaged)?;
                }
            }
        }
        Ok(())
    }

    /// Where a directory lies, which has the clusters that the table says, one after the other.
    fn directory(&mut self, path: &TreePath, cluster: u32) -> Result<(u64, u64), ReadError> {
        if path.is_root() && self.geometry.width == Width::Fat16 {
            let bytes = u64::from(self.geometry.root_sectors) * super::SECTOR as u64;
            return Ok((self.geometry.root_at(), bytes));
        }
        let damaged = |problem: &str| {
            let at = self.geometry.table_at(0);
            self.reader.damaged(at, format!("the directory {path} {problem}"))
        };
        if !self.is_cluster(cluster) {
            return Err(damaged("begins outside of the volume"));
        }
        if !self.seen.insert(cluster) {
            return Err(damaged("is there twice"));
        }
        let mut last = cluster;
        while self.next(last)? == last + 1 && self.is_cluster(last + 1) {
            last += 1;
            if u64::from(last - cluster) * self.geometry.cluster_bytes() > DIRECTORY_BYTES_MAX {
                return Err(damaged("has more than 2 MiB"));
            }
        }
        let bytes = u64::from(last - cluster + 1) * self.geometry.cluster_bytes();
        Ok((self.geometry.cluster_at(cluster), bytes))
    }

    fn is_cluster(&self, cluster: u32) -> bool {
        (CLUSTER_FIRST..CLUSTER_FIRST + self.geometry.cluster_count).contains(&cluster)
    }

    /// What the table says of a cluster.
    fn next(&self, cluster: u32) -> Result<u32, ReadError> {
        let table = self.geometry.table_at(0);
        Ok(match self.geometry.width {
            Width::Fat16 => {
                u16::from_le_bytes(self.reader.array(table + u64::from(cluster) * 2)?).into()
            }
            Width::Fat32 => u32::from_le_bytes(self.reader.array(table + u64::from(cluster) * 4)?),
        })
    }

    fn content(&self, found: &Found) -> Result<Content, ReadError> {
        if found.length_bytes == 0 {
            return Ok(Content::bytes([]));
        }
        let length = u64::from(found.length_bytes);
        let fits = self.is_cluster(found.first_cluster)
            && self.geometry.cluster_at(found.first_cluster) + length
                <= self.reader.source.length();
        if !fits {
            let problem = format!("the file {} reaches out of the volume", found.name);
            return Err(self.reader.damaged(found.at, problem));
        }
        Ok(self.reader.source.part(self.geometry.cluster_at(found.first_cluster), length))
    }

    fn entries(&mut self, path: &TreePath, at: u64, length: u64) -> Result<Vec<Found>, ReadError> {
        let bytes = self.reader.bytes(at, length as usize)?;
        let mut all = Vec::new();
        let mut long_name: BTreeMap<u8, Vec<u16>> = BTreeMap::new();
        for (index, entry) in bytes.chunks_exact(ENTRY_BYTES).enumerate() {
            let at = at + (index * ENTRY_BYTES) as u64;
            let attributes = entry[11];
            if entry[0] == 0 {
                break;
            }
            if attributes == LONG_NAME {
                long_name.insert(entry[0] & 0x1f, units(entry));
                continue;
            }
            let long: Vec<u16> = std::mem::take(&mut long_name).into_values().flatten().collect();
            let mtime_s = super::entry::time_s(u16_at(entry, 24), u16_at(entry, 22));
            if attributes == LABEL {
                self.set_root_time(path, mtime_s);
                continue;
            }
            if &entry[..2] == b". " || &entry[..3] == b".. " {
                continue;
            }
            let name = match long.is_empty() {
                true => short_name(entry),
                false => String::from_utf16(&long).ok(),
            };
            all.push(Found {
                at,
                name: name
                    .ok_or_else(|| self.reader.damaged(at, "the name of a file is no text"))?,
                is_directory: attributes == DIRECTORY,
                first_cluster: u32::from(u16_at(entry, 26)) | u32::from(u16_at(entry, 20)) << 16,
                length_bytes: u32_at(entry, 28),
                mtime_s,
            });
        }
        Ok(all)
    }

    fn set_root_time(&mut self, path: &TreePath, mtime_s: u64) {
        if path.is_root() {
            let meta = Meta { mtime_s, ..Meta::root(0o755) };
            self.tree
                .set_meta(path, meta)
                .expect("every tree has a root, and this is no attribute");
        }
    }
}

/// The part of a long name in one entry, up to its end.
fn units(entry: &[u8]) -> Vec<u16> {
    let parts = [&entry[1..11], &entry[14..26], &entry[28..32]].concat();
    let units = parts.chunks_exact(2).map(|unit| u16_at(unit, 0));
    units.take_while(|unit| *unit != 0).collect()
}

fn short_name(entry: &[u8]) -> Option<String> {
    let part =
        |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|text| text.trim_end().to_owned());
    let (base, extension) = (part(&entry[..8])?, part(&entry[8..11])?);
    Some(if extension.is_empty() { base } else { format!("{base}.{extension}") })
}
