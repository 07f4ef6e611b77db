//! What a host starts a guest from, out of its archive: a strict reader of what `cpio::write` wrote.
//!
//! The three files stand in the archive as they are, in the "newc" form (kernel sources,
//! Documentation/driver-api/early-userspace/buffer-format.rst). An archive in which two readers could
//! see different files is refused.

use thiserror::Error;

const MAGIC: &[u8] = b"070701";
const HEAD_BYTES: usize = 110;
const TRAILER: &[u8] = b"TRAILER!!!";
/// Which of the thirteen numbers of a head are used: mode, length, length of the name.
const MODE: usize = 1;
const LENGTH: usize = 6;
const NAME_LENGTH: usize = 11;
/// Type bits of a mode, and the value of a plain file.
const TYPE: u32 = 0o170_000;
const PLAIN_FILE: u32 = 0o100_000;
/// The whole archive is a multiple of this, by zeros.
const BLOCK_BYTES: usize = 512;
/// The files, in their order.
const NAMES: [&[u8]; 3] = [b"cmdline", b"initrd", b"kernel"];

/// An archive that is not one of ours.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("byte {at} of the boot archive: {problem}; build the image again")]
pub struct BootArchiveError {
    /// Where.
    pub at: usize,
    /// What is wrong.
    pub problem: &'static str,
}

/// The files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootArchive<'a> {
    /// The kernel's command line.
    pub command_line: &'a str,
    /// The initrd.
    pub initrd: &'a [u8],
    /// The kernel.
    pub kernel: &'a [u8],
}

impl<'a> BootArchive<'a> {
    /// Reads an archive that holds exactly these files.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BootArchiveError> {
        let mut reader = Reader { bytes, at: 0 };
        let mut files = [&[][..]; 3];
        for (name, file) in NAMES.into_iter().zip(&mut files) {
            *file = reader.file(name)?;
        }
        reader.end()?;
        let [command_line, initrd, kernel] = files;
        let command_line = std::str::from_utf8(command_line)
            .ok()
            .filter(|text| !text.contains('\0'))
            .ok_or(BootArchiveError { at: 0, problem: "the command line is not plain text" })?;
        Ok(Self { command_line, initrd, kernel })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self, problem: &'static str) -> BootArchiveError {
        BootArchiveError { at: self.at, problem }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BootArchiveError> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.wrong("it is cut off"))?;
        self.at += length;
        Ok(taken)
    }

    /// Zeros up to the next multiple.
    fn pad(&mut self, multiple: usize) -> Result<(), BootArchiveError> {
        let length = self.at.next_multiple_of(multiple) - self.at;
        match self.take(length)?.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(self.wrong("padding is not zero")),
        }
    }

    /// A head and its name: the numbers.
    fn head(&mut self, name: &[u8]) -> Result<[u32; 13], BootArchiveError> {
        let head = self.take(HEAD_BYTES)?;
        let digits = head.strip_prefix(MAGIC).ok_or_else(|| self.wrong("it is no newc archive"))?;
        let mut numbers = [0; 13];
        for (number, digits) in numbers.iter_mut().zip(digits.chunks_exact(8)) {
            let text = std::str::from_utf8(digits).ok().filter(|text| {
                text.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
            });
            let read = text.and_then(|text| u32::from_str_radix(text, 16).ok());
            *number = read.ok_or_else(|| self.wrong("a number is not in upper-case hex"))?;
        }
        if numbers[NAME_LENGTH] as usize != name.len() + 1
            || self.take(name.len() + 1)? != [name, b"\0"].concat()
        {
            return Err(self.wrong("it does not hold cmdline, initrd and kernel, in this order"));
        }
        self.pad(4)?;
        Ok(numbers)
    }

    fn file(&mut self, name: &[u8]) -> Result<&'a [u8], BootArchiveError> {
        let numbers = self.head(name)?;
        if numbers[MODE] & TYPE != PLAIN_FILE {
            return Err(self.wrong("an entry is no plain file"));
        }
        let content = self.take(numbers[LENGTH] as usize)?;
        self.pad(4)?;
        Ok(content)
    }

    fn end(&mut self) -> Result<(), BootArchiveError> {
        let numbers = self.head(TRAILER)?;
        if numbers[LENGTH] != 0 {
            return Err(self.wrong("the trailer has a content"));
        }
        self.pad(BLOCK_BYTES)?;
        match self.bytes.len() == self.at {
            true => Ok(()),
            false => Err(self.wrong("bytes follow the trailer")),
        }
    }
}

#[cfg(test)]
mod tests;
