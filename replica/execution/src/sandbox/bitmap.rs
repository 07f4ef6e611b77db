//! A set of page numbers. It lives in zeroed memory that somebody else provides, so that a set for
//! a large memory costs nothing until it is used, and can be changed within a signal handler.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Words of memory that a set of numbers below `numbers` needs: a bit each, and a bit for each
/// word of those.
pub(super) fn words_for(numbers: usize) -> usize {
    let leaves = numbers.div_ceil(64);
    leaves + leaves.div_ceil(64)
}

/// The set. Atomic (relaxed) only because the handler of faults changes it beside its owner, on
/// the same thread.
pub(super) struct Bitmap {
    words: NonNull<AtomicU64>,
    leaves: usize,
    count: usize,
}

impl Bitmap {
    /// A set of numbers below `numbers`, empty if the memory is zero.
    ///
    /// # Safety
    ///
    /// `words` points to [`words_for`]`(numbers)` words that live as long as the set and that
    /// nothing else accesses.
    pub unsafe fn new(words: NonNull<AtomicU64>, numbers: usize) -> Self {
        Bitmap { words, leaves: numbers.div_ceil(64), count: words_for(numbers) }
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the maker of the set vouches for so many words, which only the set accesses.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.count) }
    }

    /// Whether the set contains the number.
    pub fn get(&self, number: usize) -> bool {
        self.words()[..self.leaves][number / 64].load(Relaxed) & (1 << (number % 64)) != 0
    }

    /// Adds a number.
    pub fn set(&self, number: usize) {
        let (leaves, summary) = self.words().split_at(self.leaves);
        let leaf = number / 64;
        leaves[leaf].fetch_or(1 << (number % 64), Relaxed);
        summary[leaf / 64].fetch_or(1 << (leaf % 64), Relaxed);
    }

    /// Removes a number.
    pub fn clear(&self, number: usize) {
        let (leaves, summary) = self.words().split_at(self.leaves);
        let leaf = number / 64;
        let bit = 1 << (number % 64);
        if leaves[leaf].fetch_and(!bit, Relaxed) & !bit == 0 {
            summary[leaf / 64].fetch_and(!(1 << (leaf % 64)), Relaxed);
        }
    }

    /// All numbers in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let (leaves, summary) = self.words().split_at(self.leaves);
        bits(summary).flat_map(|leaf| {
            let word = leaves[leaf].load(Relaxed);
            bits_of(word).map(move |bit| leaf * 64 + bit)
        })
    }
}

fn bits(words: &[AtomicU64]) -> impl Iterator<Item = usize> {
    let numbered = words.iter().enumerate().filter(|(_, word)| word.load(Relaxed) != 0);
    numbered.flat_map(|(index, word)| bits_of(word.load(Relaxed)).map(move |bit| index * 64 + bit))
}

fn bits_of(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (bit < 64).then_some(bit as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn behaves_like_a_set() {
        let numbers = 10_000;
        let memory: Vec<AtomicU64> = (0..words_for(numbers)).map(|_| AtomicU64::new(0)).collect();
        let words = NonNull::from(&memory[..]).cast();
        // SAFETY: the vector has as many words as asked for, outlives the set, and is not used
        // otherwise.
        let set = unsafe { Bitmap::new(words, numbers) };
        let mut model = BTreeSet::new();
        let mut number = 1;
        for step in 0..5_000 {
            number = number * 7_919 % 10_007 % numbers;
            if step % 3 == 0 {
                set.clear(number);
                model.remove(&number);
            } else {
                set.set(number);
                model.insert(number);
            }
            assert_eq!(set.get(number), model.contains(&number));
        }
        assert!(set.iter().eq(model.iter().copied()));
        for number in 0..numbers {
            set.clear(number);
        }
        assert_eq!(set.iter().count(), 0);
    }
}
