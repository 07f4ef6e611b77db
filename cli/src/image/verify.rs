//! `plinth image verify-reproducible`: an image is built twice, by two processes that differ in whatever
//! machines differ in, and every byte of the two is compared.
//!
//! The clock is not turned: a builder that never asks for the time cannot depend on it, and
//! `image-build/clippy.toml` forbids it to ask.

mod sides;
mod text;

use super::arguments::VerifyArguments;
use super::{IMAGES, ImageError, places};
use crate::error::Error;
use crate::output;
use crate::up::progress;
use image_build::compare::{Difference, compare};
use image_build::output::OutputError;
use image_build::scratch::Scratch;
use image_build::tree::Content;
use serde::Serialize;
use sides::{Side, Variation};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether every byte is the same.
    pub reproducible: bool,
    /// What the two builds differed in.
    pub variations: Vec<Variation>,
    /// Every file of the results.
    pub files: Vec<Compared>,
}

/// One file of both results.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    /// Its name.
    pub name: String,
    /// Its bytes in the first.
    pub bytes: u64,
    /// Only one has it: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<&'static str>,
    /// Where and why the two differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// Builds, compares, prints.
pub fn run(arguments: &VerifyArguments) -> Result<(), Error> {
    let report = verify(arguments).map_err(|error| Error::Image(Box::new(error)))?;
    output::print(match arguments.json {
        true => super::json(&report),
        false => text::text(&report),
    })?;
    match report.reproducible {
        true => Ok(()),
        false => Err(Error::NotMatched),
    }
}

fn verify(arguments: &VerifyArguments) -> Result<Report, ImageError> {
    let images: Vec<&str> = match arguments.image.as_str() {
        "all" => IMAGES.to_vec(),
        one => vec![one],
    };
    let clone = places::clone_folder(&arguments.inputs.places)?;
    for image in &images {
        image_build::build::manifest(&clone, image)?;
    }
    let parent = arguments.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let work = Scratch::create_in(&parent, "plinth-twice-")
        .map_err(OutputError::at("make a folder in", &parent))?;
    let binaries = match (&arguments.binaries, arguments.image_only) {
        (Some(folder), _) => Some(folder.clone()),
        (None, true) => Some(programs_once(arguments, work.path())?),
        (None, false) => None,
    };
    let first = Side::first(arguments, work.path(), &clone, binaries.as_deref())?;
    progress("first build");
    build(&first, &images)?;
    // The first one has fetched what was missing; the second has a copy of the store.
    let (second, variations) = Side::second(arguments, work.path(), &clone, binaries.as_deref())?;
    progress("second build, elsewhere");
    build(&second, &images)?;
    let files = compare_folders(&first.out, &second.out)?;
    let reproducible = !files.is_empty()
        && files.iter().all(|file| file.only.is_none() && file.difference.is_none());
    Ok(Report { reproducible, variations, files })
}

/// Programs that both builds take.
fn programs_once(
    arguments: &VerifyArguments,
    work: &Path,
) -> Result<std::path::PathBuf, ImageError> {
    let folder = work.join("programs");
    super::programs::run(&super::arguments::ProgramsArguments {
        out: folder.clone(),
        program: Vec::new(),
        inputs: arguments.inputs.clone(),
        json: true,
    })?;
    Ok(folder)
}

fn build(side: &Side, images: &[&str]) -> Result<(), ImageError> {
    for image in images {
        let mut command = Command::new(&side.program);
        command
            .args(["image", "build-elsewhere"])
            .args(&side.process)
            .args(["--", image, "--out"])
            .arg(&side.out)
            .args(&side.build)
            .env_clear()
            .envs(side.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&side.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let ended = command.status().map_err(OutputError::at("start", &side.program))?;
        if !ended.success() {
            let name = side.name;
            return Err(ImageError::Argument(format!(
                "the {name} build of {image} failed ({ended}); see above"
            )));
        }
    }
    Ok(())
}

/// Every file of two folders, but for the notes of builders.
pub(super) fn compare_folders(one: &Path, two: &Path) -> Result<Vec<Compared>, ImageError> {
    let names = names(one)?.into_iter().chain(names(two)?).collect::<BTreeSet<String>>();
    let mut compared = Vec::new();
    for name in names {
        let (a, b) = (one.join(&name), two.join(&name));
        let only = match (a.is_file(), b.is_file()) {
            (true, true) => None,
            (true, false) => Some("first"),
            _ => Some("second"),
        };
        let mut file = Compared { name, bytes: 0, only, difference: None };
        if file.only.is_none() {
            let content = |path: &Path| Content::file(path).map_err(OutputError::at("read", path));
            let (first, second) = (content(&a)?, content(&b)?);
            file.bytes = first.length();
            file.difference =
                compare(&file.name, &first, &second).map_err(OutputError::at("compare", &a))?;
        }
        compared.push(file);
    }
    Ok(compared)
}

fn names(folder: &Path) -> Result<Vec<String>, ImageError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(OutputError::at("list", folder))? {
        let entry = entry.map_err(OutputError::at("list", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
