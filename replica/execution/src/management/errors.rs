//! Errors of the management canister in their published wording.

use replica_state::CanisterState;
use types::{CanisterId, Cycles, ErrorCode, PrincipalId, UserError};

const DOCUMENTATION: &str =
    "https://internetcomputer.org/docs/current/references/execution-errors#";

/// A text with the advice that the published one ends with.
fn advised(code: ErrorCode, text: String, advice: &str, anchor: &str) -> UserError {
    UserError::new(code, format!("{text}\n{advice} See documentation: {DOCUMENTATION}{anchor}"))
}

pub(super) fn invalid_controller(canister: &CanisterState, caller: &PrincipalId) -> UserError {
    let id = canister.system.canister_id;
    let controllers: Vec<_> =
        canister.system.settings.controllers.iter().map(PrincipalId::to_string).collect();
    advised(
        ErrorCode::CanisterInvalidController,
        format!(
            "Only the controllers of the canister {id} can control it.\n\
             Canister's controllers: {}\n\
             Sender's ID: {caller}",
            controllers.join(" ")
        ),
        "Execute this call from a controller of the target canister or add the current caller as a \
         controller.",
        "invalid-controller",
    )
}

/// A method that the specification gives to canisters, called by a user.
pub(super) fn only_canisters(method: &str) -> UserError {
    UserError::new(
        ErrorCode::CanisterRejectedMessage,
        format!("Only canisters can call ic00 method {method}"),
    )
}

/// A method that development subnets have, on another one.
pub(super) fn not_provisional(method: &str, caller: &PrincipalId) -> UserError {
    UserError::new(
        ErrorCode::CanisterRejectedMessage,
        format!("Caller {caller} is not allowed to call ic00 method {method}"),
    )
}

/// A method that needs a controller, refused before it enters a block.
pub(super) fn only_controllers(id: CanisterId, method: &str) -> UserError {
    UserError::new(
        ErrorCode::CanisterInvalidController,
        format!("Only controllers of canister {id} can call ic00 method {method}"),
    )
}

/// The creation of a canister whose id is, or was, that of another one.
pub(super) fn already_installed(id: CanisterId) -> UserError {
    UserError::new(
        ErrorCode::CanisterAlreadyInstalled,
        format!("Canister {id} is already installed."),
    )
}

pub(super) fn not_empty(id: CanisterId) -> UserError {
    advised(
        ErrorCode::CanisterNonEmpty,
        format!(
            "Canister {id} cannot be installed because the canister is not empty. Try installing \
             with mode='reinstall' instead."
        ),
        "Check that you want to overwrite the canister and, if so, use mode='reinstall'.",
        "canister-not-empty",
    )
}

pub(super) fn delete_not_stopped(id: CanisterId) -> UserError {
    advised(
        ErrorCode::CanisterNotStopped,
        format!("Canister {id} must be stopped before it is deleted."),
        "Stop the canister before deleting it.",
        "delete-canister-not-stopped",
    )
}

pub(super) fn delete_self(id: CanisterId) -> UserError {
    advised(
        ErrorCode::CanisterInvalidController,
        format!("Canister {id} cannot delete itself."),
        "Delete the canister from one of its other controllers.",
        "delete-canister-self",
    )
}

pub(super) fn creation_needs_cycles(sent: Cycles, required: Cycles) -> UserError {
    advised(
        ErrorCode::InsufficientCyclesForCreateCanister,
        format!(
            "Creating a canister requires a fee of {required} that is deducted from the \
             canister's initial balance but only {sent} cycles were received with the \
             create_canister request."
        ),
        "Try sending more cycles with the request.",
        "create-canister-not-enough-cycles",
    )
}

pub(super) fn invalid_settings(why: &str) -> UserError {
    advised(
        ErrorCode::CanisterContractViolation,
        format!("Could not validate the settings: {why} "),
        "Apply the described changes to make the settings valid.",
        "invalid-settings",
    )
}

pub(super) fn chunk_store(why: &str) -> UserError {
    advised(
        ErrorCode::CanisterContractViolation,
        format!("Error from Wasm chunk store: {why}."),
        "Use the `stored_chunks` API to check which hashes are present or top up the canister if \
         it is low on cycles.",
        "wasm-chunk-store-error",
    )
}

pub(super) fn too_many_canisters(subnet: &types::SubnetId, most: u64) -> UserError {
    advised(
        ErrorCode::MaxNumberOfCanistersReached,
        format!(
            "Subnet {subnet} has reached the allowed canister limit of {most} canisters. Retry \
             creating the canister."
        ),
        "Try creating the canister on another subnet.",
        "maximum-number-of-canisters-reached",
    )
}

pub(super) fn out_of_ids() -> UserError {
    advised(
        ErrorCode::SubnetOversubscribed,
        "Could not create canister. Subnet has surpassed its canister ID allocation.".into(),
        "Try creating the canister on another subnet.",
        "subnet-out-of-canister-ids",
    )
}

pub(super) fn install_needs_cycles(error: UserError) -> UserError {
    advised(
        ErrorCode::CanisterOutOfCycles,
        format!("Canister installation failed with `{}`.", error.message),
        "Top up the canister with more cycles.",
        "install-code-not-enough-cycles",
    )
}

pub(super) fn missing_upgrade_option() -> UserError {
    UserError::new(
        ErrorCode::CanisterContractViolation,
        "Missing upgrade option: Enhanced orthogonal persistence requires the \
         `wasm_memory_persistence` upgrade option.",
    )
}

pub(super) fn invalid_upgrade_option() -> UserError {
    UserError::new(
        ErrorCode::CanisterContractViolation,
        "Invalid upgrade option: The `wasm_memory_persistence: opt Keep` upgrade option requires \
         that the new canister module supports enhanced orthogonal persistence.",
    )
}

/// The subnet has too little room for what is wanted.
pub(crate) mod no_room {
    use super::{ErrorCode, UserError, advised};

    fn oversubscribed(text: String) -> UserError {
        advised(
            ErrorCode::SubnetOversubscribed,
            text,
            "Try executing the message again later, or on another subnet.",
            "subnet-oversubscribed",
        )
    }

    pub(crate) fn memory(wanted: u128, left: u128) -> UserError {
        oversubscribed(format!(
            "Canister requested {wanted} B of memory but only {left} B are available in the subnet."
        ))
    }

    pub(crate) fn code(wanted: u128, left: u128) -> UserError {
        oversubscribed(format!(
            "Canister requested {wanted} B for its module and chunks but only {left} B are \
             available in the subnet."
        ))
    }

    pub(crate) fn compute(wanted: u128, left: u128) -> UserError {
        oversubscribed(format!(
            "Canister requested a compute allocation of {wanted}% which cannot be satisfied because \
             the Subnet's remaining compute capacity is {left}%."
        ))
    }
}
