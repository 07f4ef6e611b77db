//! What can go wrong, each with its fix.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// An error that ends a command.
#[derive(Debug, Error)]
pub enum Error {
    /// A file or a directory.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file that we wrote, or that somebody changed, cannot be understood.
    #[error("{} is damaged; remove the directory and run `plinth up` again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The directory was made by another version.
    #[error(
        "{} holds a network of format {found}, this is format {ours} (Plinth {}); \
         use the Plinth that made it, or another --dir", dir.display(), env!("CARGO_PKG_VERSION")
    )]
    Format {
        /// The directory.
        dir: PathBuf,
        /// What it says.
        found: u32,
        /// What we write.
        ours: u32,
    },
    /// The directory holds something else.
    #[error(
        "{} exists and is no Plinth network; choose an empty or a new directory with --dir",
        .0.display()
    )]
    Foreign(PathBuf),
    /// There is no network.
    #[error("no network in {}; start one with `plinth up --dir {}`", .0.display(), quoted(.0))]
    NoNetwork(PathBuf),
    /// There is a network, and none of its nodes runs.
    #[error(
        "the network in {} is stopped; start it with `plinth up --dir {}`", .0.display(), quoted(.0)
    )]
    Stopped(PathBuf),
    /// The network is there with other settings.
    #[error(
        "the network in {} has {what} {has}, not {wanted}; leave --{what} away, or make a new \
         network in another --dir", dir.display()
    )]
    Different {
        /// The directory.
        dir: PathBuf,
        /// The setting.
        what: &'static str,
        /// What it is.
        has: u64,
        /// What the command line says.
        wanted: u64,
    },
    /// What a node needs is not there.
    #[error(
        "the files of node {node} are missing from {}; bring them back, or remove the network's \
         directory and run `plinth up` again", dir.display()
    )]
    NodeMissing {
        /// Which.
        node: usize,
        /// Where they were.
        dir: PathBuf,
    },
    /// Another `plinth` changes the network.
    #[error("another plinth command is working on {}; wait for it to end", .0.display())]
    Busy(PathBuf),
    /// No such node.
    #[error("the network has nodes 0 to {last}, no node {node}")]
    NoNode {
        /// The node asked for.
        node: usize,
        /// The last one there is.
        last: usize,
    },
    /// A port is taken.
    #[error(
        "port {port} of {address} is in use; stop the program that has it, or choose another \
         port with --port"
    )]
    PortTaken {
        /// The address.
        address: std::net::IpAddr,
        /// The port.
        port: u16,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Too little memory.
    #[error(
        "{nodes} nodes need {needed_mib} MiB of memory, {available_mib} MiB are available; close \
         other programs or start fewer nodes with --nodes"
    )]
    Memory {
        /// Nodes wanted.
        nodes: usize,
        /// What they need.
        needed_mib: u64,
        /// What there is.
        available_mib: u64,
    },
    /// Too little disk space.
    #[error(
        "{} has {available_mib} MiB free, a network needs {needed_mib} MiB; free some or choose \
         another --dir", dir.display()
    )]
    Disk {
        /// The directory.
        dir: PathBuf,
        /// What it needs.
        needed_mib: u64,
        /// What there is.
        available_mib: u64,
    },
    /// An executable of ours is missing.
    #[error(
        "{} is missing; it belongs beside `plinth`: build all with `cargo build --release`, or \
         start with `cargo xtask up`", .0.display()
    )]
    Executable(PathBuf),
    /// The module of a system canister is missing.
    #[error(
        "{} is missing: the ledgers of a new network. Build it with `cargo xtask canisters`, start \
         with `cargo xtask up`, or do without with `plinth up --bare`", .0.display()
    )]
    SystemCanister(PathBuf),
    /// A helper executable failed.
    #[error("{what} failed: {detail}")]
    Helper {
        /// What was run.
        what: String,
        /// What it said.
        detail: String,
    },
    /// The configuration that we made is not valid: a bug.
    #[error("the new network's configuration is not valid")]
    Config(#[from] types::ConfigError),
    /// A node ended while the network started.
    #[error("node {node} ended while the network started: {detail}\nits log: {}", log.display())]
    NodeEnded {
        /// Which.
        node: usize,
        /// Its last words.
        detail: String,
        /// Where it logs.
        log: PathBuf,
    },
    /// A node's replica ends again and again while the network starts.
    #[error(
        "the replica of node {node} ended {restarts} times while the network started: {detail}\n\
         its log: {}", log.display()
    )]
    NodeEnds {
        /// Which.
        node: usize,
        /// How often it was started again.
        restarts: u64,
        /// Its last words.
        detail: String,
        /// Where it logs.
        log: PathBuf,
    },
    /// The network did not answer in time.
    #[error(
        "no certified block within {seconds} s; the nodes' logs are in {}", dir.display()
    )]
    Slow {
        /// How long we waited.
        seconds: u64,
        /// Where to look.
        dir: PathBuf,
    },
    /// A process could not be stopped.
    #[error("node {node} (process {pid}) does not end; end it with `kill -9 {pid}`")]
    Stubborn {
        /// Which.
        node: usize,
        /// Its orchestrator.
        pid: i32,
    },
    /// The orchestrator's files.
    #[error(transparent)]
    Orchestrator(#[from] orchestrator::StatusError),
    /// Interrupted while starting.
    #[error("interrupted; everything that was started is stopped again")]
    Interrupted,
    /// The drill itself could not go on.
    #[error("{0}")]
    Drill(String),
    /// Something did not hold in a drill.
    #[error("not everything held; the report says what")]
    DrillFailed,
    /// Something of a release, or of a second build, is not as it must be.
    #[error("not everything matched; the report says what and where")]
    NotMatched,
    /// An image.
    #[error(transparent)]
    Image(Box<crate::image::ImageError>),
    /// A launcher option that cannot be honoured.
    #[error("{0}")]
    Launcher(String),
    /// Evidence that was refused, by these checks.
    #[error("refused by {0}")]
    Refused(String),
    /// A machine that is not what it should be.
    #[error("{0}")]
    Deviates(String),
    /// Input that no verdict can be made of.
    #[error("{0}")]
    Unusable(String),
    /// A signal handler.
    #[error("cannot listen for signals")]
    Signals(#[source] nix::errno::Errno),
}

/// A path as a word of a command line that can be copied into a shell.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@%:,".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

impl Error {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoNetwork(_) | Self::Stopped(_) => 4,
            Self::NoNode { .. }
            | Self::Different { .. }
            | Self::Launcher(_)
            | Self::Unusable(_) => 2,
            _ => 1,
        }
    }

    /// For `map_err` on file operations.
    pub fn file<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::File { action, path: path.into(), source }
    }

    /// The error with all its causes, on one line each level once, and what to do about a full disk.
    pub fn chain(&self) -> String {
        let text = chain_of(self);
        match no_room(self) && !text.contains(ROOM) {
            true => format!("{text}; {ROOM}"),
            false => text,
        }
    }
}

