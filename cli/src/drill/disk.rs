//! A small file system under one node, so that its disk can be full while the machine's is not.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::scenario::{FULL_DISK_NODE, Kind};
use crate::error::Error;
use crate::layout::Layout;
use crate::up::progress;

/// Room for a node that starts; the drill fills the rest.
const SMALL: &str = "size=192m";

/// What the node gets when the operator makes room.
const LARGE: &str = "size=2g";

/// A size-limited tmpfs over one node's directory. Unmounted when dropped.
#[derive(Debug)]
pub struct LimitedDisk {
    dir: PathBuf,
}

impl LimitedDisk {
    /// Mounts it if a scenario wants it. Mounting needs root; without it the scenario is left out
    /// and the report says so.
    pub fn mount_if_needed(layout: &Layout, scenarios: &[Kind]) -> Result<Option<Self>, Error> {
        if !scenarios.contains(&Kind::FullDisk) {
            return Ok(None);
        }
        if !nix::unistd::geteuid().is_root() {
            progress("filling a disk needs root to mount a small one: that scenario is left out");
            return Ok(None);
        }
        let dir = layout.node_dir(FULL_DISK_NODE);
        std::fs::create_dir_all(&dir).map_err(Error::file("make", &dir))?;
        tmpfs(&dir, SMALL, MsFlags::empty())?;
        Ok(Some(Self { dir }))
    }

    /// Writes until nothing fits any more.
    pub fn fill(&self) -> Result<(), Error> {
        let path = self.ballast();
        let mut file = std::fs::File::create(&path).map_err(Error::file("write", &path))?;
        // Large steps first, then small ones until not a byte is left.
        for step in [1 << 20, 4096, 1] {
            let zeroes = vec![0u8; step];
            while std::io::Write::write_all(&mut file, &zeroes).is_ok() {}
        }
        Ok(())
    }

    /// Makes room again: a larger disk without the ballast.
    pub fn make_room(&self) -> Result<(), Error> {
        let path = self.ballast();
        std::fs::remove_file(&path).map_err(Error::file("remove", &path))?;
        tmpfs(&self.dir, LARGE, MsFlags::MS_REMOUNT)
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }
}

impl Drop for LimitedDisk {
    fn drop(&mut self) {
        if let Err(errno) = umount2(&self.dir, MntFlags::MNT_DETACH) {
            progress(&format!("cannot unmount {}: {errno}", self.dir.display()));
        }
    }
}

fn tmpfs(dir: &Path, size: &str, flags: MsFlags) -> Result<(), Error> {
    mount(Some("tmpfs"), dir, Some("tmpfs"), flags, Some(size))
        .map_err(|errno| errno.into())
        .map_err(Error::file("mount a small disk on", dir))
}
