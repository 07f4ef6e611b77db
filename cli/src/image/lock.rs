//! `plinth image lock`.

use super::arguments::LockArguments;
use super::{IMAGES, ImageError, json, places};
use crate::up::progress;
use image_build::build;
use image_build::lock::{Archive, Lock, make};
use image_build::manifest::Manifest;
use image_build::output::{Output, OutputError};
use image_build::programs;
use image_build::sbom::crates;
use image_build::toolchain::Description;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// What images run on.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Makes the lock. Gives what to print.
pub fn run(arguments: &LockArguments) -> Result<String, ImageError> {
    let clone = places::clone_folder(&arguments.places)?;
    let mirrors = places::mirrors(&arguments.places, None)?;
    let manifests =
        IMAGES.iter().map(|image| build::manifest(&clone, image)).collect::<Result<Vec<_>, _>>()?;
    let toolchain = Description::read(&build::toolchain_path(&clone))?;
    let archive = Archive::read(&build::archive_path(&clone))?;
    let keyring = archive.keyring(&clone.join("image-build"))?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let accepted = arguments.accept_expired.iter().cloned().collect();
    let wanted = (manifests.as_slice(), &toolchain);
    let lock = make(wanted, &archive, &keyring, &mirrors, (now_s, &accepted), &mut |text| {
        progress(text);
    })?;
    let crates = list_crates(&clone, &manifests)?;
    write(&build::crates_path(&clone), &crates::text(&crates))?;
    write(&build::lock_path(&clone), &lock.text())?;
    Ok(report(&lock, crates.len(), arguments.json))
}

/// The crates of all executables that are in an image.
fn list_crates(clone: &Path, manifests: &[Manifest]) -> Result<Vec<crates::Crate>, ImageError> {
    let binaries = programs::of_images(manifests);
    let output = Command::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET])
        .current_dir(clone)
        .output()
        .map_err(|error| ImageError::Cargo(error.to_string()))?;
    if !output.status.success() {
        return Err(ImageError::Cargo(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let path = clone.join("Cargo.lock");
    let cargo_lock = std::fs::read_to_string(&path).map_err(OutputError::at("read", &path))?;
    Ok(crates::list(&String::from_utf8_lossy(&output.stdout), &cargo_lock, &binaries)?)
}

fn write(path: &Path, text: &str) -> Result<(), OutputError> {
    let mut output = Output::create(path)?;
    output.file().write_all(text.as_bytes()).map_err(OutputError::at("write", path))?;
    output.commit()
}

fn report(lock: &Lock, crate_count: usize, as_json: bool) -> String {
    if as_json {
        let images: BTreeMap<_, _> =
            lock.images.iter().map(|(name, image)| (name, image.install.len())).collect();
        return json(&serde_json::json!({
            "lock_sha256": lock.sha256(),
            "packages": lock.packages.len(),
            "crates": crate_count,
            "images": images,
        }));
    }
    format!("{} packages, {crate_count} crates; lock {}\n", lock.packages.len(), lock.sha256())
}
