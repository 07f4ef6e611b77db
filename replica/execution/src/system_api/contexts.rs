//! Which function of the system interface may be called from where: one table.
//!
//! Source: interface specification 0.66, "Overview of imports", and for the instructions the
//! published weights of the system calls.

use std::fmt;

use crate::meter::Ic0;

/// What kind of entry point runs. The letters are those of the interface specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// `s`: the `(start)` function.
    Start,
    /// `I`: `canister_init` and `canister_post_upgrade`.
    Init,
    /// `G`: `canister_pre_upgrade`.
    PreUpgrade,
    /// `U`: an update method.
    Update,
    /// `RQ`: a query method, replicated.
    ReplicatedQuery,
    /// `NRQ`: a query method, on one node.
    Query,
    /// `TQ`: the transform of an HTTP outcall.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the table has the column; outcalls are a later part")
    )]
    Transform,
    /// `CQ`: a composite query method.
    CompositeQuery,
    /// `Ry`: a reply callback.
    ReplyCallback,
    /// `Rt`: a reject callback.
    RejectCallback,
    /// `CRy`: a reply callback of a composite query.
    CompositeReplyCallback,
    /// `CRt`: a reject callback of a composite query.
    CompositeRejectCallback,
    /// `C`: a cleanup callback.
    Cleanup,
    /// `CC`: a cleanup callback of a composite query.
    CompositeCleanup,
    /// `F`: `canister_inspect_message`.
    InspectMessage,
    /// `T`: the heartbeat.
    Heartbeat,
    /// `T`: the global timer.
    GlobalTimer,
    /// `T`: `canister_on_low_wasm_memory`.
    LowWasmMemory,
}

impl Context {
    /// Whether all nodes execute it and agree on its result.
    pub fn is_replicated(self) -> bool {
        !matches!(
            self,
            Self::Query
                | Self::Transform
                | Self::CompositeQuery
                | Self::CompositeReplyCallback
                | Self::CompositeRejectCallback
                | Self::CompositeCleanup
                | Self::InspectMessage
        )
    }

    /// Whether the canister's changes to its memory are kept when it ends well.
    pub fn keeps_changes(self) -> bool {
        self.is_replicated() && self != Self::ReplicatedQuery
    }

    /// Whether it is part of a composite query. Its changes live until the query ends.
    pub fn is_composite(self) -> bool {
        matches!(
            self,
            Self::CompositeQuery
                | Self::CompositeReplyCallback
                | Self::CompositeRejectCallback
                | Self::CompositeCleanup
        )
    }

    const fn bit(self) -> u32 {
        match self {
            Self::Start => S,
            Self::Init => I,
            Self::PreUpgrade => G,
            Self::Update => U,
            Self::ReplicatedQuery => RQ,
            Self::Query => NRQ,
            Self::Transform => TQ,
            Self::CompositeQuery => CQ,
            Self::ReplyCallback => RY,
            Self::RejectCallback => RT,
            Self::CompositeReplyCallback => CRY,
            Self::CompositeRejectCallback => CRT,
            Self::Cleanup => C,
            Self::CompositeCleanup => CC,
            Self::InspectMessage => F,
            Self::Heartbeat | Self::GlobalTimer | Self::LowWasmMemory => T,
        }
    }

    /// The name in error texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Init => "init",
            Self::PreUpgrade => "pre upgrade",
            Self::Update => "update",
            Self::ReplicatedQuery => "replicated query",
            Self::Query | Self::Transform => "non replicated query",
            Self::CompositeQuery => "composite query",
            Self::ReplyCallback => "reply callback",
            Self::RejectCallback => "reject callback",
            Self::CompositeReplyCallback => "composite reply callback",
            Self::CompositeRejectCallback => "composite reject callback",
            Self::Cleanup => "cleanup",
            Self::CompositeCleanup => "composite cleanup",
            Self::InspectMessage => "inspect message",
            Self::Heartbeat => "heartbeat",
            Self::GlobalTimer => "global timer",
            Self::LowWasmMemory => "on low Wasm memory",
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const S: u32 = 1;
const I: u32 = 1 << 1;
const G: u32 = 1 << 2;
const U: u32 = 1 << 3;
const RQ: u32 = 1 << 4;
const NRQ: u32 = 1 << 5;
const TQ: u32 = 1 << 6;
const CQ: u32 = 1 << 7;
const RY: u32 = 1 << 8;
const RT: u32 = 1 << 9;
const CRY: u32 = 1 << 10;
const CRT: u32 = 1 << 11;
const C: u32 = 1 << 12;
const CC: u32 = 1 << 13;
const F: u32 = 1 << 14;
const T: u32 = 1 << 15;
/// `*`: everywhere but in `(start)`.
const ALL: u32 = I | G | U | RQ | NRQ | TQ | CQ | RY | RT | CRY | CRT | C | CC | F | T;

/// Where a function may be called, and the instructions that a call is charged besides one for each
/// byte that it moves.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    allowed: u32,
    /// The fixed charge in instructions.
    pub instructions: u64,
}

