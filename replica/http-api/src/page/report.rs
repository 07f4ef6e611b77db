//! What the status page shows: the JSON of `/_/status.json`, and the input of the page.

use replica_state::{CanisterState, CanisterStatus};
use serde::Serialize;
use types::Time;

use super::plot::{self, Plot};
use crate::shared::Shared;

/// Which canisters to list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    /// From 1.
    pub(crate) page: usize,
    /// How many; 0 for none.
    pub(crate) per_page: usize,
}

/// One node's view of the subnet.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) node_id: String,
    pub(crate) subnet_id: Option<String>,
    pub(crate) subnet_name: String,
    pub(crate) subnet_type: &'static str,
    pub(crate) replica_version: String,
    /// As in `/api/v2/status`.
    pub(crate) health: &'static str,
    /// The node's clock, milliseconds since 1970.
    pub(crate) time_ms: u64,
    pub(crate) finalized_height: u64,
    pub(crate) executed_height: u64,
    pub(crate) certified_height: u64,
    /// Hexadecimal root hash of the state at `certified_height`.
    pub(crate) state_root: Option<String>,
    /// The block time of `certified_height`, milliseconds since 1970.
    pub(crate) state_time_ms: Option<u64>,
    /// Synchronous calls that wait at this node.
    pub(crate) waiting_calls: usize,
    pub(crate) members: Vec<MemberReport>,
    pub(crate) block_rate: Plot,
    pub(crate) canisters: CanistersReport,
}

/// A member of the subnet, from its configuration.
#[derive(Debug, Serialize)]
pub(crate) struct MemberReport {
    pub(crate) node_id: String,
    /// Where the member answers.
    pub(crate) api: String,
}

/// A page of the list of canisters.
#[derive(Debug, Default, Serialize)]
pub(crate) struct CanistersReport {
    pub(crate) total: usize,
    /// From 1.
    pub(crate) page: usize,
    pub(crate) page_count: usize,
    pub(crate) items: Vec<CanisterReport>,
}

/// A canister.
#[derive(Debug, Serialize)]
pub(crate) struct CanisterReport {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) memory_bytes: u64,
    /// Decimal text: more digits than a number of JavaScript holds.
    pub(crate) cycles: String,
    pub(crate) module_hash: Option<String>,
}

impl Report {
    /// The view of this moment.
    pub(crate) fn of(shared: &Shared, paging: Paging) -> Self {
        let api = &shared.api;
        let now = api.clock.now();
        let progress = api.node.progress();
        let snapshot = api.certified.latest();
        let height = snapshot.as_ref().map_or(0, |snapshot| snapshot.height.0);
        let list = snapshot
            .as_ref()
            .map(|s| CanistersReport::of(s.state.canister_count(), s.state.canisters(), paging));
        Self {
            node_id: shared.node_id.to_string(),
            subnet_id: api.node.chain().map(|chain| chain.subnet_id.to_string()),
            subnet_name: api.subnet.name.clone(),
            subnet_type: api.subnet.subnet_type.as_str(),
            replica_version: api.version.to_string(),
            health: shared.health().as_str(),
            time_ms: ms(now),
            finalized_height: progress.finalized.0.max(height),
            executed_height: progress.executed.0.max(height),
            certified_height: height,
            state_root: snapshot.as_ref().map(|s| hex::encode(s.tree.digest())),
            state_time_ms: snapshot.as_ref().map(|s| ms(s.state.time)),
            waiting_calls: api.certified.waiting_count(),
            members: api
                .member_apis()
                .map(|(id, at)| MemberReport {
                    node_id: id.to_string(),
                    api: format!("http://{at}"),
                })
                .collect(),
            block_rate: plot::of_samples(&api.certified.samples(), now),
            canisters: list.unwrap_or_default(),
        }
    }
}

impl CanistersReport {
    fn of<'a>(
        total: usize,
        canisters: impl Iterator<Item = &'a CanisterState>,
        paging: Paging,
    ) -> Self {
        let page_count = total.div_ceil(paging.per_page.max(1)).max(1);
        let page = paging.page.min(page_count);
        let before = (page - 1).saturating_mul(paging.per_page);
        let items = canisters.skip(before).take(paging.per_page).map(CanisterReport::of).collect();
        Self { total, page, page_count, items }
    }
}

impl CanisterReport {
    fn of(canister: &CanisterState) -> Self {
        let system = &canister.system;
        let status = match system.status {
            CanisterStatus::Running => "running",
            CanisterStatus::Stopping { .. } => "stopping",
            CanisterStatus::Stopped => "stopped",
        };
        Self {
            id: system.canister_id.to_string(),
            status,
            memory_bytes: canister.memory_bytes(),
            cycles: system.balance.0.to_string(),
            module_hash: canister.execution.as_ref().map(|code| hex::encode(code.module.hash)),
        }
    }
}

fn ms(time: Time) -> u64 {
    time.0 / 1_000_000
}
