//! Software TPMs for tests: each test has one of its own, with its own state and socket.
//!
//! Include it with `#[path = "…/os-kit/tpm/tests/swtpm/mod.rs"] mod swtpm;`. It needs Debian's `swtpm`
//! and `swtpm-tools`, which the set-up of the project installs. Making a TPM with its certificates
//! takes a second; it is done once for each name and kept beside the test program.
#![allow(dead_code, reason = "each program that includes this uses a part of it")]

pub mod raw;
pub mod relay;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use os_kit_tpm::{Expect, Tpm, TpmAddress, TpmError};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Banks of the software TPMs.
const BANKS: &str = "sha1,sha256,sha384";

/// The file in which swtpm keeps the persistent state.
const STATE_FILE: &str = "tpm2-00.permall";

/// A machine's TPM.
pub struct Machine {
    folder: TempDir,
    process: Option<Child>,
    /// Listens here in place of the socket.
    port: Option<SocketAddr>,
}

impl Machine {
    /// A machine that was switched on. Machines of one name have the same TPM.
    pub fn new(name: &str) -> Self {
        let mut machine = Self::switched_off(name);
        machine.switch_on();
        machine
    }

    /// As `new`, but the TPM listens on a port of this machine.
    pub fn on_a_port(name: &str) -> Self {
        let mut machine = Self::switched_off(name);
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        machine.port = Some(free.local_addr().unwrap());
        machine.spawn(free.into(), "startup-clear");
        machine
    }

    fn switched_off(name: &str) -> Self {
        let made = manufactured(name);
        let folder = TempDir::with_prefix("plinth-swtpm-").unwrap();
        fs::copy(made.join("state").join(STATE_FILE), folder.path().join(STATE_FILE)).unwrap();
        Self { folder, process: None, port: None }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub fn address(&self) -> TpmAddress {
        match self.port {
            Some(port) => TpmAddress::tcp(port).unwrap(),
            None => TpmAddress::unix(self.socket()).unwrap(),
        }
    }

    /// A connection to whatever TPM it is.
    pub fn open(&self) -> Tpm {
        self.try_open().unwrap()
    }

    pub fn try_open(&self) -> Result<Tpm, TpmError> {
        Tpm::open(&self.address(), &Expect::AnyTpm)
    }

    pub fn open_within(&self, time_limit: Duration) -> Result<Tpm, TpmError> {
        Tpm::open_within(&self.address(), &Expect::AnyTpm, time_limit)
    }

    /// Starts the TPM, as the firmware does after power comes.
    pub fn switch_on(&mut self) {
        self.start("startup-clear");
    }

    /// Powers the TPM, but does not start it: what no firmware should do.
    pub fn power_without_startup(&mut self) {
        self.start("startup-none");
    }

    fn start(&mut self, startup: &str) {
        let socket = self.socket();
        let _ = fs::remove_file(&socket);
        self.spawn(UnixListener::bind(&socket).unwrap().into(), startup);
    }

    /// The TPM inherits the listening socket, of either kind: it can be connected to before the TPM is
    /// up. (`type=tcp` would take the descriptor for a connection.)
    fn spawn(&mut self, listener: OwnedFd, startup: &str) {
        assert!(self.process.is_none(), "it is on");
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--server", "type=unixio,fd=0"])
            .args(["--flags", &format!("not-need-init,{startup}")])
            .arg("--tpmstate")
            .arg(format!("dir={}", self.folder.path().display()))
            .stdin(listener)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm starts: `cargo xtask setup` installs it");
        self.process = Some(process);
    }

    /// Takes the power away, in the middle of whatever the TPM is doing.
    pub fn switch_off(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// A restart of the machine.
    pub fn restart(&mut self) {
        self.switch_off();
        self.switch_on();
    }

    /// Stops the TPM without ending it: it answers nothing from now on.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What a person at the console does in the firmware: TPM2_Clear by the platform.
    pub fn clear_by_firmware(&self) {
        let (code, _) = self.raw().command(raw::CLEAR, &[raw::PLATFORM], &[b""], &[]);
        assert_eq!(code, 0);
    }

    /// A program that speaks to the TPM by itself. The TPM serves one connection at a time.
    pub fn raw(&self) -> raw::Raw {
        raw::Raw::connect(&self.socket())
    }

    /// The processor time that the TPM has used since it was switched on.
    pub fn processor_time(&self) -> Duration {
        let id = self.process.as_ref().expect("it is on").id();
        let figures = fs::read_to_string(format!("/proc/{id}/schedstat")).unwrap();
        let nanos = figures.split_whitespace().next().unwrap().parse().unwrap();
        Duration::from_nanos(nanos)
    }

    /// What takes the power away from another thread. `switch_off` is called all the same afterwards.
    pub fn plug(&self) -> Plug {
        let id = self.process.as_ref().expect("it is on").id();
        Plug(Pid::from_raw(i32::try_from(id).unwrap()))
    }

    fn signal(&self, signal: Signal) {
        kill(self.plug().0, signal).unwrap();
    }
}

/// The plug of a machine, which is not switched off meanwhile.
#[derive(Clone, Copy)]
pub struct Plug(Pid);

impl Plug {
    pub fn pull(self) {
        kill(self.0, Signal::SIGKILL).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.switch_off();
    }
}

/// The folder of a TPM that was made once: `state`, and `ca` with its issuers' certificates.
pub fn manufactured(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap().join("swtpm");
    let made = folder.join(name);
    if made.is_dir() {
        return made;
    }
    fs::create_dir_all(&folder).unwrap();
    // Made beside its place and renamed, so that tests in parallel see it whole or not at all.
    let partial = TempDir::with_prefix_in(format!("{name}."), &folder).unwrap();
    manufacture(name, partial.path());
    let partial = partial.keep();
    if fs::rename(&partial, &made).is_err() {
        assert!(made.is_dir(), "another test was faster");
        fs::remove_dir_all(&partial).unwrap();
    }
    made
}

fn manufacture(name: &str, folder: &Path) {
    let at = |part: &str| folder.join(part).display().to_string();
    for part in ["state", "ca"] {
        fs::create_dir(folder.join(part)).unwrap();
    }
    let write = |part: &str, text: String| fs::write(folder.join(part), text).unwrap();
    write(
        "ca.conf",
        format!(
            "statedir = {0}\nsigningkey = {0}/key.pem\nissuercert = {0}/issuer.pem\n\
             certserial = {0}/serial\n",
            at("ca")
        ),
    );
    write(
        "ca.options",
        "--platform-manufacturer Plinth\n--platform-version 1\n--platform-model test\n".into(),
    );
    write(
        "setup.conf",
        format!(
            "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {}\n\
             create_certs_tool_options = {}\nactive_pcr_banks = {BANKS}\n",
            at("ca.conf"),
            at("ca.options")
        ),
    );
    let output = Command::new("swtpm_setup")
        .args(["--tpm2", "--create-ek-cert", "--create-platform-cert", "--lock-nvram"])
        .args(["--overwrite", "--pcr-banks", BANKS, "--vmid", name])
        .args(["--tpmstate", &at("state"), "--config", &at("setup.conf")])
        .output()
        .expect("swtpm_setup starts: `cargo xtask setup` installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "swtpm_setup failed: {said}");
}