impl Rule {
    /// Whether `context` may call the function.
    pub fn allows(&self, context: Context) -> bool {
        self.allowed & context.bit() != 0
    }

    /// The rule of a function.
    pub fn of(function: Ic0) -> Self {
        let (allowed, instructions) = row(function);
        Self { allowed, instructions }
    }
}

const ARGUMENT: u32 = I | U | RQ | NRQ | TQ | CQ | RY | CRY | F;
const CALLER_INFO: u32 = U | RQ | NRQ | CQ | RY | RT | CRY | CRT | C | CC | F;
const RESPOND: u32 = U | RQ | NRQ | TQ | CQ | RY | RT | CRY | CRT;
const CALL: u32 = U | CQ | RY | RT | CRY | CRT | T;
const CALL_CYCLES: u32 = U | RY | RT | T;
const CYCLES_IN: u32 = U | RQ | RT | RY;

/// The table. The match is complete, so that a new function cannot be forgotten here.
fn row(function: Ic0) -> (u32, u64) {
    match function {
        Ic0::MsgArgDataSize => (ARGUMENT, 500),
        Ic0::MsgArgDataCopy => (ARGUMENT, 500),
        Ic0::MsgCallerSize => (ALL, 500),
        Ic0::MsgCallerCopy => (ALL, 500),
        Ic0::MsgCallerInfoDataSize => (CALLER_INFO, 500),
        Ic0::MsgCallerInfoDataCopy => (CALLER_INFO, 500),
        Ic0::MsgCallerInfoSignerSize => (CALLER_INFO, 500),
        Ic0::MsgCallerInfoSignerCopy => (CALLER_INFO, 500),
        Ic0::MsgRejectCode => (RY | RT | CRY | CRT | C, 500),
        Ic0::MsgRejectMsgSize => (RT | CRT, 500),
        Ic0::MsgRejectMsgCopy => (RT | CRT, 500),
        Ic0::MsgDeadline => (U | RQ | NRQ | CQ | RY | RT | CRY | CRT, 500),
        Ic0::MsgReplyDataAppend => (RESPOND, 500),
        Ic0::MsgReply => (RESPOND, 500),
        Ic0::MsgReject => (RESPOND, 500),
        Ic0::MsgCyclesAvailable => (CYCLES_IN, 500),
        Ic0::MsgCyclesAvailable128 => (CYCLES_IN, 500),
        Ic0::MsgCyclesRefunded => (RT | RY, 500),
        Ic0::MsgCyclesRefunded128 => (RT | RY, 500),
        Ic0::MsgCyclesAccept => (CYCLES_IN, 500),
        Ic0::MsgCyclesAccept128 => (CYCLES_IN, 500),
        Ic0::CyclesBurn128 => (I | G | U | RQ | RY | RT | C | T, 500),
        Ic0::CanisterSelfSize => (ALL, 500),
        Ic0::CanisterSelfCopy => (ALL, 500),
        Ic0::CanisterCycleBalance => (ALL, 500),
        Ic0::CanisterCycleBalance128 => (ALL, 500),
        Ic0::CanisterLiquidCycleBalance128 => (ALL, 500),
        Ic0::CanisterStatus => (ALL, 500),
        Ic0::CanisterVersion => (ALL, 500),
        Ic0::SubnetSelfSize => (ALL, 500),
        Ic0::SubnetSelfCopy => (ALL, 500),
        Ic0::SubnetSelfNodeCount => (ALL, 500),
        Ic0::MsgMethodNameSize => (F, 500),
        Ic0::MsgMethodNameCopy => (F, 500),
        Ic0::AcceptMessage => (F, 500),
        Ic0::CallNew => (CALL, 1_500),
        Ic0::CallOnCleanup => (CALL, 500),
        Ic0::CallDataAppend => (CALL, 500),
        Ic0::CallWithBestEffortResponse => (CALL, 500),
        Ic0::CallCyclesAdd => (CALL_CYCLES, 500),
        Ic0::CallCyclesAdd128 => (CALL_CYCLES, 500),
        Ic0::CallPerform => (CALL, 5_000),
        Ic0::StableSize => (ALL | S, 20),
        Ic0::StableGrow => (ALL | S, 500),
        Ic0::StableRead => (ALL | S, 20),
        Ic0::StableWrite => (ALL | S, 20),
        Ic0::Stable64Size => (ALL | S, 20),
        Ic0::Stable64Grow => (ALL | S, 500),
        Ic0::Stable64Read => (ALL | S, 20),
        Ic0::Stable64Write => (ALL | S, 20),
        Ic0::RootKeySize => (I | G | U | RQ | RY | RT | C | T, 500),
        Ic0::RootKeyCopy => (I | G | U | RQ | RY | RT | C | T, 500),
        Ic0::CertifiedDataSet => (I | G | U | RY | RT | T, 500),
        Ic0::DataCertificatePresent => (ALL, 500),
        Ic0::DataCertificateSize => (NRQ | CQ, 500),
        Ic0::DataCertificateCopy => (NRQ | CQ, 500),
        Ic0::Time => (ALL, 500),
        Ic0::GlobalTimerSet => (I | G | U | RY | RT | C | T, 500),
        Ic0::PerformanceCounter => (ALL | S, 200),
        Ic0::IsController => (ALL | S, 1_000),
        Ic0::InReplicatedExecution => (ALL | S, 500),
        Ic0::CostCall => (ALL | S, 500),
        Ic0::CostCreateCanister => (ALL | S, 500),
        Ic0::CostHttpRequest => (ALL | S, 500),
        Ic0::CostHttpRequestV2 => (ALL | S, 500),
        Ic0::CostSignWithEcdsa => (ALL | S, 500),
        Ic0::CostSignWithSchnorr => (ALL | S, 500),
        Ic0::CostVetkdDeriveKey => (ALL | S, 500),
        Ic0::EnvVarCount => (ALL, 500),
        Ic0::EnvVarNameSize => (ALL, 500),
        Ic0::EnvVarNameCopy => (ALL, 500),
        Ic0::EnvVarNameExists => (ALL, 500),
        Ic0::EnvVarValueSize => (ALL, 500),
        Ic0::EnvVarValueCopy => (ALL, 500),
        Ic0::DebugPrint => (ALL | S, 100),
        Ic0::Trap => (ALL | S, 500),
        Ic0::MintCycles128 => (U | RY | RT | T, 500),
        Ic0::MintCycles => (U | RY | RT | T, 500),
    }
}

