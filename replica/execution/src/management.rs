//! The management canister, `aaaaa-aa`: a name for the subnet itself (interface specification,
//! "The IC management canister").
//!
//! Calls come from users (through [`crate::Executor::validate_ingress`] and a block) and from
//! canisters. Methods that the subnet does not have are rejected by name.

mod chunks;
mod create;
mod errors;
mod info;
mod install;
mod lifecycle;
mod logs;
mod settings;
mod stopping;
mod types;

use std::sync::Arc;

use ::types::{
    CanisterId, Cycles, ErrorCode, Height, MANAGEMENT_CANISTER, PrincipalId, Time, UserError,
};
use bytes::Bytes;
use replica_state::{
    CallOrigin, CanisterMessage, CanisterState, ChangeOrigin, Ingress, Input, RawRandRequest,
    ReplicatedState, Request,
};
use sha2::{Digest as _, Sha256};

use crate::message::not_found;
use crate::round::{CallOutcome, Round};
use crate::subnet::Subnet;
use crate::{Executor, LocalFailure};
use types::decode;

pub(crate) use errors::no_room;
pub(crate) use lifecycle::uninstall_for_lack_of_cycles;
pub(crate) use stopping::{finish_stops, time_out_stops};

/// The methods that this subnet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    CreateCanister,
    UpdateSettings,
    UploadChunk,
    ClearChunkStore,
    StoredChunks,
    InstallCode,
    InstallChunkedCode,
    UninstallCode,
    StartCanister,
    StopCanister,
    DeleteCanister,
    CanisterStatus,
    CanisterMetrics,
    CanisterInfo,
    CanisterMetadata,
    DepositCycles,
    RawRand,
    SubnetInfo,
    FetchCanisterLogs,
    ListCanisters,
    ProvisionalCreateCanister,
    ProvisionalTopUpCanister,
}

/// Methods of the interface that this subnet does not have.
const MISSING_METHODS: &[&str] = &[
    "bitcoin_get_balance",
    "bitcoin_get_block_headers",
    "bitcoin_get_current_fee_percentiles",
    "bitcoin_get_utxos",
    "bitcoin_send_transaction",
    "delete_canister_snapshot",
    "ecdsa_public_key",
    "flexible_http_request",
    "http_request",
    "list_canister_snapshots",
    "load_canister_snapshot",
    "node_metrics_history",
    "read_canister_snapshot_data",
    "read_canister_snapshot_metadata",
    "schnorr_public_key",
    "sign_with_ecdsa",
    "sign_with_schnorr",
    "subnet_metrics",
    "take_canister_snapshot",
    "upload_canister_snapshot_data",
    "upload_canister_snapshot_metadata",
    "vetkd_derive_key",
    "vetkd_public_key",
];

impl Method {
    /// The method of this name.
    ///
    /// # Errors
    /// IC0407 for a method that this subnet does not have, IC0536 for one that nobody has.
    pub(crate) fn find(name: &str) -> Result<Self, UserError> {
        Ok(match name {
            "create_canister" => Self::CreateCanister,
            "update_settings" => Self::UpdateSettings,
            "upload_chunk" => Self::UploadChunk,
            "clear_chunk_store" => Self::ClearChunkStore,
            "stored_chunks" => Self::StoredChunks,
            "install_code" => Self::InstallCode,
            "install_chunked_code" => Self::InstallChunkedCode,
            "uninstall_code" => Self::UninstallCode,
            "start_canister" => Self::StartCanister,
            "stop_canister" => Self::StopCanister,
            "delete_canister" => Self::DeleteCanister,
            "canister_status" => Self::CanisterStatus,
            "canister_metrics" => Self::CanisterMetrics,
            "canister_info" => Self::CanisterInfo,
            "canister_metadata" => Self::CanisterMetadata,
            "deposit_cycles" => Self::DepositCycles,
            "raw_rand" => Self::RawRand,
            "subnet_info" => Self::SubnetInfo,
            "fetch_canister_logs" => Self::FetchCanisterLogs,
            "list_canisters" => Self::ListCanisters,
            "provisional_create_canister_with_cycles" => Self::ProvisionalCreateCanister,
            "provisional_top_up_canister" => Self::ProvisionalTopUpCanister,
            _ if MISSING_METHODS.contains(&name) => {
                return Err(UserError::new(
                    ErrorCode::UnknownManagementMessage,
                    format!("The management method '{name}' is not implemented on this subnet."),
                ));
            }
            _ => {
                return Err(UserError::new(
                    ErrorCode::CanisterMethodNotFound,
                    format!("Management canister has no method '{name}'"),
                ));
            }
        })
    }

    /// Whether users can call the method, as far as it does not depend on who they are.
    fn takes_ingress(self) -> bool {
        !matches!(
            self,
            Self::CanisterInfo
                | Self::CanisterMetadata
                | Self::DepositCycles
                | Self::RawRand
                | Self::SubnetInfo
        )
    }

