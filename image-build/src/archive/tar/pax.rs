//! Pax records: `<length> <key>=<value>\n`, which extend the header that follows.

use std::collections::BTreeMap;

/// Where extended attributes are.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// Records that say nothing about an image. The times of access and of change are not kept.
const WITHOUT_MEANING: [&[u8]; 5] = [b"atime", b"ctime", b"comment", b"uname", b"gname"];

/// What the records of one entry say.
#[derive(Debug, Default)]
pub struct Records {
    pub path: Option<Vec<u8>>,
    pub target: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime_s: Option<u64>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    seen: bool,
}

impl Records {
    pub fn is_empty(&self) -> bool {
        !self.seen
    }

    /// Reads a set of records; the problem if there is one.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.seen = true;
        each(bytes, |key, value| self.take(key, value))
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let bad = || format!("the pax record {} is no number in range", key.escape_ascii());
        match key {
            b"path" => self.path = Some(name(key, value)?),
            b"linkpath" => self.target = Some(name(key, value)?),
            b"size" => self.size = Some(decimal(value).ok_or_else(bad)?),
            b"uid" => {
                self.uid = Some(decimal(value).and_then(|id| id.try_into().ok()).ok_or_else(bad)?);
            }
            b"gid" => {
                self.gid = Some(decimal(value).and_then(|id| id.try_into().ok()).ok_or_else(bad)?);
            }
            b"mtime" => self.mtime_s = Some(seconds(value).ok_or_else(bad)?),
            _ if WITHOUT_MEANING.contains(&key) => {}
            _ => {
                let Some(attribute) = key.strip_prefix(XATTR) else {
                    return Err(format!("the pax record {} is not known", key.escape_ascii()));
                };
                self.xattrs.insert(attribute.to_vec(), value.to_vec());
            }
        }
        Ok(())
    }
}

/// Records for all entries may be comments only.
pub fn check_global(bytes: &[u8]) -> Result<(), String> {
    each(bytes, |key, _| match key {
        b"comment" => Ok(()),
        _ => Err(format!("the pax record {} for all entries is not known", key.escape_ascii())),
    })
}

fn each(
    mut bytes: &[u8],
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    while !bytes.is_empty() {
        let (key, value, rest) = next(bytes).ok_or("a pax record is not as its length says")?;
        take(key, value)?;
        bytes = rest;
    }
    Ok(())
}

type Split<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn next(bytes: &[u8]) -> Option<Split<'_>> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some((&record[..equals], &record[equals + 1..], &bytes[length..]))
}

fn name(key: &[u8], value: &[u8]) -> Result<Vec<u8>, String> {
    if value.is_empty() || value.contains(&0) {
        return Err(format!("the pax record {} is no name", key.escape_ascii()));
    }
    Ok(value.to_vec())
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whole seconds of a decimal fraction; what is before 1970 counts as 0.
fn seconds(text: &[u8]) -> Option<u64> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let whole = decimal(parts.next()?)?;
    if parts.next().is_some_and(|fraction| !fraction.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    Some(if negative { 0 } else { whole })
}
