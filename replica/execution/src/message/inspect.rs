//! `canister_inspect_message`: whether a canister wants a user's call at all.

use std::sync::Arc;

use bytes::Bytes;
use replica_state::{CanisterState, SenderInfo, SystemMethod};
use types::{PrincipalId, Time, UserError};

use crate::Executor;
use crate::canister_error::CanisterError;
use crate::machine::EntryPoint;
use crate::subnet::Subnet;
use crate::system_api::{Context, Counters, MessageInput, MessageStart};

/// A user's call as the inspected canister sees it.
pub(crate) struct Inspected<'a> {
    pub(crate) sender: PrincipalId,
    pub(crate) sender_info: Option<Arc<SenderInfo>>,
    pub(crate) method: &'a str,
    pub(crate) argument: Bytes,
}

impl Executor {
    /// Asks the canister, on this node alone. A canister without the function takes every call.
    pub(crate) fn inspect(
        &self,
        subnet: &Arc<Subnet>,
        canister: Arc<CanisterState>,
        now: Time,
        call: Inspected<'_>,
    ) -> Result<(), UserError> {
        if !canister.has(SystemMethod::InspectMessage) {
            return Ok(());
        }
        let id = canister.system.canister_id;
        let limit = subnet.config.limits.instructions_per_inspect_max;
        let start = MessageStart {
            context: Context::InspectMessage,
            canister,
            subnet: Arc::clone(subnet),
            now,
            input: MessageInput {
                sender_info: call.sender_info,
                method: call.method.into(),
                ..MessageInput::new(call.sender, call.argument)
            },
            counters: Counters { limit, before_in_message: 0, before_in_call: 0 },
            memory_room: u64::MAX,
        };
        let run = self.machine.run(start, &EntryPoint::Export("canister_inspect_message".into()));
        match run.map_err(|failure| CanisterError::from(failure).into_user_error(id))?.result {
            Ok((_, effects)) if effects.message_accepted => Ok(()),
            Ok(_) => Err(CanisterError::Rejected.into_user_error(id)),
            Err(error) => Err(error.into_user_error(id)),
        }
    }
}
