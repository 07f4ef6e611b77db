//! The IC HTTP interface of one node, and its status page.
//!
//! ```text
//!   client --HTTP--> router: CORS, counters, body limits
//!     call        -> ingress rules -> inspect -> Submit (the node) ... CertifiedStates --> certificate
//!     query       -> ingress rules -> Execution::query on the latest certified state --> node signature
//!     read_state  -> ingress rules -> who may read what -> witness of the certified tree --> certificate
//!     /_/         -> status page, /_/status.json, /_/topology
//!   browser --HTTP--> <canister>.localhost -> gateway -> the canister's http_request
//! ```
//!
//! Rules followed here are those of the interface specification 0.66, "HTTPS interface". This
//! part decodes, bounds, authorizes and encodes. It must not know how a call reaches a block, how
//! a state becomes certified, or how canisters run: what it needs of that it declares as traits
//! ([`Submit`], [`Execution`], [`NodeView`], [`Clock`]) and the node joins.
//!
//! # Counters
//!
//! Registered by [`router`], each with the prefix `plinth_http_`:
//!
//! | name | labels | meaning |
//! |---|---|---|
//! | `requests_total` | `endpoint`, `status` | answered requests |
//! | `request_seconds` | `endpoint` | histogram: from the head of a request to its answer |
//! | `in_flight` | `endpoint` | requests being answered, waiting calls among them |
//! | `sync_calls_total` | `outcome` | `certified`, `known` already, `rejected`, `refused` (4xx, 5xx), `timeout`, `crowded` (202) |
//!
//! # Overload
//!
//! Every queue has a bound in [`Limits`] and an answer for when it is full: checking calls,
//! queries and `read_state` 429; memory for bodies 429; the node's pool of calls 503; places to
//! wait for a certificate: the call is taken and answered with 202. Connections: new ones wait in
//! the queue of the kernel. A client that is slow to send a head, to send a body, or to read an
//! answer loses its connection after the timeout of [`Limits`] for it.

mod answer;
mod api;
mod base64;
mod body;
mod certified;
mod cors;
mod effective;
mod endpoints;
mod gateway;
mod metrics;
mod operator;
mod page;
mod refusal;
mod requests;
mod router;
mod serve;
mod shared;
mod waiters;
mod work;

pub use api::{
    Api, Chain, Clock, Execution, Health, Limits, NodeView, Progress, Submit, SubmitError,
    SystemClock,
};
pub use certified::{CertifiedStates, NotCertified};
pub use endpoints::PathError;
pub use operator::{Operator, operator_router};
pub use refusal::Refusal;
pub use router::router;
pub use serve::serve;
