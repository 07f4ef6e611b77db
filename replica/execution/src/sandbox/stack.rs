//! Wasm runs on the stack of its thread, and how deep it may go is part of consensus.
//!
//! The machine traps when wasm frames use more than [`WASM_STACK_BYTES`] below the entry. A frame's
//! size is decided by the compiler, which is the same on all nodes and compiles for one fixed set
//! of processor features (see `engine`); so the same call depth traps on all nodes. The thread's
//! stack must have room for that and for host functions on top, or the process would crash where
//! the machine should trap: an execution on any other thread moves to one that has.

use std::cell::Cell;

/// Bytes of stack that wasm frames may use.
pub(super) const WASM_STACK_BYTES: usize = 4 << 20;

/// Bytes of stack of a thread that runs wasm: room for as much again for the host.
pub const THREAD_STACK_BYTES: usize = 8 << 20;

thread_local! {
    static IS_LARGE: Cell<bool> = const { Cell::new(false) };
}

/// Starts a thread that runs executions directly, without moving them to another.
pub fn spawn<R: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> R + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<R>> {
    builder(name).spawn(move || {
        IS_LARGE.set(true);
        run()
    })
}

fn builder(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.to_string()).stack_size(THREAD_STACK_BYTES)
}

/// Runs on this thread if its stack is large enough, else on a new one, which costs some tens of
/// microseconds.
pub(super) fn on_large_stack<R: Send>(run: impl FnOnce() -> R + Send) -> std::io::Result<R> {
    if IS_LARGE.get() {
        return Ok(run());
    }
    std::thread::scope(|scope| {
        let thread = builder("wasm").spawn_scoped(scope, || {
            IS_LARGE.set(true);
            run()
        })?;
        thread.join().map_or_else(|panic| std::panic::resume_unwind(panic), Ok)
    })
}
