//! Paths inside an image.

use super::TreeError;
use std::cmp::Ordering;
use std::fmt;

/// Bytes of one name: what Linux and erofs take.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a whole path: Linux takes 4,096 with the closing NUL and the slash of the root.
pub const PATH_BYTES_MAX: usize = 4_094;

/// A path from the root of an image: names of arbitrary bytes joined by `/`, none of them empty,
/// `.` or `..`. The root itself is the empty path. The order is that of the names, compared byte
/// for byte, so that a directory comes before what it holds and nothing else comes between.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// The root.
    pub fn root() -> Self {
        Self(Vec::new())
    }

    /// Checks a relative path, such as `usr/bin/env`.
    pub fn new(path: &[u8]) -> Result<Self, TreeError> {
        let bad = |problem| TreeError::Path { path: path.escape_ascii().to_string(), problem };
        if path.is_empty() {
            return Ok(Self::root());
        }
        if path.len() > PATH_BYTES_MAX {
            return Err(bad("is longer than 4,094 bytes"));
        }
        if path[0] == b'/' {
            return Err(bad("is absolute; paths in an image are relative to its root"));
        }
        for name in path.split(|byte| *byte == b'/') {
            check_name(name).map_err(bad)?;
        }
        Ok(Self(path.to_vec()))
    }

    /// Checks a path as archives write it: one leading `./` or `/` and one trailing `/` are dropped.
    pub fn from_archive(path: &[u8]) -> Result<Self, TreeError> {
        let path = path
            .strip_prefix(b".")
            .filter(|rest| rest.is_empty() || rest[0] == b'/')
            .unwrap_or(path);
        let path = path.strip_prefix(b"/").unwrap_or(path);
        Self::new(path.strip_suffix(b"/").unwrap_or(path))
    }

    /// This directory's entry of a name.
    pub fn join(&self, name: &[u8]) -> Result<Self, TreeError> {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if name.is_empty() || name.contains(&b'/') {
            let path = path.escape_ascii().to_string();
            return Err(TreeError::Path {
                path,
                problem: "ends in a name that is empty or has a slash",
            });
        }
        Self::new(&path)
    }

    /// The directory that holds it; none for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// The last name; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// The names from the root down; none for the root.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// How many names; 0 for the root.
    pub fn depth(&self) -> usize {
        self.names().count()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is `other` or lies below it.
    pub fn is_at_or_below(&self, other: &TreePath) -> bool {
        other.is_root()
            || self
                .0
                .strip_prefix(other.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// The bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn check_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        b"" => Err("has an empty name; write single slashes and none at the end"),
        b"." | b".." => Err("has a name of dots alone; write the path without them"),
        _ if name.contains(&0) => Err("has a NUL byte"),
        _ if name.len() > NAME_BYTES_MAX => Err("has a name of more than 255 bytes"),
        _ => Ok(()),
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        // The slash counts as less than any byte of a name, which is the order of the names.
        let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        self.0.iter().map(key).cmp(other.0.iter().map(key))
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// With a leading slash; bytes that are not printable ASCII are escaped.
impl fmt::Display for TreePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}
