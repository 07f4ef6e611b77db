//! The disk of an image and the parts of its payload: which file goes where.

use super::{BuildError, Options};
use crate::manifest::Manifest;
use crate::output::Output;
use crate::{disk, payload};
use os_kit_disk_layout::{DISKS, Disk, Kind};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// The files of one image.
#[derive(Debug)]
pub struct Contents {
    /// The partitions.
    pub table: &'static Disk,
    root: PathBuf,
    verity: PathBuf,
    /// The archive of kernel, initrd and command line, of a guest.
    pub boot: Option<PathBuf>,
    /// The unified kernel image and the ESP it is in, of a machine.
    pub unified: Option<(PathBuf, PathBuf)>,
    /// The payloads of other images.
    pub carried: Option<PathBuf>,
}

impl Contents {
    /// Root and hash tree; the others are set when they are made.
    pub fn of(manifest: &Manifest, root: PathBuf, verity: PathBuf) -> Result<Self, BuildError> {
        let table = DISKS.into_iter().find(|disk| disk.name == manifest.image);
        let table = table.ok_or_else(|| BuildError::Boot {
            image: manifest.image.clone(),
            problem: "it has no disk in os-kit/disk-layout".into(),
        })?;
        Ok(Self { table, root, verity, boot: None, unified: None, carried: None })
    }

    /// The files of an image that is in a folder already; none if its disk is not in the table.
    pub fn in_folder(folder: &Path, image: &str) -> Option<Self> {
        let name = image.strip_suffix("-dev").unwrap_or(image);
        let table = DISKS.into_iter().find(|disk| disk.name == name)?;
        let path = |ending: &str| folder.join(format!("{image}.{ending}"));
        let present = |ending: &str| Some(path(ending)).filter(|path| path.exists());
        Some(Self {
            table,
            root: path("root.erofs"),
            verity: path("root.verity"),
            boot: present("boot.cpio"),
            unified: present("efi").map(|unified| (unified, path("esp"))),
            carried: present("carried.erofs"),
        })
    }

    /// What goes into partitions, by label; a file for which there is no partition is the error.
    pub fn by_label(&self) -> Result<BTreeMap<&'static str, &Path>, &Path> {
        let mut by_label = BTreeMap::new();
        for (kind, path) in self.by_kind() {
            let first = self.table.partitions.iter().find(|partition| partition.kind == kind);
            by_label.insert(first.ok_or(path)?.label, path);
        }
        Ok(by_label)
    }

    /// Kinds of partitions and what goes into the first of each: slot a.
    fn by_kind(&self) -> impl Iterator<Item = (Kind, &Path)> {
        let optional = [
            (Kind::Esp, self.unified.as_ref().map(|(_, esp)| esp)),
            (Kind::Boot, self.boot.as_ref()),
            (Kind::Payload, self.carried.as_ref()),
            (Kind::Root, Some(&self.root)),
            (Kind::Verity, Some(&self.verity)),
        ];
        optional.into_iter().filter_map(|(kind, path)| Some((kind, path?.as_path())))
    }

    /// What an update brings. Of an ESP only the unified kernel image: the rest is the machine's.
    pub fn payload(&self) -> Vec<payload::Source> {
        let parts = [
            ("boot", self.boot.as_ref()),
            ("uki", self.unified.as_ref().map(|(unified, _)| unified)),
            ("root", Some(&self.root)),
            ("verity", Some(&self.verity)),
            ("carried", self.carried.as_ref()),
        ];
        let source =
            |(name, path): (&str, Option<&PathBuf>)| Some((name.to_owned(), path?.clone()));
        let sources = parts.into_iter().filter_map(source);
        sources.map(|(name, path)| payload::Source { name, path }).collect()
    }
}

/// Writes `IMAGE.disk.zst`.
pub fn write(options: &Options, image: &str, contents: &Contents) -> Result<(), BuildError> {
    let failed = |source| BuildError::Disk { image: image.to_owned(), source };
    let by_label = contents.by_label().map_err(|path| BuildError::Boot {
        image: image.to_owned(),
        problem: format!("its disk has no partition for {}", path.display()),
    })?;
    let path = options.out.join(format!("{image}.disk.zst"));
    let mut output = Output::create(&path)?;
    let mut writer = BufWriter::new(output.file());
    disk::write_compressed(contents.table, &by_label, None, options.thread_count, &mut writer)
        .map_err(failed)?;
    writer.flush().map_err(|error| failed(error.into()))?;
    drop(writer);
    Ok(output.commit()?)
}
