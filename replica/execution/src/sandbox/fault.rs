//! The handler of page faults: the unsafe entry by which the kernel tells us that a canister
//! touches a page for the first time.
//!
//! wasmtime handles the same signal: it turns faults of compiled code into traps. Our handler is
//! installed after wasmtime's, so it is asked first. It takes what lies in the region that this
//! thread watches and is in use there, and passes everything else on unchanged: a fault in the
//! guard of a region, or on pages not in use, becomes wasmtime's trap "out of bounds".

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::ptr;
use std::sync::OnceLock;

use super::region::Region;

thread_local! {
    /// The region of the execution that runs on this thread. Constant at start and without
    /// destructor, so that a signal handler can read it: no lazy set-up, no allocation.
    static WATCHED: Cell<*const Region> = const { Cell::new(ptr::null()) };
}

/// What the signal did before us.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Runs `run` while faults in the region are answered by it, on this thread.
pub(super) fn watch<R>(region: &Region, run: impl FnOnce() -> R) -> R {
    struct Restore(*const Region);
    impl Drop for Restore {
        fn drop(&mut self) {
            WATCHED.set(self.0);
        }
    }
    let _restore = Restore(WATCHED.replace(region));
    run()
}

/// Installs the handler, once in the life of the process. The machine must have installed its own
/// before.
pub(super) fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let result = INSTALLED.get_or_init(|| {
        // The previous handler is stored before ours can run.
        let previous = replace_handler(None)?;
        PREVIOUS.get_or_init(|| previous);
        replace_handler(Some(handle)).map(|_| ())
    });
    result.map_err(io::Error::from_raw_os_error)
}

/// Sets the handler of SIGSEGV if one is given; returns the one before, or the error number.
fn replace_handler(handler: Option<Handler>) -> Result<libc::sigaction, i32> {
    // SAFETY: all bytes zero are a value of this plain C struct, on which the calls below only
    // read and write its fields. `Handler` has the signature that SA_SIGINFO asks for. The flags
    // are those of wasmtime: an alternate stack, because the fault may be an exhausted one, and no
    // blocking, because wasmtime leaves its handler by changing the context.
    unsafe {
        let mut previous: libc::sigaction = std::mem::zeroed();
        let mut action: libc::sigaction = std::mem::zeroed();
        let wanted = match handler {
            None => ptr::null(),
            Some(handler) => {
                action.sa_sigaction = handler as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
                libc::sigemptyset(&mut action.sa_mask);
                &raw const action
            }
        };
        match libc::sigaction(libc::SIGSEGV, wanted, &mut previous) {
            0 => Ok(previous),
            _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)),
        }
    }
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes valid pointers to a handler with SA_SIGINFO, and a SIGSEGV carries
    // an address. `errno` belongs to the interrupted code, so it is put back.
    unsafe {
        let errno = *libc::__errno_location();
        let address = (*info).si_addr() as usize;
        let answered = answer(address, is_write(context));
        *libc::__errno_location() = errno;
        if !answered {
            delegate(signal, info, context);
        }
    }
}

fn answer(address: usize, is_write: bool) -> bool {
    let watched = WATCHED.get();
    if watched.is_null() {
        return false;
    }
    // SAFETY: `watch` borrows the region for as long as the pointer is set. `handle_fault` takes a
    // shared reference and changes only atomics and pages without access; the interrupted code is
    // compiled wasm or a bulk copy within wasm memory, which hold no references into either.
    unsafe { (*watched).handle_fault(address, is_write) }
}

/// Whether the access that faulted was a write. Where it is not known, a first fault makes the
/// page readable and a second one writable.
///
/// # Safety
///
/// `context` is what the kernel passed to the handler.
unsafe fn is_write(context: *mut c_void) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        const WRITE: i64 = 1 << 1;
        // SAFETY: the caller passes the context of a signal, which has this type.
        let context = unsafe { &*context.cast::<libc::ucontext_t>() };
        context.uc_mcontext.gregs[libc::REG_ERR as usize] & WRITE != 0
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = context;
        false
    }
}

/// Does what the signal did before us.
///
/// # Safety
///
/// The arguments are those of a running handler.
unsafe fn delegate(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let previous = PREVIOUS.get().copied();
    match previous {
        Some(action) if action.sa_sigaction > libc::SIG_IGN => {
            // SAFETY: the action was installed for this signal; SA_SIGINFO tells its signature.
            unsafe {
                if action.sa_flags & libc::SA_SIGINFO != 0 {
                    let handler: Handler = std::mem::transmute(action.sa_sigaction);
                    handler(signal, info, context);
                } else {
                    let handler: extern "C" fn(c_int) = std::mem::transmute(action.sa_sigaction);
                    handler(signal);
                }
            }
        }
        // The default: the access is repeated after our return and ends the process.
        _ => {
            // SAFETY: SIG_DFL is a valid disposition.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}
