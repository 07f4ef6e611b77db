//! The system interface, function by function, as canisters find it: each test installs a small
//! module and runs it through whole rounds.

mod answers;
mod calling;
mod contexts;
mod cycles;
mod data;
mod flows;
#[path = "../harness/mod.rs"]
mod harness;
mod installing;
mod logs;
mod metrics;
mod programs;
mod random;
mod stable;
mod surroundings;
mod table;
