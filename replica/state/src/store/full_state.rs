//! A state in which everything occurs that a checkpoint can hold, each variant at least once.

use crate::calls::{CallContext, CallOrigin, Callback, Closure};
use crate::canister::{CanisterStatus, LowMemoryHook, StopRequest, SystemState, Task};
use crate::canister_history::{CanisterChange, ChangeDetails, ChangeOrigin, InstallMode};
use crate::consumed::CyclesUse;
use crate::execution_state::{
    ExecutionState, GlobalValue, Memory, Metadata, Module, ModuleInfo, SystemMethod, WasmMethod,
};
use crate::ingress_history::{IngressEntry, IngressHistory, IngressStatus};
use crate::message::{CallbackId, Ingress, Reject, Request, Response, ResponsePayload, SenderInfo};
use crate::page_map::{PAGE_BYTES, PageMap};
use crate::settings::Visibility;
use crate::state::{RawRandRequest, ReplicatedState, Totals};
use crate::test_state::{add_canister, empty_state};
use bytes::Bytes;
use std::sync::Arc;
use types::{
    CanisterId, Cycles, ErrorCode, Height, MessageId, PrincipalId, Randomness, RejectCode, Time,
    UserError,
};

/// The state. It depends on nothing: two calls give the same.
pub(super) fn full_state() -> ReplicatedState {
    let mut state = empty_state();
    let ids = [0; 3].map(|_| add_canister(&mut state));
    for (id, status) in ids.iter().zip(statuses()) {
        let canister = state.canister_mut(id).expect("just made");
        canister.system.status = status;
        canister.execution = Some(execution(id.as_slice()[7]));
        fill(&mut canister.system);
    }
    add_canister(&mut state);
    state.height = Height(7);
    state.time = Time(1_800_000_000_000_000_007);
    push_queues(&mut state.subnet_queues);
    state.randomness = Randomness([9; 32]);
    state
        .raw_rand_requests
        .push_back(RawRandRequest { request: request(1, None), height: Height(6) });
    state.totals = Totals {
        consumed_cycles: Cycles(1 << 70),
        update_transactions: 3,
        skipped_ingress: 4,
        heap_delta_bytes: 5,
    };
    state.specified_indices.insert(40);
    state.next_scheduled = Some(ids[1]);
    state.ingress_history = IngressHistory::from_entries(calls());
    state
}

fn user(n: u8) -> PrincipalId {
    PrincipalId::from_slice(&[n; 29])
}

fn canister(n: u64) -> CanisterId {
    CanisterId::from_index(n)
}

fn origins() -> [CallOrigin; 3] {
    [
        CallOrigin::Ingress { sender: user(1), message_id: MessageId([2; 32]) },
        CallOrigin::Canister {
            sender: canister(3),
            callback: CallbackId(4),
            deadline: Some(Time(5)),
        },
        CallOrigin::SystemTask,
    ]
}

fn statuses() -> [CanisterStatus; 3] {
    let request = |origin| StopRequest { origin, cycles: Cycles(6), since: Time(7) };
    [
        CanisterStatus::Running,
        CanisterStatus::Stopping { requests: origins().map(request).into() },
        CanisterStatus::Stopped,
    ]
}

fn fill(system: &mut SystemState) {
    let settings = system.settings_mut();
    settings.compute_allocation = 1;
    settings.log_memory_limit = 5_000;
    settings.log_visibility = Visibility::Public;
    settings.snapshot_visibility = Visibility::AllowedViewers([user(1), user(2)].into());
    settings.environment_variables.insert("NAME".into(), "value".into());
    system.balance = Cycles(u128::MAX);
    for (n, spent_on) in CYCLES_USES.into_iter().enumerate() {
        system.consumed.add(spent_on, Cycles(1 << (10 * n)));
    }
    system.certified_data = Bytes::from_static(b"certified");
    system.canister_version = 300;
    system.last_install = Some(Time(8));
    system.global_timer = Some(Time(9));
    system.low_memory_hook = match system.status {
        CanisterStatus::Running => LowMemoryHook::ConditionNotSatisfied,
        CanisterStatus::Stopping { .. } => LowMemoryHook::Ready,
        CanisterStatus::Stopped => LowMemoryHook::Executed,
    };
    system.tasks.extend([Task::OnLowWasmMemory, Task::GlobalTimer, Task::Heartbeat]);
    push_queues(&mut system.queues);
    open_calls(system);
    for (version, details) in (0..).zip(changes()) {
        let origin = match version % 3 {
            0 => ChangeOrigin::User(user(3)),
            1 => ChangeOrigin::Canister(canister(4), None),
            _ => ChangeOrigin::Canister(canister(4), Some(5)),
        };
        let time = Time(version);
        system
            .history
            .push(CanisterChange { time, canister_version: version, origin, details }, 20);
    }
    system.log.push(Time(10), b"printed", 1_000);
    for chunk in [&b"one"[..], b"two"] {
        system.chunk_store.insert(Bytes::from_static(chunk), 10).expect("there is room");
    }
}

const CYCLES_USES: [CyclesUse; 8] = [
    CyclesUse::Memory,
    CyclesUse::ComputeAllocation,
    CyclesUse::IngressInduction,
    CyclesUse::Instructions,
    CyclesUse::Transmission,
    CyclesUse::Uninstall,
    CyclesUse::Creation,
    CyclesUse::Burned,
];

fn changes() -> Vec<ChangeDetails> {
    let hash = Some([7; 32]);
    let deployment = |mode| ChangeDetails::CodeDeployment { mode, module_hash: [8; 32] };
    let controllers = || [user(5)].into();
    vec![
        ChangeDetails::Creation { controllers: controllers(), environment_variables_hash: hash },
        ChangeDetails::CodeUninstall,
        deployment(InstallMode::Install),
        deployment(InstallMode::Reinstall),
        deployment(InstallMode::Upgrade),
        ChangeDetails::SettingsChange {
            controllers: Some(controllers()),
            environment_variables_hash: hash,
        },
        ChangeDetails::SettingsChange { controllers: None, environment_variables_hash: None },
    ]
}