    /// Whether the method exists as a query alone.
    fn is_query_only(self) -> bool {
        matches!(self, Self::FetchCanisterLogs | Self::ListCanisters)
    }
}

/// A call of a management method.
pub(crate) struct ManagementCall {
    pub(crate) caller: PrincipalId,
    pub(crate) name: String,
    pub(crate) payload: Bytes,
    /// Cycles that came with the call and were not used yet; what remains is refunded.
    pub(crate) cycles: Cycles,
    pub(crate) origin: CallOrigin,
    /// The name that the caller used for the management canister.
    respondent: CanisterId,
}

impl From<&Ingress> for ManagementCall {
    fn from(ingress: &Ingress) -> Self {
        let (sender, message_id) = (ingress.sender, ingress.message_id);
        Self {
            caller: sender,
            name: ingress.method.clone(),
            payload: ingress.payload.clone(),
            cycles: Cycles::ZERO,
            origin: CallOrigin::Ingress { sender, message_id },
            respondent: MANAGEMENT_CANISTER,
        }
    }
}

impl From<&Request> for ManagementCall {
    fn from(request: &Request) -> Self {
        let &Request { sender, callback, deadline, .. } = request;
        Self {
            caller: sender.0,
            name: request.method.clone(),
            payload: request.payload.clone(),
            cycles: request.cycles,
            origin: CallOrigin::Canister { sender, callback, deadline },
            respondent: request.receiver,
        }
    }
}

impl ManagementCall {
    /// A user's call before it is in a block. Nothing is answered to it.
    pub(crate) fn of_user(caller: PrincipalId, name: String, payload: Bytes) -> Self {
        let origin = CallOrigin::Ingress { sender: caller, message_id: Default::default() };
        let (cycles, respondent) = (Cycles::ZERO, MANAGEMENT_CANISTER);
        Self { caller, name, payload, cycles, origin, respondent }
    }

