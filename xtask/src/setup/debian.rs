//! Debian packages: which, why, and their installation.

use super::{Purpose, version_of};
use crate::command::Run;
use crate::error::Error;
use crate::folders::Folders;
use crate::output::note;
use std::os::unix::fs::MetadataExt;

/// A package that some step needs.
pub struct Need {
    pub package: &'static str,
    pub reason: &'static str,
    /// The least that needs it.
    pub purpose: Purpose,
    /// Makes the package unnecessary, for what a machine may have from elsewhere.
    instead: Option<fn(&Folders) -> bool>,
}

const fn need(package: &'static str, purpose: Purpose, reason: &'static str) -> Need {
    Need { package, reason, purpose, instead: None }
}

pub const NEEDS: &[Need] = &[
    Need {
        instead: Some(|folders| version_of(folders, "c++").is_some()),
        ..need(
            "build-essential",
            Purpose::Up,
            "C and C++ compiler: cryptography in C, the linker driver",
        )
    },
    need(
        "librocksdb-dev",
        Purpose::Up,
        "RocksDB, which replica-state is linked to; compiling it takes a quarter of an hour",
    ),
    need(
        "rustc-web",
        Purpose::Up,
        "Rust 1.96 for canisters: the one here whose std source is packaged too",
    ),
    need("cargo-web", Purpose::Up, "the cargo that belongs to rustc-web"),
    need(
        "rust-web-src",
        Purpose::Up,
        "std source: Debian has no std for wasm32-unknown-unknown, so we build it",
    ),
    Need {
        instead: Some(has_node),
        ..need(
            "nodejs",
            Purpose::Up,
            "runs the Motoko compiler and the JavaScript client (18 or newer)",
        )
    },
    Need {
        instead: Some(|folders| version_of(folders, "npm").is_some()),
        ..need("npm", Purpose::Up, "fetches the npm packages below")
    },
    need("libdbus-1-3", Purpose::Up, "the `icp` client is linked to it (its keyring support)"),
    Need {
        instead: Some(|folders| version_of(folders, "pkg-config").is_some()),
        ..need("pkg-config", Purpose::Up, "finds the TPM library when os-kit/tpm is linked to it")
    },
    need("libtss2-dev", Purpose::Up, "the TPM library in C that plinth is linked to"),
    need("swtpm", Purpose::Test, "software TPMs: each test of os-kit/tpm has one of its own"),
    need("swtpm-tools", Purpose::Test, "makes the software TPMs, with endorsement certificates"),
    need(
        "tpm2-tools",
        Purpose::Test,
        "another implementation, which checks our quotes and makes credentials in tests",
    ),
    need("openssl", Purpose::Test, "reads endorsement certificates in tests, apart from our code"),
    need("erofs-utils", Purpose::Test, "fsck.erofs unpacks what our erofs writer wrote"),
    need("cryptsetup-bin", Purpose::Test, "veritysetup checks our hash trees, and makes the same"),
    need("fdisk", Purpose::Test, "sfdisk reads our partition tables"),
    need("gdisk", Purpose::Test, "sgdisk checks both copies of our partition tables"),
    need("dosfstools", Purpose::Test, "fsck.vfat checks what our FAT writer wrote"),
    need("mtools", Purpose::Test, "mcopy unpacks what our FAT writer wrote"),
    need("cpio", Purpose::Test, "unpacks the archives that our cpio writer wrote"),
    need("qemu-system-x86", Purpose::Test, "starts the images, under emulation if need be"),
    need("ovmf", Purpose::Test, "the firmware of the machines that the images are started on"),
    need("python3-venv", Purpose::Test, "holds sev-snp-measure, which checks our launch digests"),
    need("chromium", Purpose::Test, "the status page is tested in a real browser, headless"),
];

/// The packages of `NEEDS` that this machine lacks.
pub fn missing(folders: &Folders, purpose: Purpose) -> Result<Vec<&'static str>, Error> {
    let needs = || NEEDS.iter().filter(|need| need.purpose <= purpose);
    let listing = Run::new(folders, "dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
        .probe()
        .ok_or_else(|| no_debian(&needs().map(|need| need.package).collect::<Vec<_>>()))?;
    let installed: std::collections::BTreeSet<&str> =
        listing.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    Ok(needs()
        .filter(|need| !installed.contains(need.package))
        .filter(|need| !need.instead.is_some_and(|instead| instead(folders)))
        .map(|need| need.package)
        .collect())
}

/// Installs packages as root, or says which command to run as root.
pub fn install(folders: &Folders, packages: &[&str]) -> Result<(), Error> {
    note!("set-up: missing are {}", packages.join(", "));
    if !is_root() {
        return Err(Error::Missing(format!(
            "Debian packages are missing; run this line, then the same command again:\n\
             \n  sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends {}'\n",
            packages.join(" ")
        )));
    }
    let apt = || {
        Run::new(folders, "apt-get")
            .quiet_env("DEBIAN_FRONTEND", "noninteractive")
            .output_to_stderr()
    };
    apt().args(["update", "-q"]).run()?;
    apt().args(["install", "-q", "-y", "--no-install-recommends"]).args(packages).run()
}

fn no_debian(packages: &[&str]) -> Error {
    Error::Missing(format!(
        "no dpkg-query here: this set-up is made for Debian 12. It would install {}",
        packages.join(" ")
    ))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn has_node(folders: &Folders) -> bool {
    version_of(folders, "node").is_some_and(|version| is_new_enough(&version))
}

/// Whether a version such as `v20.20.2` is 18 or newer.
fn is_new_enough(version: &str) -> bool {
    let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
    major.parse::<u32>().is_ok_and(|major| major >= 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_old_node_from_new() {
        assert!(is_new_enough("v18.0.0"));
        assert!(is_new_enough("v20.20.2"));
        assert!(!is_new_enough("v16.20.0"));
        assert!(!is_new_enough("nonsense"));
    }

    #[test]
    fn every_need_has_a_reason() {
        for need in NEEDS {
            assert!(need.reason.len() > 20, "{} needs a reason a reader can judge", need.package);
        }
    }
}
