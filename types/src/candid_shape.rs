//! A check of the types that a Candid message describes, before any decoder sees it.
//!
//! A decoder follows the types by recursion, and Candid's own gives up when the stack of its thread
//! is nearly used up. What a message may contain would then depend on the thread that reads it, and
//! nodes would come to different answers. So the types of a message must nest no deeper than
//! [`CANDID_DEPTH_MAX`] and must not refer to themselves: then no value nests deeper either, and
//! every decoder comes to its end on every thread. The answer is a function of the bytes alone.
//!
//! Arguments of the management canister have types of six levels at most, none of them recursive.
//! Candid allows any type in fields that the reader does not know; a message that makes use of
//! that with types beyond these bounds is refused.

/// Levels of types, one inside of the other, that a message may have.
pub const CANDID_DEPTH_MAX: usize = 32;

/// Types that a message may define. Every definition takes two bytes at least.
const TYPES_MAX: u64 = 10_000;

/// Why a message is not given to a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CandidShapeError {
    /// The message is cut off, or not Candid at all.
    #[error("the message is not Candid: it must begin with `DIDL` and a table of types")]
    Malformed,
    /// The types nest too deeply.
    #[error(
        "the types of the message nest deeper than {CANDID_DEPTH_MAX} levels, or contain themselves"
    )]
    TooDeep,
}

/// Checks the types that a message defines.
///
/// # Errors
/// See [`CandidShapeError`].
pub fn check_candid_shape(message: &[u8]) -> Result<(), CandidShapeError> {
    let rest = message.strip_prefix(b"DIDL").ok_or(CandidShapeError::Malformed)?;
    let types = Reader(rest).table().ok_or(CandidShapeError::Malformed)?;
    let mut depths = vec![None; types.len()];
    (0..types.len()).try_for_each(|index| depth(&types, &mut depths, index, 1).map(drop))
}

/// Levels of a type, itself included. `level` counts the types around it: a type that contains
/// itself is found when it becomes too large.
fn depth(
    types: &[Vec<usize>],
    depths: &mut [Option<usize>],
    index: usize,
    level: usize,
) -> Result<usize, CandidShapeError> {
    if level > CANDID_DEPTH_MAX {
        return Err(CandidShapeError::TooDeep);
    }
    if let Some(known) = depths[index] {
        return match level - 1 + known > CANDID_DEPTH_MAX {
            true => Err(CandidShapeError::TooDeep),
            false => Ok(known),
        };
    }
    let mut inner = 0;
    for &part in &types[index] {
        inner = inner.max(depth(types, depths, part, level + 1)?);
    }
    depths[index] = Some(inner + 1);
    Ok(inner + 1)
}

