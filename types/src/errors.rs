//! Reject codes and error codes of the IC interface, with the published numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a message was rejected, coarsely (interface specification, "Reject codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RejectCode {
    /// Fatal system error; retrying is unlikely to help.
    SysFatal = 1,
    /// Transient system error; retrying may help.
    SysTransient = 2,
    /// Invalid destination.
    DestinationInvalid = 3,
    /// Explicit reject by the canister.
    CanisterReject = 4,
    /// Canister error (a trap, no reply, no such method).
    CanisterError = 5,
    /// The system does not know the outcome of a best-effort call.
    SysUnknown = 6,
}

impl RejectCode {
    /// The code of a number from 1 to 6.
    pub fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::SysFatal,
            2 => Self::SysTransient,
            3 => Self::DestinationInvalid,
            4 => Self::CanisterReject,
            5 => Self::CanisterError,
            6 => Self::SysUnknown,
            _ => return None,
        })
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal => $reject:ident,)*) => {
        /// Why a message was rejected, finely. Displayed as `IC0` and three digits, which is what
        /// tools show and compare.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u16)]
        pub enum ErrorCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The reject code that this error is reported with.
            pub fn reject_code(self) -> RejectCode {
                match self {
                    $(ErrorCode::$name => RejectCode::$reject,)*
                }
            }
        }
    };
}

