//! Why a canister's code did not come to a good end, and the texts that the IC interface shows
//! for it. Tools compare these texts, so they follow the published wording word for word.

use std::fmt;

use types::{CanisterId, ErrorCode, UserError};

use crate::LocalFailure;

/// Where the published texts point readers to.
const DOCUMENTATION: &str =
    "https://internetcomputer.org/docs/current/references/execution-errors#";

const TOOLCHAIN_HELP: &str = "If you are running this canister in a test environment (e.g., dfx), \
    make sure the test environment is up to date. Otherwise, this is likely an error with the \
    compiler/CDK toolchain being used to build the canister. Please report the error to IC devs \
    on the forum: https://forum.dfinity.org and include which language/CDK was used to create \
    the canister.";

/// A trap raised by the wasm machine itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapCode {
    /// The call stack is exhausted.
    StackOverflow,
    /// An access beyond the linear memory.
    HeapOutOfBounds,
    /// An access beyond the stable memory.
    StableMemoryOutOfBounds,
    /// The 32-bit stable memory interface was used on more than 4 GiB.
    StableMemoryTooBigFor32Bit,
    /// An integer division by zero.
    IntegerDivByZero,
    /// The `unreachable` instruction.
    Unreachable,
    /// An access beyond a table, or a call through a wrong entry of one.
    TableOutOfBounds,
    /// An amount of cycles does not fit the 64-bit interface.
    CyclesAmountTooBigFor64Bit,
    /// Any other trap.
    Other,
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StackOverflow => "stack overflow",
            Self::HeapOutOfBounds => "heap out of bounds",
            Self::StableMemoryOutOfBounds => "stable memory out of bounds",
            Self::StableMemoryTooBigFor32Bit => {
                "32 bit stable memory api used on a memory larger than 4GB"
            }
            Self::IntegerDivByZero => "integer division by 0",
            Self::Unreachable => "unreachable",
            Self::TableOutOfBounds => "table out of bounds",
            Self::CyclesAmountTooBigFor64Bit => "cycles amount exceeds 64-bit representation",
            Self::Other => "unknown",
        })
    }
}

/// The kind of method that was asked for, as the error text names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodKind {
    /// `canister_update`.
    Update,
    /// `canister_query`.
    Query,
    /// `canister_composite_query`.
    CompositeQuery,
    /// A method that the system calls, such as the heartbeat.
    System,
}

impl fmt::Display for MethodKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Update => "update",
            Self::Query => "query",
            Self::CompositeQuery => "composite_query",
            Self::System => "system",
        })
    }
}

/// Why an execution of canister code failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CanisterError {
    /// The table has no function of the right type at this index.
    FunctionNotFound(u64),
    /// The module exports no such method.
    MethodNotFound(MethodKind, String),
    /// The system interface was used against its rules, where the tool chain is to blame.
    ToolchainViolation(String),
    /// The system interface was used against its rules.
    ContractViolation(String),
    /// A function of the system interface was called in a context where it does not exist.
    WrongContext {
        /// The function, without `ic0.`.
        function: &'static str,
        /// The context as the text names it.
        context: &'static str,
    },
    /// The message needs more than this many instructions.
    InstructionLimit(u64),
    /// The module cannot be run; the text says why.
    InvalidWasm(String),
    /// The machine trapped.
    Trapped(TrapCode),
    /// The canister called `ic0.trap` with this text.
    CalledTrap(String),
    /// The canister is empty.
    NoModule,
    /// Memory cannot grow as wanted.
    OutOfMemory,
    /// `canister_inspect_message` did not accept.
    Rejected,
    /// Too few cycles for a transfer.
    InsufficientCycles {
        /// Who needs them.
        canister: CanisterId,
    },
    /// A callback failed, and so did its cleanup.
    Cleanup(Box<CanisterError>, Box<CanisterError>),
    /// The wasm machine failed.
    Engine(String),
    /// The message touched more pages than it may.
    MemoryAccessLimit(String),
    /// Growing the memory by so many bytes would freeze the canister.
    InsufficientCyclesInMemoryGrow {
        /// The bytes.
        bytes: u64,
    },
    /// The heap would exceed the limit of the canister's settings.
    WasmMemoryLimit {
        /// The wanted size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// There is no environment variable of this index.
    EnvironmentIndex {
        /// The index asked for.
        index: u64,
        /// How many there are.
        length: u64,
    },
    /// There is no environment variable of this name.
    EnvironmentName(String),
}

