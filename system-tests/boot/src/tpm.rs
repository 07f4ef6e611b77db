//! A software TPM that a machine uses and that the test reads at the same time.
//!
//! QEMU wants a TPM for itself. So the test stands between: it gives QEMU the control socket, passes what QEMU
//! asks for on to swtpm, and puts commands of its own between those of the machine.
//!
//! ```text
//!  QEMU --control, a file descriptor for commands--> Tpm --control, commands--> swtpm
//!                                            test --read--^
//! ```

use attestation::crypto::{Digest, Hash};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::fs;
use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(20);
/// The control command that hands over a file descriptor for TPM commands (swtpm's tpm_ioctl.h).
const SET_DATA_FD: u32 = 16;
const TPM_ST_NO_SESSIONS: u16 = 0x8001;
const TPM_CC_PCR_READ: u32 = 0x0000_017e;
/// Tag, size, code.
const HEADER_BYTES: usize = 10;

/// A TPM with the banks of SHA-256 and SHA-384, as it comes from its maker.
pub struct Tpm {
    folder: tempfile::TempDir,
    process: Child,
    commands: Arc<Mutex<UnixStream>>,
}

impl Tpm {
    /// A new one, in a process of its own.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let state = folder.path().join("state");
        fs::create_dir(&state).expect("a folder can be made");
        let mut setup = Command::new("swtpm_setup");
        setup.args(["--tpm2", "--overwrite", "--pcr-banks", "sha256,sha384", "--tpmstate"]);
        let output = setup.arg(&state).output().unwrap_or_else(missing);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = |name: &str| folder.path().join(name);
        let mut swtpm = Command::new("swtpm");
        swtpm.args(["socket", "--tpm2", "--flags", "startup-clear"]);
        swtpm.arg("--tpmstate").arg(format!("dir={}", state.display()));
        swtpm.arg("--server").arg(format!("type=unixio,path={}", path("data").display()));
        swtpm.arg("--ctrl").arg(format!("type=unixio,path={}", path("control").display()));
        let process = swtpm.stdout(Stdio::null()).spawn().unwrap_or_else(missing);
        let control = connect(&path("control"));
        let commands = Arc::new(Mutex::new(connect(&path("data"))));
        let listener = UnixListener::bind(path("tpm")).expect("a socket can be made");
        let shared = commands.clone();
        thread::spawn(move || {
            if let Ok((qemu, _)) = listener.accept() {
                pass_control(&qemu, control, &shared);
            }
        });
        Self { folder, process, commands }
    }

    /// Where QEMU finds it.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("tpm")
    }

    /// The value of a PCR now.
    pub fn pcr(&self, bank: Hash, pcr: u8) -> Digest {
        let algorithm: u16 = if bank == Hash::Sha256 { 0x000b } else { 0x000c };
        let mut selected = [0; 3];
        selected[usize::from(pcr / 8)] = 1 << (pcr % 8);
        let mut command = TPM_ST_NO_SESSIONS.to_be_bytes().to_vec();
        command.extend(20_u32.to_be_bytes());
        command.extend(TPM_CC_PCR_READ.to_be_bytes());
        command.extend(1_u32.to_be_bytes());
        command.extend(algorithm.to_be_bytes());
        command.push(selected.len() as u8);
        command.extend(selected);
        let mut tpm = self.commands.lock().expect("no thread panics with it");
        let answer = exchange(&mut tpm, &command).expect("swtpm answers");
        // Header, a counter, the selection again, how many digests; then the length of the only one.
        let digest = &answer[HEADER_BYTES + 4 + 10 + 4..];
        let length = usize::from(u16::from_be_bytes([digest[0], digest[1]]));
        Digest::from_bytes(bank, &digest[2..2 + length]).expect("a digest of the bank")
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        // It ends by itself when QEMU does.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn missing<T>(error: std::io::Error) -> T {
    panic!("swtpm: {error}; `cargo xtask setup` installs it")
}

fn connect(path: &Path) -> UnixStream {
    let start = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(error) => assert!(start.elapsed() < START_MAX, "swtpm does not answer: {error}"),
        }
        thread::yield_now();
    }
}

/// Control commands of QEMU, one after the other, until it ends.
fn pass_control(qemu: &UnixStream, mut swtpm: UnixStream, commands: &Arc<Mutex<UnixStream>>) {
    let mut answer = [0; 4096];
    while let Some((request, descriptor)) = receive(qemu) {
        let code = request.get(..4).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        let got = match descriptor {
            Some(data) if code == Some(SET_DATA_FD) => {
                let commands = commands.clone();
                thread::spawn(move || pass_commands(UnixStream::from(data), &commands));
                answer[..4].fill(0); // Done.
                4
            }
            _ => match swtpm.write_all(&request).and_then(|()| swtpm.read(&mut answer)) {
                Ok(got) if got > 0 => got,
                _ => return,
            },
        };
        let mut qemu = qemu;
        if qemu.write_all(&answer[..got]).is_err() {
            return;
        }
    }
}

/// One message with the file descriptor that came along; none at the end.
fn receive(from: &UnixStream) -> Option<(Vec<u8>, Option<OwnedFd>)> {
    let mut bytes = vec![0; 4096];
    let mut room = nix::cmsg_space!(RawFd);
    let (got, descriptor) = {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<()>(
            from.as_raw_fd(),
            &mut parts,
            Some(&mut room),
            MsgFlags::MSG_CMSG_CLOEXEC,
        );
        let message = message.ok()?;
        let mut descriptor = None;
        for control in message.cmsgs().ok()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
                descriptor = descriptors.first().map(|raw| unsafe { OwnedFd::from_raw_fd(*raw) });
            }
        }
        (message.bytes, descriptor)
    };
    bytes.truncate(got);
    (got > 0).then_some((bytes, descriptor))
}

/// TPM commands of the machine, until it ends.
fn pass_commands(mut machine: UnixStream, tpm: &Arc<Mutex<UnixStream>>) {
    while let Ok(command) = read_one(&mut machine) {
        let mut tpm = tpm.lock().expect("no thread panics with it");
        let Ok(answer) = exchange(&mut tpm, &command) else { return };
        if machine.write_all(&answer).is_err() {
            return;
        }
    }
}

fn exchange(tpm: &mut UnixStream, command: &[u8]) -> std::io::Result<Vec<u8>> {
    tpm.write_all(command)?;
    read_one(tpm)
}

/// A command or an answer: both say their length.
fn read_one(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER_BYTES];
    from.read_exact(&mut bytes)?;
    let size = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]) as usize;
    bytes.resize(size.clamp(HEADER_BYTES, 1 << 16), 0);
    from.read_exact(&mut bytes[HEADER_BYTES..])?;
    Ok(bytes)
}
