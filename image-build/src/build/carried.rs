//! Images inside of an image: the payloads that SetupOS installs, as one read-only file system whose hash is on the
//! measured command line.

use super::{BuildError, Built, Options};
use crate::erofs;
use crate::manifest::{Manifest, Variant};
use crate::output::Output;
use crate::tree::{Content, Meta, Tree, TreePath};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

/// What is carried of an image: its payload, and what says how it belongs together.
const ENDINGS: [&str; 2] = ["json", "payload"];

/// The files of the images that another one carries.
#[derive(Debug, Default)]
pub struct Carried {
    /// Names in the file system, with the files of the result that hold them.
    files: Vec<(String, PathBuf)>,
    /// SHA-256 over the descriptions of the images, which have the hashes of all else.
    pub sha256: [u8; 32],
}

impl Carried {
    /// Finds the images that a manifest names; each must be whole in the folder of the result.
    pub fn of(options: &Options, image: &str, manifest: &Manifest) -> Result<Self, BuildError> {
        let mut carried = Self::default();
        let mut hash = Sha256::new();
        for other in &manifest.carries {
            let other = match options.variant {
                Variant::Production => other.clone(),
                Variant::Dev => format!("{other}-dev"),
            };
            let bad = |problem: String| BuildError::Carried {
                image: image.to_owned(),
                other: other.clone(),
                problem,
            };
            let path = |ending| options.out.join(format!("{other}.{ending}"));
            let text = fs::read(path("json")).map_err(|_| bad("which is not there".into()))?;
            let built = Built::parse(&text)
                .map_err(|error| bad(format!("whose description is damaged ({error})")))?;
            let payload =
                built.artifacts.iter().find(|artifact| artifact.name.ends_with(".payload"));
            let found = super::artifact(&format!("{other}.payload"), &path("payload"))?;
            if payload != Some(&found) {
                return Err(bad("whose payload is not what its description says".into()));
            }
            hash.update(Sha256::digest(&text));
            carried.files.extend(ENDINGS.map(|ending| (format!("{other}.{ending}"), path(ending))));
        }
        carried.sha256 = hash.finalize().into();
        Ok(carried)
    }

    /// Writes `IMAGE.carried.erofs`; says whether there is anything to carry.
    pub fn write(&self, options: &Options, image: &str, time_s: u64) -> Result<bool, BuildError> {
        if self.files.is_empty() {
            return Ok(false);
        }
        let bad = |problem: String| BuildError::Boot { image: image.to_owned(), problem };
        let mut tree = Tree::new(time_s);
        for (name, file) in &self.files {
            let content = Content::file(file).map_err(|error| bad(error.to_string()))?;
            let path = TreePath::new(name.as_bytes()).map_err(|error| bad(error.to_string()))?;
            tree.add_file(path, Meta::root(0o644), content)
                .map_err(|error| bad(error.to_string()))?;
        }
        let failed = |source| BuildError::Erofs { image: image.to_owned(), source };
        let form = erofs::Options { label: "plinth-payload".into(), last: Default::default() };
        let plan = erofs::Plan::new(&tree, &form).map_err(failed)?;
        let mut output = Output::create(&options.out.join(format!("{image}.carried.erofs")))?;
        plan.write(output.file()).map_err(failed)?;
        output.commit()?;
        Ok(true)
    }
}
