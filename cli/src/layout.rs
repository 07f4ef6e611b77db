//! The network's directory: what is where, and who may change it.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The format of the directory; raised with every change that an older Plinth would misread.
pub const FORMAT: u32 = 2;

const NETWORK_FILE: &str = "network.json";

/// What `plinth` remembers of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// See [`FORMAT`].
    pub format: u32,
    /// The port of the HTTP endpoints.
    pub port: u16,
    /// The address of node 0's HTTP endpoint; node i has 127.0.0.(1 + i).
    pub bind: IpAddr,
    /// How many nodes.
    pub nodes: usize,
    /// Whether it is without the system canisters.
    pub bare: bool,
}

/// A network's directory.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The directory, absolute.
    pub dir: PathBuf,
}

/// The addresses of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The IC's HTTP interface.
    pub api: SocketAddr,
    /// Votes, blocks and gossip between nodes.
    pub p2p: SocketAddr,
    /// Metrics, health and status of the node.
    pub metrics: SocketAddr,
}

impl Network {
    /// The addresses of node `index`.
    pub fn addresses(&self, index: usize) -> Addresses {
        let last = u8::try_from(index + 1).expect("at most 40 nodes");
        let own = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let api = if index == 0 { self.bind } else { own };
        Addresses {
            api: SocketAddr::new(api, self.port),
            p2p: SocketAddr::new(own, self.port + 1),
            metrics: SocketAddr::new(own, self.port + 2),
        }
    }

    /// The URL that clients use: node 0.
    pub fn endpoint(&self) -> String {
        let api = self.addresses(0).api;
        match api.ip().is_unspecified() {
            true => format!("http://127.0.0.1:{}", api.port()),
            false => format!("http://{api}"),
        }
    }
}

impl Layout {
    /// The layout at `dir`, which need not exist.
    pub fn at(dir: &Path) -> Result<Self, Error> {
        let dir = std::path::absolute(dir).map_err(Error::file("find", dir))?;
        Ok(Self { dir })
    }

    /// The network's description, or `None` if there is no network yet.
    pub fn network(&self) -> Result<Option<Network>, Error> {
        let path = self.dir.join(NETWORK_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return self.refuse_foreign();
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(Error::Foreign(self.dir.clone()));
            }
            Err(source) => return Err(Error::File { action: "read", path, source }),
        };
        let damaged = |source| Error::Damaged { path: path.clone(), source };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        let found = value["format"].as_u64().and_then(|format| u32::try_from(format).ok());
        if let Some(found) = found.filter(|found| *found != FORMAT) {
            return Err(Error::Format { dir: self.dir.clone(), found, ours: FORMAT });
        }
        serde_json::from_value(value).map(Some).map_err(damaged)
    }

    /// A directory without a network may only be empty, missing, or what an interrupted start left.
    fn refuse_foreign(&self) -> Result<Option<Network>, Error> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(Error::File { action: "list", path: self.dir.clone(), source });
            }
        };
        let ours = ["lock", "nodes", "operator.key", "subnet.json"];
        let mut names = entries.flatten().map(|entry| entry.file_name());
        match names.any(|name| !ours.iter().any(|own| name == *own)) {
            true => Err(Error::Foreign(self.dir.clone())),
            false => Ok(None),
        }
    }

    /// The network's description; an error if there is none.
    pub fn existing(&self) -> Result<Network, Error> {
        self.network()?.ok_or_else(|| Error::NoNetwork(self.dir.clone()))
    }

    /// Writes the description: the last step of making a network.
    pub fn write_network(&self, network: &Network) -> Result<(), Error> {
        let bytes = serde_json::to_vec_pretty(network).expect("plain data");
        write_whole(&self.dir.join(NETWORK_FILE), &bytes)
    }

    /// The subnet's configuration.
    pub fn subnet_file(&self) -> PathBuf {
        self.dir.join("subnet.json")
    }

    /// The folder of node `index`.
    pub fn node_dir(&self, index: usize) -> PathBuf {
        self.dir.join("nodes").join(index.to_string())
    }

    /// Where the processes of node `index` write their log.
    pub fn node_log(&self, index: usize) -> PathBuf {
        self.node_dir(index).join("log")
    }

    /// Takes the right to change the network. The kernel gives it back when the process ends.
    pub fn lock(&self) -> Result<Flock<File>, Error> {
        std::fs::create_dir_all(&self.dir).map_err(Error::file("make", &self.dir))?;
        let path = self.dir.join("lock");
        let file = File::create(&path).map_err(Error::file("write", &path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(lock),
            Err((_, Errno::EWOULDBLOCK)) => Err(Error::Busy(self.dir.clone())),
            Err((_, errno)) => Err(Error::File { action: "lock", path, source: errno.into() }),
        }
    }
}

/// Writes a file whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let write = || {
        let mut file = File::create(&partial)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let layout = Layout::at(dir.path()).expect("a path");
        (dir, layout)
    }

    const NETWORK: Network = Network {
        format: FORMAT,
        port: 4943,
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        nodes: 4,
        bare: false,
    };

    #[test]
    fn a_network_reads_back() {
        let (_dir, layout) = layout();
        assert!(layout.network().expect("empty is fine").is_none());
        assert!(matches!(layout.existing(), Err(Error::NoNetwork(_))));
        layout.write_network(&NETWORK).expect("written");
        assert_eq!(layout.network().expect("readable"), Some(NETWORK));
    }

    #[test]
    fn other_versions_foreign_folders_and_damage_are_told_apart() {
        let (dir, layout) = layout();
        let file = dir.path().join(NETWORK_FILE);
        std::fs::write(&file, r#"{"format": 9, "other": true}"#).expect("written");
        assert!(matches!(layout.network(), Err(Error::Format { found: 9, .. })));
        std::fs::write(&file, r#"{"format": 2}"#).expect("written");
        assert!(matches!(layout.network(), Err(Error::Damaged { .. })));
        std::fs::remove_file(&file).expect("removed");
        std::fs::write(dir.path().join("letter.txt"), "dear").expect("written");
        assert!(matches!(layout.network(), Err(Error::Foreign(_))));
        let file = Layout::at(&dir.path().join("letter.txt")).expect("a path");
        assert!(matches!(file.network(), Err(Error::Foreign(_))));
    }

    #[test]
    fn one_command_at_a_time() {
        let (_dir, layout) = layout();
        let held = layout.lock().expect("free");
        assert!(matches!(layout.lock(), Err(Error::Busy(_))));
        drop(held);
        layout.lock().expect("free again");
    }

    #[test]
    fn each_node_has_its_own_address() {
        assert_eq!(NETWORK.addresses(0).api.to_string(), "127.0.0.1:4943");
        assert_eq!(NETWORK.addresses(3).p2p.to_string(), "127.0.0.4:4944");
        assert_eq!(NETWORK.addresses(3).metrics.to_string(), "127.0.0.4:4945");
        let open = Network { bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED), ..NETWORK };
        assert_eq!(open.addresses(0).api.to_string(), "0.0.0.0:4943");
        assert_eq!(open.endpoint(), "http://127.0.0.1:4943");
    }
}
