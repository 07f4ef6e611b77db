//! The endpoints of the interface, one file for each kind.

pub(crate) mod call;
pub(crate) mod query;
pub(crate) mod read_state;
mod read_state_paths;
pub(crate) mod status;
pub(crate) mod topology;

pub use read_state_paths::PathError;
