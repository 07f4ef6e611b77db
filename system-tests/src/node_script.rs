//! Programs for Node in `system-tests/clients/`.

use crate::LocalNetwork;
use crate::provided::{canisters, node_modules, source};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a script on a network to its end; panics with all it printed when it fails.
///
/// The script finds `ENDPOINT`, `ROOT_KEY` (hexadecimal DER), `SUBNET_ID` and `CANISTERS` in its
/// environment, and may leave files in `OUTPUT`.
pub fn run(script: &str, network: &LocalNetwork, output: &Path) {
    run_with(script, network, output, &[]);
}

/// The same with more variables.
pub fn run_with(script: &str, network: &LocalNetwork, output: &Path, variables: &[(&str, String)]) {
    let mut all = vec![
        ("ENDPOINT", network.endpoint().to_string()),
        ("ROOT_KEY", hex::encode(network.root_key())),
        ("SUBNET_ID", network.subnet_id().to_text()),
        ("CANISTERS", canisters().to_string_lossy().into_owned()),
    ];
    all.extend_from_slice(variables);
    run_alone(script, output, &all);
}

/// Runs a script that needs no network, with `OUTPUT` and more variables.
pub fn run_alone(script: &str, output: &Path, variables: &[(&str, String)]) {
    // An ES module finds packages by the folder it lies in, so all are copied beside the packages.
    let folder =
        tempfile::Builder::new().prefix("plinth-node-").tempdir().expect("a temporary folder");
    for entry in std::fs::read_dir(source("system-tests/clients")).expect("it is part of the clone")
    {
        let file = entry.expect("the clone can be read");
        std::fs::copy(file.path(), folder.path().join(file.file_name()))
            .expect("the temporary folder can be written");
    }
    std::os::unix::fs::symlink(node_modules(), folder.path().join("node_modules"))
        .expect("the temporary folder can be written");
    let result = Command::new("node")
        .arg(folder.path().join(script))
        .env("OUTPUT", output)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()
        .expect("node can be started");
    let said = String::from_utf8_lossy(&result.stdout);
    let complained = String::from_utf8_lossy(&result.stderr);
    println!("{said}");
    assert!(result.status.success(), "{script} failed:\n{said}\n{complained}");
    assert!(
        said.lines().any(|line| line == "done"),
        "{script} ended before its end:\n{said}\n{complained}"
    );
}
