//! This node's part in the generation of the chain key: the engine's state machine, with the
//! dealings that it accepts on disk.
//!
//! A dealing that this node has acknowledged is not published by its dealer, so it must survive a
//! restart: it is on disk before the acknowledgement leaves. So must this node's own log: it reveals
//! the shares of those who had not acknowledged, and a second log with other acknowledgements would
//! reveal those of others. The files hold secrets; they are readable by the node's user alone and
//! removed once the chain key is on disk.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use replica_consensus::DkgCeremony;
use replica_crypto::chain_key::SecretShare;
use replica_engine::dkg::{Ceremony, DkgError};
use replica_engine::{Member, NodeSecret};
use thiserror::Error;
use types::{NodeId, SubnetConfig, Transcript};

use crate::disk::{Disk, chain};

/// Why the ceremony cannot go on.
#[derive(Debug, Error)]
pub enum CeremonyError {
    /// The members do not make one.
    #[error("the key generation cannot begin")]
    Begin(#[from] DkgError),
    /// The dealings on disk cannot be read.
    #[error("cannot read the kept dealings in {}", path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// This node's own log is damaged.
    #[error(
        "the node's own dealer log {} is damaged; restore it. To publish another one would reveal \
         more of the chain key: if it is lost, start the subnet anew, it has no state yet", path.display()
    )]
    OwnLog {
        /// The file.
        path: PathBuf,
    },
}

/// The ceremony of one node.
pub struct KeptCeremony {
    ceremony: Ceremony,
    dir: PathBuf,
    disk: Disk,
    /// This node's own log, once it is made; it is on disk then.
    log: Option<Bytes>,
}

/// The file of this node's own log, beside those of the dealings. No principal is written so.
const OWN_LOG: &str = "own-log";

/// Where the dealings are, under the node's directory.
fn dealings_dir(node_dir: &Path) -> PathBuf {
    node_dir.join("dealings")
}

/// Removes the kept dealings: the chain key is on disk.
pub fn forget_dealings(node_dir: &Path) {
    let dir = dealings_dir(node_dir);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            log::warn!(dir:% = dir.display(), error:% = error; "the dealings cannot be removed");
        }
        _ => {}
    }
}

impl KeptCeremony {
    /// Begins, or begins again with what is on disk.
    pub fn new(
        me: NodeId,
        secret: &NodeSecret,
        subnet: &SubnetConfig,
        node_dir: &Path,
        disk: Disk,
    ) -> Result<Self, CeremonyError> {
        let mut ceremony = Ceremony::new(me, secret, &members(subnet), subnet.digest().0)?;
        let dir = dealings_dir(node_dir);
        let kept = read_dealings(&dir)
            .map_err(|source| CeremonyError::Read { path: dir.clone(), source })?;
        for member in subnet.members.iter().map(|member| member.node_id) {
            let Some(dealing) = kept.get(&file_name(&member)) else { continue };
            if let Err(error) = ceremony.take_dealing(&member, dealing) {
                log::warn!(dealer:% = member, error:% = chain(&error); "a kept dealing is not good");
            }
        }
        let log = kept.get(OWN_LOG).cloned().map(Bytes::from);
        if let Some(log) = &log
            && ceremony.log_dealer(log).ok() != Some(me)
        {
            return Err(CeremonyError::OwnLog { path: dir.join(OWN_LOG) });
        }
        Ok(Self { ceremony, dir, disk, log })
    }

    fn keep(&self, name: &str, content: &[u8]) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let path = self.dir.join(name);
        let partial = self.dir.join(format!("{name}.partial"));
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(partial, path)?;
        File::open(&self.dir)?.sync_all()
    }
}

/// The members as the engine names them.
pub fn members(subnet: &SubnetConfig) -> Vec<Member> {
    let member = |member: &types::Member| Member {
        node_id: member.node_id,
        public_key: member.public_key,
        address: member.p2p,
    };
    subnet.members.iter().map(member).collect()
}

fn file_name(dealer: &NodeId) -> String {
    dealer.to_string()
}

fn read_dealings(dir: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other?,
    };
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?))
    };
    entries.map(read).collect()
}

/// What is not accepted is logged: the bytes are foreign.
fn accepted<T>(what: &str, from: &NodeId, result: Result<T, DkgError>) -> Option<T> {
    let refused =
        |error: &DkgError| log::warn!(from:% = from, error:% = chain(error); "{what} is refused");
    result.inspect_err(refused).ok()
}

impl DkgCeremony for KeptCeremony {
    fn dealing(&mut self, player: &NodeId) -> Option<Bytes> {
        self.ceremony.dealing(player)
    }