impl fmt::Display for CanisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FunctionNotFound(index) => write!(
                f,
                "Canister requested to invoke a non-existent Wasm function {index} from table 0"
            ),
            Self::MethodNotFound(kind, name) => {
                write!(f, "Canister has no {kind} method '{name}'.")
            }
            Self::ToolchainViolation(text) | Self::ContractViolation(text) => {
                write!(f, "Canister violated contract: {text}")
            }
            Self::WrongContext { function, context } => write!(
                f,
                "Canister violated contract: \"ic0_{function}\" cannot be executed in {context} mode"
            ),
            Self::InstructionLimit(limit) => write!(
                f,
                "Canister exceeded the limit of {limit} instructions for single message execution."
            ),
            Self::InvalidWasm(why) => write!(f, "Canister's Wasm module is not valid: {why}"),
            Self::Trapped(code) => write!(f, "Canister trapped: {code}"),
            Self::CalledTrap(text) => {
                write!(f, "Canister called `ic0.trap` with message: '{text}'")
            }
            Self::NoModule => f.write_str(
                "Attempted to execute a message, but the canister contains no Wasm module.",
            ),
            Self::OutOfMemory => f.write_str("Canister cannot grow its memory usage."),
            Self::Rejected => f.write_str("Canister rejected the message"),
            Self::InsufficientCycles { canister } => {
                write!(f, "Canister {canister} is out of cycles")
            }
            Self::Cleanup(callback, cleanup) => {
                write!(f, "{callback}\n\ncall_on_cleanup also failed:\n\n{cleanup}")
            }
            Self::Engine(why) => write!(f, "Canister encountered a Wasm engine error: {why}"),
            Self::MemoryAccessLimit(why) => {
                write!(f, "Canister exceeded memory access limits: {why}")
            }
            Self::InsufficientCyclesInMemoryGrow { bytes } => write!(
                f,
                "Canister cannot grow memory by {bytes} bytes due to insufficient cycles."
            ),
            Self::WasmMemoryLimit { bytes, limit } => write!(
                f,
                "Canister exceeded its current Wasm memory limit of {limit} bytes. \
                 The peak Wasm memory usage was {bytes} bytes. \
                 If the canister reaches 4GiB, then it may stop functioning and may become \
                 unrecoverable. Please reach out to the canister owner to investigate the reason \
                 for the increased memory usage. It might be necessary to move data from the Wasm \
                 memory to the stable memory. If such high Wasm memory usage is expected and safe, \
                 then the developer can increase the Wasm memory limit in the canister settings."
            ),
            Self::EnvironmentIndex { index, length } => write!(
                f,
                "Environment variable index {index} is out of bounds. The number of environment \
                 variables is {length}."
            ),
            Self::EnvironmentName(name) => write!(f, "Environment variable {name} not found."),
        }
    }
}

/// Only for what this node answers in its own name: queries, and what it thinks of a user's call.
impl From<LocalFailure> for CanisterError {
    fn from(failure: LocalFailure) -> Self {
        log::error!(error:% = failure; "this computer cannot execute a query");
        Self::Engine("this node cannot execute it at the moment; ask another one".into())
    }
}

