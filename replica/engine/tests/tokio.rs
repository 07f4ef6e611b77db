//! Four engines over real sockets and disks.

mod recorder;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use recorder::{Event, Recorder, Shared};
use replica_engine::tokio::{EngineError, Handle};
use replica_engine::{
    ConfigError, EngineConfig, HISTORY_BLOCKS_DEFAULT, MESSAGE_BYTES_MAX, Member, NodeSecret,
};
use tempfile::TempDir;
use types::{Height, NodeId};

const LIMIT: Duration = Duration::from_secs(30);
const IDLE_MS: u64 = 250;

struct Network {
    members: Vec<(Member, [u8; 32])>,
    dir: TempDir,
}

impl Network {
    fn new(nodes: u8) -> Self {
        let mut members: Vec<_> = (0..nodes).map(member).collect();
        members.sort_by_key(|(member, _)| member.node_id);
        Self { members, dir: TempDir::new().unwrap() }
    }

    fn config(&self, at: usize, resume_after: u64) -> EngineConfig {
        let (member, seed) = &self.members[at];
        EngineConfig {
            me: member.node_id,
            secret: NodeSecret::new(*seed),
            members: self.members.iter().map(|(member, _)| member.clone()).collect(),
            listen: member.address,
            dir: self.dir.path().join(at.to_string()),
            namespace: b"engine test".to_vec(),
            resume_after: Height(resume_after),
            idle_interval_ms: IDLE_MS,
            history_blocks: HISTORY_BLOCKS_DEFAULT,
        }
    }

    fn start(&self, at: usize, resume_after: u64) -> Node {
        let record = Shared::default();
        let mut app = Recorder::new(record.clone(), Height(resume_after), IDLE_MS);
        app.durable = true;
        let engine = replica_engine::tokio::start(self.config(at, resume_after), app).unwrap();
        Node { record, engine }
    }

    fn start_all(&self) -> Vec<Node> {
        (0..self.members.len()).map(|at| self.start(at, 0)).collect()
    }
}

/// A member whose address is free now; a loopback address of its own keeps parallel tests apart.
fn member(at: u8) -> (Member, [u8; 32]) {
    let seed = [at + 1; 32];
    let public_key = replica_engine::public_key(&NodeSecret::new(seed));
    let host = [127, 0, 0, at + 1];
    let free = TcpListener::bind(SocketAddr::from((host, 0))).unwrap();
    let address = free.local_addr().unwrap();
    (Member { node_id: NodeId::from_public_key(&public_key), public_key, address }, seed)
}

struct Node {
    record: Shared,
    engine: Handle<Event>,
}

impl Node {
    fn wait_height(&self, height: u64) {
        self.record.wait("height", LIMIT, |record| record.height().0 >= height);
    }

    fn stop(mut self) {
        self.engine.stop();
        self.engine.join().unwrap();
    }

    fn inject(&self, event: Event) {
        self.engine.injector().inject(event).unwrap();
    }
}

fn check_agreement(nodes: &[Node]) {
    for pair in nodes.windows(2) {
        pair[0].record.read(|a| {
            pair[1].record.read(|b| {
                let common = a.blocks.len().min(b.blocks.len());
                assert!(common > 0);
                assert_eq!(a.blocks[..common], b.blocks[..common]);
            });
        });
    }
}

