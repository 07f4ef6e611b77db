//! The tables: one for each image.

use crate::Guid;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The partitions of one image's disk, in their order on it.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// The image, which is part of every id.
    pub name: &'static str,
    /// In their order on the disk.
    pub partitions: &'static [Partition],
}

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    /// Its name in the partition table, by which the early boot finds it.
    pub label: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// How large it is.
    pub size: Size,
}

/// What a partition is for; decides its type id and attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The firmware's file system: FAT with the unified kernel images.
    Esp,
    /// A read-only root, erofs.
    Root,
    /// The hash tree of a root, dm-verity.
    Verity,
    /// What a host needs to start a guest from a slot: kernel, initrd and command line as a cpio
    /// archive, which the host can read without mounting anything the guest wrote.
    Boot,
    /// Files that came with the image, read-only erofs checked by digest.
    Payload,
    /// Settings that an operator writes from any system: FAT.
    Settings,
    /// Two checksummed copies of the state of the slots, raw.
    SlotState,
    /// What the running system writes; empty in an image.
    State,
}

/// How large a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// This many bytes, whatever is in it.
    Fixed(u64),
    /// As large as its content, which must not exceed this many bytes.
    Content {
        /// The budget.
        bytes_max: u64,
    },
    /// What is left of the disk, at least this many bytes. Only the last one may be so.
    Rest {
        /// The least.
        bytes_min: u64,
    },
}

const fn fixed(label: &'static str, kind: Kind, bytes: u64) -> Partition {
    Partition { label, kind, size: Size::Fixed(bytes) }
}

const fn content(label: &'static str, kind: Kind, bytes_max: u64) -> Partition {
    Partition { label, kind, size: Size::Content { bytes_max } }
}

const fn rest(label: &'static str, kind: Kind, bytes_min: u64) -> Partition {
    Partition { label, kind, size: Size::Rest { bytes_min } }
}

/// The machine's own disk. Both unified kernel images lie in the one ESP, since firmware reads only
/// one; roots and hash trees have a slot each. `guest` is the disk of the GuestOS.
pub const HOSTOS: Disk = Disk {
    name: "hostos",
    partitions: &[
        fixed("esp", Kind::Esp, 512 * MIB),
        fixed("root-a", Kind::Root, 2 * GIB),
        fixed("verity-a", Kind::Verity, 32 * MIB),
        fixed("root-b", Kind::Root, 2 * GIB),
        fixed("verity-b", Kind::Verity, 32 * MIB),
        fixed("slots", Kind::SlotState, 2 * MIB),
        fixed("config", Kind::State, 64 * MIB),
        fixed("var", Kind::State, 16 * GIB),
        rest("guest", Kind::State, MIB),
    ],
};

/// The guest's disk, made by the host. The host starts the guest from a `boot` partition.
pub const GUESTOS: Disk = Disk {
    name: "guestos",
    partitions: &[
        fixed("boot-a", Kind::Boot, 128 * MIB),
        fixed("root-a", Kind::Root, GIB),
        fixed("verity-a", Kind::Verity, 16 * MIB),
        fixed("boot-b", Kind::Boot, 128 * MIB),
        fixed("root-b", Kind::Root, GIB),
        fixed("verity-b", Kind::Verity, 16 * MIB),
        fixed("config", Kind::State, 64 * MIB),
        fixed("var", Kind::State, 8 * GIB),
        rest("store", Kind::State, MIB),
    ],
};

/// The stick that installs the other two. No slots: it is written anew for each release.
pub const SETUPOS: Disk = Disk {
    name: "setupos",
    partitions: &[
        content("esp", Kind::Esp, 512 * MIB),
        content("root", Kind::Root, 2 * GIB),
        content("verity", Kind::Verity, 32 * MIB),
        content("payload", Kind::Payload, GIB),
        fixed("settings", Kind::Settings, 64 * MIB),
    ],
};

/// All tables.
pub const DISKS: [&Disk; 3] = [&HOSTOS, &GUESTOS, &SETUPOS];

impl Disk {
    /// The id of the partition table.
    pub fn id(&self) -> Guid {
        Guid::derived("disk", self.name.as_bytes())
    }

    /// The id of one of its partitions.
    pub fn partition_id(&self, partition: &Partition) -> Guid {
        Guid::derived("partition", format!("{}/{}", self.name, partition.label).as_bytes())
    }

    /// The partition of a label.
    pub fn partition(&self, label: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.label == label)
    }
}

/// Attribute bits as the Discoverable Partitions Specification gives them for such types.
const READ_ONLY: u64 = 1 << 60;
const NO_AUTOMOUNT: u64 = 1 << 63;

impl Kind {
    /// The type id: a published one where other software must know the partition.
    pub fn type_id(self) -> Guid {
        match self {
            Self::Esp => Guid::from_u128(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b),
            Self::Root => Guid::from_u128(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709),
            Self::Verity => Guid::from_u128(0x2c7357ed_ebd2_46d9_aec1_23d437ec2bf5),
            // "Microsoft basic data", so that every system shows it as a drive.
            Self::Settings => Guid::from_u128(0xebd0a0a2_b9e5_4433_87c0_68b6b72699c7),
            // "Linux filesystem data".
            Self::State => Guid::from_u128(0x0fc63daf_8483_4772_8e79_3d69d8477de4),
            Self::Boot => Guid::derived("partition-type", b"boot"),
            Self::Payload => Guid::derived("partition-type", b"payload"),
            Self::SlotState => Guid::derived("partition-type", b"slots"),
        }
    }

    /// The attribute bits. Nothing is mounted because of its type: the early boot names what it
    /// wants by label and checks it.
    pub fn attributes(self) -> u64 {
        match self {
            Self::Root | Self::Verity => READ_ONLY | NO_AUTOMOUNT,
            Self::Esp | Self::Boot | Self::Payload | Self::Settings => 0,
            Self::SlotState | Self::State => 0,
        }
    }
}
