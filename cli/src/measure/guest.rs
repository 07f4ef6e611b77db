//! `plinth measure guest`: the launch digests of a confidential guest.

use std::path::{Path, PathBuf};

use clap::Args;
use image_build::measure::boot_archive::BootArchive;
use image_build::measure::{GuestParts, LaunchDigests, launch_digests};

use crate::attest::files::{read, read_up_to};
use crate::error::Error;
use crate::output;

/// Far more than a kernel or an initrd has.
const PART_BYTES_MAX: u64 = 1 << 30;

/// Options of `guest`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
What QEMU measures is the firmware, then the hashes of kernel, initrd and command line, then the \
registers of each processor. The JSON has the digest before any processor, from which that of any \
other count follows.

Exit codes: 0 measured; 2 unusable input or wrong usage.")]
pub struct MeasureGuest {
    /// The guest's firmware, such as guestos.firmware.fd: OVMF built as AmdSev.
    #[arg(long, value_name = "FILE")]
    firmware: PathBuf,
    /// What the guest is started from, such as guestos.boot.cpio.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "kernel",
        conflicts_with_all = ["kernel", "initrd", "command_line"]
    )]
    boot: Option<PathBuf>,
    /// The kernel, if it is a file by itself.
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// The initrd, if it is a file by itself [default: none].
    #[arg(long, value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// The command line that goes with them.
    #[arg(long, value_name = "TEXT", requires = "kernel", default_value = "")]
    command_line: String,
    /// Print the digests as JSON, in the form that release manifests have.
    #[arg(long)]
    json: bool,
}

/// Measures the guest and prints it.
pub fn run(arguments: &MeasureGuest) -> Result<(), Error> {
    let measured = measure(arguments)?;
    output::print(if arguments.json { super::json(&measured) } else { as_text(&measured) })
}

fn measure(arguments: &MeasureGuest) -> Result<LaunchDigests, Error> {
    let part = |path: Option<&Path>| match path {
        Some(path) => read_up_to(path, PART_BYTES_MAX).map_err(super::unread),
        None => Ok(Vec::new()),
    };
    let firmware = read(&arguments.firmware).map_err(super::unread)?;
    let archive = part(arguments.boot.as_deref())?;
    let (kernel, initrd) = (part(arguments.kernel.as_deref())?, part(arguments.initrd.as_deref())?);
    let parts = match arguments.boot {
        Some(_) => {
            let BootArchive { command_line, initrd, kernel } =
                BootArchive::parse(&archive).map_err(|error| super::unusable(&error))?;
            GuestParts { firmware: &firmware, kernel, initrd, command_line }
        }
        None => GuestParts {
            firmware: &firmware,
            kernel: &kernel,
            initrd: &initrd,
            command_line: &arguments.command_line,
        },
    };
    launch_digests(&parts).map_err(|error| super::unusable(&error))
}

fn as_text(measured: &LaunchDigests) -> String {
    let LaunchDigests { firmware, kernel, initrd, command_line, features, base, .. } = measured;
    let mut text = format!(
        "firmware      {firmware}\nkernel        {kernel}\ninitrd        {initrd}\n\
         command line  {command_line:?}\nfeatures      {features:#x}\nbase digest   {base}\n\
         model, processors, launch digest:\n"
    );
    for digest in &measured.digests {
        text += &format!("  {:<11} {:>3}  {}\n", digest.processor, digest.count, digest.digest);
    }
    text
}

#[cfg(test)]
mod tests;