/// Reads a message from its front; `None` where it is cut off or not Candid.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// The definitions, each as the indices of the definitions that it refers to.
    fn table(&mut self) -> Option<Vec<Vec<usize>>> {
        let count = self.unsigned().filter(|count| *count <= TYPES_MAX)?;
        let count = usize::try_from(count).ok()?;
        let types: Vec<_> = (0..count).map(|_| self.definition()).collect::<Option<_>>()?;
        let known = |parts: &Vec<usize>| parts.iter().all(|part| *part < count);
        types.iter().all(known).then_some(types)
    }

    fn definition(&mut self) -> Option<Vec<usize>> {
        let mut parts = Vec::new();
        match self.signed()? {
            // opt, vec
            -18 | -19 => parts.extend(self.reference()?),
            // record, variant: fields by their numbers
            -20 | -21 => {
                for _ in 0..self.unsigned()? {
                    self.unsigned()?;
                    parts.extend(self.reference()?);
                }
            }
            // func: arguments, results, annotations
            -22 => {
                for _ in 0..2 {
                    for _ in 0..self.unsigned()? {
                        parts.extend(self.reference()?);
                    }
                }
                let annotations = self.unsigned()?;
                self.skip(annotations)?;
            }
            // service: methods by their names
            -23 => {
                for _ in 0..self.unsigned()? {
                    let name_bytes = self.unsigned()?;
                    self.skip(name_bytes)?;
                    parts.extend(self.reference()?);
                }
            }
            // What a later version may bring says how long it is.
            opcode if opcode < -24 => {
                let bytes = self.unsigned()?;
                self.skip(bytes)?;
            }
            _ => return None,
        }
        Some(parts)
    }

    /// A type within a definition: `Some(None)` for one of the basic types, which have no parts.
    fn reference(&mut self) -> Option<Option<usize>> {
        match self.signed()? {
            index if index >= 0 => usize::try_from(index).ok().map(Some),
            _ => Some(None),
        }
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number in LEB128, below 2^63.
    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A number in signed LEB128, of 63 bits.
    fn signed(&mut self) -> Option<i64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let sign = if byte & 0x40 == 0 { 0 } else { -1 << (shift + 7) };
                return Some(value | sign);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many types, each an `opt` of the next; the last is `opt nat`.
    fn nested(levels: u8) -> Vec<u8> {
        let mut message = b"DIDL".to_vec();
        message.push(levels);
        for next in 1..=levels {
            message.extend([0x6e, if next == levels { 0x7d } else { next }]);
        }
        message.extend([1, 0, 0]);
        message
    }

    #[test]
    fn types_nest_up_to_the_bound() {
        let most = CANDID_DEPTH_MAX as u8;
        assert_eq!(check_candid_shape(&nested(1)), Ok(()));
        assert_eq!(check_candid_shape(&nested(most)), Ok(()));
        assert_eq!(check_candid_shape(&nested(most + 1)), Err(CandidShapeError::TooDeep));
        assert_eq!(check_candid_shape(&nested(63)), Err(CandidShapeError::TooDeep));
    }

    /// The order of the definitions does not matter.
    #[test]
    fn types_nest_upwards_as_well() {
        for (levels, expected) in [(32, Ok(())), (33, Err(CandidShapeError::TooDeep))] {
            let mut message = b"DIDL".to_vec();
            message.extend([levels, 0x6e, 0x7d]);
            (0..levels - 1).for_each(|index| message.extend([0x6d, index]));
            message.extend([1, 0, 0]);
            assert_eq!(check_candid_shape(&message), expected);
        }
    }

    #[test]
    fn types_that_contain_themselves_are_refused() {
        // opt of itself; a record with itself; a service whose method returns the service.
        let messages: [&[u8]; 3] = [
            b"DIDL\x01\x6e\x00\x01\x00\x00",
            b"DIDL\x02\x6c\x02\x01\x7d\x02\x01\x6e\x00\x01\x00",
            b"DIDL\x02\x69\x01\x01x\x01\x6a\x00\x01\x00\x00\x01\x00",
        ];
        for message in messages {
            assert_eq!(check_candid_shape(message), Err(CandidShapeError::TooDeep));
        }
    }

    #[test]
    fn all_kinds_of_types_are_read() {
        // record {1: opt nat; 2: vec text}, variant, func, service, a type of the future.
        let message = b"DIDL\x07\x6e\x7d\x6d\x71\x6c\x02\x01\x00\x02\x01\x6b\x01\x07\x02\
            \x6a\x01\x03\x01\x7d\x01\x02\x69\x01\x03get\x04\x67\x02ab\x00";
        assert_eq!(check_candid_shape(message), Ok(()));
        for end in 0..message.len() - 1 {
            assert_eq!(check_candid_shape(&message[..end]), Err(CandidShapeError::Malformed));
        }
    }

    #[test]
    fn what_is_no_candid_is_refused_quickly() {
        let messages: [&[u8]; 6] = [
            b"",
            b"DIDM\x00\x00",
            // More types than there may be, a reference to a type that does not exist, a field count
            // and a name beyond the end, a number that never ends.
            b"DIDL\xff\xff\xff\x7f\x00",
            b"DIDL\x01\x6e\x01\x00",
            b"DIDL\x01\x6c\xff\xff\xff\xff\x0f\x00\x00",
            b"DIDL\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ];
        for message in messages {
            assert_eq!(check_candid_shape(message), Err(CandidShapeError::Malformed));
        }
    }
}
