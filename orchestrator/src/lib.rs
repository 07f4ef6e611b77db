//! The orchestrator of a node: keeps one replica process running.
//!
//! It treats the replica as a process: it knows an executable, arguments, exit codes and signals,
//! and nothing of consensus or canisters. What to do next is decided by [`Supervisor`], plain
//! values in and out; [`run`] owns the process, the signals and the clock.
//!
//! ```text
//!   child exited, stop asked, time ──> Supervisor ──> Start | Terminate | Kill | Exit
//! ```

mod config;
mod log_file;
mod process;
mod status;
mod supervisor;

pub use config::{Config, ConfigError};
pub use log_file::LogFile;
pub use process::{RunError, run};
pub use status::{NodeLock, STATUS_FILE, Status, StatusError, read_status};
pub use supervisor::{Action, Backoff, Event, Exit, Supervisor};
