use super::super::pe::build::{TABLE_AT, program, put};
use super::*;

fn kernel() -> Vec<u8> {
    program(&[(".text", b"kernel")])
}

/// An image with sections in another order than that of measurement.
pub(crate) fn image(command_line: &str) -> Vec<u8> {
    let kernel = kernel();
    program(&[
        (".text", b"stub"),
        (".sbat", b"sbat,1\n"),
        (".sdmagic", b"magic"),
        (".osrel", b"ID=plinth\n"),
        (".cmdline", command_line.as_bytes()),
        (".uname", b"6.12.0"),
        (".pcrsig", b"{}"),
        (".linux", &kernel),
        (".initrd", b"initrd"),
    ])
}

#[test]
fn sections_are_measured_in_the_stubs_order() {
    let bytes = image("quiet");
    let uki = Uki::parse(&bytes).unwrap();
    let names: Vec<_> = uki.section_names().collect();
    assert_eq!(names, [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"]);
    let measured = uki.stub_measurements(Hash::Sha256);
    assert_eq!(measured.len(), 12);
    assert_eq!(measured[4].2, Hash::Sha256.digest(b".cmdline\0"));
    assert_eq!(measured[5].2, Hash::Sha256.digest(b"quiet"));
    assert_eq!(measured[1].2, Hash::Sha256.digest(&kernel()));
}

#[test]
fn images_without_a_measurement_of_their_own_are_refused() {
    let kernel = kernel();
    let error = |sections: &[(&str, &[u8])]| Uki::parse(&program(sections)).expect_err("refused");
    let none = UkiError::Image(PeError::NoSection(".linux"));
    assert_eq!(error(&[(".text", b"stub")]), none);
    let two = [(".linux", &kernel[..]), (".linux", &kernel)];
    assert_eq!(error(&two), UkiError::Image(PeError::TwoSections(".linux")));
    assert!(matches!(error(&[(".linux", b"none")]), UkiError::Kernel(_)));
    for chosen in [".profile", ".dtbauto", ".hwids", ".efifw"] {
        let sections = [(".linux", &kernel[..]), (chosen, b"one of many")];
        assert_eq!(error(&sections), UkiError::Chosen(chosen));
    }
    assert!(matches!(Uki::parse(b"MZ"), Err(UkiError::Image(_))));
    // A section that is cut off in the file.
    let mut cut = image("quiet");
    put(&mut cut, TABLE_AT + 40 * 8 + 8, 10_000);
    assert!(matches!(Uki::parse(&cut), Err(UkiError::Image(PeError::Section { .. }))));
}

#[test]
fn load_options_are_what_the_stub_hands_on() {
    let check = |text: &str, expected: &str| {
        let wanted: Vec<u8> =
            expected.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let bytes = image(text);
        assert_eq!(Uki::parse(&bytes).unwrap().load_options(), Ok(wanted), "{text:?}");
    };
    check("root=/dev/vda quiet", "root=/dev/vda quiet");
    check("  quiet \n", "quiet");
    check("a\tb\nc", "a b c");
    check("käse \u{1f9c0}", "käse \u{1f9c0}");
    check("", "");
    check("quiet\0\0", "quiet");
    let inner = image("qui\0et");
    assert_eq!(Uki::parse(&inner).unwrap().load_options(), Err(UkiError::CommandLine));
}

#[test]
fn the_stub_adds_archives_to_the_initrd() {
    let bytes = image("quiet");
    let initrd = Uki::parse(&bytes).unwrap().initrd_by_stub();
    let text = String::from_utf8_lossy(&initrd);
    assert!(initrd.starts_with(b"initrd\x00\x00070701"));
    assert_eq!(text.matches("070701").count(), 6);
    assert_eq!(text.matches("TRAILER!!!").count(), 2);
    let (signature, release) = (text.find("tpm2-pcr-signature.json"), text.find("os-release"));
    assert!(signature.is_some() && signature < release);
    assert_eq!(initrd.len() % 4, 0);
}
