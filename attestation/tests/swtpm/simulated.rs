//! A simulated TPM (swtpm) and the tools that drive it (tpm2-tools): an implementation that is not ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(20);
const MISSING: &str = "cannot be started: `cargo xtask setup` installs it";

/// A TPM that lives as long as this value, with a folder for files.
pub struct Simulated {
    folder: tempfile::TempDir,
    process: Child,
}

impl Simulated {
    /// A new TPM with these banks, such as `sha1,sha256`.
    pub fn start(banks: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let state = folder.path().join("state");
        fs::create_dir(&state).expect("a folder can be made");
        let mut setup = Command::new("swtpm_setup");
        setup.arg("--tpm2").arg("--tpmstate").arg(&state);
        setup.args(["--overwrite", "--pcr-banks", banks]);
        succeed(&mut setup);
        let socket = folder.path().join("tpm");
        let mut swtpm = Command::new("swtpm");
        swtpm.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"]);
        swtpm.arg("--tpmstate").arg(format!("dir={}", state.display()));
        swtpm.arg("--server").arg(format!("type=unixio,path={}", socket.display()));
        swtpm.arg("--ctrl").arg(format!("type=unixio,path={}.ctrl", socket.display()));
        swtpm.stdout(Stdio::null()).stderr(Stdio::null());
        let process = swtpm.spawn().unwrap_or_else(|error| panic!("swtpm {MISSING}: {error}"));
        let simulated = Self { folder, process };
        let start = Instant::now();
        while !socket.exists() || !simulated.run("tpm2_getcap", &["algorithms"]).status.success() {
            assert!(start.elapsed() < START_MAX, "swtpm does not answer");
            std::thread::yield_now();
        }
        simulated
    }

    /// Runs a tool that must succeed; file names are relative to the folder.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.run(name, arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {arguments:?}: {text}");
        // Without a resource manager the TPM has room for three objects.
        let flushed = self.run("tpm2_flushcontext", &["-t"]);
        assert!(flushed.status.success(), "transient objects are flushed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a tool that may fail.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(name);
        command.args(arguments).current_dir(self.folder.path());
        command.env("TPM2TOOLS_TCTI", format!("swtpm:path={}", self.path("tpm").display()));
        command.env("TSS2_LOG", "all+none");
        command.output().unwrap_or_else(|error| panic!("{name} {MISSING}: {error}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    /// A file that a tool wrote.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A file for a tool.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        // It may have stopped by itself, which is no matter here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} {MISSING}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}
