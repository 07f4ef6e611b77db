//! What is there already: an image that was made of the same inputs is not made again.
//!
//! `IMAGE.json` is written last and removed first, so that its presence means that the image is whole. Beside it
//! lies `.IMAGE.inputs`, a hash over all that the image was made of and by. It is this machine's own note and
//! no part of the result; so is `.builder`, the file that one builder at a time has locked.

use super::carried::Carried;
use super::{BuildError, Built, IMAGES, Options, Progress, artifact, crates_path, write_bytes};
use crate::lock::Lock;
use crate::manifest::{Manifest, Variant};
use crate::output::{OutputError, remove_unfinished};
use sha2::{Digest, Sha256};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What the one builder of a folder holds a lock on.
const GUARD: &str = ".builder";

/// Waits until no other builder works on the folder; others wait for the file to be closed.
pub fn only_builder(
    folder: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<File, OutputError> {
    let path = folder.join(GUARD);
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(OutputError::at("open", &path))?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        let text = format!("another build works in {}; waiting for its end", folder.display());
        progress(Progress::Step(text));
    }
    file.lock().map_err(OutputError::at("lock", &path))?;
    Ok(file)
}

/// A hash over everything that the bytes of an image depend on.
pub fn key(
    options: &Options,
    manifest: &Manifest,
    lock: &Lock,
    carried: &Carried,
) -> Result<String, OutputError> {
    let mut hash = Sha256::new();
    let mut put = |name: &str, bytes: &[u8]| {
        for part in [name.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    };
    put("image", manifest.name(options.variant).as_bytes());
    put("lock", lock.sha256().as_bytes());
    let origin = serde_json::to_vec(&options.origin).expect("an origin has only plain values");
    put("programs", &origin);
    put("carried", &carried.sha256);
    let images = options.clone.join(IMAGES);
    let mut files = vec![
        images.join(format!("{}.yaml", options.image)),
        images.join("scripts.yaml"),
        crates_path(&options.clone),
        options.clone.join("Cargo.lock"),
    ];
    // The builder itself, whose next version may write something else.
    files.extend(std::env::current_exe());
    files.extend(manifest.programs().iter().map(|name| options.binaries.join(name)));
    for path in files {
        // A missing one is told by who needs it.
        if path.is_file() {
            put("file", artifact("", &path)?.sha256.as_bytes());
        }
    }
    let dev = manifest.dev.rootfs.as_ref().filter(|_| options.variant == Variant::Dev);
    for folder in [Some(&manifest.rootfs), dev].into_iter().flatten() {
        walk(&options.clone.join(folder), &mut |path, content| {
            put(&path.to_string_lossy(), content);
        })?;
    }
    Ok(hex::encode(hash.finalize()))
}

/// Every file and link below a folder, sorted, with its content and whether it is executable.
fn walk(folder: &Path, see: &mut dyn FnMut(&Path, &[u8])) -> Result<(), OutputError> {
    let listing = fs::read_dir(folder).map_err(OutputError::at("list", folder))?;
    let mut paths = Vec::new();
    for entry in listing {
        paths.push(entry.map_err(OutputError::at("list", folder))?.path());
    }
    paths.sort();
    for path in paths {
        let failed = || OutputError::at("read", &path);
        let metadata = path.symlink_metadata().map_err(failed())?;
        if metadata.is_dir() {
            see(&path, b"/");
            walk(&path, see)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(failed())?;
            see(&path, target.as_os_str().as_encoded_bytes());
        } else {
            let mut content = fs::read(&path).map_err(failed())?;
            content.push(u8::from(metadata.permissions().mode() & 0o100 != 0));
            see(&path, &content);
        }
    }
    Ok(())
}

/// The image, if it was made of these inputs and every byte of it is there.
pub fn finished(folder: &Path, image: &str, key: &str) -> Result<Option<Built>, OutputError> {
    let note = fs::read_to_string(folder.join(format!(".{image}.inputs")));
    if note.ok().as_deref() != Some(key) {
        return Ok(None);
    }
    let built = fs::read(folder.join(format!("{image}.json"))).ok();
    let Some(built) = built.and_then(|text| Built::parse(&text).ok()) else {
        return Ok(None);
    };
    for expected in &built.artifacts {
        let path = folder.join(&expected.name);
        if !path.is_file() || artifact(&expected.name, &path)? != *expected {
            return Ok(None);
        }
    }
    Ok(Some(built))
}

/// From here on the image is not whole.
pub fn begin(folder: &Path, image: &str) -> Result<(), OutputError> {
    for name in [format!("{image}.json"), format!(".{image}.inputs")] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(OutputError::at("remove", &path)(error)),
        }
    }
    remove_unfinished(folder)
}

/// Says that the image is whole.
pub fn finish(folder: &Path, image: &str, key: &str, built: &Built) -> Result<(), BuildError> {
    let text = super::description(built);
    write_bytes(&folder.join(format!(".{image}.inputs")), key.as_bytes())?;
    Ok(write_bytes(&folder.join(format!("{image}.json")), &text)?)
}

#[cfg(test)]
mod tests;
