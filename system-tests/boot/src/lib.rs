//! Images as they are shipped, started in QEMU: a machine's by firmware (OVMF) with a TPM (swtpm), a guest's by kernel,
//! initrd and command line out of its boot archive.
//!
//! Whether an image is up is seen from outside, as a provider would see it: systemd says on the console what it
//! started. PCRs are read from the TPM past the machine. Nothing in the images is there for these tests.
//!
//! ```text
//!  plinth image build --> images --> disk --machine, QEMU--> console: what happened
//!                           \--> attestation: predicted PCRs == those of swtpm, through tpm
//! ```
//!
//! This library is what the tests share. It is for tests only, so it panics where something fails.

pub mod images;
pub mod machine;
pub mod tpm;
