//! A machine in QEMU, seen by its console.

use crate::tpm::Tpm;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A start takes half a minute under emulation; so much more on a machine that is busy.
pub const START_MAX: Duration = Duration::from_secs(240);

/// What starts a machine.
pub enum Starter<'a> {
    /// Firmware with its variables, and a TPM.
    Firmware {
        /// Its code.
        code: &'a Path,
        /// Its variables, which are not changed.
        variables: &'a Path,
        /// The machine's TPM.
        tpm: &'a Tpm,
    },
    /// The host's loader.
    Direct {
        /// The kernel.
        kernel: &'a Path,
        /// The first root.
        initrd: &'a Path,
        /// The kernel's command line.
        command_line: &'a str,
    },
}

/// A running machine; it ends with this value. Its disk keeps nothing.
pub struct Machine {
    process: Child,
    input: ChildStdin,
    console: Arc<Console>,
}

#[derive(Default)]
struct Console {
    text: Mutex<(String, bool)>,
    more: Condvar,
}

impl Machine {
    /// Starts it from a whole disk.
    pub fn start(starter: &Starter, disk: &Path) -> Self {
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"]);
        // One processor: with two, a kernel that patches its own code on the one while the other runs it can
        // see a breakpoint that is gone already, and panics; seen under emulation, on a busy machine.
        qemu.args(["-smp", "1", "-m", "1G", "-nodefaults", "-no-user-config", "-nographic"]);
        qemu.args(["-serial", "stdio", "-no-reboot"]);
        // A network with an address to ask for, and nothing behind it.
        qemu.args(["-netdev", "user,id=net,restrict=on"]);
        qemu.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        let drive = |format: &str, rest: &str| format!("if=pflash,format=raw,{format},{rest}");
        match starter {
            Starter::Firmware { code, variables, tpm } => {
                let code = drive("unit=0,readonly=on", &format!("file={}", code.display()));
                let variables =
                    drive("unit=1,snapshot=on", &format!("file={}", variables.display()));
                qemu.args(["-drive", &code, "-drive", &variables]);
                let chardev = format!("socket,id=tpm,path={}", tpm.socket().display());
                qemu.args(["-chardev", &chardev, "-tpmdev", "emulator,id=tpm0,chardev=tpm"]);
                qemu.args(["-device", "tpm-crb,tpmdev=tpm0"]);
            }
            Starter::Direct { kernel, initrd, command_line } => {
                qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
                qemu.args(["-append", command_line]);
            }
        }
        let disk = format!("if=none,id=disk,format=raw,snapshot=on,file={}", disk.display());
        qemu.args(["-drive", &disk, "-device", "virtio-blk-pci,drive=disk"]);
        qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = qemu.spawn().unwrap_or_else(|error| {
            panic!("qemu-system-x86_64: {error}; `cargo xtask setup` installs it")
        });
        let input = process.stdin.take().expect("it is piped");
        let mut output = process.stdout.take().expect("it is piped");
        let console = Arc::new(Console::default());
        let shared = console.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let got = output.read(&mut bytes).unwrap_or(0);
                let mut text = shared.text.lock().expect("no thread panics with it");
                text.0.push_str(&String::from_utf8_lossy(&bytes[..got]));
                text.1 = got == 0;
                shared.more.notify_all();
                if got == 0 {
                    return;
                }
            }
        });
        Self { process, input, console }
    }

    /// Waits for a text on the console and gives all that was there by then.
    pub fn wait_for(&self, wanted: &str) -> String {
        let start = Instant::now();
        let mut text = self.console.text.lock().expect("no thread panics with it");
        loop {
            if text.0.contains(wanted) {
                return text.0.clone();
            }
            let left = START_MAX.saturating_sub(start.elapsed());
            assert!(!left.is_zero() && !text.1, "no {wanted:?} on the console:\n{}", text.0);
            text = self.console.more.wait_timeout(text, left).expect("no thread panics with it").0;
        }
    }

    /// Waits until the machine ends by itself and gives its console.
    pub fn wait_for_end(&mut self) -> String {
        let start = Instant::now();
        let mut text = self.console.text.lock().expect("no thread panics with it");
        while !text.1 {
            let left = START_MAX.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "the machine does not end:\n{}", text.0);
            text = self.console.more.wait_timeout(text, left).expect("no thread panics with it").0;
        }
        let all = text.0.clone();
        drop(text);
        assert!(self.process.wait().expect("it was started").success(), "QEMU failed:\n{all}");
        all
    }

    /// Waits until a shell answers. What is typed before it has its terminal is lost, so it is asked again.
    pub fn wait_for_shell(&mut self) {
        let start = Instant::now();
        while !self.console.text.lock().expect("no thread panics with it").0.contains("SHELL-READY")
        {
            assert!(start.elapsed() < START_MAX, "no shell answers");
            self.type_line("echo; echo SHELL-'READY'");
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Types a line on the console.
    pub fn type_line(&mut self, line: &str) {
        writeln!(self.input, "{line}").and_then(|()| self.input.flush()).expect("QEMU reads it");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself, which is no matter here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What systemd says when everything has started, and that nothing failed on the way.
pub const STARTED: &str = "systemd[1]: Startup finished in ";
const TARGET: &str = "systemd[1]: Reached target multi-user.target";

/// Asserts that a console shows an image that came up whole, from the root that its command line names.
pub fn assert_up(console: &str, root: &str, root_hash: &str) {
    assert!(console.contains(TARGET), "{console}");
    let line = format!("plinth init: root {root}, root hash {root_hash}");
    assert!(console.contains(&line), "no {line:?} in\n{console}");
    for bad in ["Failed to start", "Failed with result", "Dependency failed", "Failed to mount"] {
        assert!(!console.contains(bad), "{bad:?} in\n{console}");
    }
}
