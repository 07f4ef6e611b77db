//! `plinth image build`.

use super::arguments::BuildArguments;
use super::{IMAGES, ImageError, json, places};
use crate::up::progress;
use image_build::build::{self, Built, Options, Progress};
use image_build::manifest::Variant;
use image_build::output::OutputError;
use image_build::store::{Found, Store};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

/// What builds all images.
const ALL: &str = "all";

/// Builds the image, or all of them. Gives what to print.
pub fn run(arguments: &BuildArguments) -> Result<String, ImageError> {
    let clone = places::clone_folder(&arguments.places)?;
    let mirrors = places::mirrors(&arguments.places, arguments.snapshot.as_deref())?;
    fs::create_dir_all(&arguments.out).map_err(OutputError::at("create", &arguments.out))?;
    let options = Options {
        clone,
        image: arguments.image.clone(),
        variant: if arguments.dev { Variant::Dev } else { Variant::Production },
        out: arguments.out.clone(),
        binaries: arguments.binaries.clone(),
        scratch: arguments.scratch.clone().unwrap_or_else(|| arguments.out.clone()),
        store: Store::new(store_folder(arguments)?),
        mirrors,
        thread_count: arguments
            .jobs
            .or_else(|| thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1),
    };
    let start = Instant::now();
    if arguments.image != ALL {
        let built = build_one(&options, start)?;
        return Ok(if arguments.json { json(&built) } else { table(&built) });
    }
    let mut all = Vec::new();
    for image in IMAGES {
        progress(&format!("{:6.1} s  {image}", start.elapsed().as_secs_f32()));
        all.push(build_one(&Options { image: image.into(), ..options.clone() }, start)?);
    }
    Ok(if arguments.json { json(&all) } else { all.iter().map(table).collect() })
}

fn build_one(options: &Options, start: Instant) -> Result<Built, ImageError> {
    let mut fetched = 0;
    let built = build::build(options, &mut |event| {
        let seconds = start.elapsed().as_secs_f32();
        match event {
            Progress::Package { name, found: Found::Fetched, done, count } => {
                fetched += 1;
                progress(&format!("{seconds:6.1} s  {done}/{count} {name} fetched"));
            }
            Progress::Package { done, count, .. } if done == count => {
                progress(&format!(
                    "{seconds:6.1} s  {count} packages are there, {fetched} fetched"
                ));
            }
            Progress::Package { .. } => {}
            Progress::Step(text) => progress(&format!("{seconds:6.1} s  {text}")),
        }
    })?;
    Ok(built)
}

fn store_folder(arguments: &BuildArguments) -> Result<PathBuf, ImageError> {
    if let Some(folder) = &arguments.cache {
        return Ok(folder.clone());
    }
    let home = std::env::home_dir()
        .filter(|home| home.is_absolute())
        .ok_or_else(|| ImageError::Argument("set HOME, or name a folder with --cache".into()))?;
    Ok(home.join(".cache/plinth/packages"))
}

fn table(built: &Built) -> String {
    let Built { image, package_count, program_count, module_count, content_bytes, .. } = built;
    let mut text = format!(
        "{image}: {package_count} packages, {program_count} programs, {module_count} modules, \
         {content_bytes} bytes in files\nroot hash {}\n",
        built.root_hash
    );
    for artifact in &built.artifacts {
        text += &format!("{}  {:>12}  {}\n", artifact.sha256, artifact.bytes, artifact.name);
    }
    text
}
