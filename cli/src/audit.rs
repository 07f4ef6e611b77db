//! `plinth audit`: whether a release is what it says. Everything is done by `image-build`; this turns
//! arguments into its values, starts the rebuild, and writes the report.

#[cfg(test)]
mod tests;
mod text;

use crate::error::{Error, chain_of};
use crate::output;
use crate::up::progress;
use clap::{Args, ValueEnum};
use image_build::audit::{self, Options, Report};
use image_build::release;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;
use types::release::{HexBytes, Release};

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Every file is the one of the manifest; bills, locks and payloads agree (seconds).
    Manifest,
    /// That, and: what machines measure, and what is inside of what (a minute).
    Measure,
    /// That, and: everything is built again and compared byte by byte.
    Rebuild,
}

/// `plinth audit`.
#[derive(Clone, Debug, Args)]
pub struct Audit {
    /// The folder of the release.
    pub release: PathBuf,
    /// How much is checked.
    #[arg(long, value_enum, default_value_t = Tier::Measure)]
    pub tier: Tier,
    /// The digest that the manifest must have: the one that was approved.
    #[arg(long, value_parser = digest)]
    pub digest: Option<HexBytes<32>>,
    /// Write the report to this file: a page (.html) or JSON (.json).
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// Print the report as JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// A folder for temporary files [default: that of the system].
    #[arg(long)]
    pub scratch: Option<PathBuf>,
    /// Threads [default: one for each processor].
    #[arg(long)]
    pub jobs: Option<usize>,
    /// For a rebuild: the clone at the commit of the release.
    #[arg(long, default_value = ".")]
    pub source: PathBuf,
    /// For a rebuild: further arguments of `plinth image build`, such as --rebuild-with=--mirror=...
    #[arg(long, allow_hyphen_values = true)]
    pub rebuild_with: Vec<String>,
}

fn digest(text: &str) -> Result<HexBytes<32>, String> {
    HexBytes::from_hex(text).ok_or_else(|| "write 64 digits of lower-case hexadecimal".to_owned())
}

/// Runs the audit, and prints its report.
pub fn run(arguments: &Audit) -> Result<(), Error> {
    let write = arguments.report.as_deref().map(report_writer).transpose()?;
    let options = Options {
        folder: arguments.release.clone(),
        tier: match arguments.tier {
            Tier::Manifest => audit::Tier::Manifest,
            Tier::Measure => audit::Tier::Measure,
            Tier::Rebuild => audit::Tier::Rebuild,
        },
        digest: arguments.digest,
        scratch: arguments.scratch.clone().unwrap_or_else(std::env::temp_dir),
        thread_count: arguments
            .jobs
            .or_else(|| thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1),
    };
    let start = Instant::now();
    let mut tell =
        |text: &str| progress(&format!("{:6.1} s  {text}", start.elapsed().as_secs_f32()));
    let mut rebuild = |release: &Release, out: &Path| rebuild(arguments, release, out);
    let report = audit::run(&options, &mut rebuild, &mut tell)
        .map_err(|error| Error::Unusable(chain_of(&error)))?;
    if let (Some(write), Some(path)) = (write, &arguments.report) {
        crate::layout::write_whole(path, write(&report).as_bytes())?;
    }
    output::print(match arguments.json {
        true => json(&report),
        false => text::text(&report),
    })?;
    match report.matched {
        true => Ok(()),
        false => Err(Error::NotMatched),
    }
}

/// The form of the report, by the file's ending; asked before the work is done.
fn report_writer(path: &Path) -> Result<fn(&Report) -> String, Error> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => Ok(audit::html),
        Some("json") => Ok(json),
        _ => Err(Error::Unusable(format!(
            "{} is neither .html nor .json; name the report by its form",
            path.display()
        ))),
    }
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report has only plain values") + "\n"
}

/// Builds every image of the release again, each in a process of its own as an auditor would.
fn rebuild(arguments: &Audit, release: &Release, out: &Path) -> Result<(), String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    // An image that carries others comes after them.
    let order = |name: &&String| release::IMAGES.iter().position(|image| image == name);
    let mut images: Vec<&String> = release.images.keys().collect();
    images.sort_by_key(order);
    for image in images {
        let (name, is_dev) = match image.strip_suffix("-dev") {
            Some(name) => (name, true),
            None => (image.as_str(), false),
        };
        let mut command = Command::new(&this);
        command.args(["image", "build", name, "--out"]).arg(out);
        command.arg("--source").arg(&arguments.source);
        command.args(arguments.jobs.iter().map(|jobs| format!("--jobs={jobs}")));
        command.args(is_dev.then_some("--dev")).args(&arguments.rebuild_with);
        let output = command
            .stdout(std::process::Stdio::null())
            .status()
            .map_err(|error| format!("{} does not start: {error}", this.display()))?;
        if !output.success() {
            return Err(format!("`plinth image build {name}` failed ({output}); see above"));
        }
    }
    Ok(())
}
