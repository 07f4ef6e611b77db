//! Platform configuration registers: banks, selections of registers, and their values.

use crate::error::TpmError;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// Registers of each bank: PC Client platform TPM profile, section 4.6.
pub const PCR_COUNT: u8 = 24;

/// A bank: one register for each index, extended with one hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bank {
    /// SHA-1. Read and extended where firmware does, never relied on.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Bank {
    /// All banks, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The TPM_ALG_ID of the hash function.
    pub fn id(self) -> u16 {
        match self {
            Self::Sha1 => 0x04,
            Self::Sha256 => 0x0b,
            Self::Sha384 => 0x0c,
            Self::Sha512 => 0x0d,
        }
    }

    /// The bank of a TPM_ALG_ID.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|bank| bank.id() == id)
    }

    /// The length of a value, in bytes.
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// Registers of one or more banks; each bank has at least one. Banks are in the order of their numbers
/// wherever an order matters, as in quotes and policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PcrSelection {
    banks: BTreeMap<Bank, u32>,
}

impl PcrSelection {
    /// These registers of one bank.
    pub fn of(bank: Bank, pcrs: &[u8]) -> Result<Self, TpmError> {
        Self::default().and(bank, pcrs)
    }

    /// This selection, and these registers of a bank.
    pub fn and(mut self, bank: Bank, pcrs: &[u8]) -> Result<Self, TpmError> {
        if pcrs.is_empty() {
            return Err(TpmError::bad_input(format!("select at least one PCR of the {bank} bank")));
        }
        for pcr in pcrs {
            if *pcr >= PCR_COUNT {
                return Err(TpmError::bad_input(format!("there is no PCR {pcr}: the last is 23")));
            }
            *self.banks.entry(bank).or_default() |= 1 << pcr;
        }
        Ok(self)
    }

    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.banks.is_empty()
    }

    /// The selected registers, bank by bank, the lowest first.
    pub fn iter(&self) -> impl Iterator<Item = (Bank, u8)> + '_ {
        self.banks.iter().flat_map(|(bank, bits)| {
            (0..PCR_COUNT).filter(move |pcr| bits >> pcr & 1 == 1).map(|pcr| (*bank, pcr))
        })
    }

    /// Each bank with its registers as bits, the lowest register in the lowest bit of the first byte.
    pub(crate) fn bitmaps(&self) -> impl Iterator<Item = (Bank, [u8; 3])> + '_ {
        self.banks.iter().map(|(bank, bits)| {
            let [first, second, third, _] = bits.to_le_bytes();
            (*bank, [first, second, third])
        })
    }

    /// TPML_PCR_SELECTION, as quotes and policies hash it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u32::try_from(self.banks.len()).expect("there are four banks");
        let mut bytes = count.to_be_bytes().to_vec();
        for (bank, bits) in self.bitmaps() {
            bytes.extend(bank.id().to_be_bytes());
            bytes.push(3);
            bytes.extend(bits);
        }
        bytes
    }

    fn without(&self, values: &PcrValues) -> Self {
        let mut left = self.clone();
        for (bank, pcr) in values.values.keys() {
            if let Some(bits) = left.banks.get_mut(bank) {
                *bits &= !(1 << pcr);
            }
        }
        left.banks.retain(|_, bits| *bits != 0);
        left
    }
}

/// Values of registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PcrValues {
    values: BTreeMap<(Bank, u8), Vec<u8>>,
}

impl PcrValues {
    /// The values of a selection that these are, when there is one for each register and each has the
    /// length of its bank.
    pub fn new(values: impl IntoIterator<Item = (Bank, u8, Vec<u8>)>) -> Result<Self, TpmError> {
        let mut all = Self::default();
        for (bank, pcr, value) in values {
            if value.len() != bank.digest_bytes() || pcr >= PCR_COUNT {
                return Err(TpmError::bad_input(format!(
                    "PCR {pcr} of the {bank} bank cannot have a value of {} bytes",
                    value.len()
                )));
            }
            all.insert(bank, pcr, value);
        }
        Ok(all)
    }

    /// The value of one register.
    pub fn get(&self, bank: Bank, pcr: u8) -> Option<&[u8]> {
        self.values.get(&(bank, pcr)).map(Vec::as_slice)
    }

