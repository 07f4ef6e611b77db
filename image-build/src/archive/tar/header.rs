//! One block of an archive: the header of an entry.

/// Everything in an archive comes in blocks of this size.
pub const BLOCK_BYTES: usize = 512;

/// The fields of a header that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub path: Vec<u8>,
    pub target: Vec<u8>,
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime_s: u64,
    /// The type flag.
    pub kind: u8,
}

/// Reads a header; the problem if it is none.
pub fn parse(block: &[u8; BLOCK_BYTES]) -> Result<Header, &'static str> {
    check_sum(block)?;
    let is_gnu = &block[257..265] == b"ustar  \0";
    let is_posix = &block[257..263] == b"ustar\0" && &block[263..265] == b"00";
    if !is_gnu && !is_posix {
        return Err("it is neither of POSIX nor of GNU tar");
    }
    let mut path = text(&block[..100]).to_vec();
    let prefix = text(&block[345..500]);
    if is_posix && !prefix.is_empty() {
        path = [prefix, b"/", &path].concat();
    }
    let mode = number(&block[100..108]).ok_or("its mode is no number")?;
    let mode = u16::try_from(mode & 0o7777).expect("twelve bits fit into sixteen");
    let id = |field, problem| number(field).and_then(|id| u32::try_from(id).ok()).ok_or(problem);
    let mtime = signed_number(&block[136..148]).ok_or("its time is no number")?;
    Ok(Header {
        path,
        target: text(&block[157..257]).to_vec(),
        mode,
        uid: id(&block[108..116], "its owner is no number")?,
        gid: id(&block[116..124], "its group is no number")?,
        size: number(&block[124..136]).ok_or("its size is no number")?,
        mtime_s: u64::try_from(mtime).unwrap_or(0),
        kind: block[156],
    })
}

fn check_sum(block: &[u8; BLOCK_BYTES]) -> Result<(), &'static str> {
    let written = number(&block[148..156]).ok_or("its checksum is no number")?;
    let outside = block[..148].iter().chain(&block[156..]);
    // The field itself counts as eight spaces.
    let sum = outside.map(|byte| u64::from(*byte)).sum::<u64>() + 8 * u64::from(b' ');
    if written == sum { Ok(()) } else { Err("its checksum is wrong") }
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal digits between spaces and NULs, or GNU's base 256; not negative.
fn number(field: &[u8]) -> Option<u64> {
    signed_number(field).and_then(|number| u64::try_from(number).ok())
}

fn signed_number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        return base_256(field);
    }
    let is_filler = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let end = field[start..].iter().position(is_filler).map_or(field.len(), |end| start + end);
    if !field[end..].iter().all(is_filler) {
        return None;
    }
    // An empty field is 0: some writers leave what they do not use empty.
    field[start..end].iter().try_fold(0_i64, |sum, digit| match digit {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Two's complement, big endian; the highest bit only says that it is base 256.
fn base_256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let start = if negative { -1 } else { 0 };
    std::iter::once(first)
        .chain(field[1..].iter().copied())
        .try_fold(start, |sum: i64, byte| sum.checked_mul(256)?.checked_add(i64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        let check =
            |field: &[u8], expected| assert_eq!(signed_number(field), expected, "{field:?}");
        check(b"0000644\0", Some(0o644));
        check(b"   644 \0", Some(0o644));
        check(b"\0\0\0\0\0\0\0\0", Some(0));
        check(b"00006x4\0", None);
        check(b"644 644\0", None);
        check(b"-000001\0", None);
        check(b"\x80\0\0\0\0\0\x01\0", Some(256));
        check(b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1));
        check(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", None);
        check(b"777777777777", Some(0o777_777_777_777));
    }
}
