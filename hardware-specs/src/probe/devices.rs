//! Drives and network interfaces, by the kernel's classes of devices.

use super::tree::Tree;
use crate::facts::{Drive, DriveKind, Interface};

/// The unit of a drive's `size`, whatever its own blocks are.
const SECTOR_BYTES: u64 = 512;
/// The kernel's type of an Ethernet interface.
const ETHERNET: u32 = 1;

/// Drives that stay in the machine. Devices without hardware (loops, device mapper) are none, and
/// neither are sticks and discs, which are removable.
pub(super) fn drives(tree: &Tree) -> Vec<Drive> {
    let read = |name: String| {
        let folder = format!("sys/block/{name}");
        let is_hardware = tree.exists(&format!("{folder}/device"));
        let is_removable = tree.number(&format!("{folder}/removable")) == Some(1);
        if !is_hardware || is_removable {
            return None;
        }
        let kind = kind(&name)?;
        let sectors: u64 = tree.number(&format!("{folder}/size"))?;
        let bytes = sectors.checked_mul(SECTOR_BYTES).filter(|bytes| *bytes > 0)?;
        let model = tree.line(&format!("{folder}/device/model"));
        Some(Drive { name, kind, bytes, model })
    };
    tree.names("sys/block").into_iter().filter_map(read).collect()
}

fn kind(name: &str) -> Option<DriveKind> {
    match name {
        name if name.starts_with("nvme") => Some(DriveKind::Nvme),
        name if name.starts_with("sd") => Some(DriveKind::Disk),
        name if name.starts_with("vd") => Some(DriveKind::Virtio),
        _ => None,
    }
}

/// Ethernet interfaces of hardware.
pub(super) fn interfaces(tree: &Tree) -> Vec<Interface> {
    let read = |name: String| {
        let folder = format!("sys/class/net/{name}");
        let is_ethernet = tree.number(&format!("{folder}/type")) == Some(ETHERNET);
        if !is_ethernet || !tree.exists(&format!("{folder}/device")) {
            return None;
        }
        let driver = tree.link_name(&format!("{folder}/device/driver"));
        // Without a link it is -1, or cannot be read.
        let speed_mbps = tree.number(&format!("{folder}/speed")).filter(|speed| *speed > 0);
        Some(Interface { name, driver, speed_mbps })
    };
    tree.names("sys/class/net").into_iter().filter_map(read).collect()
}
