//! What happened to a canister and who did it (management canister, `canister_info`).

use crate::settings::CanisterSettings;
use imbl::Vector;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use types::{CanisterId, PrincipalId, Time};

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeOrigin {
    /// A user.
    User(PrincipalId),
    /// A canister, with its version if it gave one.
    Canister(CanisterId, Option<u64>),
}

/// How code was put on a canister.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstallMode {
    /// On an empty canister.
    Install,
    /// Over other code, memories lost.
    Reinstall,
    /// Over other code, stable memory kept.
    Upgrade,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeDetails {
    /// The canister was made.
    Creation {
        /// With these controllers.
        controllers: BTreeSet<PrincipalId>,
        /// With environment variables of this hash.
        environment_variables_hash: Option<[u8; 32]>,
    },
    /// Its code was removed.
    CodeUninstall,
    /// Code was put on it.
    CodeDeployment {
        /// How.
        mode: InstallMode,
        /// Which.
        module_hash: [u8; 32],
    },
    /// Its settings were changed; the history tells of controllers and environment variables.
    SettingsChange {
        /// The controllers, if they were set.
        controllers: Option<BTreeSet<PrincipalId>>,
        /// The hash of the environment variables, if they were set.
        environment_variables_hash: Option<[u8; 32]>,
    },
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanisterChange {
    /// When.
    pub time: Time,
    /// The canister's version after the change.
    pub canister_version: u64,
    /// By whom.
    pub origin: ChangeOrigin,
    /// What.
    pub details: ChangeDetails,
}

/// The latest changes, oldest first, and how many there ever were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanisterHistory {
    changes: Vector<Arc<CanisterChange>>,
    total: u64,
}

impl CanisterHistory {
    /// Appends a change; the oldest beyond `count_max` go.
    pub fn push(&mut self, change: CanisterChange, count_max: u64) {
        self.changes.push_back(Arc::new(change));
        self.total += 1;
        while self.changes.len() as u64 > count_max {
            self.changes.pop_front();
        }
    }

    /// Changes since the canister was made, kept or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The changes that are kept, oldest first.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &CanisterChange> {
        self.changes.iter().map(|change| &**change)
    }

    /// Drops the changes but not their count (a canister that ran out of cycles).
    pub fn clear(&mut self) {
        self.changes.clear();
    }
}

impl ChangeDetails {
    /// The details of a creation with these settings.
    pub fn creation(settings: &CanisterSettings, variables_hash: Option<[u8; 32]>) -> Self {
        let controllers = settings.controllers.clone();
        ChangeDetails::Creation { controllers, environment_variables_hash: variables_hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_changes_stay() {
        let mut history = CanisterHistory::default();
        for version in 0..5 {
            let origin = ChangeOrigin::User(PrincipalId::anonymous());
            let details = ChangeDetails::CodeUninstall;
            let time = Time(version);
            history.push(CanisterChange { time, canister_version: version, origin, details }, 3);
        }
        let versions: Vec<_> = history.changes().map(|c| c.canister_version).collect();
        assert_eq!((history.total(), versions), (5, vec![2, 3, 4]));
        history.clear();
        assert_eq!((history.total(), history.changes().count()), (5, 0));
    }
}
