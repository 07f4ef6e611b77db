//! The two builds, and what they differ in.

use crate::image::arguments::VerifyArguments;
use crate::image::{ImageError, places};
use image_build::output::OutputError;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::{Uid, chown, geteuid};
use serde::Serialize;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A user without rights: nobody.
const NOBODY: u32 = 65_534;
const MEMORY: &str = "/dev/shm";
/// What of a clone takes no part in builds, and is large.
const LEFT_OUT: [&str; 3] = [".git", "target", "node_modules"];

/// One build: a process with its surroundings.
#[derive(Debug)]
pub struct Side {
    pub name: &'static str,
    /// This very program.
    pub program: PathBuf,
    /// Where it is started.
    pub folder: PathBuf,
    /// Where its result goes.
    pub out: PathBuf,
    /// Arguments of `build-elsewhere` before the build's own.
    pub process: Vec<OsString>,
    /// Arguments of the build.
    pub build: Vec<OsString>,
    pub environment: Vec<(&'static str, OsString)>,
    /// Scratch files in memory; they go with this.
    _memory: Option<TempDir>,
}

/// One thing in which the builds differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variation {
    /// What it is.
    pub what: &'static str,
    /// In the first.
    pub first: String,
    /// In the second.
    pub second: String,
    /// Why it could not be varied here; none if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_varied: Option<&'static str>,
}

impl Side {
    /// In a short folder, with one thread, as whoever runs this.
    pub fn first(
        arguments: &VerifyArguments,
        work: &Path,
        clone: &Path,
        binaries: Option<&Path>,
    ) -> Result<Self, ImageError> {
        let folder = work.join("1");
        let out = folder.join("out");
        make(&out)?;
        let absolute = |path: &Path| {
            path.canonicalize().map_err(OutputError::at("find", path)).map(PathBuf::into_os_string)
        };
        let cache = places::cache(&arguments.inputs)?;
        make(&cache)?;
        let mut build = words(["--jobs", "1", "--source"]);
        build.push(absolute(clone)?);
        build.extend([OsString::from("--cache"), absolute(&cache)?]);
        build.extend([OsString::from("--scratch"), out.clone().into_os_string()]);
        build.extend(mirrors(arguments));
        if let Some(binaries) = binaries {
            build.extend([OsString::from("--binaries"), absolute(binaries)?]);
        }
        Ok(Self {
            name: "first",
            program: std::env::current_exe()
                .map_err(OutputError::at("find", Path::new("plinth")))?,
            folder,
            out,
            process: words(["--umask", "022"]),
            build,
            _memory: None,
            environment: environment([("TZ", "UTC"), ("LC_ALL", "C.UTF-8"), ("USER", "one")]),
        })
    }

