//! Where packages are: arguments, then the machine's own apt.

use super::ImageError;
use super::arguments::{Inputs, Places};
use image_build::store::{Location, Mirrors};
use std::path::{Path, PathBuf};
use std::thread;

/// Where apt keeps its sources.
const APT: &str = "/etc/apt";

/// Mirrors for every command, in the form of `--mirror`, separated by commas.
const VARIABLE: &str = "PLINTH_MIRROR";

/// The mirrors of the arguments, before those of apt.
pub fn mirrors(places: &Places, snapshot: Option<&str>) -> Result<Mirrors, ImageError> {
    let mut mirrors = Mirrors::of_apt(Path::new(APT));
    let variable = std::env::var(VARIABLE).unwrap_or_default();
    let named = variable.split(',').filter(|mirror| !mirror.is_empty());
    // The last that is preferred comes first.
    for mirror in named.rev().chain(places.mirror.iter().rev().map(String::as_str)) {
        let (area, place) = mirror.split_once('=').ok_or_else(|| {
            ImageError::Argument(format!("{mirror:?} is no mirror: write AREA=PLACE"))
        })?;
        mirrors.prefer(area, vec![Location::parse(place)?]);
    }
    mirrors.snapshot = snapshot.map(Location::parse).transpose()?;
    Ok(mirrors)
}

/// The clone, which must be one.
pub fn clone_folder(places: &Places) -> Result<PathBuf, ImageError> {
    if !places.source.join("image-build/images").is_dir() {
        return Err(ImageError::NoClone(places.source.clone()));
    }
    Ok(places.source.clone())
}

/// Where packages, crates, toolchains and programs are kept.
pub fn cache(inputs: &Inputs) -> Result<PathBuf, ImageError> {
    if let Some(folder) = &inputs.cache {
        return Ok(folder.clone());
    }
    let home = std::env::home_dir()
        .filter(|home| home.is_absolute())
        .ok_or_else(|| ImageError::Argument("set HOME, or name a folder with --cache".into()))?;
    Ok(home.join(".cache/plinth/packages"))
}

/// How many threads to use.
pub fn threads(inputs: &Inputs) -> usize {
    let processors = || thread::available_parallelism().ok().map(usize::from);
    inputs.jobs.or_else(processors).unwrap_or(1)
}
