//! The limits that all nodes of a subnet share: one table.

use serde::{Deserialize, Serialize};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What checking the signatures of one ingress message may cost: a rule of this version of the
/// replica, the same on all subnets. The unit is about 50 µs of one processor, an Ed25519 check;
/// the other schemes are weighed against it (`UserKey::check_cost`). Twenty delegations by ECDSA
/// keys, or three canister signatures with a session key, are within it.
pub const INGRESS_SIGNATURE_COST_MAX: u64 = 200;

/// What checking the signatures of all ingress messages of one block may cost, in the same unit:
/// 0.4 s at most, and usually nothing, since members have checked what was gossiped before.
pub const BLOCK_SIGNATURE_COST_MAX: u64 = 8_000;

/// What a subnet allows. Agreed by the subnet (part of [`crate::SubnetConfig`]), never chosen by a
/// node. Source of the default values: interface specification 0.66 and the published resource
/// limits of the Internet Computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one ingress message (its envelope).
    pub ingress_bytes_max: u64,
    /// Bytes of ingress in one block.
    pub block_ingress_bytes_max: u64,
    /// Ingress messages in one block.
    pub block_ingress_count_max: u64,
    /// Entries of the ingress history.
    pub ingress_history_count_max: u64,
    /// How far ahead an ingress expiry may lie, in milliseconds.
    pub ingress_ttl_ms_max: u64,
    /// Tolerance for clocks on top of `ingress_ttl_ms_max`, in milliseconds.
    pub ingress_drift_ms_max: u64,
    /// Instructions of one update message, response callback, heartbeat or timer.
    pub instructions_per_message_max: u64,
    /// Instructions of one query.
    pub instructions_per_query_max: u64,
    /// Instructions of one install, re-install or upgrade as a whole.
    pub instructions_per_install_max: u64,
    /// Instructions of `canister_inspect_message`.
    pub instructions_per_inspect_max: u64,
    /// Instructions that a round starts new messages below.
    pub instructions_per_round_max: u64,
    /// Instructions of a composite query with all its calls.
    pub instructions_per_composite_query_max: u64,
    /// Depth of calls of a composite query.
    pub composite_query_depth_max: u64,
    /// Bytes of linear memory with 32-bit addresses.
    pub wasm32_memory_bytes_max: u64,
    /// Bytes of linear memory with 64-bit addresses.
    pub wasm64_memory_bytes_max: u64,
    /// Bytes of stable memory.
    pub stable_memory_bytes_max: u64,
    /// Bytes of an uncompressed module.
    pub module_bytes_max: u64,
    /// Bytes of a module's code section.
    pub module_code_bytes_max: u64,
    /// Functions of a module.
    pub module_functions_max: u64,
    /// Globals of a module.
    pub module_globals_max: u64,
    /// Entries of all element segments of a module.
    pub module_elements_max: u64,
    /// Instructions in one function's body.
    pub module_function_instructions_max: u64,
    /// Custom sections with an `icp:` name.
    pub module_custom_sections_max: u64,
    /// Bytes of all `icp:` custom sections.
    pub module_custom_sections_bytes_max: u64,
    /// Exported canister methods.
    pub module_methods_max: u64,
    /// Bytes of the names of all exported methods.
    pub module_method_names_bytes_max: u64,
    /// Bytes of a reply or a call argument between subnets, and of a reply in general.
    pub reply_bytes_max: u64,
    /// Bytes of a reply to a query that is not replicated.
    pub query_reply_bytes_max: u64,
    /// Bytes of a call argument within the subnet.
    pub local_call_bytes_max: u64,
    /// Messages in the queue from one canister to another.
    pub queue_messages_max: u64,
    /// Open callbacks of one canister.
    pub callbacks_per_canister_max: u64,
    /// Seconds until a best-effort call times out at the latest.
    pub best_effort_timeout_seconds_max: u64,
    /// Bytes of `certified_data`.
    pub certified_data_bytes_max: u64,
    /// Controllers of a canister.
    pub controllers_max: u64,
    /// Environment variables of a canister.
    pub environment_variables_max: u64,
    /// Bytes of an environment variable's name, and of its value.
    pub environment_variable_bytes_max: u64,
    /// Bytes of one uploaded chunk.
    pub chunk_bytes_max: u64,
    /// Chunks in a canister's store.
    pub chunks_per_canister_max: u64,
    /// Changes kept in a canister's history.
    pub canister_history_changes_max: u64,
    /// Bytes of log kept for a canister.
    pub canister_log_bytes_max: u64,
    /// Canisters on the subnet.
    pub canisters_max: u64,
    /// Bytes that all canisters may occupy: memories, modules and chunks as they are, or as memory
    /// allocations set them aside. Nodes need disks for that.
    pub subnet_memory_bytes_max: u64,
    /// Bytes of the modules and chunks of all canisters, which nodes keep in RAM.
    pub subnet_code_bytes_max: u64,
    /// Percents of compute allocation that all canisters may have together. Nodes execute canisters
    /// in turn, so an allocation is paid for and bounded, but gives no precedence.
    pub subnet_compute_percent_max: u64,
    /// Bytes of pages that may change between two checkpoints, each change counted; no message
    /// begins beyond it. Nodes keep changed pages in RAM until the checkpoint is written, while the
    /// next interval has begun already: up to twice as much.
    pub heap_delta_bytes_max: u64,
    /// Seconds after which a pending stop request fails.
    pub stop_timeout_seconds: u64,
    /// Bytes of one HTTP request body.
    pub http_body_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ingress_bytes_max: 2 * MIB,
            block_ingress_bytes_max: 4 * MIB,
            block_ingress_count_max: 1_000,
            ingress_history_count_max: 600_000,
            ingress_ttl_ms_max: 300_000,
            ingress_drift_ms_max: 30_000,
            instructions_per_message_max: 40_000_000_000,
            instructions_per_query_max: 5_000_000_000,
            instructions_per_install_max: 300_000_000_000,
            instructions_per_inspect_max: 200_000_000,
            instructions_per_round_max: 7_000_000_000,
            instructions_per_composite_query_max: 5_000_000_000,
            composite_query_depth_max: 6,
            wasm32_memory_bytes_max: 4 * GIB,
            wasm64_memory_bytes_max: 6 * GIB,
            stable_memory_bytes_max: 500 * GIB,
            module_bytes_max: 100 * MIB,
            module_code_bytes_max: 12 * MIB,
            module_functions_max: 50_000,
            module_globals_max: 1_000,
            module_elements_max: 100_000,
            module_function_instructions_max: 1_000_000,
            module_custom_sections_max: 16,
            module_custom_sections_bytes_max: MIB,
            module_methods_max: 1_000,
            module_method_names_bytes_max: 20_000,
            reply_bytes_max: 2 * MIB,
            query_reply_bytes_max: 3 * MIB,
            local_call_bytes_max: 10 * MIB,
            queue_messages_max: 500,
            callbacks_per_canister_max: 100_000,
            best_effort_timeout_seconds_max: 300,
            certified_data_bytes_max: 32,
            controllers_max: 10,
            environment_variables_max: 20,
            environment_variable_bytes_max: 128,
            chunk_bytes_max: MIB,
            chunks_per_canister_max: 100,
            canister_history_changes_max: 20,
            canister_log_bytes_max: 4 * KIB,
            canisters_max: 120_000,
            subnet_memory_bytes_max: 2_048 * GIB,
            subnet_code_bytes_max: 8 * GIB,
            subnet_compute_percent_max: 100,
            heap_delta_bytes_max: 16 * GIB,
            stop_timeout_seconds: 300,
            http_body_bytes_max: 5 * MIB,
        }
    }
}
