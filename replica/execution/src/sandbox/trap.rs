//! What the machine says when an execution ends early, in our terms.

use super::api::ApiError;
use super::outcome::Trap;

pub(super) fn of(error: wasmtime::Error) -> Trap {
    let error = match error.downcast::<ApiError>() {
        Ok(ApiError::OutOfInstructions) => return Trap::OutOfInstructions,
        Ok(ApiError::MemoryOutOfBounds { .. }) => return Trap::HeapOutOfBounds,
        Ok(ApiError::Failed(error)) => return Trap::Api(error),
        Err(error) => error,
    };
    match error.downcast_ref::<wasmtime::Trap>() {
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
        _ => Trap::Engine(format!("{error:#}")),
    }
}
