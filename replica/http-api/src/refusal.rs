//! Why a request is not served: one table of texts and status codes.

use axum::http::StatusCode;
use replica_ingress::{AdmissionError, EffectiveIdError};
use types::{Principal, SubnetId};

use crate::SubmitError;
use crate::endpoints::PathError;

/// A request that gets a plain text and a status of 4xx or 5xx. It had no effect.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The URL has something else where an id belongs.
    #[error("{0:?} in the URL is not the textual form of a principal")]
    UrlId(String),
    /// The effective canister id is not of this subnet.
    // Tools look for this text, as the public network's gateways give it.
    #[error("Canister {id} does not belong to any subnet.")]
    CanisterOutOfRange {
        /// The effective canister id.
        id: Principal,
    },
    /// The effective subnet id is not that of this subnet.
    #[error("subnet {asked} in the URL is not this one, {own}")]
    OtherSubnet {
        /// In the URL.
        asked: Principal,
        /// Of this node.
        own: SubnetId,
    },
    /// The URL's id does not fit the content of the request.
    #[error(transparent)]
    EffectiveId(#[from] EffectiveIdError),
    /// The body is of another kind.
    #[error("the request's Content-Type must be application/cbor")]
    MediaType,
    /// The body is too large.
    #[error("the request has more than {bytes_max} bytes")]
    BodyTooLarge {
        /// What is allowed.
        bytes_max: usize,
    },
    /// The body did not come in time.
    #[error("the request's body did not arrive within {seconds} s")]
    BodyTimeout {
        /// What is allowed.
        seconds: u64,
    },
    /// The connection broke within the body.
    #[error("the request's body ended before its announced length")]
    BodyBroken,
    /// The envelope cannot be read, does not authenticate its sender, or is not valid now.
    #[error("the request is not admitted")]
    NotAdmitted(#[from] AdmissionError),
    /// A path that must not be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// More requests of this kind than the node takes on.
    #[error("this node is busy with other requests ({kind}); retry, or use another node")]
    Overloaded {
        /// What kind.
        kind: &'static str,
    },
    /// The call could not be handed to the node.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// No certified state is there yet.
    #[error("this node has no certified state yet; retry when /api/v2/status says \"healthy\"")]
    NotReady,
    /// A bug of ours, logged where it happened.
    #[error("internal error; the node's log says more")]
    Internal,
}

impl Refusal {
    /// The status code.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::UrlId(_)
            | Refusal::CanisterOutOfRange { .. }
            | Refusal::OtherSubnet { .. }
            | Refusal::EffectiveId(_)
            | Refusal::MediaType
            | Refusal::BodyBroken => StatusCode::BAD_REQUEST,
            Refusal::NotAdmitted(error) => admission_status(error),
            Refusal::Path(error) => path_status(error),
            Refusal::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BodyTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Refusal::Overloaded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Submit(_) | Refusal::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The text, with the causes.
    pub fn to_text(&self) -> String {
        chain(self)
    }
}

fn admission_status(error: &AdmissionError) -> StatusCode {
    match error {
        AdmissionError::Decode(error) if error.is_of_delegations() => StatusCode::FORBIDDEN,
        AdmissionError::Decode(_) => StatusCode::BAD_REQUEST,
        AdmissionError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        error if error.is_expiry() => StatusCode::BAD_REQUEST,
        _ => StatusCode::FORBIDDEN,
    }
}

fn path_status(error: &PathError) -> StatusCode {
    match error {
        PathError::NotReadable(_) => StatusCode::NOT_FOUND,
        PathError::OtherSender(_)
        | PathError::OtherDestination(_)
        | PathError::NotTarget(_)
        | PathError::PrivateMetadata(_) => StatusCode::FORBIDDEN,
        PathError::Principal(_)
        | PathError::RequestId(_)
        | PathError::Name(_)
        | PathError::OtherCanister { .. }
        | PathError::TwoRequests(..)
        | PathError::TwoSubnets => StatusCode::BAD_REQUEST,
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
