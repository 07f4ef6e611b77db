//! Labels as bit strings, in an encoding that keeps their order.
//!
//! Each byte is a 1 bit and its eight bits, from the highest; the end of the label is a 0 bit. So
//! a label that is the beginning of another one comes first, and no bit string is the beginning
//! of another.

/// The bits of one byte together with the 1 before it.
const BITS_PER_BYTE: u32 = 9;

/// The bit of a label at `position`; 0 behind its end.
pub(super) fn bit(label: &[u8], position: u32) -> bool {
    let (index, offset) = (position / BITS_PER_BYTE, position % BITS_PER_BYTE);
    match label.get(index as usize) {
        None => false,
        Some(_) if offset == 0 => true,
        Some(byte) => byte >> (8 - offset) & 1 == 1,
    }
}

/// The first position where two labels differ; `None` if they are equal.
pub(super) fn first_difference(a: &[u8], b: &[u8]) -> Option<u32> {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let start = u32::try_from(common).ok()?.checked_mul(BITS_PER_BYTE)?;
    match (a.get(common), b.get(common)) {
        (None, None) => None,
        (Some(a), Some(b)) => Some(start + 1 + (a ^ b).leading_zeros()),
        (Some(_), None) | (None, Some(_)) => Some(start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_of_bits_is_order_of_labels(a: Vec<u8>, b: Vec<u8>, cut in 0usize..4) {
            // Labels that share a beginning are the interesting ones.
            let b = [&a[..a.len().min(cut)], &b].concat();
            match first_difference(&a, &b) {
                None => prop_assert_eq!(&a, &b),
                Some(position) => {
                    prop_assert_eq!(bit(&b, position), a < b);
                    prop_assert_eq!(bit(&a, position), b < a);
                    prop_assert!((0..position).all(|p| bit(&a, p) == bit(&b, p)));
                }
            }
        }
    }
}
