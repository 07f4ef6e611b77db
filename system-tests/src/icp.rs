//! The `icp` client as a user runs it, in a project of its own.

use crate::provided::{canisters, node_modules, program, source};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A copy of the project in `examples/`, with a home of its own, so that nothing of the user's is touched.
pub struct Project {
    folder: TempDir,
    environment: &'static str,
}

/// The environment of the project for a network that runs already.
const CONNECTED: &str = "plinth";

/// The environment that every project has: a network that `icp` manages.
const MANAGED: &str = "local";

impl Project {
    /// The example project for the network whose endpoint has this port.
    pub fn new(port: u16) -> Self {
        let yaml = replace(&example(), "127.0.0.1:4943", &format!("127.0.0.1:{port}"));
        Self::of(&yaml, CONNECTED)
    }

    /// The example project for a network that `icp` starts on this port and stops.
    pub fn managed(port: u16) -> Self {
        let local = format!(
            "networks:\n  - name: {MANAGED}\n    mode: managed\n    gateway:\n      port: {port}\n"
        );
        Self::of(&replace(&example(), "networks:\n", &local), MANAGED)
    }

    fn of(yaml: &str, environment: &'static str) -> Self {
        let folder =
            tempfile::Builder::new().prefix("plinth-icp-").tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("icp.yaml"), yaml)
            .expect("the temporary folder can be written");
        std::fs::create_dir(folder.path().join("home"))
            .expect("the temporary folder can be written");
        Self { folder, environment }
    }

    /// The folder of the project.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `icp ARGUMENTS -e ENVIRONMENT`; returns what it prints, or panics with why it failed.
    pub fn icp(&self, arguments: &[&str]) -> String {
        succeeded(arguments, self.try_icp(arguments))
    }

    /// As `icp`, for a command that is about no environment.
    pub fn icp_anywhere(&self, arguments: &[&str]) -> String {
        succeeded(arguments, self.command(arguments).output().expect("icp can be started"))
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
        let mut command = self.command(arguments);
        command.args(["-e", self.environment]).output().expect("icp can be started")
    }

    /// `icp ARGUMENTS` in the project, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(node_modules().join("@icp-sdk/icp-cli-linux-x64/bin/icp"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path().join("home"))
            .env("DO_NOT_TRACK", "1")
            .env("PATH", path_with_ic_wasm())
            .env("ICP_CLI_NETWORK_LAUNCHER_PATH", program("plinth"))
            .stdin(Stdio::null());
        for variable in
            ["ICP_HOME", "ICP_ENVIRONMENT", "ICP_NETWORK", "XDG_DATA_HOME", "XDG_CONFIG_HOME"]
        {
            command.env_remove(variable);
        }
        command
    }
}

fn succeeded(arguments: &[&str], output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "icp {} failed:\n{said}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The project's file, with the modules that are built already.
fn example() -> String {
    let yaml = std::fs::read_to_string(source("examples/icp.yaml"))
        .expect("the example project is part of the clone");
    ["rust-counter", "motoko-ledger", "rust-site"].into_iter().fold(yaml, |yaml, name| {
        replace(&yaml, &format!("cargo xtask canisters --copy {name}"), &copy(name))
    })
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
