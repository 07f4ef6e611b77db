use super::*;
use attestation::evidence::Role;
use std::fs;

fn vectors(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors")).join(name)
}

fn arguments(evidence: &Path, expect: &Path) -> Explain {
    Explain {
        evidence: evidence.into(),
        expect: vec![expect.into()],
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
    let mut explained = Explained { causes: Vec::new(), as_expected: Vec::new() };
    explain_launch(&mut explained, evidence.snp().unwrap(), &launch_digests([0x90; 48]));
    assert_eq!(explained.as_expected, ["the launch digest: 1 processors of model EPYC-Milan"]);
    assert!(explained.causes.is_empty());
    explain_launch(&mut explained, evidence.snp().unwrap(), &launch_digests([0x91; 48]));
    assert!(explained.causes[0].contains("none of the 1 expected"), "{:?}", explained.causes);
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
    check("host", "nothing", "neither measurements");
    // Digests that do not follow from what they are said to be of.
    let digests = serde_json::to_string(&launch_digests([0x90; 48])).unwrap();
    check("guest", &digests, "cannot be used");
}

/// Measurements of nothing: each event of the log is one too many.
#[test]
fn a_boot_that_differs_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("expected");
    let image = fs::read(vectors("uki-boot/boots.json")).unwrap();
    assert!(serde_json::from_slice::<Measurements>(&image).is_err(), "it is no such file");
    let prediction = Prediction::from_events(Vec::new()).unwrap();
    let evidence = super::super::show::evidence(&vectors("evidence/host.evidence")).unwrap();
    let mut found = Explained { causes: Vec::new(), as_expected: Vec::new() };
    let arguments = arguments(&vectors("evidence/host.evidence"), &file);
    explain_boot(&mut found, &arguments, evidence.tpm().unwrap(), &prediction, &[]).unwrap();
    assert!(found.causes.iter().any(|cause| cause.contains("PCR 4")), "{:?}", found.causes);
    assert!(found.causes.iter().any(|cause| cause.contains("PCR 11")), "{:?}", found.causes);
}
