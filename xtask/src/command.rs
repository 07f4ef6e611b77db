//! Child processes: each is printed before it runs, gets the shared target folder and no stdin, and
//! its failure is an error that repeats the command line.

use crate::error::Error;
use crate::folders::Folders;
use crate::output::note;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// A program to run, with its arguments as they are printed.
pub struct Run {
    command: Command,
    shown: String,
}

impl Run {
    /// A program in the root of the clone.
    pub fn new(folders: &Folders, program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir(&folders.root)
            .env("CARGO_TARGET_DIR", &folders.target)
            .stdin(Stdio::null());
        Self { command, shown: program.as_ref().to_string_lossy().into_owned() }
    }

    /// The cargo that runs `xtask`, with the toolchain of the clone.
    pub fn cargo(folders: &Folders) -> Self {
        let mut run =
            Self::new(folders, std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        run.shown = "cargo".into();
        // Set by `cargo run` for this package only; a build script that watches them would run again.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                run.command.env_remove(name);
            }
        }
        run
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&argument.as_ref().to_string_lossy());
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<T: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets a variable for the program; shown in front of it.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{name}={} {}", value.as_ref().to_string_lossy(), self.shown);
        self.command.env(name, value);
        self
    }

    /// Sets a variable that would only make the shown line longer.
    pub fn quiet_env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable away from the program.
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs the program in another folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sends what the program prints on stdout to our stderr: for commands whose stdout is a result.
    pub fn output_to_stderr(mut self) -> Self {
        self.command.stdout(std::io::stderr());
        self
    }

    /// Runs it to its end; its output goes where ours goes.
    pub fn run(mut self) -> Result<(), Error> {
        note!("$ {}", self.shown);
        let status = self.command.status().map_err(|source| self.start_error(source))?;
        if status.success() { Ok(()) } else { Err(Error::Failed { command: self.shown, status }) }
    }

    /// Runs it without printing and returns what it wrote to stdout.
    pub fn read(mut self) -> Result<String, Error> {
        let output = self
            .command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| self.start_error(source))?;
        if !output.status.success() {
            return Err(Error::Failed { command: self.shown, status: output.status });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// As `read`, but a program that is absent or fails is an ordinary answer.
    pub fn probe(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Becomes the program (with our stdin); returns only when that fails.
    pub fn replace(mut self) -> Error {
        use std::os::unix::process::CommandExt;
        note!("$ {}", self.shown);
        let source = self.command.stdin(Stdio::inherit()).exec();
        self.start_error(source)
    }

    fn start_error(&self, source: std::io::Error) -> Error {
        let program = self.command.get_program().to_string_lossy().into_owned();
        Error::Start { program, source }
    }
}