#[cfg(test)]
#[path = "../../tests/interface/table.rs"]
mod table;

#[cfg(test)]
mod tests {
    use super::table::lines;
    use super::*;
    use crate::meter::{Kind, Width};

    /// One context for each letter. `tests/interface/contexts.rs` enters all but the transform.
    const LETTERS: &[(&str, &[Context])] = &[
        ("s", &[Context::Start]),
        ("I", &[Context::Init]),
        ("G", &[Context::PreUpgrade]),
        ("U", &[Context::Update]),
        ("RQ", &[Context::ReplicatedQuery]),
        ("NRQ", &[Context::Query]),
        ("TQ", &[Context::Transform]),
        ("CQ", &[Context::CompositeQuery]),
        ("Ry", &[Context::ReplyCallback]),
        ("Rt", &[Context::RejectCallback]),
        ("CRy", &[Context::CompositeReplyCallback]),
        ("CRt", &[Context::CompositeRejectCallback]),
        ("C", &[Context::Cleanup]),
        ("CC", &[Context::CompositeCleanup]),
        ("F", &[Context::InspectMessage]),
        ("T", &[Context::Heartbeat, Context::GlobalTimer, Context::LowWasmMemory]),
    ];

    #[test]
    fn the_table_is_that_of_the_specification() {
        let mut wrong = Vec::new();
        let mut found = Vec::new();
        for line in lines() {
            let function = Ic0::find(line.name, Width::Bits32).expect(line.name);
            found.push(function);
            for (letter, contexts) in LETTERS {
                let expected = line.contexts.contains(letter);
                for context in *contexts {
                    if Rule::of(function).allows(*context) != expected {
                        wrong.push(format!("{} from {context}: not {expected}", line.name));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        found.sort();
        let mut all = Ic0::ALL.to_vec();
        all.sort();
        assert_eq!(found, all, "the table has every function once");
    }

    #[test]
    fn the_types_are_those_of_the_specification() {
        let name = |kind: &Kind| match kind {
            Kind::I32 => "i32",
            Kind::I64 => "i64",
            Kind::Address => "ptr",
        };
        for line in lines() {
            let function = Ic0::find(line.name, Width::Bits32).expect(line.name);
            assert_eq!(
                Ic0::find(line.name, Width::Bits64).is_none(),
                line.only_32,
                "{}",
                line.name
            );
            let parameters: Vec<_> = function.parameters().iter().map(name).collect();
            assert_eq!(parameters, line.parameters, "{}", line.name);
            assert_eq!(function.result().as_ref().map(name), line.result, "{}", line.name);
        }
    }
}
