//! Reading a canister's log.

use replica_state::{LogRecord, ReplicatedState};
use types::{ErrorCode, PrincipalId, UserError};

use super::find;
use super::types::{
    CanisterLogFilter, CanisterLogRecord, FetchCanisterLogsArgs, FetchCanisterLogsResult, decode,
    encode,
};

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
    let records = canister.system.log.records();
    let wanted = records.filter(|record| is_wanted(record, args.filter.as_ref()));
    let canister_log_records = wanted
        .map(|record| CanisterLogRecord {
            idx: record.index,
            timestamp_nanos: record.time.0,
            content: record.content.to_vec(),
        })
        .collect();
    Ok(encode(&FetchCanisterLogsResult { canister_log_records }))
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