#[test]
fn four_nodes_agree_and_exchange_messages() {
    let network = Network::new(4);
    let nodes = network.start_all();
    nodes.iter().for_each(|node| node.wait_height(1));

    // What is ordered at one node reaches all, well before the leader's idle block is due.
    nodes[0].inject(Event::Order(Bytes::from_static(b"hello")));
    let big = Bytes::from(vec![7; 4_000_000]);
    nodes[1].inject(Event::Order(big.clone()));
    for node in &nodes {
        node.record.wait("both payloads", LIMIT, |record| {
            let payloads = record.payloads();
            payloads.contains(&Bytes::from_static(b"hello")) && payloads.contains(&big)
        });
    }

    let message = Bytes::from(vec![9; MESSAGE_BYTES_MAX]);
    nodes[2].inject(Event::Broadcast(message.clone()));
    let from = network.members[2].0.node_id;
    for (at, node) in nodes.iter().enumerate().filter(|(at, _)| *at != 2) {
        node.record.wait(&format!("message at {at}"), LIMIT, |record| {
            record.messages.contains(&(from, message.clone()))
        });
    }
    check_agreement(&nodes);
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn an_idle_network_skips_no_view() {
    let network = Network::new(4);
    let nodes = network.start_all();
    nodes.iter().for_each(|node| node.wait_height(2));
    let skipped = |node: &Node| node.record.read(|r| r.view.0.saturating_sub(r.view.1.0));
    let before: Vec<_> = nodes.iter().map(skipped).collect();
    nodes.iter().for_each(|node| node.wait_height(12));
    let after: Vec<_> = nodes.iter().map(skipped).collect();
    assert_eq!(before, after);
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn a_node_that_was_away_catches_up_and_redelivers() {
    let network = Network::new(4);
    let mut nodes = network.start_all();
    nodes.iter().for_each(|node| node.wait_height(3));
    nodes.pop().unwrap().stop();

    // Three of four go on; the fourth one's turns are skipped.
    let height = nodes[0].record.read(|record| record.height().0);
    nodes.iter().for_each(|node| node.wait_height(height + 12));

    // The state of the restarted node is older than what its engine had delivered already.
    let again = network.start(3, 1);
    again.wait_height(height + 12);
    assert_eq!(again.record.read(|record| record.blocks[0].height), Height(2));
    nodes[0].record.read(|live| {
        again.record.read(|late| {
            let common = late.blocks.len().min(live.blocks.len() - 1);
            assert_eq!(live.blocks[1..=common], late.blocks[..common]);
        });
    });

    // And it takes part: with another node gone, the three need its votes.
    nodes.pop().unwrap().stop();
    let height = nodes[0].record.read(|record| record.height().0);
    nodes.iter().for_each(|node| node.wait_height(height + 6));
    again.stop();
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn all_nodes_restart_and_continue_the_same_chain() {
    let network = Network::new(4);
    let nodes = network.start_all();
    nodes.iter().for_each(|node| node.wait_height(4));
    nodes.into_iter().for_each(Node::stop);
    let nodes = network.start_all();
    nodes.iter().for_each(|node| node.wait_height(8));
    check_agreement(&nodes);
    nodes.into_iter().for_each(Node::stop);
}

/// Without its votes a node could vote against them, so it must not start.
#[test]
fn a_lost_or_older_journal_is_refused() {
    let network = Network::new(1);
    let node = network.start(0, 0);
    node.wait_height(3);
    node.stop();
    let dir = network.config(0, 0).dir;
    let aside = dir.with_extension("aside");
    std::fs::rename(&dir, &aside).unwrap();
    let node = network.start(0, 3);
    let end = node.engine.join();
    assert!(matches!(end, Err(EngineError::JournalBehind(Height(3)))), "{end:?}");

    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(&aside, &dir).unwrap();
    let node = network.start(0, 1_000_000);
    let end = node.engine.join();
    assert!(matches!(end, Err(EngineError::JournalBehind(Height(1_000_000)))), "{end:?}");
    let node = network.start(0, 3);
    node.wait_height(6);
    node.stop();
}

#[test]
fn an_application_can_halt_its_engine_and_a_panic_is_an_error() {
    let network = Network::new(1);
    let node = network.start(0, 0);
    node.wait_height(1);
    node.inject(Event::Halt("enough".into()));
    let end = node.engine.join();
    assert!(matches!(end, Err(EngineError::Halted(reason)) if reason == "enough"));

    let node = network.start(0, 0);
    node.wait_height(2);
    let injector = node.engine.injector();
    node.inject(Event::Panic);
    let end = node.engine.join();
    assert!(matches!(end, Err(EngineError::Failed(text)) if text.contains("asked for a panic")));
    assert!(injector.inject(Event::Panic).is_err());
}

#[test]
fn a_wrong_configuration_is_refused() {
    let network = Network::new(2);
    let check = |change: &dyn Fn(&mut EngineConfig), expected: ConfigError| {
        let mut config = network.config(0, 0);
        change(&mut config);
        assert_eq!(config.check(), Err(expected));
    };
    let [me, other] = [0, 1].map(|at| network.members[at].0.node_id);
    check(&|c| c.members.clear(), ConfigError::NoMembers);
    check(&|c| c.members.reverse(), ConfigError::MemberOrder);
    check(&|c| c.me = other, ConfigError::WrongSecret { me: other, secret: me });
    check(&|c| c.members = c.members.split_off(1), ConfigError::NotMember(me));
    check(&|c| c.members[1].public_key[0] ^= 1, ConfigError::MemberKey(other));
    check(&|c| c.idle_interval_ms = 0, ConfigError::IdleInterval(0));
    check(&|c| c.idle_interval_ms = 10_001, ConfigError::IdleInterval(10_001));
}
