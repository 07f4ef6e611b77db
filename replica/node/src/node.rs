//! A whole node: open, then engine, execution and HTTP until something ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use replica_engine::{EngineConfig, HISTORY_BLOCKS_DEFAULT, tokio as engine};
use replica_execution::Executor;
use replica_execution::sandbox::THREAD_STACK_BYTES;
use replica_http_api::{Api, CertifiedStates, Clock as _, Limits, SystemClock};
use thiserror::Error;
use tokio::net::TcpListener;
use types::Height;

use crate::ceremony::members;
use crate::config::Config;
use crate::descriptors::open_files_max;
use crate::ending::{Ending, EndingCell};
use crate::endpoint::{QueryExecution, Submission};
use crate::execution::{ExecutionThread, queue};
use crate::guarded::ExecutionEnd;
use crate::metrics::Metrics;
use crate::opening::{OpenError, Opening, Site, open};
use crate::operator::OperatorView;
use crate::outlook::{Outlook, Reporter};
use crate::program::program_hash;
use crate::wiring::NodeEvent;

/// How long open connections get to finish when the node stops.
const HTTP_STOP: Duration = Duration::from_secs(2);

/// How often the shell looks whether the engine or execution has ended.
const ENGINE_LOOK: Duration = Duration::from_millis(50);

/// How long an engine may take to leave the evidence of a failed execution.
const EVIDENCE_TIME: Duration = Duration::from_secs(5);

/// Connections to the listener for metrics and health: a few scrapers and people.
const OPERATOR_CONNECTIONS_MAX: usize = 64;

