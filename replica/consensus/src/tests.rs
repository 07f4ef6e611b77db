//! Networks of cores in memory, without an engine: [`network`] decides the order of blocks.

mod catching_up;
mod faults;
mod generation;
mod network;
mod ordering;
mod validation;
