//! `plinth image programs`.

use super::arguments::{Inputs, ProgramsArguments};
use super::{IMAGES, ImageError, json, places};
use crate::up::progress;
use image_build::build;
use image_build::output::OutputError;
use image_build::programs::{self, Options, Origin, Programs, Progress};
use image_build::store::{Found, Store};
use image_build::toolchain;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

/// Compiles the programs. Gives what to print.
pub fn run(arguments: &ProgramsArguments) -> Result<String, ImageError> {
    let names = match arguments.program.is_empty() {
        true => names_of_images(&arguments.inputs)?,
        false => arguments.program.iter().cloned().collect(),
    };
    let (made, folder) = prepare(&arguments.inputs, names)?;
    programs::copy(&made, &folder, &arguments.out)?;
    Ok(if arguments.json { json(&made) } else { table(&made) })
}

/// The folder with the programs of all images: whichever image is built, they are the same.
pub fn of_images(inputs: &Inputs) -> Result<(PathBuf, Origin), ImageError> {
    let (made, folder) = prepare(inputs, names_of_images(inputs)?)?;
    Ok((folder, made.origin()))
}

fn names_of_images(inputs: &Inputs) -> Result<BTreeSet<String>, ImageError> {
    let clone = places::clone_folder(&inputs.places)?;
    let manifests =
        IMAGES.iter().map(|image| build::manifest(&clone, image)).collect::<Result<Vec<_>, _>>()?;
    Ok(programs::of_images(&manifests))
}

fn prepare(inputs: &Inputs, names: BTreeSet<String>) -> Result<(Programs, PathBuf), ImageError> {
    let cache = places::cache(inputs)?;
    let own = std::env::current_exe().map_err(OutputError::at("find", "plinth".as_ref()))?;
    let options = Options {
        clone: places::clone_folder(&inputs.places)?,
        programs: names,
        store: Store::new(cache.clone()),
        folder: cache,
        mirrors: places::mirrors(&inputs.places, inputs.snapshot.as_deref())?,
        launcher: own,
        job_count: places::threads(inputs),
    };
    let start = Instant::now();
    let mut fetched = 0;
    Ok(programs::prepare(&options, &mut |event| {
        let text = match event {
            Progress::Toolchain(toolchain::Progress::Package { name, found, done, count }) => {
                fetched += usize::from(found == Found::Fetched);
                match found {
                    Found::Fetched => format!("{done}/{count} {name} fetched"),
                    Found::Stored if done == count => {
                        format!("{count} packages of the toolchain are there, {fetched} fetched")
                    }
                    Found::Stored => return,
                }
            }
            Progress::Toolchain(toolchain::Progress::Unpacking { count }) => {
                format!("unpacking {count} packages of the toolchain")
            }
            Progress::Toolchain(toolchain::Progress::Comparing { count }) => {
                format!("comparing the toolchain with its {count} packages")
            }
            Progress::Crates { count, fetched } => {
                format!("{count} crates are there, {fetched} of them new")
            }
            Progress::Compiling { name, number } => format!("compiling {number}: {name}"),
            Progress::Step(text) => text,
        };
        progress(&format!("{:6.1} s  {text}", start.elapsed().as_secs_f32()));
    })?)
}

fn table(made: &Programs) -> String {
    let Programs { toolchain_sha256, source_sha256, crates_sha256, .. } = made;
    let mut text = format!(
        "toolchain {toolchain_sha256}\nsource    {source_sha256}\ncrates    {crates_sha256}\n"
    );
    for (name, program) in &made.programs {
        text += &format!("{}  {:>12}  {name}\n", program.sha256, program.bytes);
    }
    text
}
