use super::build::{CERTIFICATES_AT, OPTIONAL_AT, PE_AT, TABLE_AT, program, put, signed};
use super::*;

fn small() -> Vec<u8> {
    program(&[(".text", &[0x90; 700]), (".data", b"data"), (".bss", b"")])
}

/// The digests were computed by an independent program with the library pefile, from the same bytes.
#[test]
fn digests_are_those_of_another_implementation() {
    let bytes = small();
    let pe = Pe::parse(&bytes).unwrap();
    assert_eq!(Hash::Sha256.digest(&bytes).to_string(), FILE);
    assert_eq!(pe.authenticode(Hash::Sha256).to_string(), SHA256);
    assert_eq!(pe.authenticode(Hash::Sha384).to_string(), SHA384);
}

const FILE: &str = "9988f164bc5e84177278609f48ece181caf974538966831ec93f32349b033979";
const SHA256: &str = "e4a10eb2eea6867d2c02ba2eb89596f0d297b099ce9a82f4ee976a51fc491d34";
const SHA384: &str = "1297f66210e09e3806079cc12812ab0b77bbd8246f37a510232433aa2776341af400c1ff30390c25cc98078b85243efb";

#[test]
fn signatures_and_checksums_are_not_digested() {
    let plain = small();
    let digest = |bytes: &[u8]| Pe::parse(bytes).unwrap().authenticode(Hash::Sha256);
    let signed = signed(plain.clone(), &[7; 64]);
    assert!(Pe::parse(&signed).unwrap().is_signed());
    assert!(!Pe::parse(&plain).unwrap().is_signed());
    assert_eq!(digest(&signed), digest(&plain));
    let mut summed = plain.clone();
    put(&mut summed, OPTIONAL_AT + 64, 0);
    assert_eq!(digest(&summed), digest(&plain));
}

#[test]
fn every_other_byte_is_digested() {
    let bytes = signed(small(), &[7; 64]);
    let own = Pe::parse(&bytes).unwrap().authenticode(Hash::Sha256);
    let free = |at: usize| {
        (OPTIONAL_AT + 64..OPTIONAL_AT + 68).contains(&at)
            || (CERTIFICATES_AT..CERTIFICATES_AT + 8).contains(&at)
            || at >= bytes.len() - 64
    };
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let Ok(pe) = Pe::parse(&changed) else { continue };
        assert_eq!(pe.authenticode(Hash::Sha256) == own, free(at), "byte {at}");
    }
}

#[test]
fn bytes_behind_the_sections_are_digested() {
    let mut longer = small();
    let digest = |bytes: &[u8]| Pe::parse(bytes).unwrap().authenticode(Hash::Sha256);
    let before = digest(&longer);
    longer.extend(*b"more");
    assert_ne!(digest(&longer), before);
}

#[test]
fn sections_have_names_and_contents() {
    let bytes = small();
    let pe = Pe::parse(&bytes).unwrap();
    assert_eq!(pe.sections().len(), 3);
    let data = pe.section(".data").unwrap().unwrap();
    assert_eq!(data.data(), Ok(&b"data"[..]));
    assert_eq!(data.raw.len(), 512);
    assert_eq!(pe.section(".bss").unwrap().unwrap().data(), Ok(&b""[..]));
    assert_eq!(pe.section(".none"), Ok(None));
    let twice = program(&[(".a", b"1"), (".a", b"2")]);
    assert_eq!(Pe::parse(&twice).unwrap().section(".a"), Err(PeError::TwoSections(".a")));
}

#[test]
fn wrong_programs_are_refused_with_the_reason() {
    let check = |expected: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = small();
        change(&mut bytes);
        let error = Pe::parse(&bytes).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error} does not say: {expected}");
    };
    check("`MZ`", &|bytes| bytes.clear());
    check("`MZ`", &|bytes| bytes[0] = b'N');
    check("`PE`", &|bytes| bytes[PE_AT] = b'N');
    check("no PE file", &|bytes| bytes.truncate(0x30));
    check("no PE file", &|bytes| put(bytes, 0x3c, u32::MAX));
    check("magic", &|bytes| bytes[OPTIONAL_AT] = 0);
    check("1 to 96 sections", &|bytes| bytes[PE_AT + 6] = 0);
    check("1 to 96 sections", &|bytes| bytes[PE_AT + 6] = 97);
    check("SizeOfHeaders", &|bytes| put(bytes, OPTIONAL_AT + 60, 100));
    check("SizeOfHeaders", &|bytes| put(bytes, OPTIONAL_AT + 60, u32::MAX));
    check("no PE file", &|bytes| put(bytes, PE_AT + 20, 20));
    check("section .text", &|bytes| put(bytes, TABLE_AT + 20, u32::MAX));
    check("section .text", &|bytes| put(bytes, TABLE_AT + 16, u32::MAX));
    check("does not begin where", &|bytes| put(bytes, TABLE_AT + 20, 0));
    check("does not begin where", &|bytes| put(bytes, TABLE_AT + 16, 512));
    check("does not begin where", &|bytes| put(bytes, TABLE_AT + 40 + 20, 512));
    let table = "certificate table does not end";
    check(table, &|bytes| put(bytes, CERTIFICATES_AT + 4, 8));
    check(table, &|bytes| {
        *bytes = signed(bytes.clone(), &[7; 64]);
        bytes.push(0);
    });
    check(table, &|bytes| {
        let length = bytes.len() as u32;
        put(bytes, CERTIFICATES_AT, length - 8);
        put(bytes, CERTIFICATES_AT + 4, 8);
    });
    // Longer in memory than in the file.
    let mut bytes = small();
    put(&mut bytes, TABLE_AT + 40 + 8, 513);
    let pe = Pe::parse(&bytes).unwrap();
    assert!(pe.section(".data").unwrap().unwrap().data().is_err());
}

#[test]
fn every_cut_is_an_error_or_another_program() {
    let bytes = small();
    for end in 0..bytes.len() {
        assert!(Pe::parse(&bytes[..end]).is_err(), "cut at {end}");
    }
}
