//! What a simulation leaves behind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use commonware_cryptography::{Hasher as _, sha256::Sha256};
use types::{Height, Time};

use crate::driver::DeliveryObserver;

/// The end of a simulation. Equal simulations with equal applications have equal traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The hash of all that happened in the runtime: each message, timer and disk operation.
    pub runtime: String,
    /// SHA-256 over all blocks handed to applications: who, when, which.
    pub deliveries: [u8; 32],
    /// Virtual milliseconds from the start to the end.
    pub elapsed_ms: u64,
    /// The height of the last block handed to each node's application, over all lives.
    pub delivered: Vec<Height>,
    /// Why a node's engine ended by itself, if it did.
    pub ended: Vec<Option<String>>,
}

/// Hashes deliveries of all nodes as they happen.
#[derive(Clone)]
pub(super) struct Ledger(Arc<Mutex<State>>);

struct State {
    deliveries: [u8; 32],
    delivered: Vec<Height>,
    durable: Vec<Height>,
}

impl Ledger {
    pub(super) fn new(nodes: usize) -> Self {
        let zero = vec![Height(0); nodes];
        let state = State { deliveries: [0; 32], delivered: zero.clone(), durable: zero };
        Self(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn deliveries(&self) -> [u8; 32] {
        self.lock().deliveries
    }

    pub(super) fn delivered(&self) -> Vec<Height> {
        self.lock().delivered.clone()
    }

    pub(super) fn durable(&self, node: usize) -> Height {
        self.lock().durable[node]
    }

    /// The observer of one life.
    pub(super) fn observer(&self, node: usize, twin: bool) -> Box<dyn DeliveryObserver> {
        Box::new(Observer { ledger: self.clone(), node, twin })
    }
}

struct Observer {
    ledger: Ledger,
    node: usize,
    twin: bool,
}

impl DeliveryObserver for Observer {
    fn delivered(&mut self, height: Height, digest: [u8; 32], now: Time) {
        let mut state = self.ledger.lock();
        let who = [(self.node as u64).to_be_bytes(), u64::from(self.twin).to_be_bytes()].concat();
        let when = [height.0.to_be_bytes(), now.0.to_be_bytes()].concat();
        state.deliveries = Sha256::hash(&[&state.deliveries, &who, &when, &digest]).0;
        if !self.twin {
            let reached = &mut state.delivered[self.node];
            *reached = height.max(*reached);
        }
    }

    fn durable(&mut self, height: Height) {
        if !self.twin {
            let mut state = self.ledger.lock();
            let reached = &mut state.durable[self.node];
            *reached = height.max(*reached);
        }
    }
}
