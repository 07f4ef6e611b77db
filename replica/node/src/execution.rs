//! Batches to states: the deterministic machine with its checkpoints, inline or on a thread.
//!
//! ```text
//!  Node --Job--> thread "execution": StateMachine --Executed--> injector --> Node
//!                      | at a checkpoint height, after the root has been sent:
//!                      v a frozen copy of the state; batches go on
//!                thread "checkpoint": Store -------Durable--> injector --> Node
//!
//! At most one checkpoint is under way: when the next one is due before it is on disk, execution
//! waits. A checkpoint that cannot be written ends the node.
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use replica_consensus::{Certification, StoredKey};
use replica_engine::{HISTORY_BLOCKS_DEFAULT, Injector};
use replica_messaging::{MachineError, PendingCheckpoint, StateMachine};
use replica_state::{CertifiedSnapshot, Checkpoint, StateTree, Store};
use types::{Batch, Height, SubnetConfig};

use crate::disk::chain;
use crate::guarded::{ExecutionEnd, guarded};
use crate::metrics::Metrics;
use crate::wiring::{Executed, Executor, NodeEvent};

/// The machine of one node, which begins with the genesis of its chain key.
pub struct Execution {
    subnet: Arc<SubnetConfig>,
    executor: Arc<replica_execution::Executor>,
    store: Arc<Store>,
    machine: Option<StateMachine>,
}

/// What a step came to.
struct Outcome {
    executed: Executed,
    checkpoint_due: bool,
}

impl Execution {
    /// A machine that goes on from a kept state, or waits for its genesis.
    pub fn new(
        subnet: Arc<SubnetConfig>,
        executor: Arc<replica_execution::Executor>,
        store: Arc<Store>,
        latest: Option<StateTree>,
    ) -> Self {
        let open = |tree| StateMachine::open(Arc::clone(&store), Arc::clone(&executor), tree);
        let machine = latest.map(open);
        Self { subnet, executor, store, machine }
    }

    /// The state, if there is one.
    pub fn snapshot(&self) -> Option<CertifiedSnapshot> {
        let machine = self.machine.as_ref()?;
        machine.snapshot(machine.height()).cloned()
    }

    /// Makes the genesis state of a chain key; it is on disk when this returns.
    pub fn genesis(&mut self, key: &StoredKey) -> Result<Executed, MachineError> {
        let machine = StateMachine::genesis(
            Arc::clone(&self.store),
            Arc::clone(&self.executor),
            Arc::clone(&self.subnet),
            &key.transcript.public_key,
            key.height,
        )?;
        let machine = self.machine.insert(machine);
        Ok(Executed { snapshot: newest(machine), completed: Vec::new() })
    }

    /// Executes one batch.
    ///
    /// # Panics
    /// Before there is a state: consensus begins with the genesis.
    fn execute(&mut self, batch: &Batch) -> Result<Outcome, MachineError> {
        let machine = self.machine.as_mut().expect("the genesis state comes before any batch");
        let processed = machine.process(batch)?;
        let executed = Executed { snapshot: newest(machine), completed: processed.completed };
        Ok(Outcome { executed, checkpoint_due: processed.checkpoint_due })
    }

    /// What a checkpoint of the newest state writes, if there is something to write.
    fn begin_checkpoint(&self) -> Option<Writing> {
        let pending = self.machine.as_ref()?.begin_checkpoint()?;
        Some(Writing { pending, store: Arc::clone(&self.store) })
    }

    /// Takes note of a checkpoint that is on disk.
    fn finish_checkpoint(&mut self, written: Checkpoint) {
        if let Some(machine) = &mut self.machine {
            machine.finish_checkpoint(written);
        }
    }

    /// Writes a checkpoint of the newest state. Gives its height if there was something to write.
    fn checkpoint(&mut self) -> Result<Option<Height>, MachineError> {
        let Some(writing) = self.begin_checkpoint() else { return Ok(None) };
        let written = writing.run()?;
        let height = written.height;
        self.finish_checkpoint(written);
        Ok(Some(height))
    }

    /// The height is certified: the machine needs its snapshots up to it no more.
    fn certified(&mut self, certification: &Certification) {
        if let Some(machine) = &mut self.machine {
            let signature = Bytes::copy_from_slice(&certification.signature.0);
            drop(machine.certify(certification.height, signature));
        }
    }
}