    /// Checks the version that the argument names, if it names one, against the one that the
    /// calling canister had. Users have no version, so theirs is not looked at.
    fn check_version(&self, round: &Round<'_>, named: Option<u64>) -> Result<(), UserError> {
        let (Some(named), CallOrigin::Canister { sender, callback, .. }) = (named, &self.origin)
        else {
            return Ok(());
        };
        let caller = round.canister(sender);
        let callback = caller.and_then(|caller| caller.system.calls.callback(*callback));
        match callback {
            Some(callback) if callback.caller_version != named => Err(UserError::new(
                ErrorCode::CanisterContractViolation,
                format!(
                    "The sender canister version {named} does not match the current canister \
                     version {}",
                    callback.caller_version
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Who makes the change, for the history.
    fn change_origin(&self, sender_canister_version: Option<u64>) -> ChangeOrigin {
        match &self.origin {
            CallOrigin::Canister { sender, .. } => {
                ChangeOrigin::Canister(*sender, sender_canister_version)
            }
            _ => ChangeOrigin::User(self.caller),
        }
    }
}

/// What a method came to, if it did not fail.
pub(crate) enum Done {
    /// This is the reply.
    Reply(Vec<u8>),
    /// The answer follows when something else has happened.
    Later,
}

/// Why a method came to nothing.
enum MethodError {
    /// This is what the caller is told.
    User(UserError),
    /// This computer cannot execute it; nobody is told anything.
    Local(LocalFailure),
}

impl From<UserError> for MethodError {
    fn from(error: UserError) -> Self {
        Self::User(error)
    }
}

/// Instructions that each management call counts for the round, and each byte of its argument:
/// decoding it twice, and hashing what is in it.
const CALL_INSTRUCTIONS: u64 = 500_000;
const PAYLOAD_BYTE_INSTRUCTIONS: u64 = 20;

/// A reply without content.
fn nothing() -> Result<Done, UserError> {
    Ok(Done::Reply(types::encode_nothing()))
}

/// A reply with one value.
fn reply<T: candid::CandidType>(value: &T) -> Result<Done, UserError> {
    Ok(Done::Reply(types::encode(value)))
}

impl Executor {
    /// Executes the next call of the management canister, if there is one.
    pub(crate) fn execute_management(&self, round: &mut Round<'_>) -> Result<bool, LocalFailure> {
        let Some(input) = round.state.subnet_queues.pop_input() else { return Ok(false) };
        round.outcome.counters.management_messages += 1;
        match input {
            Input::Ingress(ingress) => {
                if ingress.expiry < round.now {
                    let outcome = crate::message::expired(&ingress);
                    round.answer_ingress(&ingress.message_id, outcome);
                } else {
                    self.manage(round, ManagementCall::from(&*ingress), None)?;
                }
            }
            Input::Canister(CanisterMessage::Request(request)) => {
                self.manage(round, ManagementCall::from(&*request), Some(&request))?;
            }
            // The subnet makes no calls, so nothing can answer it.
            Input::Canister(CanisterMessage::Response(_)) => {}
        }
        Ok(true)
    }

    fn manage(
        &self,
        round: &mut Round<'_>,
        mut call: ManagementCall,
        request: Option<&Arc<Request>>,
    ) -> Result<(), LocalFailure> {
        // Whatever comes of it: reading and checking the argument is work.
        let bytes = call.payload.len() as u64;
        round.spend(CALL_INSTRUCTIONS + bytes.saturating_mul(PAYLOAD_BYTE_INSTRUCTIONS));
        let method = Method::find(&call.name).map_err(MethodError::from);
        let result = method.and_then(|method| match (method, request) {
            (Method::RawRand, Some(request)) => Ok(take_raw_rand(round, request)),
            _ => self.call_method(round, method, &mut call),
        });
        let outcome = match result {
            Ok(Done::Later) => {
                self.note_processing(round, &call);
                return Ok(());
            }
            Ok(Done::Reply(reply)) => CallOutcome::Reply(reply.into()),
            Err(MethodError::User(error)) => CallOutcome::Failed(error),
            Err(MethodError::Local(failure)) => return Err(failure),
        };
        round.answer(call.respondent, &call.origin, outcome, call.cycles);
        Ok(())
    }

    fn note_processing(&self, round: &mut Round<'_>, call: &ManagementCall) {
        if let CallOrigin::Ingress { message_id, .. } = &call.origin {
            let begun = round.state.ingress_history.begin(message_id);
            begun.expect("a call that executes is open in the ingress history");
        }
    }

    fn call_method(
        &self,
        round: &mut Round<'_>,
        method: Method,
        call: &mut ManagementCall,
    ) -> Result<Done, MethodError> {
        if matches!(call.origin, CallOrigin::Ingress { .. }) {
            check_ingress(round.state, &round.subnet, method, call)?;
        }
        let done = match method {
            Method::InstallCode => return self.install_code(round, call),
            Method::InstallChunkedCode => return self.install_chunked_code(round, call),
            Method::CreateCanister => create::create(round, call),
            Method::ProvisionalCreateCanister => create::provisional_create(round, call),
            Method::ProvisionalTopUpCanister => create::provisional_top_up(round, call),
            Method::DepositCycles => create::deposit(round, call),
            Method::UpdateSettings => settings::update(round, call),
            Method::UploadChunk => chunks::upload(round, call),
            Method::ClearChunkStore => chunks::clear(round, call),
            Method::StoredChunks => chunks::list(round, call),
            Method::UninstallCode => lifecycle::uninstall(round, call),
            Method::StartCanister => lifecycle::start(round, call),
            Method::StopCanister => stopping::stop(round, call),
            Method::DeleteCanister => lifecycle::delete(round, call),
            Method::CanisterStatus | Method::CanisterMetrics | Method::CanisterInfo => {
                let reply =
                    info::read(round.state, &round.subnet, method, &call.caller, &call.payload)?;
                Ok(Done::Reply(reply))
            }
            Method::CanisterMetadata => info::metadata(round, call),
            Method::SubnetInfo => info::subnet(round, call),
            Method::RawRand => Err(errors::only_canisters(&call.name)),
            Method::FetchCanisterLogs => {
                let reply = logs::fetch(round.state, &call.caller, &call.payload)?;
                Ok(Done::Reply(reply))
            }
            Method::ListCanisters => Err(query_only(&call.name)),
        };
        Ok(done?)
    }
}

/// A management method as a query: on a snapshot, by a user or from a composite query.
pub(crate) fn query(
    state: &ReplicatedState,
    subnet: &Subnet,
    caller: &PrincipalId,
    name: &str,
    payload: &[u8],
) -> Result<Vec<u8>, UserError> {
    let method = Method::find(name)?;
    match method {
        Method::CanisterStatus | Method::CanisterMetrics | Method::CanisterInfo => {
            info::read(state, subnet, method, caller, payload)
        }
        Method::FetchCanisterLogs => logs::fetch(state, caller, payload),
        Method::ListCanisters => info::list(state, subnet, caller),
        _ => Err(UserError::new(
            ErrorCode::CanisterMethodNotFound,
            format!("Query method {name} not found."),
        )),
    }
}

/// What a user's management call must satisfy to be executed, or to enter a block at all: the
/// method is for users, and this user may call it on this canister.
pub(crate) fn check_ingress(
    state: &ReplicatedState,
    subnet: &Subnet,
    method: Method,
    call: &ManagementCall,
) -> Result<(), UserError> {
    if !method.takes_ingress() {
        return Err(errors::only_canisters(&call.name));
    }
    if method.is_query_only() {
        return Err(query_only(&call.name));
    }
    match method {
        Method::CreateCanister if subnet.is_admin(&call.caller) => return Ok(()),
        Method::CreateCanister => return Err(errors::only_canisters(&call.name)),
        Method::ProvisionalCreateCanister => return check_provisional(subnet, call),
        _ => {}
    }
    let canister = target(state, method, &call.payload)?;
    let checked = match method {
        Method::ProvisionalTopUpCanister => check_provisional(subnet, call),
        Method::StartCanister
        | Method::StopCanister
        | Method::DeleteCanister
        | Method::CanisterMetrics
        | Method::UninstallCode => check_controller_or_admin(subnet, canister, &call.caller),
        Method::CanisterStatus => info::check_status_visible(subnet, canister, &call.caller),
        _ => check_controller(canister, &call.caller),
    };
    // The longer text, which lists the controllers, is for calls by canisters.
    checked.map_err(|error| match error.code {
        ErrorCode::CanisterInvalidController => {
            errors::only_controllers(canister.system.canister_id, &call.name)
        }
        _ => error,
    })
}

/// The canister that a method is about.
fn target<'a>(
    state: &'a ReplicatedState,
    method: Method,
    payload: &[u8],
) -> Result<&'a CanisterState, UserError> {
    let id = match method {
        Method::InstallChunkedCode => decode::<types::AboutTarget>(payload)?.target_canister,
        _ => decode::<types::AboutCanister>(payload)?.canister_id,
    };
    find(state, id)
}

/// A canister by the id in an argument.
fn find(state: &ReplicatedState, id: PrincipalId) -> Result<&CanisterState, UserError> {
    let id = CanisterId(id);
    state.canister(&id).ok_or_else(|| not_found(&id))
}

/// The same, to change it.
fn find_mut<'a>(
    round: &'a mut Round<'_>,
    id: PrincipalId,
) -> Result<&'a mut CanisterState, UserError> {
    let id = CanisterId(id);
    round.state.canister_mut(&id).ok_or_else(|| not_found(&id))
}

fn check_controller(canister: &CanisterState, caller: &PrincipalId) -> Result<(), UserError> {
    match canister.system.settings.controllers.contains(caller) {
        true => Ok(()),
        false => Err(errors::invalid_controller(canister, caller)),
    }
}

fn check_controller_or_admin(
    subnet: &Subnet,
    canister: &CanisterState,
    caller: &PrincipalId,
) -> Result<(), UserError> {
    match subnet.is_admin(caller) {
        true => Ok(()),
        false => check_controller(canister, caller),
    }
}

/// Controllers, and the canister itself.
fn check_controller_or_self(
    canister: &CanisterState,
    caller: &PrincipalId,
) -> Result<(), UserError> {
    match canister.system.canister_id.0 == *caller {
        true => Ok(()),
        false => check_controller(canister, caller),
    }
}

fn check_provisional(subnet: &Subnet, call: &ManagementCall) -> Result<(), UserError> {
    match subnet.is_development() {
        true => Ok(()),
        false => Err(errors::not_provisional(&call.name, &call.caller)),
    }
}

fn query_only(name: &str) -> UserError {
    UserError::new(
        ErrorCode::CanisterRejectedMessage,
        format!("{name} API is only accessible in non-replicated mode"),
    )
}

/// Randomness is given out later than it was asked for: the tape of this height could be known to
/// who put the call into the block.
fn take_raw_rand(round: &mut Round<'_>, request: &Arc<Request>) -> Done {
    let request = RawRandRequest { request: Arc::clone(request), height: round.height };
    round.state.raw_rand_requests.push_back(request);
    Done::Later
}

/// Answers the calls of `raw_rand` that came in rounds before this one.
pub(crate) fn answer_raw_rand(round: &mut Round<'_>) {
    let is_due = |waiting: &RawRandRequest, height: Height| waiting.height < height;
    while round.state.raw_rand_requests.front().is_some_and(|first| is_due(first, round.height)) {
        let Some(waiting) = round.state.raw_rand_requests.pop_front() else { return };
        let request = &waiting.request;
        let bytes = random_bytes(&round.state.randomness.0, request);
        let call = ManagementCall::from(&**request);
        let outcome = CallOutcome::Reply(types::encode(&serde_bytes::ByteBuf::from(bytes)).into());
        round.answer(call.respondent, &call.origin, outcome, call.cycles);
    }
}

/// Bytes that differ for each call: the tape of the height hashed with the name of the call.
fn random_bytes(tape: &[u8; 32], request: &Request) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"\x0fplinth-raw-rand");
    hash.update(tape);
    hash.update(request.callback.0.to_be_bytes());
    hash.update(request.sender.as_slice());
    hash.finalize().into()
}

/// The time of a change, for callers that hold the round only.
fn now(round: &Round<'_>) -> Time {
    round.now
}
