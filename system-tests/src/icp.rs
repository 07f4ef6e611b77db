//! The `icp` client as a user runs it, in a project of its own.

use crate::provided::{canisters, node_modules, source};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A copy of the project in `examples/`, with a home of its own, so that nothing of the user's is touched.
pub struct Project {
    folder: TempDir,
}

/// The environment of the project: a network that runs already.
const ENVIRONMENT: &str = "plinth";

impl Project {
    /// The example project for the network whose endpoint has this port.
    pub fn new(port: u16) -> Self {
        let folder =
            tempfile::Builder::new().prefix("plinth-icp-").tempdir().expect("a temporary folder");
        let path = source("examples/icp.yaml");
        let yaml =
            std::fs::read_to_string(&path).expect("the example project is part of the clone");
        // The modules are built already; the address is this test's.
        let yaml =
            replace(&yaml, "cargo xtask canisters --copy rust-counter", &copy("rust-counter"));
        let yaml =
            replace(&yaml, "cargo xtask canisters --copy motoko-ledger", &copy("motoko-ledger"));
        let yaml = replace(&yaml, "127.0.0.1:4943", &format!("127.0.0.1:{port}"));
        std::fs::write(folder.path().join("icp.yaml"), yaml)
            .expect("the temporary folder can be written");
        std::fs::create_dir(folder.path().join("home"))
            .expect("the temporary folder can be written");
        Self { folder }
    }

    /// Runs `icp ARGUMENTS -e ENVIRONMENT`; returns what it prints, or panics with why it failed.
    pub fn icp(&self, arguments: &[&str]) -> String {
        let output = self.try_icp(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "icp {} failed:\n{said}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// As `icp`, for a command that must fail; returns what it says on stderr.
    pub fn icp_fails(&self, arguments: &[&str]) -> String {
        let output = self.try_icp(arguments);
        assert!(!output.status.success(), "icp {} did not fail", arguments.join(" "));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// An update call with arguments in Candid's text form; returns the answer in that form.
    pub fn call(&self, canister: &str, method: &str, arguments: &str) -> String {
        self.icp(&["canister", "call", canister, method, arguments])
    }

    /// A query call.
    pub fn query(&self, canister: &str, method: &str, arguments: &str) -> String {
        self.icp(&["canister", "call", "--query", canister, method, arguments])
    }

    /// The id that a canister of the project got.
    pub fn canister_id(&self, canister: &str) -> String {
        self.icp(&["canister", "status", "--id-only", canister])
    }

    /// Runs `icp ARGUMENTS -e ENVIRONMENT` and leaves it to the caller what its outcome means.
    pub fn try_icp(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(node_modules().join("@icp-sdk/icp-cli-linux-x64/bin/icp"));
        command
            .args(arguments)
            .args(["-e", ENVIRONMENT])
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path().join("home"))
            .env("DO_NOT_TRACK", "1")
            .env("PATH", path_with_ic_wasm())
            .stdin(Stdio::null());
        for variable in
            ["ICP_HOME", "ICP_ENVIRONMENT", "ICP_NETWORK", "XDG_DATA_HOME", "XDG_CONFIG_HOME"]
        {
            command.env_remove(variable);
        }
        command.output().expect("icp can be started")
    }
}

fn copy(name: &str) -> String {
    format!("cp '{}'", canisters().join(format!("{name}.wasm")).display())
}

fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "examples/icp.yaml does not say `{from}`");
    text.replace(from, to)
}

/// `icp` runs `ic-wasm` from the path.
fn path_with_ic_wasm() -> std::ffi::OsString {
    let mut folders = vec![node_modules().join("@icp-sdk/ic-wasm-linux-x64/bin")];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(folders).expect("no folder has a colon in its name")
}
