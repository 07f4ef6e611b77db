//! The production shell: TCP, disk and wall clock, on a thread of its own.

use std::num::{NonZeroU32, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Duration;

use commonware_cryptography::ChaCha20Poly1305;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_macros::select;
use commonware_p2p::authenticated::lookup;
use commonware_p2p::{Address, AddressableManager as _};
use commonware_runtime::{Quota, Runner as _, Supervisor as _, tokio};
use commonware_stream::cups::{self, Cups};
use commonware_stream::sake::{self, Sake};
use commonware_utils::channel::oneshot;
use commonware_utils::ordered::Map;
use commonware_utils::{NZU32, NZUsize, TryCollect as _};
use thiserror::Error;
use types::Height;

use crate::application::Application;
use crate::config::{ConfigError, EngineConfig};
use crate::driver::DriverEnd;
use crate::erased::{ErasedApplication, Injector, erase};
use crate::identity::Committee;
use crate::tuning::{MAILBOX, QUOTAS, Timeouts, message_bytes_max};
use crate::wiring::{self, Channels, NodeParts, channel};

/// Threads for the engine's tasks: one for the application, one so that the network lives on
/// meanwhile.
const WORKER_THREADS: usize = 2;
/// Threads for disk operations, which the runtime runs as blocking calls.
const DISK_THREADS: usize = 8;
/// Clocks of members may differ by this much in a handshake.
const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// A handshake older than this is a replay.
const HANDSHAKE_AGE_MAX: Duration = Duration::from_secs(10);
/// How long a member that broke the protocol is shut out.
const BLOCK_DURATION: Duration = Duration::from_secs(60 * 60);
/// How soon one lost connection is tried again, so that a restarted member is back at once.
const RECONNECT: Duration = Duration::from_millis(250);
/// Time between two attempts to reach any of the members that are away.
const DIAL: Duration = Duration::from_millis(100);

/// Why an engine ended by itself.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The configuration cannot be used.
    #[error("the engine's configuration is wrong")]
    Config(#[from] ConfigError),
    /// The thread could not be started.
    #[error("the engine's thread could not be started; check the limits on threads")]
    Thread(#[source] std::io::Error),
    /// A part of the engine stopped on an error that it must not continue after, such as a failed
    /// write of the vote journal.
    #[error("the engine failed: {0}; restart the node, and check its disk if this repeats")]
    Failed(String),
    /// The application asked to stop.
    #[error("the application halted the engine: {0}")]
    Halted(String),
    /// A block is needed that was dropped already.
    #[error(
        "block {0} is needed but not in the engine's history any more; take over a newer \
         checkpoint and resume after it"
    )]
    HistoryGap(Height),
    /// The directory was lost or is an old copy.
    #[error(
        "the engine's journal has not seen block {0}, which the state stands at: its directory was \
         lost, or replaced by an older copy. The node must not take part again with it, since it \
         could vote against its own votes: put the right directory back, or let the node join a \
         subnet anew with an empty directory and a new key"
    )]
    JournalBehind(Height),
}

impl From<DriverEnd> for EngineError {
    fn from(end: DriverEnd) -> Self {
        match end {
            DriverEnd::Halted(reason) => Self::Halted(reason),
            DriverEnd::HistoryGap(height) => Self::HistoryGap(height),
            DriverEnd::JournalBehind(height) => Self::JournalBehind(height),
            DriverEnd::Disconnected(part) => Self::Failed(format!("{part} stopped")),
        }
    }
}

/// A running engine. Dropping it stops the engine without waiting.
pub struct Handle<E> {
    injector: Injector<E>,
    running: Running,
}

impl<E> Handle<E> {
    /// Where to put events for the application.
    pub fn injector(&self) -> Injector<E> {
        self.injector.clone()
    }

    /// Asks the engine to stop. It is as safe to kill the process.
    pub fn stop(&mut self) {
        self.running.stop();
    }

    /// Waits for the end. An engine that was asked to stop ends well, any other end is an error,
    /// after which the process should exit and be started again.
    pub fn join(self) -> Result<(), EngineError> {
        self.running.join()
    }

    /// Whether the engine has ended, so that [`Handle::join`] returns at once.
    pub fn is_finished(&self) -> bool {
        self.running.thread.is_finished()
    }
}

/// Starts an engine for `application` on a thread of its own.
pub fn start<A: Application>(
    config: EngineConfig,
    application: A,
) -> Result<Handle<A::Event>, EngineError> {
    let (application, injector) = erase(application);
    Ok(Handle { injector, running: start_erased(config, application)? })
}

struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: JoinHandle<Result<(), EngineError>>,
}

impl Running {
    fn stop(&mut self) {
        // Dropping the sender is the signal.
        self.stop = None;
    }

    fn join(self) -> Result<(), EngineError> {
        let Self { stop: _stop, thread } = self;
        thread.join().unwrap_or_else(|_| Err(EngineError::Failed("its thread panicked".into())))
    }
}

