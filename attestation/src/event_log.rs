//! TCG event logs: read, replayed, held against quoted PCRs, judged.
//!
//! A log is a claim of the machine about what was extended into its PCRs. Nothing in it is signed;
//! it is believed as far as its replay gives the values that a TPM quoted:
//!
//! ```text
//!  bytes --EventLog::parse--> events --replay--> PCR values == VerifiedQuote --> VerifiedLog
//!                                                                                   |
//!                                        expected digests, in order  --judge--------+
//! ```
//!
//! Types and descriptions of events are not covered by any digest ("TCG PC Client Platform Firmware
//! Profile", section 10): they are shown to people and choose nothing. Two things in a log steer the
//! replay, the type EV_NO_ACTION (not extended) and the start value of PCR 0; a lie about
//! either gives other PCR values than the quoted ones.

mod judge;
mod kind;
mod parse;
mod replay;
#[cfg(test)]
mod tests;
mod verify;

pub use judge::{ExpectedEvent, ExpectedPcr, JudgedLog, judge};
pub use kind::EventKind;
pub use parse::{Event, EventLog, LogError, LogFormat, LogQuirk, Startup};
pub use replay::ReplayError;
pub use verify::{VerifiedLog, replay, verify};
