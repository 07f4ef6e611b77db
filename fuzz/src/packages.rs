//! What Debian packages come in: `ar`, `tar`, compressed members, control files.

use image_build::archive::ar::ArReader;
use image_build::archive::{Compression, Deb, Decoder, EntryKind, TarReader};
use image_build::debian::{Clause, Version, deb822};
use image_build::programs::crates::{Crate, Crates};
use std::io::Read;
use std::path::Component;

/// More than any input can honestly hold; what expands further is read no further.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// An `ar` archive: its members lie within it, one after another.
pub fn ar(data: &[u8]) {
    let Ok(mut reader) = ArReader::new(data) else { return };
    let mut bytes = 8;
    while let Ok(Some(member)) = reader.next_member() {
        assert!(!member.name.is_empty() && !member.name.contains(&b'/'));
        let mut content = Vec::new();
        if reader.read_to_end(&mut content).is_err() {
            return;
        }
        assert_eq!(content.len() as u64, member.size);
        bytes += 60 + content.len();
        assert!(bytes <= data.len());
    }
}

/// A `tar` archive: contents lie where an entry says, and a second reading that skips them agrees.
pub fn tar(data: &[u8]) {
    let mut reader = TarReader::new(data);
    let mut entries = Vec::new();
    while let Ok(Some(entry)) = reader.next_entry() {
        assert!(!entry.path.is_empty());
        assert!(entry.mode <= 0o7777);
        assert!(entry.size == 0 || entry.kind == EntryKind::File);
        let mut content = Vec::new();
        if reader.read_to_end(&mut content).is_err() {
            return;
        }
        let start = entry.content_offset as usize;
        assert_eq!(&data[start..start + content.len()], content);
        assert_eq!(content.len() as u64, entry.size);
        entries.push(entry);
    }
    let mut again = TarReader::new(data);
    for entry in entries {
        assert_eq!(again.next_entry().expect("it was read once"), Some(entry));
    }
}

/// A package, down to the entries of its data.
pub fn deb(data: &[u8]) {
    let Ok(package) = Deb::open(data) else { return };
    let (control, content) = package.into_data();
    for (name, _) in control.files() {
        assert!(!name.is_empty() && !name.contains('/'));
    }
    let mut reader = TarReader::new(content.take(OUTPUT_BYTES_MAX));
    while let Ok(Some(_)) = reader.next_entry() {}
}

/// The archive of a crate, and `Cargo.lock`: nothing lies outside of the crate's folder, nothing is unpinned.
pub fn crate_archive(data: &[u8]) {
    if let Ok(crates) = Crates::parse(data) {
        assert!(crates.all.iter().all(|found| found.sha256.len() == 64));
    }
    let (name, version, sha256) = ("a".into(), "1.0.0".into(), String::new());
    let _ = Crate { name, version, sha256 }.read(data, &mut |path, _| {
        assert!(path.starts_with("a-1.0.0"));
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
        Ok(())
    });
}

/// Compressed bytes; the first byte says how. No more comes out than is allowed.
pub fn compressed(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let compression = match kind % 3 {
        0 => Compression::Xz,
        1 => Compression::Gzip,
        _ => Compression::Zstd,
    };
    let Ok(mut decoder) = Decoder::new(compression, data, OUTPUT_BYTES_MAX) else { return };
    let mut output = Vec::new();
    if decoder.read_to_end(&mut output).is_ok() {
        assert!(output.len() as u64 <= OUTPUT_BYTES_MAX);
    }
}

/// A control file, with versions and relations among its values: what is read can be written and read
/// again, and versions have one order.
pub fn deb822(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut versions = Vec::new();
    for paragraph in deb822::paragraphs(text).map_while(Result::ok) {
        for (name, value) in paragraph.fields() {
            assert_eq!(paragraph.get(name), Some(value));
            versions.extend(Version::new(value));
            let Ok(clauses) = Clause::parse_all(value) else { continue };
            let written: Vec<String> = clauses.iter().map(ToString::to_string).collect();
            let again = Clause::parse_all(&written.join(", ")).expect("it was written");
            assert_eq!(again, clauses);
        }
    }
    versions.truncate(8);
    for a in &versions {
        assert_eq!(Version::new(a.as_str()).expect("it was read once"), *a);
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse());
            for c in versions.iter().filter(|_| a <= b) {
                assert!(b > c || a <= c);
            }
        }
    }
}
