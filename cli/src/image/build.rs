//! `plinth image build`.

use super::arguments::BuildArguments;
use super::{IMAGES, ImageError, json, places, programs};
use crate::up::progress;
use image_build::build::{self, Built, Options, Progress};
use image_build::manifest::Variant;
use image_build::output::OutputError;
use image_build::programs::Origin;
use image_build::store::{Found, Store};
use std::fs;
use std::time::Instant;

/// What builds all images.
const ALL: &str = "all";

/// Builds the image, or all of them. Gives what to print.
pub fn run(arguments: &BuildArguments) -> Result<String, ImageError> {
    let inputs = &arguments.inputs;
    let clone = places::clone_folder(&inputs.places)?;
    let mirrors = places::mirrors(&inputs.places, inputs.snapshot.as_deref())?;
    let (binaries, origin) = match &arguments.binaries {
        Some(folder) => (folder.clone(), Origin::Given),
        None => programs::of_images(inputs)?,
    };
    fs::create_dir_all(&arguments.out).map_err(OutputError::at("create", &arguments.out))?;
    let options = Options {
        clone,
        image: arguments.image.clone(),
        variant: if arguments.dev { Variant::Dev } else { Variant::Production },
        out: arguments.out.clone(),
        binaries,
        origin,
        scratch: arguments.scratch.clone().unwrap_or_else(|| arguments.out.clone()),
        store: Store::new(places::cache(inputs)?),
        mirrors,
        thread_count: places::threads(inputs),
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

fn table(built: &Built) -> String {
    let Built { image, package_count, program_count, module_count, content_bytes, .. } = built;
    let mut text = format!(
        "{image}: {package_count} packages, {program_count} programs, {module_count} modules, \
         {content_bytes} bytes in files\nroot hash {}\n",
        built.root_hash
    );
    text += match &built.origin {
        Origin::Given => {
            "programs of this workspace: GIVEN, from a folder; no release is made of this\n"
        }
        Origin::Locked { .. } => "programs of this workspace: compiled out of the lock\n",
    };
    for artifact in &built.artifacts {
        text += &format!("{}  {:>12}  {}\n", artifact.sha256, artifact.bytes, artifact.name);
    }
    text
}
