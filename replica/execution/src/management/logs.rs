//! Reading a canister's log.

use replica_state::{LogRecord, ReplicatedState};
use types::{ErrorCode, PrincipalId, UserError};

use super::find;
use super::types::{
    CanisterLogFilter, CanisterLogRecord, FetchCanisterLogsArgs, FetchCanisterLogsResult, decode,
    encode,
};

/// Bytes of a reply besides its records, and of a record besides its content, at most.
const REPLY_OVERHEAD_BYTES: u64 = 1_024;
const RECORD_OVERHEAD_BYTES: u64 = 24;

/// `fetch_canister_logs`
pub(super) fn fetch(
    state: &ReplicatedState,
    caller: &PrincipalId,
    payload: &[u8],
) -> Result<Vec<u8>, UserError> {
    let args: FetchCanisterLogsArgs = decode(payload)?;
    let canister = find(state, args.canister_id)?;
    let settings = &canister.system.settings;
    if !settings.may_see(&settings.log_visibility, caller) {
        return Err(UserError::new(
            ErrorCode::CanisterRejectedMessage,
            format!("Caller {caller} is not allowed to access canister logs"),
        ));
    }
    let wanted = canister.system.log.records();
    let wanted = wanted.filter(|record| is_wanted(record, args.filter.as_ref()));
    let bytes_max = state.config.limits.reply_bytes_max.saturating_sub(REPLY_OVERHEAD_BYTES);
    let fits = within(bytes_max);
    // Of all there is the latest is told; a filter reads on from the beginning of its range.
    let records: Vec<_> = match args.filter {
        Some(_) => wanted.take_while(fits).collect(),
        None => {
            let mut latest: Vec<_> = wanted.rev().take_while(fits).collect();
            latest.reverse();
            latest
        }
    };
    let canister_log_records = records
        .into_iter()
        .map(|record| CanisterLogRecord {
            idx: record.index,
            timestamp_nanos: record.time.0,
            content: record.content.to_vec(),
        })
        .collect();
    Ok(encode(&FetchCanisterLogsResult { canister_log_records }))
}

/// Whether a record and all before it fit into a reply.
fn within(bytes_max: u64) -> impl FnMut(&&LogRecord) -> bool {
    let mut left = Some(bytes_max);
    move |record| {
        let bytes = record.content.len() as u64 + RECORD_OVERHEAD_BYTES;
        left = left.and_then(|left| left.checked_sub(bytes));
        left.is_some()
    }
}

/// Filters are half open: from the start up to, not including, the end.
fn is_wanted(record: &LogRecord, filter: Option<&CanisterLogFilter>) -> bool {
    match filter {
        None => true,
        Some(CanisterLogFilter::ByIdx { start, end }) => (*start..*end).contains(&record.index),
        Some(CanisterLogFilter::ByTimestampNanos { start, end }) => {
            (*start..*end).contains(&record.time.0)
        }
    }
}
