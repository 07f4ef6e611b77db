//! What is asked of one execution, and what comes out of it.

use replica_state::{GlobalValue, Memory};

use super::CompiledModule;
use crate::LocalFailure;
use crate::canister_error::CanisterError;

/// Where an execution begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The module's `(start)` function; an execution without effect if there is none.
    Start,
    /// An exported function without parameters and results, by its whole name
    /// (`canister_update increment`).
    Export(&'a str),
    /// A callback: a function of table 0 with one parameter as wide as an address.
    Table {
        /// Index in the table.
        index: u64,
        /// The parameter.
        environment: u64,
    },
}

/// One execution: a module, the memory and the globals it starts from, and where it begins.
#[derive(Clone, Copy)]
pub struct Execution<'a> {
    /// The module.
    pub module: &'a CompiledModule,
    /// The heap as committed.
    pub heap: &'a Memory,
    /// The mutable globals as committed, as [`CompiledModule::initial_globals`] or an earlier
    /// outcome gave them.
    pub globals: &'a [GlobalValue],
    /// Where to begin.
    pub entry: Entry<'a>,
    /// Instructions that may be used.
    pub instruction_limit: u64,
}

/// What came out of an execution.
#[derive(Debug)]
pub struct Outcome {
    /// Instructions used, never more than the limit.
    pub instructions_used: u64,
    /// The new heap and globals, or why they are to stay as they were.
    pub result: Result<Changes, Trap>,
}

/// The effects of a successful execution on the machine's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The heap afterwards; it shares all unchanged pages with the one before.
    pub heap: Memory,
    /// How many pages of 4 KiB have another content than before.
    pub pages_changed: u64,
    /// The mutable globals afterwards.
    pub globals: Vec<GlobalValue>,
}

/// Why an execution ended early. All its effects on memory and globals are undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trap {
    /// The instruction limit was reached.
    #[error("the instruction limit was reached")]
    OutOfInstructions,
    /// An access beyond the memory, by the canister or on its behalf.
    #[error("heap out of bounds")]
    HeapOutOfBounds,
    /// An access beyond a table.
    #[error("table out of bounds")]
    TableOutOfBounds,
    /// An indirect call through an empty entry of a table, or to a function of another type.
    #[error("indirect call to no function of that type")]
    BadIndirectCall,
    /// The call stack is exhausted.
    #[error("stack overflow")]
    StackOverflow,
    /// The `unreachable` instruction.
    #[error("unreachable")]
    Unreachable,
    /// A division by zero.
    #[error("integer division by 0")]
    IntegerDivisionByZero,
    /// A signed division that overflows.
    #[error("integer overflow")]
    IntegerOverflow,
    /// A float that no integer can represent.
    #[error("invalid conversion to integer")]
    InvalidConversion,
    /// The module exports no such function of type `() -> ()`.
    #[error("the module exports no function '{0}' without parameters and results")]
    NoSuchExport(String),
    /// Table 0 has no function of the callback's type there.
    #[error("table 0 has no callback function at index {0}")]
    NoSuchCallback(u64),
    /// A system function ended the execution.
    #[error("{0}")]
    Api(CanisterError),
    /// The heap is larger than the module allows: it was kept over an upgrade.
    #[error("the heap has {pages} pages, more than the {maximum} that the module allows")]
    HeapTooLarge {
        /// Pages of the heap.
        pages: u64,
        /// Pages allowed.
        maximum: u64,
    },
    /// Any other trap of the instruction set.
    #[error("trap")]
    Other,
}

/// Why an execution ended early: the canister's doing, which is the same on all nodes, or not.
pub(super) enum Ended {
    Trap(Trap),
    Local(LocalFailure),
}

impl From<Trap> for Ended {
    fn from(trap: Trap) -> Self {
        Self::Trap(trap)
    }
}

impl From<LocalFailure> for Ended {
    fn from(failure: LocalFailure) -> Self {
        Self::Local(failure)
    }
}
