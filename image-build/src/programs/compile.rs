//! cargo with an environment of its own.

use super::crates::Crates;
use super::source::Source;
use super::{Options, ProgramsError, Progress, check_paths};
use crate::toolchain::Toolchain;
use crate::toolchain::launch::Plan;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What programs run on.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What stands for the folder that is compiled in, wherever that is.
const WORK_NAME: &str = "/plinth";
/// What stands for the folder of the toolchain.
const TOOLCHAIN_NAME: &str = "/toolchain";
/// Lines of cargo that an error shows.
const LINE_COUNT_MAX: usize = 40;

/// How cargo is set up: the release profile of the workspace, less what images do not carry and what
/// differs between runs. `VENDOR` is the folder of crates.
pub const SETTINGS: &str = r#"[source.crates-io]
replace-with = "vendor"

[source.vendor]
directory = VENDOR

[net]
offline = true

[profile.release]
debug = false
incremental = false
strip = "symbols"
"#;

/// One compilation.
pub struct Job<'a> {
    pub options: &'a Options,
    pub toolchain: &'a Toolchain,
    pub source: &'a Source,
    pub crates: &'a Crates,
    /// The time of the lock.
    pub time_s: u64,
    /// The folder to compile in; what an interrupted run left there is gone on with.
    pub work: &'a Path,
}

impl Job<'_> {
    /// Compiles. Gives each program and where it is in the work folder.
    pub fn run(
        &self,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<BTreeMap<String, PathBuf>, ProgramsError> {
        fs::create_dir_all(self.work).map_err(ProgramsError::at("create", self.work))?;
        // Compilers resolve links; what they are told to forget must be what they see.
        let work = self.work.canonicalize().map_err(ProgramsError::at("find", self.work))?;
        let root = self.toolchain.root.canonicalize();
        let root = root.map_err(ProgramsError::at("find", &self.toolchain.root))?;
        let folder = |name: &str| work.join(name);
        for name in ["home", "tmp"] {
            let path = folder(name);
            fs::create_dir_all(&path).map_err(ProgramsError::at("create", &path))?;
        }
        self.source.write(&folder("source"))?;
        self.crates.unpack(&self.options.store, &folder("vendor"))?;
        progress(Progress::Step(format!("source and {} crates unpacked", self.crates.all.len())));
        let plan = Plan {
            root: root.clone(),
            layout: self.toolchain.layout.clone(),
            remap: vec![
                (work.clone(), WORK_NAME.to_owned()),
                (root.clone(), TOOLCHAIN_NAME.to_owned()),
            ],
        };
        let tools = folder("tools");
        plan.install(&self.options.launcher, &tools).map_err(ProgramsError::at("fill", &tools))?;
        self.write_settings(&work)?;
        self.cargo(&work, progress)?;
        let mut programs = BTreeMap::new();
        for name in &self.options.programs {
            let path = folder("target").join(TARGET).join("release").join(name);
            let bytes = fs::read(&path).map_err(ProgramsError::at("read", &path))?;
            check_paths(name, &bytes, &[&work, &root])?;
            programs.insert(name.clone(), path);
        }
        Ok(programs)
    }

    fn write_settings(&self, work: &Path) -> Result<(), ProgramsError> {
        let vendor = toml::Value::String(work.join("vendor").display().to_string()).to_string();
        let path = work.join("home/config.toml");
        fs::write(&path, SETTINGS.replacen("VENDOR", &vendor, 1))
            .map_err(ProgramsError::at("write", &path))
    }

    fn cargo(&self, work: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), ProgramsError> {
        // cargo reads settings in all folders above the one it is started in: there is the least of them.
        let start = Path::new("/");
        let ambient = start.join(".cargo");
        if ambient.exists() {
            return Err(ProgramsError::Ambient { path: ambient });
        }
        let mut child = self
            .command(work, start)
            .spawn()
            .map_err(ProgramsError::at("start", &work.join("tools/cargo")))?;
        let output = child.stderr.take().expect("the output is a pipe");
        let (mut number, mut last) = (0, VecDeque::new());
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(ProgramsError::at("read from", &work.join("tools/cargo")))?;
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(name) = line.trim_start().strip_prefix("Compiling ") {
                number += 1;
                let name = name.split(" (").next().unwrap_or(name).to_owned();
                progress(Progress::Compiling { name, number });
            }
            if last.len() == LINE_COUNT_MAX {
                last.pop_front();
            }
            last.push_back(line);
        }
        let status = child.wait().map_err(ProgramsError::at("wait for", work))?;
        if status.success() {
            return Ok(());
        }
        let text = last.into_iter().collect::<Vec<_>>().join("\n");
        Err(ProgramsError::compile(&status.to_string(), text, work))
    }

    fn command(&self, work: &Path, start: &Path) -> Command {
        let tools = work.join("tools");
        let mut command = Command::new(tools.join("cargo"));
        command
            .env_clear()
            .env("PATH", &tools)
            .env("HOME", work.join("home"))
            .env("CARGO", tools.join("cargo"))
            .env("CARGO_HOME", work.join("home"))
            .env("CARGO_TARGET_DIR", work.join("target"))
            .env("RUSTC", tools.join("rustc"))
            .env("TMPDIR", work.join("tmp"))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("SOURCE_DATE_EPOCH", self.time_s.to_string())
            // The library that cargo has for TLS would read the host's.
            .env("OPENSSL_CONF", "/dev/null")
            .current_dir(start)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .args(["build", "--frozen", "--release", "--color", "never", "--target", TARGET])
            .args(["--jobs", &self.options.job_count.max(1).to_string()])
            .arg("--manifest-path")
            .arg(work.join("source/Cargo.toml"));
        for (program, package) in &self.source.packages {
            command.args(["--package", package, "--bin", program]);
        }
        command
    }
}
