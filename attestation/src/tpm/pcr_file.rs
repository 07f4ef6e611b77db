//! Files with PCR values, as tools of TPMs write them.

use super::algorithm::{hash_from_id, hash_from_name};
use super::pcr::{PcrSelection, PcrSet, PcrValues};
use crate::crypto::{Digest, Hash};
use crate::cursor::{Cursor, ReadError};

/// TPML_PCR_SELECTION and TPML_DIGEST as tpm2-tools hold them in memory: so many places, used or not.
const SELECTIONS: usize = 16;
const SELECT_BYTES: usize = 4;
const DIGESTS: usize = 8;
const DIGEST_BYTES: usize = 64;

/// The values of the selected PCRs one after the other, banks in the order of the selection, indices
/// ascending, out of a file that is one of
///
/// - just that,
/// - the same in hex,
/// - what `tpm2_quote --pcrs_format serialized` writes (its default),
/// - a listing as of `tpm2_pcrread`: a line for each bank (`sha256:`) and each PCR (`0 : 0x3d45…`).
///
/// Of a file that names its PCRs those selected are taken, and one that is missing is missing in the result. What
/// is none of these is given back as it is. Nothing is believed for that: a quote says which values hold.
pub fn pcr_values_from_file(file: &[u8], selection: &PcrSelection) -> Vec<u8> {
    if file.len() == selection.bytes() {
        return file.to_vec();
    }
    let Some(values) = serialized(file).or_else(|| listing(file)) else {
        return hex_digits(file).unwrap_or_else(|| file.to_vec());
    };
    let mut found = Vec::new();
    for &(bank, set) in &selection.0 {
        for value in set.indices().filter_map(|index| values.get(bank, index)) {
            found.extend_from_slice(value.as_bytes());
        }
    }
    found
}

/// A text of hex digits.
fn hex_digits(file: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = file.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if digits.is_empty() { None } else { hex::decode(digits).ok() }
}

/// The structures of tpm2-tools: a TPML_PCR_SELECTION, the count of lists, and each TPML_DIGEST, in the
/// layout that C gives them, all numbers little-endian.
fn serialized(file: &[u8]) -> Option<PcrValues> {
    let mut cursor = Cursor::new(file);
    let selection = read_selection(&mut cursor).ok()??;
    let digests = read_digests(&mut cursor).ok()??;
    cursor.finish("PCR values").ok()?;
    let selected = selection.0.iter();
    let places: Vec<(Hash, u8)> =
        selected.flat_map(|(bank, set)| set.indices().map(|index| (*bank, index))).collect();
    if places.len() != digests.len() {
        return None;
    }
    let mut values = PcrValues::default();
    for ((bank, index), bytes) in places.iter().zip(&digests) {
        values.set(*index, Digest::from_bytes(*bank, bytes)?);
    }
    // A bank that comes twice would name one PCR twice.
    (values.count() == digests.len()).then_some(values)
}

fn read_selection(cursor: &mut Cursor) -> Result<Option<PcrSelection>, ReadError> {
    let count = cursor.u32_le("count of selections")?;
    let mut selection = PcrSelection::default();
    for place in 0..SELECTIONS {
        let hash = cursor.u16_le("hash")?;
        let bytes = usize::from(cursor.u8("size of the bitmap")?);
        let bitmap = cursor.take(SELECT_BYTES, "bitmap")?;
        // The structure has seven bytes and is aligned to two.
        cursor.u8("alignment")?;
        if u32::try_from(place).is_ok_and(|place| place >= count) {
            continue;
        }
        let set = bitmap.get(..bytes).and_then(PcrSet::from_bitmap);
        let (Some(bank), Some(set)) = (hash_from_id(hash), set) else { return Ok(None) };
        selection.0.push((bank, set));
    }
    let is_whole = u32::try_from(selection.0.len()) == Ok(count);
    Ok(is_whole.then_some(selection))
}

fn read_digests<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Vec<&'a [u8]>>, ReadError> {
    let lists = cursor.u32_le("count of lists")?;
    let mut digests = Vec::new();
    // Each takes its bytes: a count that lies ends with the file.
    for _ in 0..lists {
        let count = cursor.u32_le("count of digests")?;
        for place in 0..DIGESTS {
            let bytes = usize::from(cursor.u16_le("size of a digest")?);
            let buffer = cursor.take(DIGEST_BYTES, "digest")?;
            if u32::try_from(place).is_ok_and(|place| place < count) {
                let Some(digest) = buffer.get(..bytes) else { return Ok(None) };
                digests.push(digest);
            }
        }
    }
    Ok(Some(digests))
}