/// A checkpoint to be written.
#[derive(Clone)]
struct Writing {
    pending: PendingCheckpoint,
    store: Arc<Store>,
}

impl Writing {
    /// Writes it, and forgets what members that were away cannot need any more.
    fn run(&self) -> Result<Checkpoint, MachineError> {
        let written = self.pending.write()?;
        let (height, size) = (written.height, written.size);
        let needed = Height(height.0.saturating_sub(HISTORY_BLOCKS_DEFAULT));
        self.store.prune_artifacts_below(needed)?;
        let bytes = size.overlay_bytes + size.database_bytes;
        log::info!(height = height.0, canisters = size.canisters, bytes; "a checkpoint is on disk");
        Ok(written)
    }
}

fn newest(machine: &StateMachine) -> CertifiedSnapshot {
    let snapshot = machine.snapshot(machine.height());
    snapshot.expect("the machine keeps the snapshot of its newest state").clone()
}

/// Executes within the call: for simulations and tests.
pub struct InlineExecutor {
    execution: Execution,
    results: Vec<NodeEvent>,
}

impl InlineExecutor {
    /// Over a machine.
    pub fn new(execution: Execution) -> Self {
        Self { execution, results: Vec::new() }
    }

    fn done(&mut self, outcome: Result<Outcome, MachineError>) {
        let Ok(Outcome { executed, checkpoint_due }) = outcome.map_err(|error| self.fail(&error))
        else {
            return;
        };
        self.results.push(NodeEvent::Executed(executed));
        if !checkpoint_due {
            return;
        }
        match self.execution.checkpoint() {
            Ok(height) => self.results.extend(height.map(NodeEvent::Durable)),
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &MachineError) {
        self.results.push(NodeEvent::Failed(chain(error)));
    }
}

impl Executor for InlineExecutor {
    fn genesis(&mut self, key: &StoredKey) {
        match self.execution.genesis(key) {
            Ok(executed) => {
                self.results.extend([NodeEvent::Executed(executed), NodeEvent::Durable(key.height)])
            }
            Err(error) => self.fail(&error),
        }
    }

    fn execute(&mut self, batch: Batch) {
        let outcome = self.execution.execute(&batch);
        self.done(outcome);
    }

    fn certified(&mut self, certification: &Certification) {
        self.execution.certified(certification);
    }

    fn poll(&mut self) -> Vec<NodeEvent> {
        std::mem::take(&mut self.results)
    }
}

/// What the execution thread is to do. At most as many batches wait as consensus lets be under
/// way, and one certification for each.
enum Job {
    Genesis(StoredKey),
    Batch(Batch),
    Certified(Certification),
}

/// Hands jobs to the execution thread. Those from before the thread starts wait for it.
pub struct QueueExecutor(Sender<Job>);

/// The other end of a [`QueueExecutor`].
pub struct JobQueue(Receiver<Job>);

/// Makes the two ends.
#[expect(
    clippy::disallowed_methods,
    reason = "the node takes no further block while too many batches wait (takes_block): that is \
              the bound, and waiting here would stop the engine"
)]
pub fn queue() -> (QueueExecutor, JobQueue) {
    let (sender, receiver) = channel();
    (QueueExecutor(sender), JobQueue(receiver))
}

impl QueueExecutor {
    fn put(&self, job: Job) {
        if self.0.send(job).is_err() {
            // The thread has reported why it ended, or the node is about to stop.
            log::debug!("the execution thread has ended");
        }
    }
}

impl Executor for QueueExecutor {
    fn genesis(&mut self, key: &StoredKey) {
        self.put(Job::Genesis(key.clone()));
    }

    fn execute(&mut self, batch: Batch) {
        self.put(Job::Batch(batch));
    }

    fn certified(&mut self, certification: &Certification) {
        self.put(Job::Certified(*certification));
    }

    fn poll(&mut self) -> Vec<NodeEvent> {
        Vec::new()
    }
}

/// The running execution thread.
pub struct ExecutionThread {
    thread: JoinHandle<Result<(), ExecutionEnd>>,
    stopping: Arc<AtomicBool>,
}

