//! Unified kernel images: the stub of systemd with kernel, initrd, command line and description as
//! sections, one file that firmware loads and measures.
//!
//! The stub measures the sections by a fixed order of its own (.linux, .osrel, .cmdline, .initrd,
//! .uname, .sbat); their order in the file is that of [`SECTIONS`], after the stub's. The stub's own
//! `.sbat` stays. Nothing else is put in: any further section would be measured too.

#[cfg(test)]
pub(crate) mod tests;

use crate::pe::{NewSection, Pe, PeError};
use thiserror::Error;

/// The sections that an image adds to its stub, in the order of the file. The kernel is last, so
/// that what follows it in memory is free.
pub const SECTIONS: [&str; 5] = [".osrel", ".cmdline", ".initrd", ".uname", ".linux"];

const READ: u32 = 0x4000_0000;
const INITIALIZED_DATA: u32 = 0x0000_0040;
const CODE: u32 = 0x0000_0020;
/// Linux takes 2,047 bytes on x86-64 and drops the rest.
const COMMAND_LINE_BYTES_MAX: usize = 2_047;
/// The release that `uname -r` shows: 64 bytes with the closing zero.
const UNAME_BYTES_MAX: usize = 64;
const OS_RELEASE_BYTES_MAX: usize = 4_096;
/// Where a kernel says `HdrS` (Documentation/arch/x86/boot.rst).
const KERNEL_MARK_AT: usize = 0x202;

/// What goes into an image besides the stub.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The text of `/usr/lib/os-release`.
    pub os_release: &'a str,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// The first root: a cpio archive, perhaps compressed.
    pub initrd: &'a [u8],
    /// The kernel's release, such as `6.12.118+deb13-amd64`.
    pub uname: &'a str,
    /// The kernel.
    pub linux: &'a [u8],
}

/// Parts that make no image.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UkiError {
    /// The stub is no executable.
    #[error("the stub cannot be used; take linuxx64.efi.stub from the locked package")]
    Stub(#[source] PeError),
    /// The stub is none of systemd, or an image already.
    #[error("the stub {problem}; take linuxx64.efi.stub from the locked package")]
    StubSections {
        /// What is wrong.
        problem: &'static str,
    },
    /// The kernel is no executable.
    #[error("the kernel cannot be started by firmware; take vmlinuz from the locked package")]
    Kernel(#[source] PeError),
    /// A part that the kernel or the stub would not take as it is.
    #[error("the {part} {problem}; correct it in the manifest")]
    Part {
        /// Such as `command line`.
        part: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// All in all too large.
    #[error("the image would be too large; make the initrd smaller")]
    TooLarge(#[source] PeError),
}

/// Puts an image together.
pub fn assemble(stub: &[u8], parts: &Parts) -> Result<Vec<u8>, UkiError> {
    let pe = Pe::parse(stub).map_err(UkiError::Stub)?;
    check_stub(stub, &pe)?;
    check_parts(parts)?;
    let kernel = parse_kernel(parts.linux)?;
    let data: [&[u8]; 5] = [
        parts.os_release.as_bytes(),
        parts.command_line.as_bytes(),
        parts.initrd,
        parts.uname.as_bytes(),
        parts.linux,
    ];
    let section = |(name, data): (&'static str, _)| {
        let kind = if name == ".linux" { CODE } else { INITIALIZED_DATA };
        NewSection { name, data, characteristics: READ | kind }
    };
    let sections: Vec<NewSection> = SECTIONS.into_iter().zip(data).map(section).collect();
    let mut image = stub.to_vec();
    // Firmware looks at the flag of the outer image alone, so it must not promise more than the
    // kernel inside.
    pe.append(&mut image, &sections, kernel.nx_compatible).map_err(UkiError::TooLarge)?;
    debug_assert!(Pe::parse(&image).is_ok());
    Ok(image)
}

fn parse_kernel(linux: &[u8]) -> Result<Pe, UkiError> {
    if linux.get(KERNEL_MARK_AT..KERNEL_MARK_AT + 4) != Some(b"HdrS") {
        let problem = "there is no mark of a Linux kernel";
        return Err(UkiError::Kernel(PeError { at: KERNEL_MARK_AT, problem }));
    }
    Pe::parse(linux).map_err(UkiError::Kernel)
}

fn check_stub(stub: &[u8], pe: &Pe) -> Result<(), UkiError> {
    let wrong = |problem| Err(UkiError::StubSections { problem });
    if pe.section(".sbat").is_none() || pe.section(".sdmagic").is_none() {
        return wrong("is none of systemd: it has no .sbat and .sdmagic");
    }
    if SECTIONS.iter().any(|name| pe.section(name).is_some()) {
        return wrong("is an image already");
    }
    if !pe.has_room_for(SECTIONS.len()) {
        return wrong("has no room for more sections");
    }
    if !pe.certificates.is_empty() {
        return wrong("is signed, and would not be after it was changed");
    }
    let end = pe.sections.iter().map(|section| section.raw.end).max();
    if end != Some(stub.len()) {
        return wrong("has bytes after its last section");
    }
    Ok(())
}

fn check_parts(parts: &Parts) -> Result<(), UkiError> {
    let bad = |part, problem| Err(UkiError::Part { part, problem });
    let printable = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let command_line = parts.command_line;
    if command_line.is_empty() || !printable(command_line) || command_line.trim() != command_line {
        return bad(
            "command line",
            "is empty, has other than printable ASCII, or spaces at its ends",
        );
    }
    if command_line.len() > COMMAND_LINE_BYTES_MAX {
        return bad("command line", "has more than 2,047 bytes, which Linux would drop");
    }
    if parts.uname.is_empty() || !printable(parts.uname) || parts.uname.len() >= UNAME_BYTES_MAX {
        return bad("kernel release", "is empty, not printable ASCII, or longer than 63 bytes");
    }
    let os_release = parts.os_release;
    if !os_release.ends_with('\n')
        || os_release.contains('\0')
        || os_release.len() > OS_RELEASE_BYTES_MAX
    {
        return bad("os-release", "does not end with a line end, or has more than 4,096 bytes");
    }
    if parts.initrd.is_empty() {
        return bad("initrd", "is empty");
    }
    Ok(())
}
