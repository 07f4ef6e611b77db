//! Packages made by hand, for tests.

use std::io::Write as _;

/// An entry of a sample archive.
pub struct Sample<'a> {
    pub path: &'a str,
    pub kind: u8,
    pub mode: u16,
    pub target: &'a str,
    pub content: &'a [u8],
}

pub fn directory(path: &str) -> Sample<'_> {
    Sample { path, kind: b'5', mode: 0o755, target: "", content: b"" }
}

pub fn file<'a>(path: &'a str, mode: u16, content: &'a [u8]) -> Sample<'a> {
    Sample { path, kind: b'0', mode, target: "", content }
}

pub fn symlink<'a>(path: &'a str, target: &'a str) -> Sample<'a> {
    Sample { path, kind: b'2', mode: 0o777, target, content: b"" }
}

pub fn hard_link<'a>(path: &'a str, target: &'a str) -> Sample<'a> {
    Sample { path, kind: b'1', mode: 0o644, target, content: b"" }
}

pub fn device(path: &str) -> Sample<'_> {
    Sample { path, kind: b'3', mode: 0o600, target: "", content: b"" }
}

/// An uncompressed archive.
pub fn tar(entries: &[Sample]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut block = [0; 512];
        block[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        block[100..108].copy_from_slice(format!("{:07o}\0", entry.mode).as_bytes());
        block[108..116].copy_from_slice(b"0000000\0");
        block[116..124].copy_from_slice(b"0000000\0");
        block[124..136].copy_from_slice(format!("{:011o}\0", entry.content.len()).as_bytes());
        block[136..148].copy_from_slice(b"14000000000\0");
        block[156] = entry.kind;
        block[157..157 + entry.target.len()].copy_from_slice(entry.target.as_bytes());
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes.extend_from_slice(&block);
        bytes.extend_from_slice(entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// An `ar` archive.
pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let (zero, mode, length) = (0, 100_644, content.len());
        let header = format!("{name:<16}{zero:<12}{zero:<6}{zero:<6}{mode:<8}{length:<10}`\n");
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A package with these control files and this data.
pub fn deb(control: &[Sample], data: &[Sample]) -> Vec<u8> {
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &gzip(&tar(control))),
        ("data.tar.zst", &zstd::bulk::compress(&tar(data), 1).unwrap()),
    ])
}
