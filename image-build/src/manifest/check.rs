//! What a manifest must mean, beyond its form.

use super::{Additions, Allow, Manifest, tree_path};
use std::collections::BTreeMap;
use std::path::PathBuf;
use thiserror::Error;

/// A manifest that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file.
    #[error("cannot read the manifest {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Its form; the cause names line and field.
    #[error("the manifest {} is not as it must be", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_yaml::Error,
    },
    /// Its meaning.
    #[error("the manifest {}: {problem}", path.display())]
    Meaning {
        /// Which file.
        path: PathBuf,
        /// What cannot be meant.
        problem: String,
    },
}

/// Words that the builder itself puts on the command line.
const WORDS_OF_THE_BUILDER: [&str; 4] =
    ["root=", "systemd.verity", "plinth.roothash=", "plinth.payload="];

pub fn check(manifest: &Manifest) -> Result<(), String> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if manifest.image.is_empty() || !manifest.image.bytes().all(is_name) {
        return Err(format!("{:?} is no name of an image: use a-z and 0-9", manifest.image));
    }
    reasons("omit", &manifest.omit)?;
    allow(&manifest.allow)?;
    let without_reason = manifest.inputs.iter().find(|(_, input)| input.reason.trim().is_empty());
    if let Some((name, _)) = without_reason {
        return Err(format!("inputs: say for which reason {name} is needed"));
    }
    input_files(manifest)?;
    if let Some(name) = manifest.packages.iter().find(|name| manifest.omit.contains_key(*name)) {
        return Err(format!("{name} is both installed and omitted; drop one of the two"));
    }
    for path in &manifest.exclude {
        tree_path(path).map_err(|problem| format!("exclude: {problem}"))?;
    }
    for (field, paths) in
        [("links", manifest.links.keys()), ("directories", manifest.directories.keys())]
    {
        for path in paths {
            tree_path(path).map_err(|problem| format!("{field}: {problem}"))?;
        }
    }
    for mode in manifest.directories.values() {
        octal(mode).ok_or_else(|| format!("directories: {mode:?} is no octal mode"))?;
    }
    for path in manifest.writable.keys().chain(manifest.binaries.values()) {
        tree_path(path)?;
    }
    relative_folder("rootfs", &manifest.rootfs)?;
    command_line(&manifest.kernel.command_line)?;
    units(&manifest.units.enable, &manifest.units.mask)?;
    additions(&manifest.dev)
}

fn input_files(manifest: &Manifest) -> Result<(), String> {
    for file in manifest.input_files() {
        tree_path(&file.path).map_err(|problem| format!("{}: {problem}", file.package))?;
        if !manifest.inputs.contains_key(&file.package) {
            return Err(format!("{} of {} is used: name it in inputs", file.path, file.package));
        }
    }
    for path in manifest.package_files.keys() {
        tree_path(path).map_err(|problem| format!("package_files: {problem}"))?;
    }
    let kernel = &manifest.kernel;
    let starters = [&kernel.stub, &kernel.firmware].into_iter().flatten().count();
    match (&kernel.init, starters) {
        (None, 0) | (Some(_), 1) => Ok(()),
        (None, _) => Err("kernel: a stub or firmware starts an init; name it".into()),
        (Some(_), _) => {
            Err("kernel: an init is started by a stub or by firmware; name one of the two".into())
        }
    }
}

fn additions(dev: &Additions) -> Result<(), String> {
    reasons("dev.omit", &dev.omit)?;
    allow(&dev.allow)?;
    if let Some(rootfs) = &dev.rootfs {
        relative_folder("dev.rootfs", rootfs)?;
    }
    command_line(&dev.command_line)
}

fn reasons(field: &str, entries: &BTreeMap<String, String>) -> Result<(), String> {
    match entries.iter().find(|(_, reason)| reason.trim().is_empty()) {
        None => Ok(()),
        Some((name, _)) => Err(format!("{field}: say for which reason {name} is there")),
    }
}

fn allow(allow: &Allow) -> Result<(), String> {
    let fields = [
        ("allow.scripts", &allow.scripts),
        ("allow.interpreters", &allow.interpreters),
        ("allow.unresolved", &allow.unresolved),
    ];
    for (field, entries) in fields {
        reasons(field, entries)?;
        for path in entries.keys() {
            tree_path(path).map_err(|problem| format!("{field}: {problem}"))?;
        }
    }
    Ok(())
}

fn relative_folder(field: &str, path: &str) -> Result<(), String> {
    let parts = || path.split('/');
    if path.is_empty() || parts().any(|name| name.is_empty() || name == "." || name == "..") {
        return Err(format!("{field}: {path:?} must be a folder below the root of the clone"));
    }
    Ok(())
}

fn command_line(words: &[String]) -> Result<(), String> {
    for word in words {
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("command_line: {word:?} is not one word of printable ASCII"));
        }
        if WORDS_OF_THE_BUILDER.iter().any(|start| word.starts_with(start)) {
            return Err(format!("command_line: {word} comes from the builder; drop it"));
        }
    }
    Ok(())
}

fn units<'a>(
    enable: impl IntoIterator<Item = &'a String>,
    mask: &std::collections::BTreeSet<String>,
) -> Result<(), String> {
    match enable.into_iter().find(|unit| mask.contains(*unit)) {
        None => Ok(()),
        Some(unit) => Err(format!("units: {unit} is both enabled and masked")),
    }
}

/// Four octal digits at most, such as `0755`.
pub fn octal(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| u16::from_str_radix(text, 8).ok())?
}
