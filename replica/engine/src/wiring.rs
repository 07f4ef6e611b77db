//! Joins consensus, archive, dissemination and driver into one node, over any runtime and network.
//!
//! ```text
//!  votes, certificates, resolver          broadcast            backfill        application
//!        |                                    |                    |                |
//!   +---------+  propose, verify   +--------+ | blocks  +--------+ | +---------+    |
//!   | simplex | -----------------> | inline |---------> | buffer |   |resolver |    |
//!   +---------+ <- digest, bool -- +--------+           +--------+   +---------+    |
//!        | notarized, final            |  asks              |             |         |
//!        v                             v                    v             v         v
//!   +-------------------------------------------------------------------------+  +--------+
//!   | marshal: archive of final blocks, delivery in order                     |->| driver |
//!   +-------------------------------------------------------------------------+  +--------+
//! ```

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use commonware_broadcast::buffered;
use commonware_consensus::marshal::core::{Actor, Processed};
use commonware_consensus::marshal::resolver::p2p as backfill;
use commonware_consensus::marshal::standard::Inline;
use commonware_consensus::marshal::{self, Start};
use commonware_consensus::simplex::{
    self, Floor, ForwardPolicy, SkipBudget, SkipPolicy, elector::RoundRobin, types::Finalization,
};
use commonware_consensus::types::{Epoch, FixedEpocher, Height as BlockHeight};
use commonware_cryptography::certificate::{ConstantProvider, Verifier as _};
use commonware_cryptography::ed25519::PublicKey;
use commonware_cryptography::sha256::{Digest, Sha256};
use commonware_cryptography::{Digested, Digestible as _};
use commonware_macros::select;
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_storage::{archive::prunable, translator::EightCap};
use commonware_utils::channel::mpsc;
use commonware_utils::{NZDuration, NZU64};
use rand::CryptoRng;
use types::Height;

use crate::block::OrderedBlock;
use crate::bridge::{Bridge, Request};
use crate::config::HISTORY_BYTES_MAX;
use crate::driver::{DeliveryObserver, Driver, DriverEnd, Parts};
use crate::erased::ErasedApplication;
use crate::history::History;
use crate::identity::Committee;
use crate::inbox;
use crate::tuning::{
    ARCHIVE_SECTION, BLOCKS_PER_SENDER, CACHE_PAGE_BYTES, CACHE_PAGES, CACHE_SECTION, MAILBOX,
    PENDING_BLOCKS, REPAIR, REPLAY_BUFFER_BYTES, Timeouts, VIEW_RETENTION, WRITE_BUFFER_BYTES,
};

/// Votes are Ed25519 signatures with node keys.
pub(crate) type Scheme = simplex::scheme::ed25519::Scheme;

/// What a runtime must offer.
pub(crate) trait Runtime: Clock + CryptoRng + Spawner + Storage + Metrics {}
impl<E: Clock + CryptoRng + Spawner + Storage + Metrics> Runtime for E {}

/// The connections of one node.
pub(crate) struct Channels<S, R> {
    pub(crate) votes: (S, R),
    pub(crate) certificates: (S, R),
    pub(crate) resolver: (S, R),
    pub(crate) broadcast: (S, R),
    pub(crate) backfill: (S, R),
    pub(crate) application: (S, R),
}

/// The numbers of the channels on the wire.
pub(crate) mod channel {
    pub(crate) const VOTES: u64 = 0;
    pub(crate) const CERTIFICATES: u64 = 1;
    pub(crate) const RESOLVER: u64 = 2;
    pub(crate) const BROADCAST: u64 = 3;
    pub(crate) const BACKFILL: u64 = 4;
    pub(crate) const APPLICATION: u64 = 5;
}

/// What one node is made of.
pub(crate) struct NodeParts<P, B, S, R> {
    pub(crate) committee: Committee,
    pub(crate) namespace: Vec<u8>,
    /// Distinguishes the files of this node where several share a disk.
    pub(crate) partition: String,
    pub(crate) resume_after: Height,
    pub(crate) timeouts: Timeouts,
    pub(crate) history_blocks: u64,
    pub(crate) peers: P,
    pub(crate) blocker: B,
    pub(crate) channels: Channels<S, R>,
    /// Whether to refuse a journal that does not belong to the application's state.
    pub(crate) guards_journal: bool,
    pub(crate) observer: Option<Box<dyn DeliveryObserver>>,
}

