//! Wasm runs on the stack of its thread, and how deep it may go is part of consensus.
//!
//! The machine traps when wasm frames use more than [`WASM_STACK_BYTES`] below the entry. A frame's
//! size is decided by the compiler, which is the same on all nodes and compiles for one fixed set
//! of processor features (see `engine`); so the same call depth traps on all nodes. The thread's
//! stack must have room for that and for host functions on top, or the process would crash where
//! the machine should trap: an execution on a thread without that room moves to one that has it.

use std::cell::Cell;

use crate::LocalFailure;

/// Bytes of stack that wasm frames may use.
pub(super) const WASM_STACK_BYTES: usize = 4 << 20;

/// Bytes of stack that host functions may use on top of that.
const HOST_STACK_BYTES: usize = 1 << 20;

/// Bytes of stack that a thread should have to run executions itself. Give it to all threads that
/// execute messages (`std::thread::Builder::stack_size`, the runtime's `thread_stack_size`).
pub const THREAD_STACK_BYTES: usize = 8 << 20;

/// Starts a thread that runs executions itself.
pub fn spawn<R: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> R + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<R>> {
    builder(name).spawn(run)
}

fn builder(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.to_string()).stack_size(THREAD_STACK_BYTES)
}

/// Runs on this thread if its stack has enough room, else on a new one, which costs some tens of
/// microseconds.
///
/// # Errors
/// The system has no thread for it.
pub(crate) fn on_large_stack<R: Send>(run: impl FnOnce() -> R + Send) -> Result<R, LocalFailure> {
    if room() >= WASM_STACK_BYTES + HOST_STACK_BYTES {
        return Ok(run());
    }
    std::thread::scope(|scope| {
        let thread = builder("wasm").spawn_scoped(scope, run);
        let thread = thread.map_err(|error| LocalFailure::Thread(error.to_string()))?;
        thread.join().map_or_else(|panic| std::panic::resume_unwind(panic), Ok)
    })
}

/// Bytes of this thread's stack that are not used yet.
fn room() -> usize {
    thread_local! {
        static LOWEST: Cell<Option<usize>> = const { Cell::new(None) };
    }
    let lowest = LOWEST.get().unwrap_or_else(|| {
        // A stack whose extent is not known has no room.
        let lowest = lowest_address().unwrap_or(usize::MAX);
        LOWEST.set(Some(lowest));
        lowest
    });
    let here = 0u8;
    (&raw const here as usize).saturating_sub(lowest)
}

/// The lowest address of this thread's stack. For the first thread of the process the kernel's
/// limit at its start counts, which the library knows.
fn lowest_address() -> Option<usize> {
    // SAFETY: the attributes are initialised by the first call, only read if that succeeded, and
    // destroyed once; all pointers are to local variables.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return None;
        }
        let (mut lowest, mut bytes) = (std::ptr::null_mut(), 0);
        let result = libc::pthread_attr_getstack(&attributes, &mut lowest, &mut bytes);
        libc::pthread_attr_destroy(&mut attributes);
        (result == 0).then_some(lowest as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs_itself(stack_bytes: usize) -> bool {
        let thread = std::thread::Builder::new().stack_size(stack_bytes).spawn(|| {
            let id = std::thread::current().id();
            on_large_stack(|| std::thread::current().id() == id).unwrap()
        });
        thread.unwrap().join().unwrap()
    }

    #[test]
    fn only_a_stack_with_room_is_used() {
        assert!(runs_itself(THREAD_STACK_BYTES));
        // The C library may give a thread a stack left over by another one, of up to four times
        // the wanted size.
        assert!(!runs_itself(WASM_STACK_BYTES / 4));
    }
}