    /// The values bank by bank, the lowest register first.
    pub fn iter(&self) -> impl Iterator<Item = (Bank, u8, &[u8])> + '_ {
        self.values.iter().map(|((bank, pcr), value)| (*bank, *pcr, value.as_slice()))
    }

    /// The registers that these are values of.
    pub fn selection(&self) -> PcrSelection {
        let mut selection = PcrSelection::default();
        for (bank, pcr) in self.values.keys() {
            *selection.banks.entry(*bank).or_default() |= 1 << pcr;
        }
        selection
    }

    /// The hash of all values in order: what a quote and PolicyPCR state. SHA-256, as in all keys and
    /// policies here.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for value in self.values.values() {
            hash.update(value);
        }
        hash.finalize().into()
    }

    pub(crate) fn insert(&mut self, bank: Bank, pcr: u8, value: Vec<u8>) {
        self.values.insert((bank, pcr), value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Times that a reading is begun again because a register changed meanwhile.
const READ_ATTEMPTS: usize = 5;

/// Reads all selected registers as of one moment. A response has room for eight values; the TPM counts
/// the changes of registers, so that a change between two responses is seen.
pub(crate) fn read_all(
    selection: &PcrSelection,
    read: impl Fn(&PcrSelection) -> Result<(PcrValues, u32), TpmError>,
) -> Result<PcrValues, TpmError> {
    'attempt: for _ in 0..READ_ATTEMPTS {
        let mut all = PcrValues::default();
        let mut changes_before = None;
        loop {
            let left = selection.without(&all);
            let Some((bank, pcr)) = left.iter().next() else { return Ok(all) };
            let (values, changes) = read(&left)?;
            if changes_before.is_some_and(|before| before != changes) {
                continue 'attempt;
            }
            changes_before = Some(changes);
            if values.is_empty() {
                return Err(TpmError::bad_input(format!(
                    "the TPM has no PCR {pcr} in a {bank} bank: enable the bank in the firmware"
                )));
            }
            all.values.extend(values.values);
        }
    }
    Err(TpmError::nonsense("PCR_Read", "values that never stand still"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_selection_is_encoded_bank_by_bank() {
        let selection = PcrSelection::of(Bank::Sha384, &[23]).unwrap();
        let selection = selection.and(Bank::Sha256, &[0, 7, 11]).unwrap();
        assert_eq!(
            selection.to_bytes(),
            [0, 0, 0, 2, 0, 0x0b, 3, 0x81, 0x08, 0, 0, 0x0c, 3, 0, 0, 0x80]
        );
        assert!(PcrSelection::of(Bank::Sha256, &[24]).is_err());
        assert!(PcrSelection::of(Bank::Sha256, &[]).is_err());
    }

    #[test]
    fn a_reading_is_begun_again_when_a_register_changes() {
        let selection = PcrSelection::of(Bank::Sha1, &[1, 2]).unwrap();
        let reads = Cell::new(0);
        // One value for each response; the registers change before the second one.
        let values = read_all(&selection, |left| {
            reads.set(reads.get() + 1);
            let (bank, pcr) = left.iter().next().unwrap();
            let changes = if reads.get() < 2 { 1 } else { 2 };
            let byte = u8::try_from(changes).unwrap();
            Ok((PcrValues::new([(bank, pcr, vec![byte; 20])]).unwrap(), changes))
        });
        assert_eq!(values.unwrap().get(Bank::Sha1, 1), Some([2; 20].as_slice()));
        assert_eq!(reads.get(), 4);
    }

    #[test]
    fn registers_that_never_stand_still_and_absent_banks_are_errors() {
        let selection = PcrSelection::of(Bank::Sha1, &[1, 2]).unwrap();
        let reads = Cell::new(0);
        let restless = read_all(&selection, |left| {
            reads.set(reads.get() + 1);
            let (bank, pcr) = left.iter().next().unwrap();
            Ok((PcrValues::new([(bank, pcr, vec![0; 20])]).unwrap(), reads.get()))
        });
        assert!(matches!(restless, Err(TpmError::Nonsense { .. })));
        let absent = read_all(&selection, |_| Ok((PcrValues::default(), 0)));
        assert!(absent.unwrap_err().to_string().contains("no PCR 1 in a SHA-1 bank"));
    }
}