fn start_erased(
    config: EngineConfig,
    application: Box<dyn ErasedApplication>,
) -> Result<Running, EngineError> {
    config.check()?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || run(config, application, stopped))
        .map_err(EngineError::Thread)?;
    Ok(Running { stop: Some(stop), thread })
}

/// Runs the engine to its end. The crates below stop by a panic where going on would be unsafe; it
/// ends here as an error.
fn run(
    config: EngineConfig,
    application: Box<dyn ErasedApplication>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), EngineError> {
    let runtime = tokio::Runner::new(
        tokio::Config::new()
            .with_worker_threads(WORKER_THREADS)
            .with_max_blocking_threads(DISK_THREADS)
            .with_storage_directory(config.dir.clone()),
    );
    let main = AssertUnwindSafe(|| {
        runtime.start(|context| Box::pin(node(context, config, application, stopped)))
    });
    catch_unwind(main).unwrap_or_else(|panic| Err(EngineError::Failed(panic_text(&*panic))))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_string())
}

async fn node(
    context: tokio::Context,
    config: EngineConfig,
    application: Box<dyn ErasedApplication>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), EngineError> {
    let committee = Committee::new(&config.me, &config.secret, &config.members)?;
    let network_config = network_config(&config, &committee);
    let (mut network, mut oracle) = lookup::Network::new(context.child("network"), network_config);
    let _tracked = oracle.track(0, addresses(&config, &committee));
    let channels = Channels {
        votes: network.register(channel::VOTES, QUOTAS.votes),
        certificates: network.register(channel::CERTIFICATES, QUOTAS.certificates),
        resolver: network.register(channel::RESOLVER, QUOTAS.resolver),
        broadcast: network.register(channel::BROADCAST, QUOTAS.broadcast),
        backfill: network.register(channel::BACKFILL, QUOTAS.backfill),
        application: network.register(channel::APPLICATION, QUOTAS.application),
    };
    let mut network = network.start();
    let parts = NodeParts {
        committee,
        namespace: config.namespace,
        partition: "engine".into(),
        resume_after: config.resume_after,
        timeouts: Timeouts::new(config.idle_interval_ms),
        history_blocks: config.history_blocks,
        peers: oracle.clone(),
        blocker: oracle,
        channels,
        guards_journal: true,
        observer: None,
    };
    let mut node = wiring::start(context.child("node"), parts, application).await?;
    select! {
        _ = stopped => Ok(()),
        end = node.ended() => Err(end.into()),
        _ = &mut network => Err(DriverEnd::Disconnected("network").into()),
    }
}

type Handshake = Cups<Sake<PrivateKey>, ChaCha20Poly1305>;

fn network_config(config: &EngineConfig, committee: &Committee) -> lookup::Config<Handshake> {
    let sake = Sake {
        signer: committee.signer.clone(),
        synchrony_bound: CLOCK_SKEW,
        max_handshake_age: HANDSHAKE_AGE_MAX,
        version: sake::Version::V1,
    };
    let members = u32::try_from(committee.len()).ok().and_then(NonZeroU32::new);
    let members = members.expect("a checked committee has one to some hundred members");
    let peers = NonZeroUsize::new(committee.len()).expect("a checked committee is not empty");
    lookup::Config {
        handshake: Cups::new(sake, cups::Version::V1),
        namespace: [b"plinth p2p ".as_slice(), &config.namespace].concat(),
        listen: config.listen,
        // Members are named by address in the subnet's configuration, wherever they are.
        allow_private_ips: true,
        allow_dns: false,
        // A member is known by its key. Its packets may come from another address than the one it
        // listens on.
        bypass_ip_check: true,
        max_message_size: message_bytes_max(members),
        max_peers_per_set: peers,
        mailbox_size: MAILBOX,
        send_batch_size: NZUsize!(8),
        handshake_timeout: Duration::from_secs(5),
        dial_timeout: Duration::from_secs(5),
        peer_connection_cooldown: RECONNECT,
        max_concurrent_handshakes: NZU32!(64),
        // Behind one address may stand a whole local network of members that restart together.
        allowed_handshake_rate_per_ip: Quota::per_second(NZU32!(64)),
        allowed_handshake_rate_per_subnet: Quota::per_second(NZU32!(256)),
        ping_frequency: Duration::from_secs(5),
        dial_frequency: DIAL,
        // The membership does not change within the life of an engine.
        tracked_peer_sets: NZUsize!(1),
        block_duration: BLOCK_DURATION,
    }
}

fn addresses(config: &EngineConfig, committee: &Committee) -> Map<PublicKey, Address> {
    let known = config.members.iter().filter_map(|member| {
        let key = committee.key(&member.node_id)?.clone();
        Some((key, Address::from(member.address)))
    });
    known.try_collect().expect("a checked committee holds each key once")
}
