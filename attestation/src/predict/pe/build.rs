//! Builds small programs, byte by byte, to be read again or to be spoiled.

/// Where things stand in a program that is built here.
pub const PE_AT: usize = 0x40;
pub const OPTIONAL_AT: usize = PE_AT + 24;
pub const OPTIONAL_BYTES: usize = 112 + 16 * 8;
pub const CERTIFICATES_AT: usize = OPTIONAL_AT + 112 + 4 * 8;
pub const TABLE_AT: usize = OPTIONAL_AT + OPTIONAL_BYTES;
const ALIGNMENT: usize = 512;

/// A PE32+ program with these sections, each padded to 512 bytes in the file.
pub fn program(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let headers_bytes = (TABLE_AT + 40 * sections.len()).next_multiple_of(ALIGNMENT);
    let mut bytes = vec![0; headers_bytes];
    bytes[..2].copy_from_slice(b"MZ");
    put(&mut bytes, 0x3c, PE_AT as u32);
    bytes[PE_AT..PE_AT + 4].copy_from_slice(b"PE\0\0");
    bytes[PE_AT + 4..PE_AT + 6].copy_from_slice(&0x8664u16.to_le_bytes());
    bytes[PE_AT + 6..PE_AT + 8].copy_from_slice(&(sections.len() as u16).to_le_bytes());
    bytes[PE_AT + 20..PE_AT + 22].copy_from_slice(&(OPTIONAL_BYTES as u16).to_le_bytes());
    bytes[OPTIONAL_AT..OPTIONAL_AT + 2].copy_from_slice(&0x020bu16.to_le_bytes());
    put(&mut bytes, OPTIONAL_AT + 60, headers_bytes as u32);
    put(&mut bytes, OPTIONAL_AT + 64, 0x1234_5678);
    put(&mut bytes, OPTIONAL_AT + 108, 16);
    for (number, (name, content)) in sections.iter().enumerate() {
        let at = TABLE_AT + 40 * number;
        let raw_at = bytes.len();
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
        put(&mut bytes, at + 8, content.len() as u32);
        put(&mut bytes, at + 12, raw_at as u32);
        let raw_bytes = (bytes.len() - raw_at) as u32;
        put(&mut bytes, at + 16, raw_bytes);
        put(&mut bytes, at + 20, raw_at as u32);
    }
    bytes
}

/// The same program with a certificate table at its end.
pub fn signed(mut program: Vec<u8>, table: &[u8]) -> Vec<u8> {
    let at = program.len() as u32;
    put(&mut program, CERTIFICATES_AT, at);
    put(&mut program, CERTIFICATES_AT + 4, table.len() as u32);
    program.extend(table);
    program
}

/// Puts a number of 32 bits, little-endian.
pub fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}