/// Lines of banks and of PCRs. Banks that are not supported are left out, with their PCRs.
fn listing(file: &[u8]) -> Option<PcrValues> {
    let text = std::str::from_utf8(file).ok()?;
    let mut values = PcrValues::default();
    let mut bank = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':')?;
        let (name, value) = (name.trim(), value.trim());
        if value.is_empty() {
            bank = Some(hash_from_name(name));
            continue;
        }
        let index: u8 = name.parse().ok()?;
        let digits = value.strip_prefix("0x").unwrap_or(value);
        let bytes = hex::decode(digits).ok()?;
        // Before the first bank it is none of these listings.
        let Some(bank) = bank? else { continue };
        if values.get(bank, index).is_some() {
            return None;
        }
        values.set(index, Digest::from_bytes(bank, &bytes)?);
    }
    (values.count() > 0).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection() -> PcrSelection {
        let set = |indices: &[u8]| PcrSet::new(indices).unwrap();
        PcrSelection(vec![(Hash::Sha256, set(&[0, 2, 4, 5, 6, 7, 11])), (Hash::Sha1, set(&[1, 3]))])
    }

    /// The value of the place-th PCR: so many bytes of its number.
    fn plain() -> Vec<u8> {
        let mut bytes = Vec::new();
        for place in 0..9u8 {
            let count = if place < 7 { 32 } else { 20 };
            bytes.extend(std::iter::repeat_n(place + 1, count));
        }
        bytes
    }

    /// As C has it in memory, with what was there before in places that are not used.
    fn serialized_file() -> Vec<u8> {
        let mut file = 2u32.to_le_bytes().to_vec();
        file.extend([0x0b, 0, 3, 0xf5, 0x08, 0, 0xee, 0xee]);
        file.extend([0x04, 0, 3, 0x0a, 0, 0, 0xee, 0xee]);
        file.resize(4 + 16 * 8, 0xee);
        file.extend(2u32.to_le_bytes());
        for (first, count) in [(0u8, 8u8), (8, 1)] {
            file.extend(u32::from(count).to_le_bytes());
            for place in first..first + 8 {
                let bytes = if place < 7 { 32 } else { 20u16 };
                let is_used = place < first + count;
                file.extend(if is_used { bytes.to_le_bytes() } else { [0xee; 2] });
                let mut digest = vec![place + 1; usize::from(bytes)];
                digest.resize(64, 0xee);
                file.extend(digest);
            }
        }
        file
    }

    fn listing_text() -> String {
        "  sha1:\n    1 : 0x".to_owned()
            + &"08".repeat(20)
            + "\n    3 : "
            + &"09".repeat(20)
            + "\n  sm3_256:\n    0 : 0x00\n  sha256 :\n"
            + &[(0, 1), (2, 2), (4, 3), (5, 4), (6, 5), (7, 6), (11, 7), (23, 8)]
                .map(|(index, value)| {
                    format!("    {index}: 0x{}\n", format!("{value:02X}").repeat(32))
                })
                .concat()
    }

    #[test]
    fn each_form_says_the_same() {
        let check = |file: &[u8]| {
            assert_eq!(pcr_values_from_file(file, &selection()), plain());
        };
        check(&plain());
        check(hex::encode(plain()).as_bytes());
        check(format!("{}\n", hex::encode_upper(plain())).as_bytes());
        check(&serialized_file());
        check(listing_text().as_bytes());
    }

    /// Fewer values than are selected: who verifies counts them.
    #[test]
    fn what_is_missing_stays_missing() {
        let more = PcrSelection::of(Hash::Sha256, PcrSet::new(&[0, 1, 2]).unwrap());
        let two = [[1; 32], [2; 32]].concat();
        assert_eq!(pcr_values_from_file(&serialized_file(), &more), two);
        assert_eq!(pcr_values_from_file(listing_text().as_bytes(), &more), two);
        let other = PcrSelection::of(Hash::Sha384, PcrSet::new(&[0]).unwrap());
        assert!(pcr_values_from_file(&serialized_file(), &other).is_empty());
    }

    #[test]
    fn none_of_these_is_given_back() {
        let check = |file: &[u8]| assert_eq!(pcr_values_from_file(file, &selection()), file);
        check(b"");
        check(&[7; 9]);
        check(b"sha256:\n");
        check(b"0 : 00\n");
        check(b"sha256:\n 0 : 00\n");
        check(b"sha256:\n 0 = 00\n");
        let twice = format!("sha256:\n0: {0}\n0: {0}\n", "00".repeat(32));
        check(twice.as_bytes());
        for (at, value) in [(0, 3), (0, 17), (4, 0x99), (6, 5), (132, 3), (136, 7), (140, 65)] {
            let mut file = serialized_file();
            file[at] = value;
            check(&file);
        }
        let mut file = serialized_file();
        file.push(0);
        check(&file);
        // One bank twice.
        let mut file = serialized_file();
        file[12..20].copy_from_slice(&[0x0b, 0, 3, 0x01, 0x01, 0, 0, 0]);
        check(&file);
    }
}
