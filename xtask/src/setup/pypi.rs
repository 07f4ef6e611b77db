//! Packages of PyPI: pinned with their hashes by `xtask/pypi/requirements.txt`, installed once per list into an
//! environment of their own in the cache.

use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

/// Each package and why it is one.
pub const REASONS: &[(&str, &str)] =
    &[("sev-snp-measure", "another implementation of launch digests, which checks ours")];

const LIST: &str = "xtask/pypi/requirements.txt";

/// Installs the packages unless this list is installed already; gives the folder with their programs.
pub fn install(folders: &Folders) -> Result<PathBuf, Error> {
    let list = folders.root.join(LIST);
    let text = fs::read(&list).map_err(Error::file("read", &list))?;
    let key = hex::encode(&Sha256::digest(text)[..8]);
    let installed = folders.cache.join("pypi").join(&key);
    let programs = installed.join("bin");
    // The mark is written last: programs of an environment name the folder it was made in, so that it cannot
    // be made elsewhere and renamed.
    let mark = installed.join("whole");
    if mark.is_file() {
        return Ok(programs);
    }
    fs::create_dir_all(&installed).map_err(Error::file("create", &installed))?;
    Run::new(folders, "python3").args(["-m", "venv", "--clear"]).arg(&installed).run()?;
    Run::new(folders, programs.join("pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--require-hashes", "--requirement"])
        .arg(&list)
        .output_to_stderr()
        .run()?;
    fs::write(&mark, "").map_err(Error::file("write", &mark))?;
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_and_has_a_reason() {
        let list = crate::folders::root_of_clone().unwrap().join(LIST);
        let text = fs::read_to_string(list).expect("the file is part of the clone");
        let text = text.replace("\\\n", " ");
        let packages: Vec<_> =
            text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert_eq!(packages.len(), REASONS.len());
        for (line, (package, _)) in packages.iter().zip(REASONS) {
            assert!(line.starts_with(&format!("{package}==")), "{line}");
            assert!(line.contains("--hash=sha256:"), "{line}");
        }
    }
}