/// A running node.
pub(crate) struct Node {
    driver: Handle<DriverEnd>,
    consensus: Handle<()>,
    archive: Handle<()>,
    broadcast: Handle<()>,
    /// Its end shows at the driver.
    _filler: Handle<()>,
}

impl Node {
    /// Waits until one of the parts ends, which none does by itself while all is well.
    pub(crate) async fn ended(&mut self) -> DriverEnd {
        select! {
            end = &mut self.driver => end.unwrap_or(DriverEnd::Disconnected("driver")),
            _ = &mut self.consensus => DriverEnd::Disconnected("consensus"),
            _ = &mut self.archive => DriverEnd::Disconnected("archive"),
            _ = &mut self.broadcast => DriverEnd::Disconnected("broadcast"),
        }
    }
}

/// One chain has one epoch of the engine: a changed membership is a new engine.
const EPOCH: Epoch = Epoch::zero();
/// So the epoch never ends.
const EPOCH_BLOCKS: FixedEpocher = FixedEpocher::new(NZU64!(u64::MAX));

/// Opens the node's storage, connects its parts and lets them run. Ends before the node has sent
/// anything if its journal is not the one that belongs to the application's state.
pub(crate) async fn start<E, P, B, S, R>(
    context: E,
    node: NodeParts<P, B, S, R>,
    mut application: Box<dyn ErasedApplication>,
) -> Result<Node, DriverEnd>
where
    E: Runtime,
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    let NodeParts { committee, namespace, partition, timeouts, channels, peers, blocker, .. } =
        node;
    let scheme = Scheme::signer(&namespace, committee.keys.clone(), committee.signer.clone())
        .expect("the committee holds the signer's key");
    let genesis = OrderedBlock::genesis(&namespace);
    let genesis_digest = genesis.digest();
    let cache = CacheRef::new(CACHE_PAGE_BYTES, CACHE_PAGES);
    let mailbox = MAILBOX;

    let (buffer_engine, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: committee.me(),
            mailbox_size: mailbox,
            deque_size: BLOCKS_PER_SENDER,
            priority: true,
            codec_config: (),
            peer_provider: peers.clone(),
            strategy: Sequential,
        },
    );
    let broadcast = buffer_engine.start(channels.broadcast);

    let resolver = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: committee.me(),
            peer_provider: peers,
            blocker: blocker.clone(),
            mailbox_size: mailbox,
            fetch_timeout: NZDuration!(timeouts.fetch),
            fetch_retry_delay: timeouts.fetch_retry,
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );

    let certificates = open_archive::<_, Finalization<Scheme, Digest>>(
        context.child("certificates"),
        &format!("{partition}-certificates"),
        Scheme::certificate_codec_config_unbounded(),
        &cache,
    )
    .await;
    let blocks_partition = format!("{partition}-blocks");
    let sections = section_sizes(&context, &blocks_partition).await;
    let blocks = open_archive::<_, Arc<OrderedBlock>>(
        context.child("blocks"),
        &blocks_partition,
        (),
        &cache,
    )
    .await;
    let (marshal, archive, floor) = Actor::init(
        context.child("marshal"),
        certificates,
        blocks,
        marshal::Config {
            provider: ConstantProvider::<Scheme, Epoch>::new(scheme.clone()),
            epocher: EPOCH_BLOCKS,
            start: Start::Genesis(Digested::precomputed(genesis, genesis_digest)),
            partition_prefix: format!("{partition}-marshal"),
            mailbox_size: mailbox,
            view_retention: VIEW_RETENTION,
            prunable_items_per_section: CACHE_SECTION,
            page_cache: cache.clone(),
            replay_buffer: REPLAY_BUFFER_BYTES,
            key_write_buffer: WRITE_BUFFER_BYTES,
            value_write_buffer: WRITE_BUFFER_BYTES,
            block_codec_config: (),
            max_repair: REPAIR,
            max_pending_acks: PENDING_BLOCKS,
            strategy: Sequential,
        },
    )
    .await;
    let archived = floor.processed().map_or(0, |processed: Processed| processed.height().get());

    let delivered = Arc::new(AtomicU64::new(node.resume_after.0));
    #[expect(
        clippy::disallowed_methods,
        reason = "each producer bounds itself, see `Bridge`, and a report of the archive cannot wait"
    )]
    let (requests, asked) = mpsc::unbounded_channel();
    let bridge = Bridge::new(requests.clone(), delivered.clone());
    application.bind(Box::new(move || {
        // An engine that has ended needs no poke.
        let _ = requests.send(Request::Poke);
    }));
    let automaton =
        Inline::new(context.child("inline"), bridge.clone(), archive.clone(), EPOCH_BLOCKS);
    let archive_handle = marshal.start(bridge, buffer, resolver);

    let resume_after = node.resume_after;
    // A block is in the archive before the application gets it. Votes come before their block, so
    // a journal that does not know the block has lost votes too.
    if node.guards_journal
        && resume_after.0 > archived
        && archive.get_block(BlockHeight::new(resume_after.0)).await.is_none()
    {
        return Err(DriverEnd::JournalBehind(resume_after));
    }
    let (filler, messages) = inbox::inbox(committee.len());
    let (sender, receiver) = channels.application;
    let filler = context.child("inbox").spawn(move |_| filler.run(receiver));

    let driver = Driver::new(
        Parts {
            clock: context.child("clock"),
            committee: committee.clone(),
            archive,
            requests: asked,
            delivered,
            archived: Height(archived),
            history: History::new(sections, archived, node.history_blocks, HISTORY_BYTES_MAX),
            sender,
            inbox: messages,
            observer: node.observer,
        },
        application,
    );
    let driver = context.child("driver").spawn(move |_| driver.run());

    let engine = simplex::Engine::new(
        context.child("consensus"),
        simplex::Config {
            scheme,
            elector: RoundRobin::<Sha256>::default(),
            blocker,
            automaton: automaton.clone(),
            relay: automaton.clone(),
            reporter: automaton,
            track_historical_votes: false,
            strategy: Sequential,
            partition: format!("{partition}-consensus"),
            mailbox_size: mailbox,
            epoch: EPOCH,
            floor: Floor::Genesis(genesis_digest),
            replay_buffer: REPLAY_BUFFER_BYTES,
            write_buffer: WRITE_BUFFER_BYTES,
            page_cache: cache,
            leader_timeout: timeouts.leader,
            certification_timeout: timeouts.certification,
            timeout_retry: timeouts.retry,
            view_retention: VIEW_RETENTION,
            skip: SkipPolicy::Enabled { timeout: timeouts.skip, budget: SkipBudget::Participants },
            fetch_timeout: NZDuration!(timeouts.fetch),
            fetch_retry_delay: timeouts.fetch_retry,
            forward: ForwardPolicy::SilentLeader,
        },
    );
    let consensus = engine.start(channels.votes, channels.certificates, channels.resolver);
    Ok(Node { driver, consensus, archive: archive_handle, broadcast, _filler: filler })
}

