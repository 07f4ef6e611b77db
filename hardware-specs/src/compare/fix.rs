//! What to do. Names of settings are those of AMD's reference firmware, which makers keep with small
//! changes.

pub(super) const PROCESSOR: &str =
    "this machine is of another generation; see `plinth spec list` for the one that it is of";
pub(super) const SOCKETS: &str = "plug in or switch on all processors that the generation has; a processor that firmware found \
     broken is not counted";
pub(super) const CORES: &str = "use a processor with more cores; or in the firmware, AMD CBS > CPU Common Options > \
     CCD/Core/Thread Control, set all to Auto; or remove maxcpus= and nosmt from the kernel's \
     command line";
pub(super) const SMT_ON: &str = "set SMT Control to Auto (AMD CBS > CPU Common Options), and remove nosmt from the kernel's \
     command line";
pub(super) const SMT_OFF: &str = "set SMT Control to Disable (AMD CBS > CPU Common Options)";
pub(super) const MEMORY: &str = "plug in the missing memory modules; a module that firmware found broken is not counted: see \
     its event log";
pub(super) const DRIVES: &str = "plug in the missing drives, and set the controller to hand them over one by one (no RAID, \
     NVMe mode)";
pub(super) const INTERFACES: &str =
    "plug in a network card that HostOS has a driver for, and switch its slot on in the firmware";
pub(super) const LINK: &str =
    "plug in the cable, and check that switch and cable are made for this speed";
pub(super) const NO_TPM: &str = "plug in a TPM 2.0, and switch it on in the firmware (Trusted Computing > Security Device \
     Support)";
pub(super) const OLD_TPM: &str = "set the device to TPM 2.0 in the firmware (Trusted Computing > TPM Device Version), or \
     replace it";
pub(super) const BANK: &str = "switch the bank on in the firmware (Trusted Computing > PCR Bank), save, and start the \
     machine twice";
pub(super) const BANKS_UNKNOWN: &str = "use a kernel that shows PCRs in sysfs (5.12 or newer)";
pub(super) const UEFI: &str =
    "set the boot mode to UEFI and switch the Compatibility Support Module off in the firmware";
pub(super) const SECURE_BOOT_ON: &str = "switch Secure Boot off in the firmware: releases are recognized by what is measured, and not \
     by a vendor's key";
pub(super) const KEYS: &str = "delete all Secure Boot keys in the firmware (Key Management > Reset To Setup Mode): each key \
     changes what is measured";
pub(super) const EFIVARS: &str =
    "mount efivarfs at /sys/firmware/efi/efivars, and run this as root";
pub(super) const IOMMU: &str = "set IOMMU to Enabled in the firmware (AMD CBS > NBIO Common Options), and remove iommu=off \
     from the kernel's command line";
pub(super) const NO_SNP: &str = "this processor has no SEV-SNP, or a hypervisor hides it; run this on the machine itself, \
     without one";
pub(super) const SMEE: &str = "set SMEE to Enabled in the firmware (AMD CBS > CPU Common Options)";
pub(super) const COVERAGE: &str = "set SNP Memory (RMP Table) Coverage to Enabled in the firmware (AMD CBS > CPU Common \
     Options), and Amount of Memory to Cover to all";
pub(super) const KVM_OFF: &str = "SEV-SNP is off: set SMEE and SNP Memory (RMP Table) Coverage to Enabled (AMD CBS > CPU \
     Common Options), SEV-SNP Support to Enabled (AMD CBS > NBIO Common Options), and the SEV \
     ASID count above 1 in the firmware";
pub(super) const KVM_ABSENT: &str = "set SVM Mode to Enabled in the firmware (AMD CBS > CPU Common Options), and load kvm_amd \
     with sev=1 sev_snp=1, as HostOS does";
pub(super) const API: &str = "update the machine's firmware: the security processor's is part of it; until then, its newer \
     version can be loaded as /lib/firmware/amd";
pub(super) const DEVICE: &str = "run this as root, with the module ccp loaded: the security processor is asked through \
     /dev/sev";
pub(super) const MSR: &str = "run this as root, with the module msr loaded: the processor's settings are read through \
     /dev/cpu/0/msr";