impl CanisterError {
    /// The fine code that the error is reported with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::FunctionNotFound(_) => ErrorCode::CanisterFunctionNotFound,
            Self::MethodNotFound(..) => ErrorCode::CanisterMethodNotFound,
            Self::ToolchainViolation(_)
            | Self::ContractViolation(_)
            | Self::WrongContext { .. }
            | Self::InsufficientCycles { .. }
            | Self::EnvironmentIndex { .. }
            | Self::EnvironmentName(_) => ErrorCode::CanisterContractViolation,
            Self::InstructionLimit(_) => ErrorCode::CanisterInstructionLimitExceeded,
            Self::InvalidWasm(_) => ErrorCode::CanisterInvalidWasm,
            Self::Trapped(_) => ErrorCode::CanisterTrapped,
            Self::CalledTrap(_) => ErrorCode::CanisterCalledTrap,
            Self::NoModule => ErrorCode::CanisterWasmModuleNotFound,
            Self::OutOfMemory => ErrorCode::CanisterOutOfMemory,
            Self::Rejected => ErrorCode::CanisterRejectedMessage,
            Self::Cleanup(callback, _) => callback.code(),
            Self::Engine(_) => ErrorCode::CanisterWasmEngineError,
            Self::MemoryAccessLimit(_) => ErrorCode::CanisterMemoryAccessLimitExceeded,
            Self::InsufficientCyclesInMemoryGrow { .. } => {
                ErrorCode::InsufficientCyclesInMemoryGrow
            }
            Self::WasmMemoryLimit { .. } => ErrorCode::CanisterWasmMemoryLimitExceeded,
        }
    }

    /// The advice that the published texts end with.
    fn help(&self) -> String {
        let (advice, anchor) = match self {
            Self::FunctionNotFound(_) | Self::ToolchainViolation(_) | Self::InvalidWasm(_) => {
                return TOOLCHAIN_HELP.into();
            }
            Self::MethodNotFound(..) => (
                "Check that the method being called is exported by the target canister.",
                "method-not-found",
            ),
            Self::WrongContext { .. } => (
                "Check the ICP documentation to make sure APIs are being called in the correct \
                 message types.",
                "calling-a-system-api-from-the-wrong-mode",
            ),
            Self::InstructionLimit(_) => (
                "Try optimizing this method to consume fewer instructions or split the work across \
                 multiple messages.",
                "instruction-limit-exceeded",
            ),
            Self::Trapped(_) => (
                "Consider gracefully handling failures from this canister or altering the canister \
                 to handle exceptions.",
                "trapped",
            ),
            Self::CalledTrap(_) => (
                "Consider gracefully handling failures from this canister or altering the canister \
                 to handle exceptions.",
                "trapped-explicitly",
            ),
            Self::NoModule => {
                ("Please install code to this canister before calling it.", "wasm-module-not-found")
            }
            Self::OutOfMemory => (
                "Check the canister's memory usage against its allocation and the system wide \
                 limits to determine why more memory cannot be allocated.",
                "out-of-memory",
            ),
            Self::MemoryAccessLimit(_) => (
                "Try optimizing the use of stable memory so that individual messages don't need to \
                 access as much stable memory.",
                "memory-access-limit-exceeded",
            ),
            Self::InsufficientCyclesInMemoryGrow { .. } => {
                ("Try topping up the canister.", "insufficient-cycles-in-memory-grow")
            }
            Self::WasmMemoryLimit { .. } => (
                "Try checking the canister for a possible memory leak or modifying it to use more \
                 stable memory instead of Wasm memory.",
                "wasm-memory-limit-exceeded",
            ),
            Self::ContractViolation(_)
            | Self::Rejected
            | Self::InsufficientCycles { .. }
            | Self::Cleanup(..)
            | Self::Engine(_)
            | Self::EnvironmentIndex { .. }
            | Self::EnvironmentName(_) => return String::new(),
        };
        format!("{advice} See documentation: {DOCUMENTATION}{anchor}")
    }

    /// The error as users and calling canisters see it.
    pub fn into_user_error(self, canister: CanisterId) -> UserError {
        let help = self.help();
        let text = if help.is_empty() {
            format!("Error from Canister {canister}: {self}")
        } else {
            format!("Error from Canister {canister}: {self}.\n{help}")
        };
        UserError::new(self.code(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: CanisterError, code: &str, text: &str) {
        let user = error.into_user_error(CanisterId::from_index(0));
        assert_eq!(user.code.to_string(), code);
        assert!(user.message.starts_with(text), "{}", user.message);
    }

    #[test]
    fn published_texts() {
        check(
            CanisterError::CalledTrap("here".into()),
            "IC0503",
            "Error from Canister rwlgt-iiaaa-aaaaa-aaaaa-cai: Canister called `ic0.trap` with \
             message: 'here'.\nConsider gracefully handling failures from this canister or \
             altering the canister to handle exceptions. See documentation: \
             https://internetcomputer.org/docs/current/references/execution-errors#trapped-explicitly",
        );
        check(
            CanisterError::MethodNotFound(MethodKind::Update, "x".into()),
            "IC0536",
            "Error from Canister rwlgt-iiaaa-aaaaa-aaaaa-cai: Canister has no update method 'x'..\n\
             Check that the method being called is exported by the target canister.",
        );
        check(
            CanisterError::NoModule,
            "IC0537",
            "Error from Canister rwlgt-iiaaa-aaaaa-aaaaa-cai: Attempted to execute a message, but \
             the canister contains no Wasm module.",
        );
        check(
            CanisterError::Trapped(TrapCode::Unreachable),
            "IC0502",
            "Error from Canister rwlgt-iiaaa-aaaaa-aaaaa-cai: Canister trapped: unreachable.\n",
        );
        check(
            CanisterError::InstructionLimit(5),
            "IC0522",
            "Error from Canister rwlgt-iiaaa-aaaaa-aaaaa-cai: Canister exceeded the limit of 5 \
             instructions for single message execution.",
        );
    }

    #[test]
    fn a_failed_cleanup_keeps_the_code_of_the_callback() {
        let error = CanisterError::Cleanup(
            Box::new(CanisterError::CalledTrap("a".into())),
            Box::new(CanisterError::Trapped(TrapCode::Unreachable)),
        );
        check(
            error,
            "IC0503",
            "Error from Canister rwlgt-iiaaa-aaaaa-aaaaa-cai: Canister called `ic0.trap` with \
             message: 'a'\n\ncall_on_cleanup also failed:\n\nCanister trapped: unreachable",
        );
    }
}
