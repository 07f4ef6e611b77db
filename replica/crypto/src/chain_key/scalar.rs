//! Numbers modulo the order of the BLS12-381 groups, on blst.
//!
//! blst exports this arithmetic only as C functions. They are called from here and nowhere else.

use blst::{blst_fr, blst_scalar};

/// A number modulo the group order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Scalar(blst_fr);

impl Scalar {
    /// From 32 bytes, big-endian; `None` if not below the group order.
    pub(super) fn from_be_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let mut scalar = blst_scalar::default();
        let mut fr = blst_fr::default();
        // SAFETY: `bytes` is readable for the 32 bytes that are read; the other pointers come
        // from live references to initialised values of the type that each function wants.
        unsafe {
            blst::blst_scalar_from_bendian(&mut scalar, bytes.as_ptr());
            if !blst::blst_scalar_fr_check(&scalar) {
                return None;
            }
            blst::blst_fr_from_scalar(&mut fr, &scalar);
        }
        Some(Self(fr))
    }

    /// A small number.
    pub(super) fn from_u64(number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&number.to_be_bytes());
        Self::from_be_bytes(&bytes).expect("a number of 64 bits is below the group order")
    }

    /// As 32 bytes, little-endian: what multiplication of points wants.
    pub(super) fn to_le_bytes(self) -> [u8; 32] {
        let mut scalar = blst_scalar::default();
        // SAFETY: both pointers come from live references to initialised values of their type.
        unsafe { blst::blst_scalar_from_fr(&mut scalar, &self.0) };
        scalar.b
    }

    /// As 32 bytes, big-endian.
    pub(super) fn to_be_bytes(self) -> [u8; 32] {
        let mut bytes = self.to_le_bytes();
        bytes.reverse();
        bytes
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let mut result = Self(blst_fr::default());
        // SAFETY: the three pointers come from live references to initialised values.
        unsafe { blst::blst_fr_add(&mut result.0, &self.0, &other.0) };
        result
    }

    pub(super) fn minus(self, other: Self) -> Self {
        let mut result = Self(blst_fr::default());
        // SAFETY: the three pointers come from live references to initialised values.
        unsafe { blst::blst_fr_sub(&mut result.0, &self.0, &other.0) };
        result
    }

    pub(super) fn times(self, other: Self) -> Self {
        let mut result = Self(blst_fr::default());
        // SAFETY: the three pointers come from live references to initialised values.
        unsafe { blst::blst_fr_mul(&mut result.0, &self.0, &other.0) };
        result
    }

    /// The number that makes 1 with this one; `None` for zero.
    pub(super) fn inverse(self) -> Option<Self> {
        if self == Self::from_u64(0) {
            return None;
        }
        let mut result = Self(blst_fr::default());
        // SAFETY: both pointers come from live references to initialised values of their type.
        unsafe { blst::blst_fr_eucl_inverse(&mut result.0, &self.0) };
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_group_order_is_refused_and_the_number_below_it_is_minus_one() {
        let mut order: [u8; 32] =
            hex::decode("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001")
                .unwrap()
                .try_into()
                .unwrap();
        assert!(Scalar::from_be_bytes(&order).is_none());
        order[31] = 0;
        let minus_one = Scalar::from_be_bytes(&order).unwrap();
        assert!(minus_one.plus(Scalar::from_u64(1)) == Scalar::from_u64(0));
        assert_eq!(minus_one.to_be_bytes(), order);
        assert!(Scalar::from_u64(0).inverse().is_none());
    }

    proptest! {
        #[test]
        fn arithmetic_of_small_numbers(a: u32, b in 1u32..) {
            let (x, y) = (Scalar::from_u64(a.into()), Scalar::from_u64(b.into()));
            let (a, b) = (u64::from(a), u64::from(b));
            prop_assert!(x.plus(y) == Scalar::from_u64(a + b));
            prop_assert!(x.times(y) == Scalar::from_u64(a * b));
            prop_assert!(x.plus(y).minus(x) == y);
            prop_assert!(x.times(y).times(y.inverse().unwrap()) == x);
        }
    }
}