    /// Far away from the first: another place, order, user, name, time zone, language.
    pub fn second(
        arguments: &VerifyArguments,
        work: &Path,
        clone: &Path,
        binaries: Option<&Path>,
    ) -> Result<(Self, Vec<Variation>), ImageError> {
        let folder = work.join(format!("the second build, äöü/{}", "x".repeat(180)));
        let own_clone = folder.join("clone");
        make(&folder)?;
        copy_reversed(clone, &own_clone)?;
        let program = folder.join("plinth");
        let this = std::env::current_exe().map_err(OutputError::at("find", Path::new("plinth")))?;
        fs::copy(&this, &program).map_err(OutputError::at("copy", &this))?;
        let cache = folder.join("cache");
        link_store(&places::cache(&arguments.inputs)?, &cache)?;
        let out = folder.join("out");
        make(&out)?;
        let in_memory = is_memory(Path::new(MEMORY));
        let memory = in_memory
            .then(|| tempfile::Builder::new().prefix("plinth-twice-").tempdir_in(MEMORY))
            .transpose()
            .map_err(OutputError::at("make a folder in", Path::new(MEMORY)))?;
        let scratch = memory.as_ref().map_or(out.clone(), |folder| folder.path().to_path_buf());
        let threads = places::threads(&arguments.inputs).max(3).to_string();
        let mut build =
            words(["--jobs", threads.as_str(), "--source", "clone", "--cache", "cache"]);
        build.extend([OsString::from("--scratch"), scratch.clone().into_os_string()]);
        build.extend(mirrors(arguments));
        if let Some(binaries) = binaries {
            let own = folder.join("programs");
            copy_reversed(binaries, &own)?;
            build.extend(words(["--binaries", "programs"]));
        }
        let is_root = geteuid().is_root();
        let mut process = words(["--umask", "077"]);
        if is_root {
            process.extend(words(["--hostname", "another-machine", "--uid", "65534"]));
            give(work, &folder)?;
            chown(&scratch, Some(Uid::from_raw(NOBODY)), None)
                .map_err(|error| OutputError::at("give away", &scratch)(error.into()))?;
        }
        let variation = |what, first: &str, second: &str| Variation {
            what,
            first: first.to_owned(),
            second: second.to_owned(),
            not_varied: None,
        };
        let only = |holds: bool, variation: Variation, why| match holds {
            true => variation,
            false => {
                Variation { not_varied: Some(why), second: variation.first.clone(), ..variation }
            }
        };
        let root_alone = "only root may; run this as root to vary it";
        let lengths =
            [work.join("1"), folder.clone()].map(|path| path.as_os_str().len().to_string());
        let variations = vec![
            variation("bytes of the folder's path", &lengths[0], &lengths[1]),
            variation("order in which the clone's files were made", "as they are", "reversed"),
            variation("umask", "022", "077"),
            only(is_root, variation("user", "0", "65534"), root_alone),
            only(is_root, variation("host name", "this machine's", "another-machine"), root_alone),
            variation("time zone", "UTC", "Pacific/Apia"),
            variation("locale", "C.UTF-8", "tr_TR.UTF-8"),
            variation("SOURCE_DATE_EPOCH", "absent", "1"),
            variation("threads", "1", &threads),
            only(
                in_memory,
                variation("scratch files", "on disk", "in memory (tmpfs)"),
                "/dev/shm is no tmpfs here",
            ),
            variation("store of packages", "the usual one", "a copy of its packages and crates"),
            Variation {
                what: "clock",
                first: "this machine's".into(),
                second: "this machine's".into(),
                not_varied: Some("the builder does not ask for the time; its lints forbid it"),
            },
        ];
        let side = Self {
            name: "second",
            program,
            folder,
            out,
            process,
            build,
            _memory: memory,
            environment: environment([
                ("TZ", "Pacific/Apia"),
                ("LC_ALL", "tr_TR.UTF-8"),
                ("LANG", "tr_TR.UTF-8"),
                ("SOURCE_DATE_EPOCH", "1"),
                ("USER", "nobody"),
            ]),
        };
        Ok((side, variations))
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.map(OsString::from).into()
}

/// The surroundings of a build; what is not named is not there.
fn environment<const N: usize>(own: [(&'static str, &str); N]) -> Vec<(&'static str, OsString)> {
    let kept = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"];
    let kept = kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    kept.chain(own.map(|(name, value)| (name, OsString::from(value)))).collect()
}

fn mirrors(arguments: &VerifyArguments) -> Vec<OsString> {
    let named = std::env::var("PLINTH_MIRROR").unwrap_or_default();
    let named = named.split(',').filter(|mirror| !mirror.is_empty()).map(str::to_owned);
    let all = arguments.inputs.places.mirror.iter().cloned().chain(named);
    let mut words: Vec<OsString> = all.map(|mirror| format!("--mirror={mirror}").into()).collect();
    words
        .extend(arguments.inputs.snapshot.iter().map(|place| format!("--snapshot={place}").into()));
    words
}

fn make(folder: &Path) -> Result<(), OutputError> {
    fs::create_dir_all(folder).map_err(OutputError::at("create", folder))
}

/// Copies a folder, the last name first, so that a listing comes in another order.
fn copy_reversed(from: &Path, to: &Path) -> Result<(), OutputError> {
    make(to)?;
    let listing = fs::read_dir(from).map_err(OutputError::at("list", from))?;
    let mut entries =
        listing.collect::<Result<Vec<_>, _>>().map_err(OutputError::at("list", from))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries.into_iter().rev() {
        let (path, own) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(OutputError::at("read", &path))?;
        let copied = if kind.is_dir() {
            if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                copy_reversed(&path, &own)?;
            }
            Ok(())
        } else if kind.is_symlink() {
            fs::read_link(&path).and_then(|target| symlink(target, &own))
        } else {
            fs::copy(&path, &own).map(drop)
        };
        copied.map_err(OutputError::at("copy", &path))?;
    }
    Ok(())
}

/// A store with the same packages and crates, and nothing that was compiled or unpacked.
fn link_store(from: &Path, to: &Path) -> Result<(), OutputError> {
    let (from, to) = (from.join("sha256"), to.join("sha256"));
    make(&to)?;
    let Ok(listing) = fs::read_dir(&from) else { return Ok(()) };
    for entry in listing {
        let entry = entry.map_err(OutputError::at("list", &from))?;
        let (path, own) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            fs::copy(&path, &own).map_err(OutputError::at("copy", &path))?;
        } else {
            copy_reversed(&path, &own)?;
        }
    }
    Ok(())
}

fn is_memory(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|system| system.filesystem_type() == TMPFS_MAGIC)
}

/// Gives a folder with all in it to nobody, who must also get there.
fn give(work: &Path, folder: &Path) -> Result<(), OutputError> {
    fs::set_permissions(work, Permissions::from_mode(0o755))
        .map_err(OutputError::at("open", work))?;
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let kind = path.symlink_metadata().map_err(OutputError::at("read", &path))?;
        if kind.is_symlink() {
            continue;
        }
        let (user, group) = (Some(Uid::from_raw(NOBODY)), Some(nix::unistd::Gid::from_raw(NOBODY)));
        chown(&path, user, group)
            .map_err(|error| OutputError::at("give away", &path)(error.into()))?;
        if kind.is_dir() {
            let listing = fs::read_dir(&path).map_err(OutputError::at("list", &path))?;
            waiting.extend(listing.flatten().map(|entry| entry.path()));
        }
    }
    Ok(())
}
