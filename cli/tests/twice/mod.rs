//! `plinth image verify-reproducible` as a user runs it.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Runs it with these arguments; every file must be the same, these among them.
pub fn check(arguments: &[&str], files: &[&str]) {
    let clone =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the clone");
    let mut command = Command::new(env!("CARGO_BIN_EXE_plinth"));
    command.args(["image", "verify-reproducible", "--json"]).args(arguments);
    if !arguments.contains(&"--source") {
        command.arg("--source").arg(clone);
    }
    let output = command.output().expect("plinth can be started");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{complained}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["reproducible"], true, "{report}");
    let compared = report["files"].as_array().expect("a list of files");
    for name in files {
        let file = compared.iter().find(|file| file["name"] == *name);
        let file = file.unwrap_or_else(|| panic!("{name} is missing: {report}"));
        assert!(file["bytes"].as_u64() > Some(0) && file.get("difference").is_none(), "{file}");
    }
    // What could not be varied is said. Only who is not root may have more than the clock there.
    let variations = report["variations"].as_array().expect("a list of variations");
    let not_varied = variations.iter().filter(|variation| variation.get("not_varied").is_some());
    assert!(variations.len() >= 12 && not_varied.count() <= 4, "{report}");
}
