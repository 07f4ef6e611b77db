//! `plinth image disk`.

use super::arguments::DiskArguments;
use super::{ImageError, json};
use image_build::disk;

/// Unpacks the disk. Gives what to print.
pub fn run(arguments: &DiskArguments) -> Result<String, ImageError> {
    let DiskArguments { disk, out, json: as_json } = arguments;
    let bytes = disk::unpack(disk, out)?;
    Ok(match as_json {
        true => json(&serde_json::json!({ "disk": out, "bytes": bytes })),
        false => format!("{}: {bytes} bytes\n", out.display()),
    })
}
