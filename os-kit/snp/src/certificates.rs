//! The certificates that a host leaves beside a report: GHCB specification, section on extended guest
//! requests. Entries of an id, an offset and a length, until one without an id.

/// One entry.
const ENTRY_BYTES: usize = 24;
/// More than any host leaves: VCEK, VLEK, ASK, ARK, a list of revoked ones, a few of the host's own.
const ENTRIES_MAX: usize = 32;
/// The longest table that is read. Kernels have room for 16 KiB.
const TABLE_BYTES_MAX: usize = 64 << 10;

const VCEK: [u8; 16] = id(0x63da_758d_e664_4564_adc5_f4b9_3be8_accd);
const VLEK: [u8; 16] = id(0xa807_4bc2_a25a_483e_aae6_39c0_45a0_b8a1);
const ASK: [u8; 16] = id(0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782);
const ARK: [u8; 16] = id(0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae);

const fn id(number: u128) -> [u8; 16] {
    number.to_be_bytes()
}

/// What a table has, in DER: each may be missing, and more than one key may have signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateTable {
    /// Of the chip's own key.
    pub vcek: Option<Vec<u8>>,
    /// Of the key that a cloud's provider has for the chip.
    pub vlek: Option<Vec<u8>>,
    /// Of the intermediate.
    pub ask: Option<Vec<u8>>,
    /// Of the root.
    pub ark: Option<Vec<u8>>,
}

/// A chain, in DER. It proves itself: who verifies the report verifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// Of the key that signed: VCEK, or VLEK.
    pub vek: Vec<u8>,
    /// Of the intermediate.
    pub ask: Vec<u8>,
    /// Of the root.
    pub ark: Vec<u8>,
}

/// Why a table cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each one means")]
pub enum CertificatesError {
    #[error("the table of certificates has more than {TABLE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the table of certificates has no end")]
    NoEnd,
    #[error("an entry of the table of certificates points out of it")]
    OutOfBounds,
    #[error("the table of certificates has one of a kind twice")]
    Twice,
    #[error("the table of certificates lacks the signing key's, the intermediate's or the root's")]
    Incomplete,
}

impl CertificateTable {
    /// Reads a table; one of zeros alone has nothing, as hosts leave it that have no certificates.
    pub fn from_bytes(table: &[u8]) -> Result<Self, CertificatesError> {
        if table.iter().all(|byte| *byte == 0) {
            return Ok(Self::default());
        }
        if table.len() > TABLE_BYTES_MAX {
            return Err(CertificatesError::TooLong);
        }
        let mut found: [Option<&[u8]>; 4] = [None; 4];
        for entry in 0..=ENTRIES_MAX {
            let at = entry * ENTRY_BYTES;
            let bytes = table.get(at..at + ENTRY_BYTES).ok_or(CertificatesError::NoEnd)?;
            let (entry_id, place) = bytes.split_at(16);
            if entry_id.iter().all(|byte| *byte == 0) {
                break;
            }
            if entry == ENTRIES_MAX {
                return Err(CertificatesError::NoEnd);
            }
            let Some(kind) = [VCEK, VLEK, ASK, ARK].iter().position(|id| is_same(id, entry_id))
            else {
                continue;
            };
            let number = |at: usize| {
                u32::from_le_bytes([place[at], place[at + 1], place[at + 2], place[at + 3]])
                    as usize
            };
            let (offset, length) = (number(0), number(4));
            let content = offset.checked_add(length).and_then(|end| table.get(offset..end));
            let content = content.filter(|content| !content.is_empty());
            if found[kind].replace(content.ok_or(CertificatesError::OutOfBounds)?).is_some() {
                return Err(CertificatesError::Twice);
            }
        }
        let [vcek, vlek, ask, ark] = found.map(|content| content.map(<[u8]>::to_vec));
        Ok(Self { vcek, vlek, ask, ark })
    }
}

impl Certificates {
    /// Reads a table; none if it is empty, as hosts leave it that have no certificates.
    pub fn from_table(table: &[u8]) -> Result<Option<Self>, CertificatesError> {
        let table = CertificateTable::from_bytes(table)?;
        if table == CertificateTable::default() {
            return Ok(None);
        }
        match (table.vcek.or(table.vlek), table.ask, table.ark) {
            (Some(vek), Some(ask), Some(ark)) => Ok(Some(Self { vek, ask, ark })),
            _ => Err(CertificatesError::Incomplete),
        }
    }
}

/// The first three parts of an id are written in either order of bytes, by tool and specification.
fn is_same(id: &[u8; 16], found: &[u8]) -> bool {
    const SWAPPED: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    id == found || SWAPPED.iter().zip(found).all(|(from, byte)| id[*from] == *byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[([u8; 16], &[u8])]) -> Vec<u8> {
        let mut head = Vec::new();
        let mut contents = Vec::new();
        let start = (entries.len() + 1) * ENTRY_BYTES;
        for (id, content) in entries {
            head.extend(id);
            head.extend(((start + contents.len()) as u32).to_le_bytes());
            head.extend((content.len() as u32).to_le_bytes());
            contents.extend(*content);
        }
        head.extend([0; ENTRY_BYTES]);
        [head, contents].concat()
    }

    fn swapped(id: [u8; 16]) -> [u8; 16] {
        let mut swapped = id;
        swapped[..4].reverse();
        swapped[4..6].reverse();
        swapped[6..8].reverse();
        swapped
    }

    #[test]
    fn tables_of_both_byte_orders_are_read() {
        let expected = Certificates { vek: vec![1], ask: vec![2, 2], ark: vec![3] };
        let read = |entries: &[([u8; 16], &[u8])]| Certificates::from_table(&table(entries));
        for vek in [VCEK, VLEK] {
            let found = read(&[(vek, &[1]), (ASK, &[2, 2]), ([9; 16], &[7]), (ARK, &[3])]);
            assert_eq!(found, Ok(Some(expected.clone())));
            let found =
                read(&[(swapped(ARK), &[3]), (swapped(ASK), &[2, 2]), (swapped(vek), &[1])]);
            assert_eq!(found, Ok(Some(expected.clone())));
        }
        assert_eq!(Certificates::from_table(&[]), Ok(None));
        assert_eq!(Certificates::from_table(&[0; 4096]), Ok(None));
    }

    #[test]
    fn tables_that_lie_are_refused() {
        use CertificatesError::*;
        let good = table(&[(VCEK, &[1]), (ASK, &[2]), (ARK, &[3])]);
        let check = |table: &[u8], error| assert_eq!(Certificates::from_table(table), Err(error));
        check(&table(&[(VCEK, &[1]), (ASK, &[2])]), Incomplete);
        check(&table(&[(VCEK, &[1]), (VCEK, &[1])]), Twice);
        check(&table(&[(VCEK, &[])]), OutOfBounds);
        check(&good[..10], NoEnd);
        check(&vec![7; TABLE_BYTES_MAX + 1], TooLong);
        let strangers: Vec<([u8; 16], &[u8])> = vec![([5; 16], &[1]); 40];
        check(&table(&strangers), NoEnd);
        for (at, byte) in [(16, 0xff), (19, 0xff), (20, 0xff), (23, 0xff)] {
            let mut wrong = good.clone();
            wrong[at] = byte;
            check(&wrong, OutOfBounds);
        }
        for length in 1..good.len() {
            assert!(Certificates::from_table(&good[..length]).is_err(), "{length}");
        }
    }
}
