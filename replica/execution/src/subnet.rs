//! What every message may know of the subnet that it runs on.

use std::sync::Arc;

use bytes::Bytes;
use replica_state::{CanisterState, ReplicatedState};
use types::{Cycles, PrincipalId, SubnetConfig, SubnetId, SubnetType};

use crate::cycles::{Prices, SECONDS_PER_DAY};

/// The subnet as its canisters see it; made once for a round or a query.
#[derive(Clone, Debug)]
pub(crate) struct Subnet {
    pub(crate) config: Arc<SubnetConfig>,
    pub(crate) id: SubnetId,
    /// The network's root key in DER: there is one subnet, so its own chain key.
    pub(crate) root_key: Bytes,
    pub(crate) prices: Prices,
}

impl Subnet {
    pub(crate) fn of(state: &ReplicatedState) -> Arc<Self> {
        let config = Arc::clone(&state.config);
        let prices = Prices::new(&config.fees, &config.limits, config.members.len() as u64);
        let root_key = state.chain_key_der.clone();
        Arc::new(Self { config, id: state.subnet_id, root_key, prices })
    }

    pub(crate) fn node_count(&self) -> u64 {
        self.config.members.len() as u64
    }

    /// Whether the caller is a subnet admin: on a development subnet of the type `cloud_engine`
    /// everyone is, so that tools can create canisters without a ledger.
    pub(crate) fn is_admin(&self, _caller: &PrincipalId) -> bool {
        self.config.development && self.config.subnet_type == SubnetType::CloudEngine
    }

    /// Whether the provisional methods exist.
    pub(crate) fn is_development(&self) -> bool {
        self.config.development
    }

    /// What a canister of this size pays in a day without doing anything.
    pub(crate) fn idle_per_day(&self, canister: &CanisterState, memory_bytes: u64) -> Cycles {
        let settings = &canister.system.settings;
        let bytes = memory_bytes.max(settings.memory_allocation);
        self.prices.idle(bytes, settings.compute_allocation.into(), SECONDS_PER_DAY)
    }

    /// The balance below which a canister of this size is frozen. Cycles set aside for storage
    /// count towards it.
    pub(crate) fn freezing_threshold(&self, canister: &CanisterState, memory_bytes: u64) -> Cycles {
        if self.prices.free() {
            return Cycles::ZERO;
        }
        let system = &canister.system;
        let per_day = self.idle_per_day(canister, memory_bytes);
        let seconds = u128::from(system.settings.freezing_threshold_seconds);
        let threshold = Cycles(per_day.times(seconds).0 / u128::from(SECONDS_PER_DAY));
        threshold.minus(system.reserved_balance)
    }
}
