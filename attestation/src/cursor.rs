//! A strict reader over foreign bytes: every step says what it wanted, nothing is read past the end.
//!
//! TPM structures are big-endian, event logs and PE files little-endian; both are read with it.

/// Why a structure could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes end inside a field.
    #[error("the bytes end inside `{field}`, which begins at byte {at}")]
    Short {
        /// The field that was read.
        field: &'static str,
        /// Where it begins, from the beginning of the structure.
        at: usize,
    },
    /// Bytes are left over.
    #[error("{count} bytes follow the end of `{structure}`")]
    Trailing {
        /// What was read.
        structure: &'static str,
        /// How many bytes follow.
        count: usize,
    },
    /// A field is longer than its bound.
    #[error("`{field}` has {bytes} bytes, more than its bound of {bytes_max}")]
    TooLong {
        /// The field that was read.
        field: &'static str,
        /// The length it claims.
        bytes: usize,
        /// Its bound.
        bytes_max: usize,
    },
}

/// What is left to read of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub fn take(&mut self, bytes: usize, field: &'static str) -> Result<&'a [u8], ReadError> {
        let taken = self.rest().get(..bytes).ok_or(ReadError::Short { field, at: self.at })?;
        self.at += bytes;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], ReadError> {
        let (taken, _) =
            self.rest().split_first_chunk().ok_or(ReadError::Short { field, at: self.at })?;
        self.at += N;
        Ok(*taken)
    }

    pub fn u8(&mut self, field: &'static str) -> Result<u8, ReadError> {
        self.array(field).map(u8::from_be_bytes)
    }

    pub fn u16_be(&mut self, field: &'static str) -> Result<u16, ReadError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub fn u32_be(&mut self, field: &'static str) -> Result<u32, ReadError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub fn u64_be(&mut self, field: &'static str) -> Result<u64, ReadError> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub fn u16_le(&mut self, field: &'static str) -> Result<u16, ReadError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub fn u32_le(&mut self, field: &'static str) -> Result<u32, ReadError> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// A TPM2B: a big-endian length of 16 bits, then that many bytes.
    pub fn sized(&mut self, field: &'static str, bytes_max: usize) -> Result<&'a [u8], ReadError> {
        let bytes = usize::from(self.u16_be(field)?);
        if bytes > bytes_max {
            return Err(ReadError::TooLong { field, bytes, bytes_max });
        }
        self.take(bytes, field)
    }

    /// Says that nothing may be left.
    pub fn finish(self, structure: &'static str) -> Result<(), ReadError> {
        match self.rest().len() {
            0 => Ok(()),
            count => Err(ReadError::Trailing { structure, count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_orders_and_stops_at_the_end() {
        let mut cursor = Cursor::new(&[0, 1, 2, 0, 0, 3, 9, 9, 9]);
        assert_eq!(cursor.u16_be("a"), Ok(1));
        assert_eq!(cursor.u16_le("b"), Ok(2));
        assert_eq!(
            cursor.clone().sized("c", 2),
            Err(ReadError::TooLong { field: "c", bytes: 3, bytes_max: 2 })
        );
        assert_eq!(cursor.sized("c", 3), Ok(&[9, 9, 9][..]));
        assert_eq!(cursor.u8("d"), Err(ReadError::Short { field: "d", at: 9 }));
        assert_eq!(cursor.take(usize::MAX, "e"), Err(ReadError::Short { field: "e", at: 9 }));
        assert_eq!(cursor.finish("all"), Ok(()));
        let trailing = ReadError::Trailing { structure: "all", count: 1 };
        assert_eq!(Cursor::new(&[0]).finish("all"), Err(trailing));
    }
}
