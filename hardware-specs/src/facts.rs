//! What a machine is, as far as it could be found out. What could not is `None`: it is neither there
//! nor missing.

use serde::Serialize;

/// All that is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Maker, product and firmware, for people.
    pub identity: Identity,
    /// Processors.
    pub processor: Processor,
    /// Memory.
    pub memory: Memory,
    /// Drives that stay in the machine, by name.
    pub drives: Vec<Drive>,
    /// Network interfaces of hardware, by name.
    pub interfaces: Vec<Interface>,
    /// The TPM; none if there is none.
    pub tpm: Option<Tpm>,
    /// What firmware was told.
    pub firmware: Firmware,
    /// Memory encryption and SEV-SNP.
    pub snp: Snp,
}

/// Maker, product and firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Who made the machine.
    pub maker: Option<String>,
    /// What it is called.
    pub product: Option<String>,
    /// Who made its firmware.
    pub firmware_maker: Option<String>,
    /// The firmware's version.
    pub firmware_version: Option<String>,
}

/// Processors, which are all of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Processor {
    /// Such as `AuthenticAMD`.
    pub vendor: String,
    /// The name for people.
    pub name: String,
    /// The family, its extended part added.
    pub family: u32,
    /// The model, its extended part added.
    pub model: u32,
    /// The stepping.
    pub stepping: u32,
    /// How many packages.
    pub sockets: u32,
    /// Cores of all packages.
    pub cores: u32,
    /// Threads of all packages that run.
    pub threads: u32,
    /// Whether each core runs several threads; none if the kernel does not say.
    pub smt: Option<bool>,
    /// Whether a hypervisor is below.
    pub is_virtual: bool,
}

/// Memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// What the kernel has.
    pub usable_bytes: u64,
    /// What is plugged in, by SMBIOS.
    pub installed_bytes: Option<u64>,
    /// How many modules, by SMBIOS.
    pub modules: Option<u32>,
}

/// How a drive is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriveKind {
    /// NVM Express.
    Nvme,
    /// SATA or SAS.
    Disk,
    /// Of a virtual machine.
    Virtio,
}

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drive {
    /// The kernel's name.
    pub name: String,
    /// How it is attached.
    pub kind: DriveKind,
    /// Its length.
    pub bytes: u64,
    /// The maker's name of it.
    pub model: Option<String>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// The kernel's name.
    pub name: String,
    /// Its driver.
    pub driver: Option<String>,
    /// In megabits a second; none while it has no link.
    pub speed_mbps: Option<u32>,
}

/// A TPM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tpm {
    /// 1 or 2.
    pub version: u32,
    /// The banks of PCRs that are in use, sorted; none if the kernel shows none.
    pub banks: Option<Vec<String>>,
}

/// What firmware was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Firmware {
    /// Whether it started the kernel by UEFI.
    pub is_uefi: bool,
    /// Whether secure boot is on; none if firmware has no such variable.
    pub secure_boot: Option<bool>,
    /// Whether keys may be enrolled, as none is; none if firmware has no such variable.
    pub setup_mode: Option<bool>,
    /// How many groups of devices the IOMMU keeps apart; 0 if it is off.
    pub iommu_groups: u32,
}

/// Memory encryption and SEV-SNP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snp {
    /// Whether cpuid says that the processor has SEV-SNP.
    pub is_supported: Option<bool>,
    /// SYSCFG: whether memory encryption is on (SMEE).
    pub memory_encryption: Option<bool>,
    /// Bytes of memory that the reverse map table covers; 0 if there is none.
    pub covered_bytes: Option<u64>,
    /// Whether KVM starts guests with SEV-SNP; none if KVM does not run here.
    pub kvm: Option<bool>,
    /// The version of the security processor's interface.
    pub api: Option<ApiVersion>,
    /// The firmware's build.
    pub build: Option<u32>,
}

/// A version of the interface, such as `1.55`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u8,
    /// Behind it.
    pub minor: u8,
}

impl std::fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<ApiVersion> for String {
    fn from(version: ApiVersion) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for ApiVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.split_once('.');
        let read = parts.and_then(|(major, minor)| {
            Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
        });
        let read = read.filter(|version| version.to_string() == text);
        read.ok_or_else(|| format!("{text:?} is no version such as \"1.55\""))
    }
}
