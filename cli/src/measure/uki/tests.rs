use super::*;
use attestation::predict::boot::What;
use clap::Parser;

/// The options alone, as a command line.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    measure: MeasureUki,
}

#[test]
fn what_is_no_image_has_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostos.efi");
    let fails = || {
        let line = Line::try_parse_from(["uki", path.to_str().unwrap()]).unwrap();
        let error = run(&line.measure).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    };
    assert!(fails().contains("cannot read"));
    std::fs::write(&path, b"MZ").unwrap();
    let error = fails();
    assert!(error.starts_with("the unified kernel image cannot be read: "), "{error}");
}

#[test]
fn events_are_lines_for_people() {
    use image_build::measure::Hex;
    let line = |what: What, content: Option<Content>| {
        let (sha256, sha384) = (Hex([0xab; 32]), Hex([0; 48]));
        event_line(&MeasuredEvent { pcr: 9, what: what.id(), sha256, sha384, content })
    };
    let digest = "ab".repeat(32);
    let options = Some(Content::Utf16("quiet\0".to_owned()));
    let expected = format!("  9 : {digest} load-options \"quiet\"\n");
    assert_eq!(line(What::LoadOptions, options), expected);
    assert_eq!(line(What::Initrd, None), format!("  9 : {digest} initrd\n"));
    let hex = Some(Content::Hex("00000000".to_owned()));
    assert_eq!(line(What::Separator, hex), format!("  9 : {digest} separator 00000000\n"));
}