    fn take_dealing(&mut self, dealer: &NodeId, dealing: &[u8]) -> Option<Bytes> {
        let taken = self.ceremony.take_dealing(dealer, dealing);
        let acknowledgement = accepted("a dealing", dealer, taken)?;
        if self.dir.join(file_name(dealer)).exists() {
            return Some(acknowledgement);
        }
        match self.keep(&file_name(dealer), dealing) {
            Ok(()) => Some(acknowledgement),
            Err(error) => {
                self.disk.fail("keeping a dealing", &error);
                None
            }
        }
    }

    fn take_acknowledgement(&mut self, player: &NodeId, acknowledgement: &[u8]) -> bool {
        let taken = self.ceremony.take_acknowledgement(player, acknowledgement);
        accepted("an acknowledgement", player, taken).is_some()
    }

    fn dealer_log(&mut self) -> Bytes {
        if let Some(log) = &self.log {
            return log.clone();
        }
        let log = self.ceremony.dealer_log();
        // If it cannot be kept the node ends before anything that it wants to send leaves it.
        if let Err(error) = self.keep(OWN_LOG, &log) {
            self.disk.fail("keeping the own dealer log", &error);
        }
        self.log = Some(log.clone());
        log
    }

    fn log_dealer(&self, log: &[u8]) -> Option<NodeId> {
        self.ceremony.log_dealer(log).ok()
    }

    fn outcome(&self, logs: &BTreeMap<NodeId, Bytes>) -> Option<Transcript> {
        self.ceremony
            .outcome(logs)
            .inspect_err(|error| log::warn!(error:% = chain(error); "the logs make no key yet"))
            .ok()
    }

    fn secret_share(&mut self, logs: &BTreeMap<NodeId, Bytes>) -> Option<SecretShare> {
        let share = self.ceremony.secret_share(logs);
        let share = share
            .inspect_err(|error| log::error!(error:% = chain(error); "this node has no share"))
            .ok()?;
        SecretShare::from_bytes(&share[..])
            .inspect_err(|error| log::error!(error:% = error; "this node's share is not usable"))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use replica_crypto::signatures::NodeSigningKey;
    use replica_state::Store;
    use types::{Fees, Limits, ReplicaVersion, SubnetType, Time};

    use super::*;

    fn subnet() -> SubnetConfig {
        let member = |seed: u8| {
            let key = NodeSigningKey::from_seed(&[seed; 32]);
            let address = ([127, 0, 0, seed], 1).into();
            let (node_id, public_key) = (key.node_id(), key.public_key());
            types::Member { node_id, public_key, p2p: address, api: address }
        };
        let mut members: Vec<_> = (1..=4).map(member).collect();
        members.sort_by_key(|member| member.node_id);
        SubnetConfig {
            name: "test".into(),
            subnet_type: SubnetType::CloudEngine,
            development: true,
            genesis_time: Time::from_secs(1),
            replica_version: ReplicaVersion("0.1.0".into()),
            members,
            canister_index_range: (0, 10),
            idle_block_interval_ms: 250,
            checkpoint_interval: 10,
            limits: Limits::default(),
            fees: Fees::default(),
        }
    }

    fn ceremony(seed: u8, dir: &Path) -> Result<KeptCeremony, CeremonyError> {
        let node_dir = dir.join(seed.to_string());
        let store = Store::open(&node_dir.join("state")).expect("a new directory").store;
        let me = NodeSigningKey::from_seed(&[seed; 32]).node_id();
        let secret = NodeSecret::new([seed; 32]);
        KeptCeremony::new(me, &secret, &subnet(), &node_dir, Disk::new(Arc::new(store)))
    }

    fn id(seed: u8) -> NodeId {
        NodeSigningKey::from_seed(&[seed; 32]).node_id()
    }

    /// A log with other acknowledgements reveals other shares, so there must never be a second.
    #[test]
    fn a_restarted_dealer_publishes_the_same_log() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut dealer = ceremony(1, dir.path()).expect("a new one");
        let acknowledge = |dealer: &mut KeptCeremony, player: u8| {
            let dealing = dealer.dealing(&id(player)).expect("for a member");
            let mut player_ceremony = ceremony(player, dir.path()).expect("a new one");
            let answer = player_ceremony.take_dealing(&id(1), &dealing).expect("a good dealing");
            assert!(dealer.take_acknowledgement(&id(player), &answer));
        };
        [2, 3].into_iter().for_each(|player| acknowledge(&mut dealer, player));
        let log = dealer.dealer_log();
        drop(dealer);

        let mut dealer = ceremony(1, dir.path()).expect("kept");
        [3, 4].into_iter().for_each(|player| acknowledge(&mut dealer, player));
        assert_eq!(dealer.dealer_log(), log);
        drop(dealer);

        let file = dealings_dir(&dir.path().join("1")).join(OWN_LOG);
        std::fs::write(file, &log[..log.len() - 1]).expect("writable");
        assert!(matches!(ceremony(1, dir.path()), Err(CeremonyError::OwnLog { .. })));
    }
}
