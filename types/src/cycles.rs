//! Cycles: what computation and storage are paid with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of cycles. Arithmetic saturates: a balance never wraps, and never goes below zero.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Cycles(pub u128);

impl Cycles {
    /// No cycles.
    pub const ZERO: Cycles = Cycles(0);

    /// The sum, at most `u128::MAX`.
    #[must_use]
    pub fn plus(self, other: Cycles) -> Cycles {
        Cycles(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    #[must_use]
    pub fn minus(self, other: Cycles) -> Cycles {
        Cycles(self.0.saturating_sub(other.0))
    }

    /// The product with a count, at most `u128::MAX`.
    #[must_use]
    pub fn times(self, count: u128) -> Cycles {
        Cycles(self.0.saturating_mul(count))
    }

    /// The difference, or `None` if `other` is more than there is.
    pub fn checked_minus(self, other: Cycles) -> Option<Cycles> {
        self.0.checked_sub(other.0).map(Cycles)
    }
}

impl fmt::Display for Cycles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::iter::Sum for Cycles {
    fn sum<I: Iterator<Item = Cycles>>(iter: I) -> Cycles {
        iter.fold(Cycles::ZERO, Cycles::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Cycles(3).minus(Cycles(5)), Cycles::ZERO);
        assert_eq!(Cycles(u128::MAX).plus(Cycles(1)), Cycles(u128::MAX));
        assert_eq!(Cycles(u128::MAX).times(2), Cycles(u128::MAX));
        assert_eq!(Cycles(3).checked_minus(Cycles(5)), None);
    }
}
