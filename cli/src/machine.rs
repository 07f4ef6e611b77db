//! Whether this machine has room for a network.

use std::path::Path;

use crate::error::Error;

/// Memory that a node needs at the start, in MiB, with room for canisters of some size.
const NODE_MEMORY_MIB: u64 = 256;

/// Disk space that a new network needs before it does anything, in MiB, for each node.
const NODE_DISK_MIB: u64 = 256;

/// Checks memory and disk for `nodes` nodes in `dir`.
pub fn check(nodes: usize, dir: &Path) -> Result<(), Error> {
    let count = u64::try_from(nodes).unwrap_or(u64::MAX);
    let needed_mib = count.saturating_mul(NODE_MEMORY_MIB);
    if let Some(available_mib) = available_memory_mib()
        && available_mib < needed_mib
    {
        return Err(Error::Memory { nodes, needed_mib, available_mib });
    }
    let needed_mib = count.saturating_mul(NODE_DISK_MIB);
    let available_mib = free_disk_mib(dir)?;
    if available_mib < needed_mib {
        return Err(Error::Disk { dir: dir.into(), needed_mib, available_mib });
    }
    Ok(())
}

fn available_memory_mib() -> Option<u64> {
    available_in(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

fn free_disk_mib(dir: &Path) -> Result<u64, Error> {
    let found = nix::sys::statvfs::statvfs(dir)
        .map_err(|errno| errno.into())
        .map_err(Error::file("measure the free space of", dir))?;
    let bytes = found.blocks_available().saturating_mul(found.fragment_size());
    Ok(bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_from_the_kernels_table() {
        let table = "MemTotal:  2048 kB\nMemAvailable:    1024000 kB\n";
        assert_eq!(available_in(table), Some(1_000));
        assert_eq!(available_in("MemTotal: 1 kB"), None);
    }

    #[test]
    fn too_many_nodes_are_refused_with_the_numbers() {
        let error = check(1_000_000_000, Path::new("/")).expect_err("no machine has that");
        assert!(matches!(error, Error::Memory { .. } | Error::Disk { .. }), "{error}");
        check(0, Path::new("/")).expect("nothing needs nothing");
    }
}
