//! The images that tests boot, built by `plinth` as a user builds them, with two differences that save a
//! quarter of an hour: the programs in them are those of this build and not compiled out of the lock, and
//! GuestOS has no replica, since this machine's is linked to this machine's RocksDB. The tests of the profile
//! `long` have neither.

use crate::command::Run;
use crate::environment::Provided;
use crate::error::Error;
use crate::folders::Folders;
use std::fs;
use std::path::Path;

/// What a build reads of the clone.
const SOURCES: [&str; 8] = [
    "Cargo.lock",
    "image-build/crates.lock",
    "image-build/image.lock",
    "image-build/images",
    "image-build/keyring",
    "guestos",
    "hostos",
    "setupos",
];
/// The programs that images without a replica carry.
const PROGRAMS: [&str; 2] = ["init", "orchestrator"];
/// The line of GuestOS's manifest that is left out.
const REPLICA: &str = "  replica: /usr/lib/plinth/replica\n";

/// Builds the images; what is up to date is not made again. Gives the variables by which tests find them.
pub fn build(folders: &Folders) -> Result<Provided, Error> {
    let home = folders.cache.join("images");
    let (source, programs) = (home.join("source"), home.join("programs"));
    for folder in [&source, &programs] {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(Error::file("remove", folder))?;
        }
        fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    }
    for name in SOURCES {
        copy(&folders.root.join(name), &source.join(name))?;
    }
    let manifest = source.join("image-build/images/guestos.yaml");
    let text = fs::read_to_string(&manifest).map_err(Error::file("read", &manifest))?;
    if !text.contains(REPLICA) {
        let problem = format!("{} does not name the replica as before", manifest.display());
        return Err(Error::Missing(problem));
    }
    fs::write(&manifest, text.replace(REPLICA, "")).map_err(Error::file("write", &manifest))?;
    for name in PROGRAMS {
        copy(&folders.program(name), &programs.join(name))?;
    }
    for image in [&["all"][..], &["hostos", "--dev"]] {
        Run::new(folders, folders.program("plinth"))
            .args(["image", "build"])
            .args(image)
            .arg("--source")
            .arg(&source)
            .arg("--binaries")
            .arg(&programs)
            .arg("--out")
            .arg(&home)
            .output_to_stderr()
            .run()?;
    }
    Ok(vec![
        ("PLINTH_IMAGES", home.into()),
        ("PLINTH_IMAGES_SOURCE", source.into()),
        ("PLINTH_IMAGES_PROGRAMS", programs.into()),
    ])
}

/// Copies a file, or a folder with all below it; links stay links.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let kind = fs::symlink_metadata(from).map_err(Error::file("read", from))?.file_type();
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    }
    if kind.is_dir() {
        fs::create_dir_all(to).map_err(Error::file("create", to))?;
        for entry in fs::read_dir(from).map_err(Error::file("list", from))? {
            let name = entry.map_err(Error::file("list", from))?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
    } else if kind.is_symlink() {
        let target = fs::read_link(from).map_err(Error::file("read", from))?;
        std::os::unix::fs::symlink(target, to).map_err(Error::file("write", to))?;
    } else {
        fs::copy(from, to).map_err(Error::file("copy", from))?;
    }
    Ok(())
}