/// Why a node could not start or had to end.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The directory.
    #[error("the node's directory cannot be used")]
    Open(#[from] OpenError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}; free the port or set `{field}` to another address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The field of the configuration.
        field: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("a thread cannot be started; check the limits on threads")]
    Thread(#[source] std::io::Error),
    /// The engine.
    #[error("the ordering engine ended")]
    Engine(#[from] engine::EngineError),
    /// Execution.
    #[error("execution has ended")]
    Execution(#[from] ExecutionEnd),
    /// It ended by itself.
    #[error("{0}")]
    Ended(Ending),
}

impl NodeError {
    /// Whether starting again cannot help.
    pub fn is_final(&self) -> bool {
        match self {
            NodeError::Ended(Ending::Halted { .. })
            | NodeError::Engine(engine::EngineError::JournalBehind(_)) => true,
            NodeError::Open(error) => error.is_final(),
            _ => false,
        }
    }
}

/// Runs the node until `stop` resolves, or something ends it. Blocks the thread.
pub fn run(
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), NodeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(http_limits().worker_threads())
        .thread_name("http")
        // Queries run on these threads: with less stack each would move to another thread.
        .thread_stack_size(THREAD_STACK_BYTES)
        .enable_all()
        .build()
        .map_err(NodeError::Thread)?;
    // Taken before anything is started: a port in use costs nothing but the message.
    let listeners = runtime.block_on(Listeners::bind(&config))?;
    let (running, registry) = Running::start(&config)?;
    runtime.block_on(running.serve(&config, listeners, registry, stop));
    runtime.shutdown_timeout(HTTP_STOP);
    running.finish()
}

/// The default bounds, with no more connections than half of the files that the process may have
/// open: the database and the other nodes need theirs, whatever clients do.
fn http_limits() -> Limits {
    let limits = Limits::default();
    let half = usize::try_from(open_files_max() / 2).unwrap_or(usize::MAX);
    Limits { connections_max: limits.connections_max.min(half), ..limits }
}

struct Listeners {
    api: TcpListener,
    metrics: TcpListener,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, NodeError> {
        let listen = async |field, address| {
            let listener = TcpListener::bind(address).await;
            listener.map_err(|source| NodeError::Listen { address, field, source })
        };
        Ok(Self {
            api: listen("api", config.file.api).await?,
            metrics: listen("metrics", config.file.metrics).await?,
        })
    }
}

/// What runs besides HTTP.
struct Running {
    engine: engine::Handle<NodeEvent>,
    execution: ExecutionThread,
    executor: Arc<Executor>,
    outlook: Arc<Outlook>,
    states: Arc<CertifiedStates>,
    ending: EndingCell,
}

impl Running {
    /// Starts them. The metrics of HTTP are still to go into the registry.
    fn start(config: &Config) -> Result<(Self, Registry), NodeError> {
        let site = Site {
            subnet: Arc::clone(&config.subnet),
            me: config.member.node_id,
            secret: config.key.secret(),
            node_dir: config.file.node_dir.clone(),
        };
        let Opening { node, execution, executor } = open(site)?;
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let states = Arc::new(CertifiedStates::new(Limits::default().waiting_calls_max));
        let (me, subnet) = (config.member.node_id, Arc::clone(&config.subnet));
        let outlook = Outlook::new(me, subnet, metrics.clone(), Arc::clone(&states));
        let outlook = Arc::new(outlook);

        let engine_config = engine_config(config, node.resume_after());
        let (queue, jobs) = queue();
        let ending = EndingCell::default();
        let reporter = Reporter::new(Arc::clone(&outlook));
        let node = node.join(queue, reporter, ending.clone(), SystemClock.now());
        let engine = engine::start(engine_config, node)?;
        let execution = ExecutionThread::start(execution, jobs, engine.injector(), metrics)
            .map_err(NodeError::Thread)?;
        Ok((Self { engine, execution, executor, outlook, states, ending }, registry))
    }

    /// Serves HTTP until the node is asked to stop, or the engine or execution ends.
    async fn serve(
        &self,
        config: &Config,
        listeners: Listeners,
        mut registry: Registry,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        let router = replica_http_api::router(self.api(config), &mut registry);
        let view = Arc::new(OperatorView::new(Arc::clone(&self.outlook), registry));
        let operator = replica_http_api::operator_router(view);
        let limits = http_limits();
        let few = Limits { connections_max: OPERATOR_CONNECTIONS_MAX, ..limits.clone() };
        tokio::spawn(replica_http_api::serve(listeners.api, router, limits));
        tokio::spawn(replica_http_api::serve(listeners.metrics, operator, few));
        log::info!(node:% = config.member.node_id, api:% = config.file.api; "the node runs");
        let engine_ended = async || {
            while !self.engine.is_finished() {
                tokio::time::sleep(ENGINE_LOOK).await;
            }
        };
        let part_ended = async {
            while !self.engine.is_finished() && !self.execution.is_finished() {
                tokio::time::sleep(ENGINE_LOOK).await;
            }
            // Execution tells the engine why it ended, which leaves the evidence and ends too.
            let _in_time = tokio::time::timeout(EVIDENCE_TIME, engine_ended()).await;
        };
        tokio::select! {
            () = stop => log::info!("asked to stop"),
            () = part_ended => log::error!("the engine or execution has ended"),
        }
        self.outlook.stop();
    }

    fn api(&self, config: &Config) -> Api {
        let outlook = Arc::clone(&self.outlook);
        Api {
            subnet: Arc::clone(&config.subnet),
            limits: http_limits(),
            version: config.subnet.replica_version.clone(),
            program_hash: program_hash(),
            certified: Arc::clone(&self.states),
            submit: Arc::new(Submission { injector: self.engine.injector(), outlook }),
            execution: Arc::new(QueryExecution(Arc::clone(&self.executor))),
            node_key: Arc::new(config.key.signing_key()),
            node: Arc::clone(&self.outlook) as _,
            clock: Arc::new(SystemClock),
        }
    }

    /// Stops the engine, then execution with a last checkpoint.
    fn finish(mut self) -> Result<(), NodeError> {
        self.engine.stop();
        let engine = self.engine.join();
        let execution = self.execution.stop();
        if let Some(ending) = self.ending.get() {
            return Err(NodeError::Ended(ending));
        }
        engine?;
        execution?;
        Ok(())
    }
}

fn engine_config(config: &Config, resume_after: Height) -> EngineConfig {
    EngineConfig {
        me: config.member.node_id,
        secret: config.key.secret(),
        members: members(&config.subnet),
        listen: config.member.p2p,
        dir: config.file.node_dir.join("engine"),
        namespace: config.subnet.digest().0.to_vec(),
        resume_after,
        idle_interval_ms: config.subnet.idle_block_interval_ms,
        history_blocks: HISTORY_BLOCKS_DEFAULT,
    }
}
