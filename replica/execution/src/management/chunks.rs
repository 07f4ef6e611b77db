//! Uploading large modules in pieces.

use bytes::Bytes;
use types::{CanisterId, ErrorCode, UserError};

use super::types::{CanisterIdRecord, ChunkHash, UploadChunkArgs, decode};
use super::{
    Done, ManagementCall, check_controller_or_self, errors, find, find_mut, nothing, reply,
};
use crate::capacity::Occupied;
use crate::round::Round;

/// `upload_chunk`
pub(super) fn upload(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args: UploadChunkArgs = decode(&call.payload)?;
    check_controller_or_self(find(round.state, args.canister_id)?, &call.caller)?;
    let limits = &round.subnet.config.limits;
    let (most, count_max) = (limits.chunk_bytes_max, limits.chunks_per_canister_max);
    if args.chunk.len() as u64 > most {
        return Err(errors::chunk_store(&format!(
            "Wasm chunk size {} exceeds the maximum chunk size of {most}",
            args.chunk.len()
        )));
    }
    let (id, bytes) = (CanisterId(args.canister_id), args.chunk.len() as u64);
    let before = find(round.state, args.canister_id)?;
    let mut after = before.clone();
    let stored = after.system.chunk_store.insert(Bytes::from(args.chunk), count_max);
    let hash = stored.map_err(|_| {
        errors::chunk_store(&format!(
            "Wasm chunk store has already reached maximum capacity of {count_max} chunks"
        ))
    })?;
    round.room.check(Occupied::by(before), Occupied::by(&after))?;
    let before = Occupied::by(before);
    *find_mut(round, args.canister_id)? = after;
    round.resized(before, &id);
    round.changed(bytes);
    reply(&ChunkHash { hash: hash.to_vec() })
}

/// `clear_chunk_store`
pub(super) fn clear(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args: CanisterIdRecord = decode(&call.payload)?;
    check_controller_or_self(find(round.state, args.canister_id)?, &call.caller)?;
    find_mut(round, args.canister_id)?.system.chunk_store.clear();
    nothing()
}

/// `stored_chunks`
pub(super) fn list(round: &mut Round<'_>, call: &mut ManagementCall) -> Result<Done, UserError> {
    let args: CanisterIdRecord = decode(&call.payload)?;
    let canister = find(round.state, args.canister_id)?;
    check_controller_or_self(canister, &call.caller)?;
    let hash = |(hash, _): (&[u8; 32], &Bytes)| ChunkHash { hash: hash.to_vec() };
    reply(&canister.system.chunk_store.iter().map(hash).collect::<Vec<_>>())
}

/// A hash from an argument.
pub(super) fn parse_hash(bytes: &[u8]) -> Result<[u8; 32], UserError> {
    bytes.try_into().map_err(|_| {
        let text = format!("A hash has 32 bytes, not {}", bytes.len());
        UserError::new(ErrorCode::InvalidManagementPayload, text)
    })
}
