//! The settings of a canister, as controllers make them (management canister, `canister_settings`).

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use types::{Cycles, PrincipalId};

/// Who may see a part of a canister (log, snapshots, status).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Visibility {
    /// The controllers.
    #[default]
    Controllers,
    /// Everybody.
    Public,
    /// The controllers and those listed.
    AllowedViewers(BTreeSet<PrincipalId>),
}

/// The settings of one canister.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanisterSettings {
    /// Who may change the canister.
    pub controllers: BTreeSet<PrincipalId>,
    /// Guaranteed percents of a core.
    pub compute_allocation: u8,
    /// Guaranteed bytes of memory; 0 means that there is no guarantee.
    pub memory_allocation: u64,
    /// The canister is frozen when its cycles do not last for so many seconds.
    pub freezing_threshold_seconds: u64,
    /// The most cycles that may be set aside for storage.
    pub reserved_cycles_limit: Cycles,
    /// Calls by canisters with fewer cycles than this are rejected.
    pub minimum_incoming_call_cycles: Cycles,
    /// Bytes that the heap may have when a message begins; 0 means no limit.
    pub wasm_memory_limit: u64,
    /// `canister_on_low_wasm_memory` runs when fewer bytes than this remain; 0 means never.
    pub wasm_memory_threshold: u64,
    /// Bytes of log that are kept, the latest ones.
    pub log_memory_limit: u64,
    /// Who may read the log.
    pub log_visibility: Visibility,
    /// Who may read snapshots.
    pub snapshot_visibility: Visibility,
    /// Who may read the status.
    pub status_visibility: Visibility,
    /// Names and values that the canister can read.
    pub environment_variables: BTreeMap<String, String>,
}

impl CanisterSettings {
    /// The settings of a new canister for which nothing was asked (interface specification,
    /// "canister_settings"): 30 days of freezing threshold, 5 T cycles of reservation, 4 KiB of log.
    pub fn of_new_canister(controllers: BTreeSet<PrincipalId>) -> Self {
        Self {
            controllers,
            compute_allocation: 0,
            memory_allocation: 0,
            freezing_threshold_seconds: 2_592_000,
            reserved_cycles_limit: Cycles(5_000_000_000_000),
            minimum_incoming_call_cycles: Cycles::ZERO,
            wasm_memory_limit: 3 << 30,
            wasm_memory_threshold: 0,
            log_memory_limit: 4_096,
            log_visibility: Visibility::Controllers,
            snapshot_visibility: Visibility::Controllers,
            status_visibility: Visibility::Controllers,
            environment_variables: BTreeMap::new(),
        }
    }

    /// Whether `who` may see what has this visibility.
    pub fn may_see(&self, visibility: &Visibility, who: &PrincipalId) -> bool {
        self.controllers.contains(who)
            || match visibility {
                Visibility::Controllers => false,
                Visibility::Public => true,
                Visibility::AllowedViewers(viewers) => viewers.contains(who),
            }
    }
}
