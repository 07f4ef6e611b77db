use super::*;
use attestation::evidence::Role;
use image_build::measure::{GuestParts, LaunchDigest};
use serde_json::json;
use std::fs;
use std::path::Path;

fn vectors(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors")).join(name)
}

fn arguments(evidence: &Path, expect: &Path) -> Explain {
    Explain {
        evidence: evidence.into(),
        expect: vec![expect.into()],
        image: None,
        known: Vec::new(),
        command_line: None,
        json: false,
    }
}

fn launch_digests(digest: [u8; 48]) -> LaunchDigests {
    use image_build::measure::Hex;
    LaunchDigests {
        firmware: Hex([0; 32]),
        kernel: Hex([0; 32]),
        initrd: Hex([0; 32]),
        command_line: String::new(),
        features: 1,
        base: Hex([0; 48]),
        further_start: None,
        digests: vec![LaunchDigest {
            processor: "EPYC-Milan".into(),
            count: 1,
            digest: Hex(digest),
        }],
    }
}

#[test]
fn launch_digests_are_compared() {
    let evidence = super::super::show::evidence(&vectors("evidence/guest.evidence")).unwrap();
    assert_eq!(evidence.statement().role, Role::Guest);
    let label =
        |name: &str, digest| Expected { label: name.to_owned(), measured: launch_digests(digest) };
    let compare = |digests: &[Expected<LaunchDigests>]| {
        let mut explained = Explained::default();
        explain_launch(&mut explained, evidence.snp().unwrap(), digests);
        explained
    };
    let good = compare(&[label("old", [0x91; 48]), label("new", [0x90; 48])]);
    let found = "the launch digest, as of new: 1 processors of model EPYC-Milan";
    assert_eq!(good.as_expected, [found]);
    assert!(good.causes.is_empty());
    let other = compare(&[label("old", [0x91; 48])]);
    assert!(other.causes[0].contains("none of the 1 expected"), "{:?}", other.causes);
}

#[test]
fn files_that_expect_something_else_are_unusable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("expected");
    let check = |role: &str, content: &str, part: &str| {
        fs::write(&file, content).unwrap();
        let evidence = vectors(&format!("evidence/{role}.evidence"));
        let error = explained(&arguments(&evidence, &file)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    };
    check("host", "{}", "neither measurements");
    check("host", "nothing", "it is no JSON");
    check("host", r#"{"version": "1", "images": {}}"#, "neither measurements");
    // Digests that do not follow from what they are said to be of.
    let digests = serde_json::to_string(&launch_digests([0x90; 48])).unwrap();
    check("guest", &digests, "cannot be used");
}

/// Measurements of nothing: each event of the log is one too many.
#[test]
fn a_boot_that_differs_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("expected");
    let prediction = Prediction::from_events(Vec::new()).unwrap();
    let expected = [Expected { label: "nothing".to_owned(), measured: prediction }];
    let evidence = super::super::show::evidence(&vectors("evidence/host.evidence")).unwrap();
    let mut found = Explained::default();
    let arguments = arguments(&vectors("evidence/host.evidence"), &file);
    explain_boot(&mut found, &arguments, evidence.tpm().unwrap(), &expected, &[]).unwrap();
    assert!(found.causes.iter().any(|cause| cause.contains("PCR 4")), "{:?}", found.causes);
    assert!(found.causes.iter().any(|cause| cause.contains("PCR 11")), "{:?}", found.causes);
}

/// A manifest says what each of its images measures.
#[test]
fn a_release_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("release.json");
    let part = |digest| serde_json::to_value(launch_digests(digest)).unwrap();
    let manifest = json!({"version": "1.2.3", "images": {
        "guestos": {"launch_digests": part([0x90; 48])},
        "other": {"launch_digests": part([0x91; 48])},
    }});
    fs::write(&file, manifest.to_string()).unwrap();
    // Digests are held against their base: these are of nothing.
    let all = crate::expected::read_file(&file, None).unwrap_err().to_string();
    assert!(all.contains("1.2.3 (guestos)"), "{all}");
    let other = crate::expected::read_file(&file, Some("other")).unwrap_err().to_string();
    assert!(other.contains("1.2.3 (other)"), "{other}");
    let none = crate::expected::read_file(&file, Some("hostos")).unwrap_err().to_string();
    assert!(none.contains("no measurements of image hostos"), "{none}");
}

/// Of a machine both parts are compared, and one of which nothing is expected is named.
#[test]
fn a_machine_is_compared_with_a_release() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("release.json");
    let firmware = fs::read(vectors("launch/guest-firmware.bin")).unwrap();
    let parts = GuestParts {
        firmware: &firmware,
        kernel: b"kernel",
        initrd: b"initrd",
        command_line: "quiet",
    };
    let digests = image_build::measure::launch_digests(&parts).unwrap();
    let manifest = json!({"version": "1.2.3", "images": {"guestos": {"launch_digests": digests}}});
    fs::write(&file, manifest.to_string()).unwrap();
    let mut arguments = arguments(&vectors("evidence/machine.evidence"), &file);
    let found = explained(&arguments).unwrap();
    assert_eq!(found.compared_with, ["1.2.3 (guestos)"]);
    assert_eq!(found.not_compared, ["the TPM's part: no measurements were given"]);
    assert!(found.causes[0].contains("the launch digest 9090"), "{:?}", found.causes);
    assert!(found.as_text().contains("not compared: the TPM's part"));
    arguments.evidence = vectors("evidence/host.evidence");
    let error = explained(&arguments).unwrap_err().to_string();
    assert!(error.contains("it is evidence of a host; expect measurements"), "{error}");
    arguments.image = Some("hostos".to_owned());
    let error = explained(&arguments).unwrap_err().to_string();
    assert!(error.contains("no measurements of image hostos"), "{error}");
}
