//! The clone's own description, and what is refused.

use super::*;

const TEXT: &str = "
purpose: for tests
packages: [aa]
layout:
  programs: {ar: /ar, cargo: /cargo, clang: /clang, lld: /lld, rustc: /rustc}
  loader: /ld.so
  libraries: [/lib]
  clang_resources: /clang
";

#[test]
fn the_clones_own_description_is_good() {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let description = Description::read(&crate::build::toolchain_path(&clone)).unwrap();
    assert!(description.request().packages.contains("rustc-web"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let check = |from: &str, to: &str, expected: &str| {
        assert!(TEXT.contains(from), "{from}");
        let text = TEXT.replacen(from, to, 1);
        let error = Description::parse(&text, Path::new("toolchain.yaml")).unwrap_err();
        let text = format!("{error} {:?}", std::error::Error::source(&error));
        assert!(text.contains(expected), "{from} -> {to}: {text}");
    };
    Description::parse(TEXT, Path::new("x")).unwrap();
    check("purpose", "porpoise", "porpoise");
    check("lld: /lld, ", "", "lld is missing");
    check("/ld.so", "ld.so", "must begin with /");
    check("[/lib]", "[/lib/../..]", "..");
    check("[/lib]", "[]", "at least one");
    check("layout", "omit: {gcc: ''}\nlayout", "for which reason gcc");
    check("/ld.so", "/ld.so\n  more: 1", "more");
    check("purpose", "more: 1\npurpose", "more");
}
