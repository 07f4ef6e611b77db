//! The files beside the log, and what is printed for scripts.

use super::boots::*;
use super::*;
use serde_json::{Value, json};

fn fails(expected: &Value, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("log"), Boot::real("plain").whole_log()).unwrap();
    std::fs::write(path("expected.json"), serde_json::to_vec(expected).unwrap()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let words = ["explain".to_owned(), "--log".to_owned(), text(&path("log"))];
    let words = words.into_iter().chain(["--expect".to_owned(), text(&path("expected.json"))]);
    let words = words.chain(more.iter().map(|word| (*word).to_owned()));
    match explained(&Line::try_parse_from(words).unwrap().explain) {
        Ok(explained) => explained.as_text(),
        Err(error) => {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        }
    }
}

fn measured() -> Value {
    serde_json::to_value(expected(&Boot::real("plain"), false)).unwrap()
}

#[test]
fn manifests_have_an_image_or_several() {
    let loader = expected(&Boot::real("systemd-boot"), true);
    let manifest = json!({
        "version": "7",
        "images": {
            "guestos": {},
            "hostos": {"measurements": loader},
            "setupos": {"measurements": measured()},
        },
    });
    // The one that fits is taken, or the one that is named.
    assert!(fails(&manifest, &[]).starts_with("as expected: 7 (setupos), sha256"));
    assert!(fails(&manifest, &["--image", "setupos"]).starts_with("as expected: 7 (setupos)"));
    let other = fails(&manifest, &["--image", "hostos"]);
    assert!(other.starts_with("deviates from 7 (hostos), sha256, for one cause:\n"), "{other}");
    let none = fails(&manifest, &["--image", "guestos"]);
    assert!(none.ends_with("it has no measurements of image guestos"), "{none}");
}

#[test]
fn unusable_expectations() {
    let check = |expected: &Value, wanted: &str| {
        let text = fails(expected, &[]);
        assert!(text.contains(wanted), "{text}");
    };
    check(&json!({}), "it has neither measurements nor launch digests");
    check(&json!([1]), "it has neither measurements nor launch digests");
    let mut changed = measured();
    changed["events"][0]["sha256"] = json!("00");
    check(&changed, "is not 32 bytes in lower-case hex");
    let mut changed = measured();
    changed["pcrs"][0]["sha256"] = json!("00".repeat(32));
    check(&changed, "the PCR values are not what the events give");
    let mut changed = measured();
    changed["more"] = json!(1);
    check(&changed, "unknown field");
}

#[test]
fn quotes_in_both_forms() {
    let values = Boot::real("plain").quoted(&["sysinit", "ready"]);
    let parse = |text: &str| pcrs::parse(text.as_bytes(), Path::new("pcrs"));
    let mut lines = "  sha256:\n".to_owned();
    for (pcr, value) in values.iter() {
        lines += &format!("    {pcr:<2}: 0x{}\n", value.to_string().to_uppercase());
    }
    assert_eq!(parse(&lines).unwrap(), values);
    let map: BTreeMap<u8, String> =
        values.iter().map(|(pcr, value)| (pcr, value.to_string())).collect();
    let plain = json!({"sha256": map});
    assert_eq!(parse(&plain.to_string()).unwrap(), values);
    let wrapped = json!({"verdict": "replayed", "pcrs": plain, "failed": [], "checks": []});
    assert_eq!(parse(&wrapped.to_string()).unwrap(), values);
    let refused = |text: &str| {
        let error = parse(text).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    };
    for text in [
        "",
        "{}",
        "{",
        "sha256:\n",
        "0: 00",
        "sha256:\n 24: 00",
        "sha256:\n 4: 00",
        "sha3:\n 4: 00",
        "sha256:\n four",
    ] {
        refused(text);
    }
}

#[test]
fn scripts_get_json() {
    let mut boot = Boot::real("plain");
    let expected = expected(&boot, false);
    boot.change_command_line("quiet");
    let explained = told(&boot.whole_log(), &expected, &Given::default()).unwrap();
    let value = serde_json::to_value(&explained).unwrap();
    assert_eq!(value["verdict"], "deviates");
    assert_eq!(value["bank"], "sha256");
    assert_eq!(value["causes"][0]["found"], json!([{"pcr": 11, "event": 27}]));
    assert_eq!(value["causes"][0]["consequences"].as_array().unwrap().len(), 2);
    assert_eq!(value["pcrs"].as_array().unwrap().len(), 7);
    assert_eq!(value["pcrs"][1]["expected"], value["pcrs"][1]["log"]);
    assert_ne!(value["pcrs"][0]["expected"], value["pcrs"][0]["log"]);
}
