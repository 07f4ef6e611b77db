//! What the node's operator chooses: the configuration file, checked once at start.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The orchestrator's configuration (YAML).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node's directory: the orchestrator's lock and status files are written there.
    pub node_dir: PathBuf,
    /// The replica executable.
    pub replica: PathBuf,
    /// The replica's arguments.
    pub arguments: Vec<String>,
    /// How long a replica may take to stop before it is killed, in milliseconds.
    pub stop_timeout_ms: u64,
}

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}; name an existing file with --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not the YAML that we expect.
    #[error("{} is not a valid configuration", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_yaml::Error,
    },
    /// The replica is not there.
    #[error("no replica at {}; set `replica` to the executable", .0.display())]
    NoReplica(PathBuf),
    /// The node's directory is not there.
    #[error("no directory {}; create it or set `node_dir`", .0.display())]
    NoDirectory(PathBuf),
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let config: Self = serde_yaml::from_str(&text)
            .map_err(|source| ConfigError::Parse { path: path.into(), source })?;
        if !config.replica.is_file() {
            return Err(ConfigError::NoReplica(config.replica));
        }
        if !config.node_dir.is_dir() {
            return Err(ConfigError::NoDirectory(config.node_dir));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("orchestrator.yaml");
        std::fs::write(&path, text.replace("DIR", &dir.path().display().to_string()))
            .expect("a file");
        match (Config::load(&path), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (result, expected) => panic!("{result:?}, expected {expected:?}"),
        }
    }

    const GOOD: &str =
        "node_dir: DIR\nreplica: /bin/sh\narguments: [-c, 'true']\nstop_timeout_ms: 1000\n";

    #[test]
    fn files() {
        check(GOOD, Ok(()));
        check(&GOOD.replace("/bin/sh", "/bin/none"), Err("no replica at /bin/none"));
        check(&GOOD.replace("DIR", "DIR/none"), Err("no directory"));
        check(&format!("{GOOD}surprise: 1\n"), Err("not a valid configuration"));
        check("node_dir: [", Err("not a valid configuration"));
    }
}
