//! A manifest for people.

use types::release::{FileDigest, Image, LaunchDigests, Measurements, Release};

/// What is in a release: inputs, images, files, measurements.
pub fn text(release: &Release) -> String {
    let inputs = &release.inputs;
    let mut text = format!(
        "release {}\n  digest            {}\n  upgrades from     {} and newer\n  security version  {}\n  \
         lock              {}\n",
        release.version,
        hex::encode(release.digest()),
        release.upgrade_from,
        release.security_version,
        inputs.lock_sha256,
    );
    let programs = [
        ("toolchain", inputs.toolchain_sha256),
        ("source", inputs.source_sha256),
        ("crates", inputs.crates_sha256),
    ];
    for (name, hash) in programs {
        let hash = hash.map_or_else(
            || "not said: programs not built from the lock".into(),
            |hash| hash.to_string(),
        );
        text += &format!("  {name:<16}  {hash}\n");
    }
    for (name, file) in &release.files {
        text += &line(name, file);
    }
    for (name, image) in &release.images {
        text += &image_text(name, image);
    }
    text
}

fn line(name: &str, file: &FileDigest) -> String {
    format!("  {}  {:>13}  {name}\n", file.sha256, file.bytes)
}

fn image_text(name: &str, image: &Image) -> String {
    let mut text = format!(
        "\n{name}\n  kernel            {}\n  contents          {} packages, {} programs, {} kernel modules, {} \
         bytes of files\n  root hash         {}\n  command line      {}\n  payload           {}\n",
        image.kernel_version,
        image.package_count,
        image.program_count,
        image.module_count,
        image.content_bytes,
        image.root_hash,
        image.command_line,
        image.payload_id,
    );
    for (name, file) in &image.artifacts {
        text += &line(name, file);
    }
    if let Some(measurements) = &image.measurements {
        text += &measurements_text(measurements);
    }
    if let Some(launch) = &image.launch_digests {
        text += &launch_text(launch);
    }
    text
}

fn measurements_text(measurements: &Measurements) -> String {
    let mut text = format!("  PCRs with secure boot {}\n", measurements.secure_boot);
    for value in &measurements.pcrs {
        text += &format!(
            "    {:>2}  sha256  {}\n        sha384  {}\n",
            value.pcr, value.sha256, value.sha384
        );
        for event in measurements.events.iter().filter(|event| event.pcr == value.pcr) {
            text += &format!("          {:<24} {}\n", event.what, event.sha256);
        }
    }
    text
}

fn launch_text(launch: &LaunchDigests) -> String {
    let mut text = format!("  SNP launch digests; before any processor\n    {}\n", launch.base);
    for digest in &launch.digests {
        text += &format!("    {:<12} {:>3}  {}\n", digest.processor, digest.count, digest.digest);
    }
    text
}
