//! Packages made by hand, and one that `dpkg-deb` made.

use super::super::testing::{
    self as samples, device, directory, file, gzip, hard_link, symlink, tar,
};
use super::*;

/// What `dpkg-deb -Zxz` of dpkg 1.21 makes of a file, a symbolic link, a hard link and a `postinst`.
const TINY: &str = "\
    213c617263683e0a64656269616e2d62696e617279202020313735303030303030302020302020202020302020202020\
    313030363434202034202020202020202020600a322e300a636f6e74726f6c2e7461722e787a20203137353030303030\
    30302020302020202020302020202020313030363434202033323420202020202020600afd377a585a000004e6d6b446\
    04c0840280502101160000000000000063af3c53e027ff00fc5d00170bbc1c7d0195c01d4a3e7915c2cc26a36678d0b7\
    87611f4634ad8f0877df1136c1e41992aec7ac65dd1802a3b1db4cd52e86a45cbdfb09d2da94c6e3feb511bcd94d3be1\
    b2475c12aa68a61e815ab6e9bd80bbb512d7a3c1b21295cb6c22b73b4a285821a80139dc61dea1225fc0a8f63924db07\
    9c681aee65aada0741a6e7ed20f90a50168850e551912a44e614002287227e4938989d4d94ca2974dbf320eca23b82dc\
    07923f580be645238a7b8e13b78679ae536c3973470c7c9f6a3dd784ec5b894d46507bff81304c0f2abc9bf8ac480544\
    a90b686f93dbcf54601a8ce4ae0d1322220f3a3c0459de0cc09cb3b6f4d791809442c0fccd4400005b146d2ab78230a9\
    0001a00280500000d80e6c21b1c467fb020000000004595a646174612e7461722e787a20202020203137353030303030\
    30302020302020202020302020202020313030363434202032383020202020202020600afd377a585a000004e6d6b446\
    04c0d701805021011600000000000000eb2d9cb5e027ff00cf5d00170bbc1c7d0195c01d4a3e7915c2cc26a36678d0b7\
    87611f4634ad8f0877df1136c1e41992aec7ac65dd1802a3b1db4cd52e86a45cbdfb0dbb0f660f2ebcbe1c518c653110\
    74bec9defef836023837474d631d9d97d99a7119bee9de4393ad80493d512ba1e5fc99aa2711008b044f9a4af7f36768\
    ab66327d22f2243230bcc9b949f79cf7a281f2d7ddc6b42054cf9aa395665c64590835904a56c8748695e7c62c28c9bf\
    a892600fffc7431901f74db893de57940089258d8bbc4b2e2745fd5a671a6e8f07272325e077435d230000008d650d2a\
    25ec30720001f30180500000510ed6ecb1c467fb020000000004595a";

/// Paths and contents.
type Files = Vec<(Vec<u8>, Vec<u8>)>;

fn open(bytes: &[u8]) -> Result<(Control, Files), DebError> {
    let (control, data) = Deb::open(bytes)?.into_data();
    let mut tar = TarReader::new(data);
    let mut found = Vec::new();
    let broken = |source| DebError::Tar { member: "data", source };
    while let Some(entry) = tar.next_entry().map_err(broken)? {
        let mut content = Vec::new();
        tar.read_to_end(&mut content)
            .map_err(|source| DebError::Read { member: "data", source })?;
        found.push((entry.path, content));
    }
    Ok((control, found))
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

#[test]
fn a_package_of_dpkg_is_read() {
    let (control, data) = open(&hex::decode(TINY).unwrap()).unwrap();
    assert!(control.get("control").unwrap().starts_with(b"Package: tiny\n"));
    assert_eq!(control.get("postinst").unwrap(), b"#!/bin/sh\nexit 0\n");
    assert_eq!(control.get("preinst"), None);
    let files: Vec<_> = data.iter().filter(|(_, content)| !content.is_empty()).collect();
    assert_eq!(files.len(), 1, "a hard link has no content of its own");
    assert_eq!(files[0].1, b"hello\n");
    assert!(data.iter().any(|(path, _)| path == b"./usr/share/tiny/link"));
}

#[test]
fn every_cut_of_a_package_is_an_error() {
    let bytes = hex::decode(TINY).unwrap();
    for cut in 0..bytes.len() {
        assert!(open(&bytes[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn a_flipped_byte_is_an_error_or_changes_nothing() {
    let bytes = hex::decode(TINY).unwrap();
    let whole = open(&bytes).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        if let Ok(found) = open(&flipped) {
            // What no reader looks at: owner, time and mode of a member.
            assert_eq!(found, whole, "{at}");
        }
    }
}

#[test]
fn gzip_and_zstd_are_read() {
    let bytes = samples::deb(
        &[directory("./"), file("./control", 0o644, b"Package: a\n")],
        &[
            directory("./"),
            file("./a", 0o644, b"content"),
            symlink("./s", "a"),
            hard_link("./h", "./a"),
        ],
    );
    let (control, data) = open(&bytes).unwrap();
    assert_eq!(control.files().count(), 1);
    assert_eq!(data.len(), 4);
}

#[test]
fn what_is_no_package_is_named() {
    let control = gzip(&tar(&[file("./control", 0o644, b"")]));
    let check = |members: &[(&str, &[u8])], expected: &str| {
        let error = open(&samples::ar(members)).map(|_| ()).unwrap_err();
        assert!(chain(&error).contains(expected), "{expected}: {}", chain(&error));
    };
    let version: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    check(&[], "it is empty");
    check(&[("debian-binary", b"3.0\n")], "debian-binary 2.0");
    check(&[("debian-binary", b"2.0\n and more bytes")], "debian-binary 2.0");
    check(&[version], "it ends before control.tar");
    check(&[version, ("data.tar.gz", b"")], "it has data.tar.gz where control.tar");
    check(&[version, ("control.tar.lzma", b"")], "control.tar.lzma");
    check(&[version, ("control.tar.gz", &control)], "it ends before data.tar");
    check(&[version, ("control.tar.gz", b"no gzip")], "control member");
    for (odd, expected) in [
        (device("./null"), "character device"),
        (symlink("./control", "/etc/passwd"), "control, which has no meaning"),
        (file("./../control", 0o644, b""), "../control"),
        (file("./sub/control", 0o644, b""), "sub/control"),
    ] {
        check(&[version, ("control.tar.gz", &gzip(&tar(&[odd])))], expected);
    }
    let twice = gzip(&tar(&[file("./control", 0o644, b"1"), file("control", 0o644, b"2")]));
    check(&[version, ("control.tar.gz", &twice)], "no meaning");
}