/// What to do about a full disk, in the words of those errors that know more.
const ROOM: &str = "free some room";

/// Whether a full disk is the cause.
fn no_room(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(QuotaExceeded | StorageFull)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error with all its causes, on one line.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_of_a_shell() {
        let check = |path: &str, word: &str| assert_eq!(quoted(Path::new(path)), word);
        check("/net/.plinth", "/net/.plinth");
        check("/net/my net", "'/net/my net'");
        check("it's", r"'it'\''s'");
        check("$HOME", "'$HOME'");
    }

    #[test]
    fn a_full_disk_has_a_fix_once() {
        let full = || std::io::Error::from(nix::errno::Errno::ENOSPC);
        let error = Error::file("write", Path::new("f"))(full());
        assert!(error.chain().ends_with("No space left on device (os error 28); free some room"));
        let output = image_build::output::OutputError::at("write", Path::new("f"))(full());
        let error = Error::Image(Box::new(output.into()));
        assert_eq!(error.chain().matches(ROOM).count(), 1, "{}", error.chain());
        let other = Error::file("write", Path::new("f"))(nix::errno::Errno::EIO.into());
        assert!(!other.chain().contains(ROOM));
    }

    #[test]
    fn a_stopped_network_is_not_called_missing() {
        let (missing, stopped) = (Error::NoNetwork("a b".into()), Error::Stopped("a b".into()));
        assert!(missing.to_string().starts_with("no network in a b; start one with"), "{missing}");
        assert!(stopped.to_string().ends_with("`plinth up --dir 'a b'`"), "{stopped}");
        assert_eq!((missing.exit_code(), stopped.exit_code()), (4, 4));
    }
}
