//! Unified kernel images: a program of systemd-stub with kernel, initrd and command line as sections.
//!
//! Source: the UAPI group's "Unified Kernel Image" specification; the order of measurement is that
//! of systemd-stub (`systemd/src/fundamental/uki.c`), which differs from the specification's text in
//! the sections that come last. Our images have none of those.

use super::pe::{Pe, PeError};
use crate::crypto::{Digest, Hash};

/// Sections in the order in which systemd-stub measures them, each with the zero byte that is part of
/// the measured name. `.pcrsig` is not measured: it holds signatures over these very measurements.
const MEASURED: [(&str, &[u8]); 13] = [
    (".linux", b".linux\0"),
    (".osrel", b".osrel\0"),
    (".cmdline", b".cmdline\0"),
    (".initrd", b".initrd\0"),
    (".ucode", b".ucode\0"),
    (".splash", b".splash\0"),
    (".dtb", b".dtb\0"),
    (".uname", b".uname\0"),
    (".sbat", b".sbat\0"),
    (".pcrpkey", b".pcrpkey\0"),
    (".profile", b".profile\0"),
    (".dtbauto", b".dtbauto\0"),
    (".hwids", b".hwids\0"),
];

/// Sections of which the stub picks one, or more, by the machine or by the boot menu: what is measured
/// then does not follow from the image alone.
const CHOSEN_AT_BOOT: [&str; 4] = [".profile", ".dtbauto", ".hwids", ".efifw"];

/// Why bytes are not a unified kernel image whose measurements follow from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UkiError {
    /// It is no program.
    #[error("the unified kernel image cannot be read")]
    Image(#[source] PeError),
    /// The kernel in it is no program.
    #[error("the kernel inside, section .linux, cannot be read")]
    Kernel(#[source] PeError),
    /// It has a section that is chosen at boot.
    #[error("section {0} makes measurements depend on the machine: build the image without it")]
    Chosen(&'static str),
    /// The command line is not text.
    #[error("section .cmdline is not UTF-8, or has a zero byte before its end")]
    CommandLine,
}

/// A unified kernel image.
#[derive(Clone, Debug)]
pub struct Uki<'a> {
    image: Pe<'a>,
    kernel: Pe<'a>,
    /// Name and content, in the order of measurement.
    sections: Vec<(&'static str, &'static [u8], &'a [u8])>,
}

impl<'a> Uki<'a> {
    /// Reads an image, signed or not.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, UkiError> {
        let image = Pe::parse(bytes).map_err(UkiError::Image)?;
        for name in CHOSEN_AT_BOOT {
            if image.sections().iter().any(|section| section.name == name.as_bytes()) {
                return Err(UkiError::Chosen(name));
            }
        }
        let mut sections = Vec::new();
        for (name, measured_name) in MEASURED {
            if let Some(section) = image.section(name).map_err(UkiError::Image)? {
                sections.push((name, measured_name, section.data().map_err(UkiError::Image)?));
            }
        }
        // Not measured, but handed on: it must be readable as well.
        if let Some(section) = image.section(".pcrsig").map_err(UkiError::Image)? {
            section.data().map_err(UkiError::Image)?;
        }
        let find = |wanted: &str| sections.iter().find(|(name, ..)| *name == wanted);
        let (.., kernel) = find(".linux").ok_or(UkiError::Image(PeError::NoSection(".linux")))?;
        let kernel = Pe::parse(kernel).map_err(UkiError::Kernel)?;
        Ok(Self { image, kernel, sections })
    }

    /// The image as a program.
    pub fn image(&self) -> &Pe<'a> {
        &self.image
    }

    /// The kernel inside as a program.
    pub fn kernel(&self) -> &Pe<'a> {
        &self.kernel
    }

    /// The content of a measured section.
    pub fn section(&self, wanted: &str) -> Option<&'a [u8]> {
        self.sections.iter().find(|(name, ..)| *name == wanted).map(|(.., data)| *data)
    }

    /// The names of the measured sections, in the order of measurement.
    pub fn section_names(&self) -> impl Iterator<Item = &'static str> {
        self.sections.iter().map(|(name, ..)| *name)
    }

    /// A section that the stub turns into a file for the running system, whether measured or not.
    pub(super) fn file_section(&self, name: &'static str) -> Option<&'a [u8]> {
        // A section that comes twice, or is cut, was refused when the image was read.
        self.image.section(name).ok().flatten().and_then(|section| section.data().ok())
    }

    /// The initrd that systemd-stub 257 hands to the kernel when no file beside the image adds to it.
    pub fn initrd_by_stub(&self) -> Vec<u8> {
        super::initrd::by_stub(self)
    }

    /// What the stub extends into PCR 11: name of the section and whether its name or its content, with
    /// the digest.
    pub fn stub_measurements(&self, hash: Hash) -> Vec<(&'static str, SectionPart, Digest)> {
        self.sections
            .iter()
            .flat_map(|&(name, measured_name, data)| {
                [
                    (name, SectionPart::Name, hash.digest(measured_name)),
                    (name, SectionPart::Content, hash.digest(data)),
                ]
            })
            .collect()
    }

    /// The load options that the stub hands to the kernel: the command line in UTF-16 with its zero.
    /// Empty if the image has no command line.
    pub fn load_options(&self) -> Result<Vec<u8>, UkiError> {
        let Some(bytes) = self.section(".cmdline") else { return Ok(Vec::new()) };
        let text = std::str::from_utf8(bytes).map_err(|_| UkiError::CommandLine)?;
        let text = text.trim_end_matches('\0');
        if text.contains('\0') {
            return Err(UkiError::CommandLine);
        }
        Ok(load_options(text))
    }
}

/// The name of a section that the stub measures, if this is one.
pub(super) fn measured_section(wanted: &str) -> Option<&'static str> {
    MEASURED.iter().map(|(name, _)| *name).find(|name| *name == wanted)
}

/// Which half of a section's measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionPart {
    /// Its name.
    Name,
    /// Its content.
    Content,
}

/// A command line as load options of a kernel: UTF-16, little-endian, with a zero at the end. White
/// space around it is dropped, control characters inside become spaces.
pub fn load_options(command_line: &str) -> Vec<u8> {
    let spaced: String =
        command_line.chars().map(|letter| if letter < ' ' { ' ' } else { letter }).collect();
    let units = spaced.trim_matches(' ').encode_utf16().chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests;
