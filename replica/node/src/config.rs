//! What the node's operator chooses: the configuration file, checked once at start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use types::{Member, SubnetConfig};

use crate::node_key::{KeyFileError, NodeKey};

/// The replica's configuration file (YAML); unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Where the node keeps its data; made if it is not there.
    pub node_dir: PathBuf,
    /// The subnet's configuration: JSON of [`SubnetConfig`].
    pub subnet: PathBuf,
    /// The node's key, as `replica keygen` makes it.
    pub key: PathBuf,
    /// Where the HTTP interface listens.
    pub api: SocketAddr,
    /// Where `/metrics`, `/health` and `/status` are served.
    pub metrics: SocketAddr,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: LogLevel,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What stops the node or a part of it.
    Error,
    /// What an operator should look at.
    Warn,
    /// What happens now and then.
    Info,
    /// What happens often.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for log::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

/// A configuration whose parts have been read and fit together.
pub struct Config {
    /// The file.
    pub file: ConfigFile,
    /// The subnet.
    pub subnet: Arc<SubnetConfig>,
    /// This node's key.
    pub key: NodeKey,
    /// This node's entry in the subnet.
    pub member: Member,
}

/// Why the configuration cannot be used. Starting again does not help.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}; name an existing file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The configuration file is not the YAML that we expect.
    #[error("{} is not a valid replica configuration", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_yaml::Error,
    },
    /// The subnet's configuration is not the JSON that we expect.
    #[error("{} is not a valid subnet configuration", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The subnet's configuration contradicts itself.
    #[error("the subnet of {} cannot be used", path.display())]
    Subnet {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: types::ConfigError,
    },
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// This node is not in the subnet.
    #[error("node {node} (the key of {}) is not a member of the subnet in {}; use the key of a \
             member", key.display(), subnet.display())]
    NotMember {
        /// Who the key says we are.
        node: types::NodeId,
        /// The key file.
        key: PathBuf,
        /// The subnet's file.
        subnet: PathBuf,
    },
    /// The directory cannot be made.
    #[error("cannot make the directory {}; set `node_dir` to a place that this user may write", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl Config {
    /// Reads and checks the file at `path` and what it names.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let file: ConfigFile = serde_yaml::from_str(&text)
            .map_err(|source| ConfigError::Yaml { path: path.into(), source })?;
        let subnet = load_subnet(&file.subnet)?;
        let key = NodeKey::load(&file.key)?;
        let Some(member) = subnet.member(&key.node_id()).cloned() else {
            let (node, key, subnet) = (key.node_id(), file.key, file.subnet);
            return Err(ConfigError::NotMember { node, key, subnet });
        };
        std::fs::create_dir_all(&file.node_dir)
            .map_err(|source| ConfigError::Directory { path: file.node_dir.clone(), source })?;
        Ok(Self { file, subnet: Arc::new(subnet), key, member })
    }
}

fn load_subnet(path: &Path) -> Result<SubnetConfig, ConfigError> {
    let subnet: SubnetConfig = serde_json::from_str(&read(path)?)
        .map_err(|source| ConfigError::Json { path: path.into(), source })?;
    subnet.check().map_err(|source| ConfigError::Subnet { path: path.into(), source })?;
    Ok(subnet)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use types::{Fees, Limits, NodeId, ReplicaVersion, SubnetType, Time};

    use super::*;

    struct Files {
        dir: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            let files = Self { dir: tempfile::tempdir().expect("a temporary directory") };
            let key = NodeKey::generate_or_keep(&files.path("node.key")).expect("a key");
            files.write("subnet.json", &serde_json::to_string(&subnet(&key)).expect("plain data"));
            files.write("replica.yaml", &files.yaml());
            files
        }

        fn yaml(&self) -> String {
            let at = |name| self.path(name).display().to_string();
            format!(
                "node_dir: {}\nsubnet: {}\nkey: {}\napi: 127.0.0.1:1\nmetrics: 127.0.0.1:2\nlog_level: info\n",
                at("data"),
                at("subnet.json"),
                at("node.key")
            )
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.path(name), text).expect("a file");
        }

        fn load(&self) -> Result<Config, ConfigError> {
            Config::load(&self.path("replica.yaml"))
        }
    }

    fn subnet(key: &NodeKey) -> SubnetConfig {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let public_key = key.public_key();
        let node_id = NodeId::from_public_key(&public_key);
        SubnetConfig {
            name: "test".into(),
            subnet_type: SubnetType::CloudEngine,
            development: true,
            genesis_time: Time(1),
            replica_version: ReplicaVersion("0.1.0".into()),
            members: vec![Member { node_id, public_key, p2p: address, api: address }],
            canister_index_range: (0, 10),
            idle_block_interval_ms: 300,
            checkpoint_interval: 10,
            limits: Limits::default(),
            fees: Fees::default(),
        }
    }

    #[test]
    fn a_good_file_loads_and_makes_the_directory() {
        let files = Files::new();
        let config = files.load().expect("good");
        assert_eq!(config.member.node_id, config.key.node_id());
        assert!(files.path("data").is_dir());
    }

    #[test]
    fn whatever_does_not_fit_is_said() {
        let check = |change: &dyn Fn(&Files), expected: &str| {
            let files = Files::new();
            change(&files);
            let error = files.load().err().expect("does not fit");
            let mut chain = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                chain = format!("{chain}: {cause}");
                source = cause.source();
            }
            assert!(chain.contains(expected), "{chain}");
        };
        let yaml = |from: &'static str, to: &'static str| {
            move |files: &Files| files.write("replica.yaml", &files.yaml().replace(from, to))
        };
        check(&yaml("log_level: info", "log_level: info\nsurprise: 1"), "surprise");
        check(&yaml("log_level: info", ""), "log_level");
        check(&yaml("127.0.0.1:2", "nowhere"), "not a valid replica configuration");
        check(&yaml("subnet.json", "none.json"), "cannot read");
        check(&yaml("node.key", "none.key"), "keygen");
        check(&|files| files.write("subnet.json", "{}"), "not a valid subnet configuration");
        let other = |files: &Files| {
            let key = NodeKey::generate_or_keep(&files.path("other.key")).expect("a key");
            let text = serde_json::to_string(&subnet(&key)).expect("plain data");
            files.write("subnet.json", &text);
        };
        check(&other, "is not a member");
    }
}