impl ExecutionThread {
    /// Starts it. Results go to the injector.
    pub fn start(
        execution: Execution,
        jobs: JobQueue,
        injector: Injector<NodeEvent>,
        metrics: Metrics,
    ) -> std::io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let worker = Worker { execution, injector, metrics, stopping: stop, writer: None };
        let thread = std::thread::Builder::new().name("execution".into()).spawn(move || {
            let report = worker.injector.clone();
            guarded(|| worker.run(&jobs.0), |reason| inject(&report, NodeEvent::Failed(reason)))
        })?;
        Ok(Self { thread, stopping })
    }

    /// Lets it finish the batch that is being executed and write a last checkpoint. To be called
    /// when the engine has stopped, since the thread waits for jobs as long as there is a node.
    pub fn stop(self) -> Result<(), ExecutionEnd> {
        self.stopping.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Whether it has ended, which it does not do by itself while all is well.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

struct Worker {
    execution: Execution,
    injector: Injector<NodeEvent>,
    metrics: Metrics,
    stopping: Arc<AtomicBool>,
    /// The thread that writes a checkpoint, until its result is noted.
    writer: Option<JoinHandle<Result<Checkpoint, MachineError>>>,
}

impl Worker {
    /// Ends when the node that sends the jobs is gone, which is when the engine has stopped.
    fn run(mut self, jobs: &Receiver<Job>) -> Result<(), MachineError> {
        while let Ok(job) = jobs.recv() {
            if self.stopping.load(Ordering::Relaxed) {
                break;
            }
            if self.writer.as_ref().is_some_and(JoinHandle::is_finished) {
                self.finish_checkpoint()?;
            }
            self.work(job)?;
        }
        self.finish_checkpoint()?;
        self.execution.checkpoint().map(drop)
    }

    fn work(&mut self, job: Job) -> Result<(), MachineError> {
        match job {
            Job::Certified(certification) => self.execution.certified(&certification),
            Job::Genesis(key) => {
                let executed = self.execution.genesis(&key)?;
                self.inject(NodeEvent::Executed(executed));
                self.inject(NodeEvent::Durable(key.height));
            }
            Job::Batch(batch) => {
                let begun = Instant::now();
                let Outcome { executed, checkpoint_due } = self.execution.execute(&batch)?;
                self.metrics.execution_seconds.observe(begun.elapsed().as_secs_f64());
                self.inject(NodeEvent::Executed(executed));
                if checkpoint_due {
                    self.begin_checkpoint()?;
                }
            }
        }
        Ok(())
    }

    /// Has a checkpoint written by a thread of its own, when the one before it is done.
    fn begin_checkpoint(&mut self) -> Result<(), MachineError> {
        self.finish_checkpoint()?;
        let Some(writing) = self.execution.begin_checkpoint() else { return Ok(()) };
        let (injector, metrics) = (self.injector.clone(), self.metrics.clone());
        let on_thread = writing.clone();
        let write = move || write_checkpoint(&on_thread, &injector, &metrics);
        match std::thread::Builder::new().name("checkpoint".into()).spawn(write) {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => {
                log::warn!(error:% = error; "no thread for a checkpoint: execution waits for it");
                let written = write_checkpoint(&writing, &self.injector, &self.metrics)?;
                self.execution.finish_checkpoint(written);
            }
        }
        Ok(())
    }

    /// Waits for the checkpoint that is under way, if there is one, and takes note of it.
    fn finish_checkpoint(&mut self) -> Result<(), MachineError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        match writer.join() {
            Ok(written) => self.execution.finish_checkpoint(written?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok(())
    }

    fn inject(&self, event: NodeEvent) {
        inject(&self.injector, event);
    }
}

/// Says that a height is durable only when it is on disk; a failure ends the node at once, not only
/// when execution comes to look.
fn write_checkpoint(
    writing: &Writing,
    injector: &Injector<NodeEvent>,
    metrics: &Metrics,
) -> Result<Checkpoint, MachineError> {
    let begun = Instant::now();
    let written =
        writing.run().inspect_err(|error| inject(injector, NodeEvent::Failed(chain(error))))?;
    metrics.checkpoint_seconds.observe(begun.elapsed().as_secs_f64());
    inject(injector, NodeEvent::Durable(written.height));
    Ok(written)
}

/// An engine that has stopped needs no results.
fn inject(injector: &Injector<NodeEvent>, event: NodeEvent) {
    if let Err(error) = injector.inject(event) {
        log::debug!(error:% = error; "a result is not needed any more");
    }
}
