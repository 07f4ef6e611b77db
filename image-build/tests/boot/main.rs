//! Images as they are shipped, started in QEMU: a machine's by firmware (OVMF) with a TPM (swtpm), a guest's by kernel,
//! initrd and command line out of its boot archive.
//!
//! Whether an image is up is seen from outside, as a provider would see it: systemd says on the console what it
//! started. PCRs are read from the TPM past the machine. Nothing in the images is there for these tests.
//!
//! ```text
//!  plinth image build --> folder of images --> disk --QEMU--> console: what happened
//!                                 \--> attestation: predicted PCRs == those of swtpm, through our proxy
//! ```

mod failures;
mod guestos;
mod images;
mod machine;
mod machines;
mod tpm;
