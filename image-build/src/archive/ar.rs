//! The `ar` format, as far as packages use it: short names, sizes in decimal, members one after
//! another, each padded to an even length.

use std::io::{self, Read};
use thiserror::Error;

/// What a file begins with.
const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Bytes of a member's header.
const HEADER_BYTES: usize = 60;
/// What a member's header ends with.
const HEADER_END: &[u8; 2] = b"`\n";

/// An archive that is not as it must be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArError {
    /// The bytes could not be read.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// No archive at all.
    #[error("is no ar archive: it does not begin with \"!<arch>\"")]
    Magic,
    /// The archive ends within a header, a member or its padding.
    #[error("the archive ends early, within {within}; fetch the file again")]
    Truncated {
        /// What is not whole.
        within: &'static str,
    },
    /// A header that cannot be understood.
    #[error("the header of member {number} is damaged: {problem}")]
    Header {
        /// Which member, counted from 1.
        number: u32,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A member's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, without padding and without the closing slash that some tools write.
    pub name: Vec<u8>,
    /// Bytes of its content.
    pub size: u64,
}

/// Reads an archive from front to back.
#[derive(Debug)]
pub struct ArReader<R> {
    inner: R,
    number: u32,
    /// Bytes of the current member that were not read yet.
    left: u64,
    /// Whether a byte of padding follows the current member.
    padded: bool,
}

impl<R: Read> ArReader<R> {
    /// Checks the beginning of an archive.
    pub fn new(mut inner: R) -> Result<Self, ArError> {
        let mut magic = [0; MAGIC.len()];
        let got = read_up_to(&mut inner, &mut magic).map_err(ArError::Read)?;
        if got < MAGIC.len() || &magic != MAGIC {
            return Err(ArError::Magic);
        }
        Ok(Self { inner, number: 0, left: 0, padded: false })
    }

    /// Goes to the next member, over what is left of the current one; none at the end.
    pub fn next_member(&mut self) -> Result<Option<Member>, ArError> {
        self.skip_rest()?;
        let mut header = [0; HEADER_BYTES];
        match read_up_to(&mut self.inner, &mut header).map_err(ArError::Read)? {
            0 => return Ok(None),
            HEADER_BYTES => {}
            _ => return Err(ArError::Truncated { within: "a header" }),
        }
        self.number = self.number.saturating_add(1);
        let member = parse_header(&header)
            .map_err(|problem| ArError::Header { number: self.number, problem })?;
        self.left = member.size;
        self.padded = member.size % 2 == 1;
        Ok(Some(member))
    }

    /// Bytes of the current member that were not read yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    fn skip_rest(&mut self) -> Result<(), ArError> {
        let rest = self.left;
        let skipped = io::copy(&mut (&mut *self).take(rest), &mut io::sink());
        if skipped.map_err(ArError::Read)? < rest {
            return Err(ArError::Truncated { within: "a member" });
        }
        if std::mem::take(&mut self.padded) {
            let mut padding = [0; 1];
            let got = read_up_to(&mut self.inner, &mut padding).map_err(ArError::Read)?;
            // Some tools leave the padding of the last member away.
            if got == 1 && padding[0] != b'\n' {
                return Err(ArError::Header {
                    number: self.number.saturating_add(1),
                    problem: "something other than a line end lies before it",
                });
            }
        }
        Ok(())
    }
}

/// The content of the current member.
impl<R: Read> Read for ArReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let got = self.inner.read(&mut buffer[..want])?;
        if got == 0 && want > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends early, within a member; fetch the file again",
            ));
        }
        self.left -= got as u64;
        Ok(got)
    }
}

fn parse_header(header: &[u8; HEADER_BYTES]) -> Result<Member, &'static str> {
    if &header[58..] != HEADER_END {
        return Err("it does not end as headers do");
    }
    let name = trim_spaces(&header[..16]);
    let name = name.strip_suffix(b"/").unwrap_or(name);
    if name.is_empty() || name.iter().any(|byte| !byte.is_ascii_graphic() || *byte == b'/') {
        return Err("its name is empty, long or not printable");
    }
    let size = trim_spaces(&header[48..58]);
    if size.is_empty() || !size.iter().all(u8::is_ascii_digit) {
        return Err("its size is no decimal number");
    }
    // Ten digits cannot overflow.
    let size = size.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Ok(Member { name: name.to_vec(), size })
}

fn trim_spaces(field: &[u8]) -> &[u8] {
    let end = field.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    &field[..end]
}

/// Fills the buffer as far as there are bytes.
pub(super) fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, size: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).into_bytes();
        bytes.extend_from_slice(content);
        bytes
    }

    fn archive(members: &[Vec<u8>]) -> Vec<u8> {
        [MAGIC.to_vec(), members.concat()].concat()
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ArError> {
        let mut reader = ArReader::new(bytes)?;
        let mut found = Vec::new();
        while let Some(member) = reader.next_member()? {
            let mut content = Vec::new();
            reader.read_to_end(&mut content).map_err(ArError::Read)?;
            found.push((String::from_utf8(member.name).unwrap(), content));
        }
        Ok(found)
    }

    #[test]
    fn members_come_in_order_with_padding_skipped() {
        let bytes = archive(&[member("a/", "3", b"abc\n"), member("b", "2", b"de")]);
        let found = read_all(&bytes).unwrap();
        assert_eq!(found, [("a".into(), b"abc".to_vec()), ("b".into(), b"de".to_vec())]);
        // A member that is not read is skipped.
        let mut reader = ArReader::new(bytes.as_slice()).unwrap();
        reader.next_member().unwrap();
        assert_eq!(reader.next_member().unwrap().unwrap().name, b"b");
        assert_eq!(reader.left(), 2);
    }

    #[test]
    fn damage_is_named() {
        let check = |bytes: &[u8], expected: &str| {
            let error = read_all(bytes).unwrap_err();
            let cause = std::error::Error::source(&error).map(|cause| cause.to_string());
            let text = format!("{error}: {}", cause.unwrap_or_default());
            assert!(text.contains(expected), "{text}");
        };
        check(b"!<arch>", "no ar archive");
        check(b"PK\x03\x04 is another format", "no ar archive");
        check(&archive(&[member("a", "3", b"ab")]), "ends early");
        check(&archive(&[member("a", "3", b"abcX")]), "line end");
        check(&archive(&[member("a", "-3", b"abc")]), "decimal");
        check(&archive(&[member("a", "", b"")]), "decimal");
        check(&archive(&[member("", "0", b"")]), "name");
        check(&archive(&[member("a b", "0", b"")]), "name");
        check(&archive(&[b"short".to_vec()]), "within a header");
        let mut unended = member("a", "0", b"");
        unended[58] = b'x';
        check(&archive(&[unended]), "does not end");
        check(&archive(&[member("huge", "9999999999", b"abc\n")]), "ends early");
    }
}
