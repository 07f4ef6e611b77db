//! What the machine says when an execution ends early, in our terms.

use super::api::ApiError;
use super::outcome::{Ended, Trap};
use crate::LocalFailure;

/// Traps are defined by the instruction set, hence the same on all nodes; any other error of the
/// machine comes from this computer.
pub(super) fn of(error: wasmtime::Error) -> Ended {
    let error = match error.downcast::<ApiError>() {
        Ok(ApiError::OutOfInstructions) => return Trap::OutOfInstructions.into(),
        Ok(ApiError::MemoryOutOfBounds { .. }) => return Trap::HeapOutOfBounds.into(),
        Ok(ApiError::Failed(error)) => return Trap::Api(error).into(),
        Err(error) => error,
    };
    let trap = match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::StackOverflow) => Trap::StackOverflow,
        Some(wasmtime::Trap::MemoryOutOfBounds) => Trap::HeapOutOfBounds,
        Some(wasmtime::Trap::TableOutOfBounds) => Trap::TableOutOfBounds,
        Some(wasmtime::Trap::IndirectCallToNull | wasmtime::Trap::BadSignature) => {
            Trap::BadIndirectCall
        }
        Some(wasmtime::Trap::IntegerOverflow) => Trap::IntegerOverflow,
        Some(wasmtime::Trap::IntegerDivisionByZero) => Trap::IntegerDivisionByZero,
        Some(wasmtime::Trap::BadConversionToInteger) => Trap::InvalidConversion,
        Some(wasmtime::Trap::UnreachableCodeReached) => Trap::Unreachable,
        Some(_) => Trap::Other,
        None => return LocalFailure::Machine(format!("{error:#}")).into(),
    };
    trap.into()
}