fn sender_info() -> Option<Arc<SenderInfo>> {
    Some(Arc::new(SenderInfo { info: Bytes::from_static(b"info"), signer: user(6) }))
}

fn ingress(sender_info: Option<Arc<SenderInfo>>) -> Arc<Ingress> {
    Arc::new(Ingress {
        message_id: MessageId([3; 32]),
        sender: user(7),
        effective_canister: sender_info.as_ref().map(|_| canister(1)),
        sender_info,
        receiver: canister(1),
        method: "method".into(),
        payload: Bytes::from_static(b"argument"),
        expiry: Time(11),
    })
}

/// A request of canister 20 to canister 21.
fn request(callback: u64, deadline: Option<Time>) -> Arc<Request> {
    Arc::new(Request {
        receiver: canister(21),
        sender: canister(20),
        callback: CallbackId(callback),
        method: "call".into(),
        payload: Bytes::from_static(b"payload"),
        cycles: Cycles(12),
        deadline,
    })
}

/// Messages of all kinds, waiting in both directions.
fn push_queues(queues: &mut crate::queues::CanisterQueues) {
    const CAPACITY: u64 = 50;
    const ROOM: &str = "there is room";
    queues.push_ingress(ingress(None));
    queues.push_ingress(ingress(sender_info()));
    let codes = (1..=6).filter_map(RejectCode::from_number);
    let rejects = codes.map(|code| ResponsePayload::Reject(Reject { code, message: "no".into() }));
    let replies = [ResponsePayload::Reply(Bytes::from_static(b"reply"))];
    for (payload, callback) in rejects.chain(replies).zip(0..) {
        let deadline = Some(Time(13)).filter(|_| callback % 2 == 0);
        let request = request(callback, deadline);
        queues.push_output_request(Arc::clone(&request), CAPACITY).expect(ROOM);
        queues.push_input_request(Arc::clone(&request), CAPACITY).expect(ROOM);
        let response = Arc::new(request.respond(payload, Cycles(14)));
        queues.push_input_response(Arc::clone(&response));
        queues.push_output_response(Response::clone(&response).into());
    }
    queues.pop_input();
}

fn open_calls(system: &mut SystemState) {
    for origin in origins() {
        let mut context = CallContext::new(origin, "method".into(), Cycles(15), Time(16));
        context.sender_info = sender_info();
        context.instructions = 17;
        let context = system.calls.open(context);
        for deadline in [None, Some(Time(18))] {
            system.calls.register(callback(context, deadline));
        }
    }
}

fn callback(context: crate::message::CallContextId, deadline: Option<Time>) -> Callback {
    let closure = |function| Closure { function, env: 19 };
    Callback {
        context,
        callee: canister(22),
        caller_version: 23,
        cycles_sent: Cycles(24),
        prepaid_execution: Cycles(25),
        prepaid_transmission: Cycles(26),
        on_reply: closure(1),
        on_reject: closure(2),
        on_cleanup: deadline.map(|_| closure(3)),
        deadline,
    }
}

fn execution(code: u8) -> ExecutionState {
    let metadata = |public| Metadata { public, content: Bytes::from_static(b"section") };
    let system = [
        SystemMethod::Start,
        SystemMethod::Init,
        SystemMethod::PreUpgrade,
        SystemMethod::PostUpgrade,
        SystemMethod::InspectMessage,
        SystemMethod::Heartbeat,
        SystemMethod::GlobalTimer,
        SystemMethod::OnLowWasmMemory,
    ];
    let named = [
        WasmMethod::Update("u".into()),
        WasmMethod::Query("q".into()),
        WasmMethod::CompositeQuery("c".into()),
    ];
    let info = ModuleInfo {
        memory_is_64: true,
        methods: named.into_iter().chain(system.map(WasmMethod::System)).collect(),
        metadata: [("open".into(), metadata(true)), ("closed".into(), metadata(false))].into(),
        wants_heap_kept: true,
    };
    let memory = |first: u64| {
        let mut pages = PageMap::new();
        for page in [first, first + 1, 900] {
            pages.write(page * PAGE_BYTES as u64, &[code + 1; PAGE_BYTES]);
        }
        Memory { pages, size: 64 }
    };
    ExecutionState {
        module: Module::new(vec![code; 50]),
        info: Arc::new(info),
        heap: memory(0),
        stable: memory(7),
        globals: vec![
            GlobalValue::I32(-1),
            GlobalValue::I64(-2),
            GlobalValue::F32(3),
            GlobalValue::F64(4),
            GlobalValue::V128(5),
        ],
    }
}

/// Calls of users in every status; rejected ones with every error.
fn calls() -> Vec<(MessageId, IngressEntry)> {
    let errors = ErrorCode::ALL.iter();
    let rejected = errors.map(|code| IngressStatus::Rejected(UserError::new(*code, "text")));
    let others = [
        IngressStatus::Received,
        IngressStatus::Processing,
        IngressStatus::Replied(Bytes::from_static(b"reply")),
        IngressStatus::Done,
    ];
    let entry = |(number, status): (u8, IngressStatus)| {
        let entry = IngressEntry {
            sender: user(number),
            effective_canister: (number % 2 == 0).then(|| canister(number.into())),
            expiry: Time(20),
            kept_until: status.is_final().then_some(Time(21)),
            status,
        };
        (MessageId([number; 32]), entry)
    };
    (0..).zip(others.into_iter().chain(rejected)).map(entry).collect()
}
