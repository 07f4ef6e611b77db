//! What machines were expected to measure, out of a file: a release manifest, or what `plinth measure` wrote of
//! one image by itself.

use std::path::Path;

use attestation::predict::boot::Prediction;
use image_build::measure::{LaunchDigests, Measurements};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::attest::files::{Unusable, read};
use crate::error::chain_of;

/// Something that was expected, read and checked.
#[derive(Clone, Debug)]
pub struct Expected<T> {
    /// What it is called in explanations: release and image, or the file's name.
    pub label: String,
    /// What is measured.
    pub measured: T,
}

/// All that a file has, read and checked.
#[derive(Clone, Debug, Default)]
pub struct ExpectedFile {
    /// What a TPM holds after a boot.
    pub boots: Vec<Expected<Prediction>>,
    /// What a confidential guest is launched with.
    pub launches: Vec<Expected<LaunchDigests>>,
}

/// Reads what a file has for an image; for each of its images if none is named. There is something.
pub fn read_file(path: &Path, image: Option<&str>) -> Result<ExpectedFile, Unusable> {
    let bytes = read(path)?;
    let unusable = |reason: String| Unusable::Content { path: path.into(), reason };
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| unusable(format!("it is no JSON, and so no release manifest: {error}")))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let parts = parts(&value, &name);
    let of_image =
        |part: &&Part| image.is_none() || part.image.is_none() || part.image.as_deref() == image;
    let mut file = ExpectedFile::default();
    for Part { label, measured, .. } in parts.iter().filter(of_image) {
        let wrong = |problem: String| unusable(format!("{label}: {problem}"));
        let label = label.clone();
        match measured {
            Measured::Boot(value) => {
                let read: Measurements = parse(value).map_err(wrong)?;
                let measured = read.prediction().map_err(|error| wrong(chain_of(&error)))?;
                file.boots.push(Expected { label, measured });
            }
            Measured::Launch(value) => {
                let measured: LaunchDigests = parse(value).map_err(wrong)?;
                measured.check().map_err(|error| wrong(chain_of(&error)))?;
                file.launches.push(Expected { label, measured });
            }
        }
    }
    if !file.boots.is_empty() || !file.launches.is_empty() {
        return Ok(file);
    }
    Err(unusable(match image {
        Some(image) if !parts.is_empty() => format!("it has no measurements of image {image}"),
        _ => "it has neither measurements nor launch digests of an image; give a release manifest, or what \
              `plinth measure uki --json` or `plinth measure guest --json` printed"
            .to_owned(),
    }))
}

fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

/// Something measured, not yet read.
struct Part<'a> {
    image: Option<String>,
    label: String,
    measured: Measured<'a>,
}

enum Measured<'a> {
    Boot(&'a Value),
    Launch(&'a Value),
}

/// The whole file, or what the manifest's images have.
fn parts<'a>(value: &'a Value, file: &str) -> Vec<Part<'a>> {
    let alone = |measured| vec![Part { image: None, label: file.to_owned(), measured }];
    if value.get("events").is_some() {
        return alone(Measured::Boot(value));
    }
    if value.get("digests").is_some() {
        return alone(Measured::Launch(value));
    }
    let release = value.get("version").and_then(Value::as_str).unwrap_or(file);
    let Some(Value::Object(images)) = value.get("images") else { return Vec::new() };
    let of_image = |(name, image): (&String, &'a Value)| {
        let boot = image.get("measurements").map(Measured::Boot);
        let launch = image.get("launch_digests").map(Measured::Launch);
        let label = format!("{release} ({name})");
        let part = |measured| Part { image: Some(name.clone()), label: label.clone(), measured };
        boot.into_iter().chain(launch).map(part).collect::<Vec<_>>()
    };
    images.iter().flat_map(of_image).collect()
}
