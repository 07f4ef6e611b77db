//! What the HTTP interface asks of the node: queries, inspection, submission.

use std::sync::Arc;

use bytes::Bytes;
use replica_engine::{InjectError, Injector};
use replica_execution::{Executor, IngressCall, QueryRequest};
use replica_http_api::{Execution, Submit, SubmitError};
use replica_ingress::{Admitted, CallContent, QueryContent, envelope};
use replica_state::{ReplicatedState, SenderInfo};
use types::UserError;

use crate::gate::facts;
use crate::outlook::Outlook;
use crate::wiring::NodeEvent;

/// Executes queries and inspections.
pub struct QueryExecution(pub Arc<Executor>);

impl Execution for QueryExecution {
    fn query(
        &self,
        state: &ReplicatedState,
        query: &Admitted<QueryContent>,
        certificate: Option<Bytes>,
    ) -> Result<Bytes, UserError> {
        let content = query.content();
        let request = QueryRequest {
            sender: query.sender(),
            sender_info: sender_info(content.sender_info.as_ref()),
            canister: content.canister_id,
            method: content.method_name.clone(),
            arg: content.arg.clone(),
            certificate,
        };
        self.0.query(state, request)
    }

    fn inspect(
        &self,
        state: &ReplicatedState,
        call: &Admitted<CallContent>,
    ) -> Result<(), UserError> {
        let content = call.content();
        let call = IngressCall {
            sender: call.sender(),
            sender_info: sender_info(content.sender_info.as_ref()),
            receiver: content.canister_id,
            method: content.method_name.clone(),
            argument: content.arg.clone(),
            envelope_bytes: call.raw().len() as u64,
        };
        self.0.validate_ingress(state, &call)
    }
}

fn sender_info(info: Option<&envelope::SenderInfo>) -> Option<Arc<SenderInfo>> {
    info.map(|info| Arc::new(SenderInfo { info: info.info.clone(), signer: info.signer.0 }))
}

/// Brings admitted calls to the engine.
pub struct Submission {
    /// Where events go.
    pub injector: Injector<NodeEvent>,
    /// How full the pool is.
    pub outlook: Arc<Outlook>,
}

impl Submit for Submission {
    fn submit(&self, call: Admitted<CallContent>) -> Result<(), SubmitError> {
        if self.outlook.is_stopping() {
            return Err(SubmitError::Stopping);
        }
        if !self.outlook.pool_has_room() {
            return Err(SubmitError::PoolFull);
        }
        let event = NodeEvent::Ingress { envelope: call.raw().clone(), facts: facts(&call) };
        self.injector.try_inject(event, call.raw().len()).map_err(|error| match error {
            InjectError::Full => SubmitError::PoolFull,
            InjectError::Stopped => SubmitError::Stopping,
        })
    }
}
