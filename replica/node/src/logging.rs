//! Where log records go: to the journal when the process is connected to it, else to stderr.

use std::io::Write as _;

use log::kv::{Error, Key, Value, VisitSource};
use thiserror::Error as ThisError;

/// The log could not be set up.
#[derive(Debug, ThisError)]
#[error("the log could not be set up: {0}")]
pub struct LoggingError(String);

/// Sets up the log of the process, once.
pub fn start(level: log::LevelFilter) -> Result<(), LoggingError> {
    let failed = |error: &dyn std::fmt::Display| LoggingError(error.to_string());
    if systemd_journal_logger::connected_to_journal() {
        systemd_journal_logger::JournalLog::new()
            .map_err(|error| failed(&error))?
            .install()
            .map_err(|error| failed(&error))?;
        log::set_max_level(level);
        return Ok(());
    }
    env_logger::Builder::new()
        .filter_level(level)
        // The engine's crates tell each step of their actors.
        .filter_module("commonware", level.min(log::LevelFilter::Warn))
        .filter_module("tracing", level.min(log::LevelFilter::Warn))
        .format(|buffer, record| {
            let time = buffer.timestamp_millis();
            write!(buffer, "{time} {:5} {}: {}", record.level(), record.target(), record.args())?;
            let mut fields = Fields(buffer, Ok(()));
            // Writing is the only thing that can fail, and its error is taken out below.
            let _visited = record.key_values().visit(&mut fields);
            fields.1?;
            writeln!(buffer)
        })
        .try_init()
        .map_err(|error| failed(&error))
}

/// Writes the fields of a record as `key=value`.
struct Fields<'a>(&'a mut env_logger::fmt::Formatter, std::io::Result<()>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if self.1.is_ok() {
            self.1 = write!(self.0, " {key}={value}");
        }
        Ok(())
    }
}
