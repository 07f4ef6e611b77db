//! The images, built once and kept outside of the clone; `plinth image build` does again what is not up to date.

use image_build::build::Built;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Images that somebody built, to be tested in the place of our own.
const VARIABLE: &str = "PLINTH_IMAGES";

/// A folder with whole images.
pub struct Images {
    /// Where they are.
    pub folder: PathBuf,
}

/// All three images.
pub fn production() -> Images {
    ready(&["all"])
}

/// HostOS with a root console.
pub fn development() -> Images {
    ready(&["hostos", "--dev"])
}

fn ready(arguments: &[&str]) -> Images {
    if let Some(folder) = std::env::var_os(VARIABLE) {
        return Images { folder: folder.into() };
    }
    let home = std::env::home_dir().expect("HOME is set");
    let folder = home.join(".cache/plinth/images");
    fs::create_dir_all(&folder).expect("the cache can be written");
    // Tests of other clones may build into it.
    let lock = File::create(folder.join(".lock")).expect("the cache can be written");
    lock.lock().expect("a lock");
    // At run time: clones share the target folder, so this may have been compiled in another one.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests");
    let clone = Path::new(&package).join("../..");
    let mut build = Command::new(program("plinth"));
    build.args(["image", "build"]).args(arguments);
    build.arg("--source").arg(&clone).arg("--out").arg(&folder);
    let output = build.output().expect("plinth can be started");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{build:?}: {text}");
    Images { folder }
}

/// A program of this workspace: tests are built into `<target>/release/deps`, programs one level up.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a file");
    let program = test.ancestors().nth(2).expect("cargo puts tests two levels deep").join(name);
    assert!(program.is_file(), "{} does not exist: run `cargo xtask test`", program.display());
    program
}

impl Images {
    /// A file of an image, such as `efi`.
    pub fn path(&self, image: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{image}.{ending}"))
    }

    /// Its bytes.
    pub fn read(&self, image: &str, ending: &str) -> Vec<u8> {
        let path = self.path(image, ending);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// What the build says of an image.
    pub fn built(&self, image: &str) -> Built {
        Built::parse(&self.read(image, "json")).expect("a description")
    }

    /// The whole disk of an image, unpacked once, and not among the files of a release.
    pub fn disk(&self, image: &str) -> PathBuf {
        let home = std::env::home_dir().expect("HOME is set");
        let unpacked = home.join(".cache/plinth/disks");
        fs::create_dir_all(&unpacked).expect("the cache can be written");
        let file = |ending: &str| unpacked.join(format!("{image}.{ending}"));
        let (disk, note) = (file("raw"), file("raw.of"));
        let name = format!("{image}.disk.zst");
        let built = self.built(image);
        let packed = built.artifacts.iter().find(|artifact| artifact.name == name);
        let sha256 = &packed.expect("every image has a disk").sha256;
        if !disk.is_file() || fs::read_to_string(&note).ok().as_ref() != Some(sha256) {
            image_build::disk::unpack(&self.folder.join(name), &disk).expect("our own disk");
            fs::write(note, sha256).expect("the folder can be written");
        }
        disk
    }
}
