//! `plinth release`: the manifest of a release. Everything is done by `image-build` and `types`; this turns
//! arguments into their values and their values into text.

use crate::error::{Error, chain_of};
use crate::output;
use clap::{Args, Subcommand};
use image_build::release::{self, MakeError, Naming};
use std::path::PathBuf;
use types::release::{RELEASE_FILE, Version};

/// `plinth release ...`.
#[derive(Clone, Debug, Subcommand)]
pub enum ReleaseCommand {
    /// Write the manifest of the images in a folder: every file by its hash, and what machines will measure.
    Make(Make),
    /// Show what is in a release.
    Show(Show),
}

/// `plinth release make`.
#[derive(Clone, Debug, Args)]
pub struct Make {
    /// The folder that `plinth image build all` wrote.
    pub dir: PathBuf,
    /// The name of the release, three numbers such as 1.4.0.
    #[arg(long, value_parser = version)]
    pub version: Version,
    /// The security version number: rises when older releases must not run any more.
    #[arg(long)]
    pub svn: u32,
    /// The oldest version that may be upgraded to this one.
    #[arg(long, value_parser = version)]
    pub upgrade_from: Version,
    /// The images; may be repeated [default: guestos, hostos and setupos].
    #[arg(long)]
    pub image: Vec<String>,
    /// The clone that the images were built from.
    #[arg(long, default_value = ".")]
    pub source: PathBuf,
    /// Where the manifest is written [default: release.json in the folder].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `plinth release show`.
#[derive(Clone, Debug, Args)]
pub struct Show {
    /// A manifest, or the folder of a release.
    pub release: PathBuf,
    /// Print the manifest as it is, which is JSON, on standard output.
    #[arg(long)]
    pub json: bool,
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).ok_or_else(|| "write three numbers, such as 1.4.0".to_owned())
}

/// Runs a command of `plinth release`.
pub fn run(command: &ReleaseCommand) -> Result<(), Error> {
    match command {
        ReleaseCommand::Make(arguments) => make(arguments),
        ReleaseCommand::Show(arguments) => show(arguments),
    }
}

fn make(arguments: &Make) -> Result<(), Error> {
    let images: Vec<&str> = match arguments.image.is_empty() {
        true => release::IMAGES.to_vec(),
        false => arguments.image.iter().map(String::as_str).collect(),
    };
    let naming = Naming {
        version: arguments.version,
        security_version: arguments.svn,
        upgrade_from: arguments.upgrade_from,
    };
    let made =
        release::make(&arguments.dir, &arguments.source, &images, naming).map_err(unusable)?;
    let path = arguments.out.clone().unwrap_or_else(|| arguments.dir.join(RELEASE_FILE));
    release::write_manifest(&made, &path).map_err(|error| unusable(error.into()))?;
    let digest = hex::encode(made.digest());
    output::print(match arguments.json {
        true => {
            let value = serde_json::json!({ "manifest": path, "digest": digest });
            serde_json::to_string_pretty(&value).expect("plain data") + "\n"
        }
        false => format!("{digest}  {}\n", path.display()),
    })
}

fn show(arguments: &Show) -> Result<(), Error> {
    let shown = release::read(&arguments.release).map_err(unusable)?;
    output::print(match arguments.json {
        true => String::from_utf8_lossy(&shown.encode()).into_owned() + "\n",
        false => release::text(&shown),
    })
}

fn unusable(error: MakeError) -> Error {
    Error::Unusable(chain_of(&error))
}
