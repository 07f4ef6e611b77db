//! What one computer could not do, which is no result of a message.

/// This computer could not execute a message, though others may. A round in which it happens has no
/// outcome: a message that failed for such a reason would be a result that no other node has. The
/// node stops, keeps its last checkpoint, and executes the batch again when it is started anew.
///
/// Queries report it as an error of this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalFailure {
    /// No thread with a stack for canister code.
    #[error("no thread with a large stack can be started ({0}); allow more threads or memory")]
    Thread(String),
    /// No addresses or pages for a canister's memory.
    #[error(
        "no memory can be mapped for a canister ({0}); allow more memory, or more mappings \
         (vm.max_map_count, vm.overcommit_memory)"
    )]
    Memory(String),
    /// Compiled code cannot be loaded.
    #[error("compiled code cannot be loaded ({0}); allow more memory or more mappings")]
    Code(String),
    /// A module that is installed, and hence was accepted, is refused.
    #[error(
        "an installed module is refused ({0}); the state is damaged, or this version of the \
         replica has other rules: start it with the version that the subnet runs"
    )]
    InstalledModule(String),
    /// The machine failed at something that no canister can bring about.
    #[error("the wasm machine failed ({0}); report it, with the data directory as evidence")]
    Machine(String),
}
