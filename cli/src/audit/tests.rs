use super::*;

#[test]
fn reports_are_named_by_their_form() {
    for good in ["a.html", "b/c.json"] {
        assert!(report_writer(Path::new(good)).is_ok(), "{good}");
    }
    for bad in ["a", "a.pdf", "html"] {
        let error = report_writer(Path::new(bad)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{bad}");
    }
}

#[test]
fn a_folder_without_a_release_is_unusable_input() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = Audit {
        release: dir.path().into(),
        tier: Tier::Manifest,
        digest: None,
        report: None,
        json: false,
        scratch: None,
        jobs: Some(1),
        source: ".".into(),
        rebuild_with: Vec::new(),
    };
    let error = run(&arguments).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("is no release"), "{error}");
}