error_codes! {
    /// The subnet has no room for the wanted allocation.
    SubnetOversubscribed = 101 => SysFatal,
    /// The subnet hosts as many canisters as it may.
    MaxNumberOfCanistersReached = 102 => SysFatal,
    /// The queue between two canisters is full.
    CanisterQueueFull = 201 => SysTransient,
    /// The ingress message expired before it was executed.
    IngressMessageTimeout = 202 => SysTransient,
    /// A canister's queues are not empty.
    CanisterQueueNotEmpty = 203 => SysTransient,
    /// The ingress history is full.
    IngressHistoryFull = 204 => SysTransient,
    /// The canister id is taken.
    CanisterIdAlreadyExists = 205 => SysTransient,
    /// A stop request found open calls for too long.
    StopCanisterRequestTimeout = 206 => SysTransient,
    /// Too few cycles for the operation, or the canister is frozen.
    CanisterOutOfCycles = 207 => SysTransient,
    /// No certified state is available yet.
    CertifiedStateUnavailable = 208 => SysTransient,
    /// Too much was installed on the canister lately.
    CanisterInstallCodeRateLimited = 209 => SysTransient,
    /// The canister changed too much memory lately.
    CanisterHeapDeltaRateLimited = 210 => SysTransient,
    /// No such canister.
    CanisterNotFound = 301 => DestinationInvalid,
    /// No such snapshot.
    CanisterSnapshotNotFound = 305 => DestinationInvalid,
    /// The memory allocation is too small for the change.
    InsufficientMemoryAllocation = 402 => CanisterReject,
    /// Too few cycles attached to create a canister.
    InsufficientCyclesForCreateCanister = 403 => CanisterReject,
    /// No such subnet.
    SubnetNotFound = 404 => CanisterReject,
    /// The canister lives on another subnet.
    CanisterNotHostedBySubnet = 405 => CanisterReject,
    /// The canister rejected the message.
    CanisterRejectedMessage = 406 => CanisterReject,
    /// The management canister has no such method.
    UnknownManagementMessage = 407 => CanisterReject,
    /// The argument of a management method cannot be used.
    InvalidManagementPayload = 408 => CanisterReject,
    /// The canister trapped.
    CanisterTrapped = 502 => CanisterError,
    /// The canister called `ic0.trap`.
    CanisterCalledTrap = 503 => CanisterError,
    /// The canister used the system interface against its rules.
    CanisterContractViolation = 504 => CanisterError,
    /// The module is not valid.
    CanisterInvalidWasm = 505 => CanisterError,
    /// The canister neither replied nor can do so any more.
    CanisterDidNotReply = 506 => CanisterError,
    /// The canister ran out of memory.
    CanisterOutOfMemory = 507 => CanisterError,
    /// The canister is stopped.
    CanisterStopped = 508 => CanisterError,
    /// The canister is stopping.
    CanisterStopping = 509 => CanisterError,
    /// The canister must be stopped first.
    CanisterNotStopped = 510 => CanisterError,
    /// A stop was cancelled by a start.
    CanisterStoppingCancelled = 511 => CanisterError,
    /// The caller is no controller.
    CanisterInvalidController = 512 => CanisterError,
    /// No such function in the module.
    CanisterFunctionNotFound = 513 => CanisterError,
    /// The canister has code already.
    CanisterNonEmpty = 514 => CanisterError,
    /// Queries call each other in a circle.
    QueryCallGraphLoopDetected = 517 => CanisterError,
    /// Too few cycles for a call.
    InsufficientCyclesInCall = 520 => CanisterError,
    /// The engine failed; a bug of ours or an unsupported module.
    CanisterWasmEngineError = 521 => CanisterError,
    /// The message used up its instructions.
    CanisterInstructionLimitExceeded = 522 => CanisterError,
    /// The message touched too many pages.
    CanisterMemoryAccessLimitExceeded = 524 => CanisterError,
    /// Queries call each other too deeply.
    QueryCallGraphTooDeep = 525 => CanisterError,
    /// A composite query used too many instructions in total.
    QueryCallGraphTotalInstructionLimitExceeded = 526 => CanisterError,
    /// A composite query was called in replicated mode.
    CompositeQueryCalledInReplicatedMode = 527 => CanisterError,
    /// A query took too long.
    QueryTimeLimitExceeded = 528 => CanisterError,
    /// A query cannot call within a subnet.
    QueryCallGraphInternal = 529 => CanisterError,
    /// Too few cycles for a compute allocation.
    InsufficientCyclesInComputeAllocation = 530 => CanisterError,
    /// Too few cycles for a memory allocation.
    InsufficientCyclesInMemoryAllocation = 531 => CanisterError,
    /// Too few cycles for more memory.
    InsufficientCyclesInMemoryGrow = 532 => CanisterError,
    /// Reserved cycles exceed their limit when memory is allocated.
    ReservedCyclesLimitExceededInMemoryAllocation = 533 => CanisterError,
    /// Reserved cycles exceed their limit when memory grows.
    ReservedCyclesLimitExceededInMemoryGrow = 534 => CanisterError,
    /// Too few cycles for a message's memory.
    InsufficientCyclesInMessageMemoryGrow = 535 => CanisterError,
    /// The canister has no such method.
    CanisterMethodNotFound = 536 => CanisterError,
    /// The canister has no code.
    CanisterWasmModuleNotFound = 537 => CanisterError,
    /// Code is installed already.
    CanisterAlreadyInstalled = 538 => CanisterError,
    /// The heap exceeds the limit in the settings.
    CanisterWasmMemoryLimitExceeded = 539 => CanisterError,
    /// The limit of reserved cycles is below what is reserved.
    ReservedCyclesLimitIsTooLow = 540 => CanisterError,
    /// A best-effort call timed out.
    DeadlineExpired = 601 => SysUnknown,
    /// The response of a best-effort call was dropped.
    ResponseDropped = 602 => SysUnknown,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IC{:04}", *self as u16)
    }
}

/// An error that a user of the IC interface sees: code and text, both part of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct UserError {
    /// The fine code.
    pub code: ErrorCode,
    /// The text after the code.
    pub message: String,
}

impl UserError {
    /// An error of `code` with its text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The coarse code.
    pub fn reject_code(&self) -> RejectCode {
        self.code.reject_code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_show_as_tools_expect_them() {
        assert_eq!(ErrorCode::CanisterMethodNotFound.to_string(), "IC0536");
        assert_eq!(ErrorCode::CanisterMethodNotFound.reject_code(), RejectCode::CanisterError);
        assert_eq!(ErrorCode::CanisterNotFound.reject_code() as u8, 3);
    }

    #[test]
    fn reject_codes_read_back() {
        for code in ErrorCode::ALL {
            let reject = code.reject_code();
            assert_eq!(RejectCode::from_number(reject as u64), Some(reject));
        }
        assert_eq!(RejectCode::from_number(0), None);
        assert_eq!(RejectCode::from_number(7), None);
    }
}
