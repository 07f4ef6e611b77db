//! Which PCRs, and their values.

use crate::crypto::{Digest, Hash};
use std::collections::BTreeMap;
use std::fmt;

/// PCRs of a PC have the indices 0 to 23.
pub const PCR_COUNT: u8 = 24;

/// What a PCR of this value holds after one more event: `H(value || event)`.
pub fn extend(value: &Digest, event: &[u8]) -> Digest {
    value.hash().digest_parts(&[value.as_bytes(), event])
}

/// A set of PCR indices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PcrSet(u32);

impl PcrSet {
    /// The set of these indices; `None` if one is over 23.
    pub fn new(indices: &[u8]) -> Option<Self> {
        indices
            .iter()
            .try_fold(Self::default(), |set, &index| (index < PCR_COUNT).then(|| set.with(index)))
    }

    /// All 24.
    pub fn all() -> Self {
        Self((1 << PCR_COUNT) - 1)
    }

    /// From the bitmap of a TPMS_PCR_SELECTION: bit `i % 8` of byte `i / 8` is PCR `i`.
    pub fn from_bitmap(bitmap: &[u8]) -> Option<Self> {
        let mut set = 0u32;
        for (position, &byte) in bitmap.iter().enumerate() {
            match position {
                0..=2 => set |= u32::from(byte) << (8 * position),
                _ if byte != 0 => return None,
                _ => {}
            }
        }
        Some(Self(set))
    }

    fn with(self, index: u8) -> Self {
        Self(self.0 | 1 << index)
    }

    /// Whether the index is in the set.
    pub fn contains(self, index: u8) -> bool {
        index < PCR_COUNT && self.0 >> index & 1 == 1
    }

    /// Whether it has no index.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The indices, ascending.
    pub fn indices(self) -> impl Iterator<Item = u8> {
        (0..PCR_COUNT).filter(move |&index| self.contains(index))
    }

    /// Whether every index of the other set is in this one.
    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

impl fmt::Display for PcrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indices: Vec<String> = self.indices().map(|index| index.to_string()).collect();
        f.write_str(&indices.join(","))
    }
}

/// Which PCRs of which banks, in the order of a quote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PcrSelection(pub Vec<(Hash, PcrSet)>);

impl PcrSelection {
    /// The PCRs of one bank.
    pub fn of(bank: Hash, set: PcrSet) -> Self {
        Self(vec![(bank, set)])
    }

    /// The PCRs of a bank in it.
    pub fn set(&self, bank: Hash) -> PcrSet {
        self.0.iter().find(|(own, _)| *own == bank).map_or(PcrSet::default(), |(_, set)| *set)
    }

    /// How many bytes the values of all of them have.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(bank, set)| bank.bytes() * set.count()).sum()
    }

    /// Whether both select the same PCRs, whatever the order of the banks. A bank of which none is selected
    /// counts for nothing.
    pub fn selects_the_same(&self, other: &Self) -> bool {
        let sorted = |selection: &Self| {
            let mut banks = selection.0.clone();
            banks.retain(|(_, set)| !set.is_empty());
            banks.sort_unstable();
            banks
        };
        sorted(self) == sorted(other)
    }
}

impl fmt::Display for PcrSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let banks: Vec<String> = self.0.iter().map(|(bank, set)| format!("{bank}:{set}")).collect();
        f.write_str(&banks.join("+"))
    }
}

/// Values of PCRs: by bank, then by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PcrValues(BTreeMap<(Hash, u8), Digest>);

impl PcrValues {
    /// Sets a PCR; the bank is the digest's.
    pub fn set(&mut self, index: u8, value: Digest) {
        if index < PCR_COUNT {
            self.0.insert((value.hash(), index), value);
        }
    }

    /// The value of a PCR, if it is known.
    pub fn get(&self, bank: Hash, index: u8) -> Option<&Digest> {
        self.0.get(&(bank, index))
    }

    /// All values, by bank and index.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &Digest)> {
        self.0.iter().map(|((_, index), value)| (*index, value))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Reads values that stand one after the other: banks in the order of the selection, indices
    /// ascending. `None` if there are more or fewer bytes, or a bank comes twice.
    pub fn from_concatenated(selection: &PcrSelection, bytes: &[u8]) -> Option<Self> {
        let mut values = Self::default();
        let mut rest = bytes;
        for &(bank, set) in &selection.0 {
            for index in set.indices() {
                let (value, behind) = rest.split_at_checked(bank.bytes())?;
                values.set(index, Digest::from_bytes(bank, value)?);
                rest = behind;
            }
        }
        let count: usize = selection.0.iter().map(|(_, set)| set.count()).sum();
        (rest.is_empty() && values.count() == count).then_some(values)
    }

    /// The digest that a quote holds over the selected values: banks in the order of the
    /// selection, indices ascending. `None` if a value is not known.
    pub fn digest(&self, selection: &PcrSelection, hash: Hash) -> Option<Digest> {
        let mut parts = Vec::new();
        for &(bank, set) in &selection.0 {
            for index in set.indices() {
                parts.push(self.get(bank, index)?.as_bytes());
            }
        }
        Some(hash.digest_parts(&parts))
    }
}

impl Extend<(u8, Digest)> for PcrValues {
    fn extend<T: IntoIterator<Item = (u8, Digest)>>(&mut self, values: T) {
        values.into_iter().for_each(|(index, value)| self.set(index, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_bitmaps() {
        let set = PcrSet::from_bitmap(&[0x91, 0x08, 0x00]).expect("three bytes");
        assert_eq!(set, PcrSet::new(&[0, 4, 7, 11]).expect("all below 24"));
        assert_eq!(set.to_string(), "0,4,7,11");
        assert_eq!(PcrSet::from_bitmap(&[0, 0, 0, 1]), None);
        assert_eq!(PcrSet::from_bitmap(&[1, 0, 0, 0]), PcrSet::new(&[0]));
        assert_eq!(PcrSet::new(&[24]), None);
        assert!(!set.contains(200));
        assert_eq!(PcrSet::all().count(), 24);
    }

    #[test]
    fn values_need_the_right_length() {
        let set = PcrSet::new(&[0, 23]).expect("both below 24");
        let check = |bank, bytes: usize, expected: bool| {
            let read = PcrValues::from_concatenated(&PcrSelection::of(bank, set), &vec![7; bytes]);
            assert_eq!(read.is_some(), expected, "{bank}, {bytes}");
        };
        check(Hash::Sha1, 40, true);
        check(Hash::Sha1, 41, false);
        check(Hash::Sha1, 39, false);
        check(Hash::Sha256, 40, false);
        check(Hash::Sha256, 64, true);
    }

    #[test]
    fn a_bank_may_not_come_twice() {
        let set = PcrSet::new(&[0]).expect("below 24");
        let twice = PcrSelection(vec![(Hash::Sha1, set), (Hash::Sha1, set)]);
        assert!(PcrValues::from_concatenated(&twice, &[7; 40]).is_none());
    }
}
