//! The header `Content-Range` of an answer that is a part of a larger one.

use super::message::Answered;

/// Which bytes a part has, and how many the whole has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    first: usize,
    last: usize,
    pub(crate) total: usize,
}

/// Why a part is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RangeError {
    #[error("the status is {0}, not 206")]
    Status(u16),
    #[error("the header Content-Range is {0:?}, not \"bytes FIRST-LAST/TOTAL\"")]
    Header(String),
    #[error("a range of {expected} bytes comes with {found}")]
    Length { expected: usize, found: usize },
    #[error("bytes from {wanted} on were asked for, {first} to {last} came")]
    Other { wanted: usize, first: usize, last: usize },
    #[error("the whole has {0} bytes by one part and {1} by another")]
    Total(usize, usize),
}

impl ContentRange {
    /// The range of an answer with status 206.
    pub(crate) fn of(answer: &Answered) -> Result<Self, RangeError> {
        if answer.status != 206 {
            return Err(RangeError::Status(answer.status));
        }
        let text = answer.header("content-range").unwrap_or_default();
        let range = Self::parse(text);
        let range = range.ok_or_else(|| RangeError::Header(text.chars().take(80).collect()))?;
        let expected = range.last - range.first + 1;
        match answer.body.len() {
            found if found == expected => Ok(range),
            found => Err(RangeError::Length { expected, found }),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let range = Self { first: number(first)?, last: number(last)?, total: number(total)? };
        (range.first <= range.last && range.last < range.total).then_some(range)
    }

    /// The same, if it is a part of the same whole.
    pub(crate) fn of_same(self, other: &Self) -> Result<Self, RangeError> {
        match self.total == other.total {
            true => Ok(self),
            false => Err(RangeError::Total(other.total, self.total)),
        }
    }

    /// What of the part's `body` lies behind the first `have` bytes of the whole.
    pub(crate) fn fresh<'a>(&self, body: &'a [u8], have: usize) -> Result<&'a [u8], RangeError> {
        let refused = RangeError::Other { wanted: have, first: self.first, last: self.last };
        match self.first <= have && have <= self.last {
            true => body.get(have - self.first..).ok_or(refused),
            false => Err(refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(status: u16, header: &str, length: usize) -> Result<ContentRange, RangeError> {
        ContentRange::of(&Answered {
            status,
            headers: vec![("Content-Range".into(), header.into())],
            body: vec![7; length],
            upgrade: false,
            rest: None,
        })
    }

    #[test]
    fn ranges_are_read() {
        let found = range(206, "bytes 2-4/9", 3).expect("a range");
        assert_eq!(found, ContentRange { first: 2, last: 4, total: 9 });
        assert_eq!(range(200, "bytes 2-4/9", 3), Err(RangeError::Status(200)));
        assert!(matches!(range(206, "bytes 2-4/9", 4), Err(RangeError::Length { .. })));
        for header in ["", "bytes", "bytes 4-2/9", "bytes 2-9/9", "bytes -1-2/9", "bytes 0-2/*"] {
            assert!(matches!(range(206, header, 3), Err(RangeError::Header(_))), "{header}");
        }
    }

    #[test]
    fn parts_may_overlap_and_must_not_leave_a_hole() {
        let part = range(206, "bytes 2-4/9", 3).expect("a range");
        assert_eq!(part.fresh(b"cde", 2), Ok(&b"cde"[..]));
        assert_eq!(part.fresh(b"cde", 4), Ok(&b"e"[..]));
        assert!(part.fresh(b"cde", 1).is_err());
        assert!(part.fresh(b"cde", 5).is_err());
        let other = range(206, "bytes 2-4/10", 3).expect("a range");
        assert_eq!(other.of_same(&part), Err(RangeError::Total(9, 10)));
    }
}