/// The bytes of each section of an archive that is on disk, by its first height. What cannot be
/// read here is not counted: opening the archive says what is wrong with it.
async fn section_sizes<E: Runtime>(context: &E, partition: &str) -> Vec<(u64, u64)> {
    let partition = format!("{partition}-value");
    let names = context.scan(&partition).await.unwrap_or_default();
    let mut sizes = Vec::with_capacity(names.len());
    for name in names {
        let first = <[u8; 8]>::try_from(&name[..]).map(u64::from_be_bytes);
        if let (Ok(first), Ok((_, size))) = (first, context.open(&partition, &name).await) {
            sizes.push((first, size));
        }
    }
    sizes
}

/// An archive by height and digest whose oldest sections can be dropped.
async fn open_archive<E, V>(
    context: E,
    partition: &str,
    codec_config: <V as commonware_codec::Read>::Cfg,
    cache: &CacheRef,
) -> prunable::Archive<EightCap, E, Digest, V>
where
    E: Runtime,
    V: commonware_codec::CodecShared,
{
    let config = prunable::Config {
        translator: EightCap,
        metadata_partition: format!("{partition}-metadata"),
        key_partition: format!("{partition}-key"),
        key_page_cache: cache.clone(),
        value_partition: format!("{partition}-value"),
        compression: None,
        codec_config,
        items_per_section: ARCHIVE_SECTION,
        key_write_buffer: WRITE_BUFFER_BYTES,
        value_write_buffer: WRITE_BUFFER_BYTES,
        replay_buffer: REPLAY_BUFFER_BYTES,
    };
    // A disk that cannot be read stops the process: nothing may be decided without the journal.
    prunable::Archive::init(context, config)
        .await
        .unwrap_or_else(|error| panic!("cannot open the archive {partition}: {error}"))
}
