//! Moving bytes between the system and a canister's heap.

use types::Cycles;

use crate::canister_error::CanisterError;
use crate::meter::Ic0;
use crate::sandbox::{ApiError, Guest};

/// The published text for a range that does not exist.
fn out_of_range(what: &str, start: u64, length: u64, size: u64) -> ApiError {
    CanisterError::ToolchainViolation(format!(
        "{what}: src={start} + length={length} exceeds the slice size={size}"
    ))
    .into()
}

/// Names the function and the side in errors about the heap's bounds.
fn named(function: Ic0, error: ApiError) -> ApiError {
    match error {
        ApiError::MemoryOutOfBounds { offset, length, memory_bytes } => {
            out_of_range(&format!("ic0.{} heap", function.name()), offset, length, memory_bytes)
        }
        other => other,
    }
}

/// Copies a part of `data` to the heap, one instruction for each byte.
pub(super) fn copy(
    function: Ic0,
    guest: &mut dyn Guest,
    data: &[u8],
    dst: u64,
    offset: u64,
    size: u64,
) -> Result<u64, ApiError> {
    guest.charge(size)?;
    let part = usize::try_from(offset)
        .ok()
        .zip(offset.checked_add(size).and_then(|end| usize::try_from(end).ok()))
        .and_then(|(start, end)| data.get(start..end));
    let Some(part) = part else {
        let what = format!("ic0.{} payload", function.name());
        return Err(out_of_range(&what, offset, size, data.len() as u64));
    };
    guest.write(dst, part).map_err(|error| named(function, error))?;
    Ok(0)
}

/// Reads a piece of the heap, one instruction for each byte.
pub(super) fn read(
    function: Ic0,
    guest: &mut dyn Guest,
    src: u64,
    size: u64,
) -> Result<Vec<u8>, ApiError> {
    guest.charge(size)?;
    guest.read_vec(src, size).map_err(|error| named(function, error))
}

/// Reads a piece of the heap that is text.
pub(super) fn read_text(
    function: Ic0,
    guest: &mut dyn Guest,
    src: u64,
    size: u64,
) -> Result<String, ApiError> {
    String::from_utf8(read(function, guest, src, size)?).map_err(|_| {
        let text = format!("ic0.{}: the text is not valid UTF-8", function.name());
        CanisterError::ToolchainViolation(text).into()
    })
}

/// Writes an amount of cycles as 16 little-endian bytes.
pub(super) fn write_cycles(
    guest: &mut dyn Guest,
    dst: u64,
    amount: Cycles,
) -> Result<u64, ApiError> {
    guest.write(dst, &amount.0.to_le_bytes())?;
    Ok(0)
}
