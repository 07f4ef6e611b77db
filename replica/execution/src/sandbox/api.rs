//! What the sandbox asks of the system interface, and what it lends to it during a call.

use std::any::Any;

use crate::canister_error::CanisterError;
use crate::meter::Ic0;

/// The system interface behind the imports of `ic0`. The sandbox owns it for the length of an
/// execution and gives it back afterwards, whatever happened.
pub trait SystemApi: Any + Send {
    /// One call of an imported function. 32-bit arguments come zero-extended; of a 32-bit result
    /// the lower half is used, and the result of a function without one is ignored.
    fn call(
        &mut self,
        function: Ic0,
        arguments: &[u64],
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError>;

    /// Asked before the heap grows from one size to another (in wasm pages of 64 KiB), after the
    /// module's own maximum was checked. `Refuse` makes `memory.grow` return -1.
    fn grow_heap(&mut self, pages: u64, pages_wanted: u64) -> Result<Growth, ApiError>;
}

/// The answer to a wish for more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Go on.
    Allow,
    /// The instruction reports failure to the canister.
    Refuse,
}

/// The running canister, as a system function sees it: its memory and its instruction counter.
pub trait Guest {
    /// Bytes of memory in use.
    fn memory_bytes(&self) -> u64;

    /// Fills the buffer from memory.
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ApiError>;

    /// Writes to memory.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), ApiError>;

    /// Instructions that the execution may still use.
    fn instructions_left(&mut self) -> u64;

    /// Uses up instructions, or fails if fewer are left.
    fn charge(&mut self, instructions: u64) -> Result<(), ApiError>;

    /// A copy of a piece of memory; the range is checked before anything is allocated.
    fn read_vec(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, ApiError> {
        check_range(offset, length, self.memory_bytes())?;
        let length = usize::try_from(length).expect("a length within memory fits into usize");
        let mut buffer = vec![0; length];
        self.read(offset, &mut buffer)?;
        Ok(buffer)
    }
}

/// Whether a range lies in a memory of this size.
pub fn check_range(offset: u64, length: u64, memory_bytes: u64) -> Result<(), ApiError> {
    match offset.checked_add(length) {
        Some(end) if end <= memory_bytes => Ok(()),
        _ => Err(ApiError::MemoryOutOfBounds { offset, length, memory_bytes }),
    }
}

/// Why a system function ended the execution. It becomes a [`Trap`](super::Trap).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The instruction limit was reached while charging for the call.
    #[error("the instruction limit was reached in a system function")]
    OutOfInstructions,
    /// An argument names memory that does not exist.
    #[error("{length} bytes at {offset} are not within the memory of {memory_bytes} bytes")]
    MemoryOutOfBounds {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// Size of the memory.
        memory_bytes: u64,
    },
    /// Anything else: `ic0.trap`, a broken contract, too few cycles.
    #[error("{0}")]
    Failed(CanisterError),
}

impl From<CanisterError> for ApiError {
    fn from(error: CanisterError) -> Self {
        ApiError::Failed(error)
    }
}
