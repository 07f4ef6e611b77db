//! Where packages are: arguments, then the machine's own apt.

use super::ImageError;
use super::arguments::Places;
use image_build::store::{Location, Mirrors};
use std::path::{Path, PathBuf};

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
