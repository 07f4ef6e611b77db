//! What a node reads of its directory and its configuration: frozen where a node of another
//! version may have written it, and never a reason to panic.

#[path = "../../../types/conformance.rs"]
mod conformance;
#[path = "../../../fuzz/mutations.rs"]
mod mutations;

use std::path::Path;
use std::sync::Arc;

use conformance::{Format, check};
use mutations::for_each_mutant;
use replica_consensus::StoredKey;
use replica_crypto::chain_key::ChainKey;
use replica_crypto::chain_key::dealt::deal;
use replica_node::ceremony::KeptCeremony;
use replica_node::config::Config;
use replica_node::disk::Disk;
use replica_node::node_key::NodeKey;
use replica_state::Store;
use types::{
    Fees, Height, Limits, Member, NodeId, Principal, ReplicaVersion, SubnetConfig, SubnetType, Time,
};
use zeroize::Zeroizing;

fn key(seed: u8) -> NodeKey {
    NodeKey::from_seed(Zeroizing::new([seed; 32]))
}

fn subnet() -> SubnetConfig {
    let member = |seed: u8| {
        let key = key(seed);
        let address = ([127, 0, 0, seed], 1).into();
        let (node_id, public_key) = (key.node_id(), key.public_key());
        Member { node_id, public_key, p2p: address, api: address }
    };
    let mut members: Vec<_> = (1..=4).map(member).collect();
    members.sort_by_key(|member| member.node_id);
    SubnetConfig {
        name: "test".into(),
        subnet_type: SubnetType::Application,
        development: true,
        genesis_time: Time(1),
        replica_version: ReplicaVersion("0".into()),
        members,
        canister_index_range: (0, 10),
        idle_block_interval_ms: 300,
        checkpoint_interval: 10,
        limits: Limits::default(),
        fees: Fees::default(),
    }
}

fn stored_key() -> StoredKey {
    let members = [1, 2].map(|n| NodeId(Principal::from_slice(&[n])));
    let mut dealt = deal(1, &members, 2);
    let share = dealt.shares.remove(&members[0]);
    StoredKey { height: Height(7), transcript: dealt.transcript, share }
}

fn opened(dir: &Path) -> (Arc<Store>, Disk) {
    let store = Arc::new(Store::open(dir).expect("a new directory").store);
    (Arc::clone(&store), Disk::new(store))
}

/// The name of the value under which the chain key is kept.
const CHAIN_KEY: &str = "chain-key";

#[test]
fn the_kept_chain_key_is_frozen() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (store, disk) = opened(dir.path());
    disk.save_key(&stored_key());
    let record = store.value(CHAIN_KEY).expect("readable").expect("it was kept");
    check(&[Format {
        name: "the public part of the chain key in the store (no version; that of the directory)",
        encodings: vec![record],
        hash: "539a51b81858ab7ad0667c55b46f4ae0f79ce9b8fc6e90813b8ffea272776282",
    }]);
}

#[test]
fn a_changed_chain_key_is_refused_or_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (store, disk) = opened(dir.path());
    disk.save_key(&stored_key());
    let record = store.value(CHAIN_KEY).expect("readable").expect("it was kept");
    for_each_mutant(&[record], 1_000, |bytes| {
        store.put_value(CHAIN_KEY, bytes.to_vec()).expect("writable");
        if let Ok(Some(key)) = disk.load_key() {
            let _ = ChainKey::new(&key.transcript);
        }
    });
}

#[test]
fn changed_configurations_are_refused_or_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name);
    let key = NodeKey::generate_or_keep(&path("node.key")).expect("a key");
    let mut subnet = subnet();
    let address = ([127, 0, 0, 1], 1).into();
    let (node_id, public_key) = (key.node_id(), key.public_key());
    subnet.members = vec![Member { node_id, public_key, p2p: address, api: address }];
    let yaml = format!(
        "node_dir: {0}/data\nsubnet: {0}/subnet.json\nkey: {0}/node.key\napi: 127.0.0.1:1\n\
         metrics: 127.0.0.1:2\nlog_level: info\n",
        dir.path().display()
    );
    let here = format!("node_dir: {}/data\n", dir.path().display());
    let json = serde_json::to_vec(&subnet).expect("plain data");
    let seed = std::fs::read(path("node.key")).expect("it was made");
    for (file, good) in
        [("replica.yaml", yaml.into_bytes()), ("subnet.json", json), ("node.key", seed)]
    {
        let write = |bytes: &[u8]| std::fs::write(path(file), bytes).expect("writable");
        write(&good);
        for_each_mutant(std::slice::from_ref(&good), 1_000, |bytes| {
            // The directory is made wherever it is named to be: only here.
            let stays_here = |text: &str| !text.contains("node_dir") || text.contains(&here);
            if str::from_utf8(bytes).is_ok_and(stays_here) {
                write(bytes);
                let _ = Config::load(&path("replica.yaml"));
            }
        });
        write(&good);
    }
    assert!(Config::load(&path("replica.yaml")).is_ok(), "all is as before");
}

#[test]
fn changed_dealings_on_disk_are_left_out() {
    let subnet = subnet();
    let ceremony = |seed: u8, dir: &Path, disk: &Disk| {
        let key = key(seed);
        KeptCeremony::new(key.node_id(), &key.secret(), &subnet, dir, disk.clone())
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_store, disk) = opened(&dir.path().join("state"));
    let mut dealer = ceremony(1, &dir.path().join("dealer"), &disk).expect("it begins");
    let dealing = replica_consensus::DkgCeremony::dealing(&mut dealer, &key(2).node_id());
    let dealing = dealing.expect("for each other member").to_vec();
    let node_dir = dir.path().join("player");
    let dealings = node_dir.join("dealings");
    std::fs::create_dir_all(&dealings).expect("a directory");
    for_each_mutant(&[dealing], 200, |bytes| {
        std::fs::write(dealings.join(key(1).node_id().to_string()), bytes).expect("writable");
        assert!(ceremony(2, &node_dir, &disk).is_ok());
    });
}
