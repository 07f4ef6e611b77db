//! What was expected, out of a file: a release manifest, or the measurements of one image by themselves.

use std::path::Path;

use attestation::predict::boot::Prediction;
use image_build::measure::Measurements;
use serde_json::Value;

use crate::attest::files::read;
use crate::error::{Error, chain_of};

/// The measurements of one image, read and checked.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What it is called in explanations: release and image, or the file's name.
    pub label: String,
    /// What is measured.
    pub prediction: Prediction,
}

/// All that a file has for an image; for each of its images if none is named.
pub fn read_file(path: &Path, image: Option<&str>) -> Result<Vec<Expected>, Error> {
    let bytes = read(path).map_err(super::super::unread)?;
    let unusable = |problem: String| Error::Unusable(format!("{}: {problem}", path.display()));
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| unusable(format!("it is no JSON, and so no release manifest: {error}")))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let found = measurements(&value, &name).into_iter().filter(|found| {
        image.is_none() || found.image.is_none() || found.image.as_deref() == image
    });
    let read = found.map(|found| {
        let measured: Measurements = serde_json::from_value(found.value.clone())
            .map_err(|error| unusable(format!("{}: {error}", found.label)))?;
        let prediction = measured
            .prediction()
            .map_err(|error| unusable(format!("{}: {}", found.label, chain_of(&error))))?;
        Ok(Expected { label: found.label, prediction })
    });
    let all = read.collect::<Result<Vec<_>, Error>>()?;
    match (all.is_empty(), image) {
        (false, _) => Ok(all),
        (true, None) => Err(unusable(
            "it has no measurements of an image; give a release manifest, or what `plinth measure uki \
             --json` printed"
                .to_owned(),
        )),
        (true, Some(image)) => Err(unusable(format!("it has no measurements of image {image}"))),
    }
}

/// Where measurements stand, not yet read.
struct Found<'a> {
    image: Option<String>,
    label: String,
    value: &'a Value,
}

/// The whole file, or what the manifest's images have.
fn measurements<'a>(value: &'a Value, file: &str) -> Vec<Found<'a>> {
    if value.get("events").is_some() {
        return vec![Found { image: None, label: file.to_owned(), value }];
    }
    let release = value.get("version").and_then(Value::as_str).unwrap_or(file);
    let Some(Value::Object(images)) = value.get("images") else { return Vec::new() };
    images
        .iter()
        .filter_map(|(name, image)| {
            let value = image.get("measurements")?;
            let label = format!("{release} ({name})");
            Some(Found { image: Some(name.clone()), label, value })
        })
        .collect()
}
