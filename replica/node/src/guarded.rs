//! A thread whose end nobody may miss.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use replica_messaging::MachineError;
use thiserror::Error;

use crate::disk::chain;

/// Why execution ended by itself.
#[derive(Debug, Error)]
pub enum ExecutionEnd {
    /// The machine cannot go on.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A bug of ours.
    #[error(
        "execution panicked: {0}. The node starts again from its last checkpoint; if it repeats, \
         report it with the node's directory"
    )]
    Panicked(String),
}

/// Runs the work of a thread and reports any end but a good one, a panic too: a node that executes
/// nothing any more must not look alive.
pub fn guarded(
    work: impl FnOnce() -> Result<(), MachineError>,
    report: impl FnOnce(String),
) -> Result<(), ExecutionEnd> {
    // What the work has touched is not used after a panic: the node ends.
    let ended = catch_unwind(AssertUnwindSafe(work));
    let ended = match ended {
        Ok(result) => result.map_err(ExecutionEnd::from),
        Err(panic) => Err(ExecutionEnd::Panicked(panic_text(&*panic))),
    };
    ended.inspect_err(|end| report(chain(end)))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use types::Height;

    use super::*;

    fn reported(work: impl FnOnce() -> Result<(), MachineError>) -> Option<String> {
        let mut text = None;
        let end = guarded(work, |reason| text = Some(reason));
        assert_eq!(end.is_err(), text.is_some());
        text
    }

    #[test]
    fn every_end_but_a_good_one_is_reported() {
        assert_eq!(reported(|| Ok(())), None);
        let not_empty = reported(|| Err(MachineError::NotEmpty(Height(7))));
        assert!(not_empty.is_some_and(|text| text.contains("height 7")));
        let panicked = reported(|| panic!("the state is {}", "odd"));
        assert!(panicked.is_some_and(|text| text.contains("panicked: the state is odd")));
    }
}
