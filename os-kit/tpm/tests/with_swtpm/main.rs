//! The crate against software TPMs.

#[path = "../swtpm/mod.rs"]
mod swtpm;

mod bus;
mod identity;
mod owner;
mod policies;
mod releases;
mod trouble;
