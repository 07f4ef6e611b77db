//! `plinth image`: the lock of packages, and images out of it. Everything is done by `image-build`; this
//! folder turns arguments into its values and its values into text.

mod arguments;
mod build;
mod disk;
mod elsewhere;
mod lock;
mod places;
mod programs;
mod verify;

pub use arguments::ImageCommand;

use crate::error::Error;
use crate::output;
use std::path::PathBuf;
use thiserror::Error;

/// The images of a release.
const IMAGES: [&str; 3] = ["guestos", "hostos", "setupos"];

/// Why `plinth image` ended.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The build.
    #[error(transparent)]
    Build(#[from] image_build::build::BuildError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] image_build::lock::LockError),
    /// A manifest.
    #[error(transparent)]
    Manifest(#[from] image_build::manifest::ManifestError),
    /// The crates.
    #[error(transparent)]
    Crates(#[from] image_build::sbom::crates::CratesError),
    /// The programs.
    #[error(transparent)]
    Programs(#[from] image_build::programs::ProgramsError),
    /// A file of the result.
    #[error(transparent)]
    Output(#[from] image_build::output::OutputError),
    /// A disk.
    #[error(transparent)]
    Disk(#[from] image_build::disk::UnpackError),
    /// A place of packages.
    #[error(transparent)]
    Place(#[from] image_build::store::LocationError),
    /// An argument.
    #[error("{0}")]
    Argument(String),
    /// The folder that is no clone.
    #[error("{} has no image-build/images; run this in a clone of Plinth, or name one with --source", .0.display())]
    NoClone(PathBuf),
    /// cargo.
    #[error("`cargo metadata` failed: {0}")]
    Cargo(String),
}

/// Runs a command of `plinth image` and prints what came of it.
pub fn run(command: &ImageCommand) -> Result<(), Error> {
    let result = match command {
        ImageCommand::VerifyReproducible(arguments) => return verify::run(arguments),
        ImageCommand::BuildElsewhere(arguments) => elsewhere::run(arguments),
        ImageCommand::Lock(arguments) => lock::run(arguments),
        ImageCommand::Build(arguments) => build::run(arguments),
        ImageCommand::Disk(arguments) => disk::run(arguments),
        ImageCommand::Programs(arguments) => programs::run(arguments),
    };
    output::print(result.map_err(|error| Error::Image(Box::new(error)))?)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("what we print has only plain values") + "\n"
}
