//! The transport that the library calls: a table of C functions over a [`Link`].
//!
//! Our own in place of the library's plug-ins: those are loaded at run time by name, wait without a
//! limit, and one of them wants a second port.

use crate::link::{Break, Link};
use std::cell::RefCell;
use std::ptr::NonNull;
use tss_esapi::tss2_esys as c;

/// Codes of the transport layer: TSS 2.0 overview, section "response codes".
const LAYER: c::TSS2_RC = 10 << 16;
const BAD_REFERENCE: c::TSS2_RC = LAYER | 5;
const INSUFFICIENT_BUFFER: c::TSS2_RC = LAYER | 6;
const BAD_SEQUENCE: c::TSS2_RC = LAYER | 7;
const IO_ERROR: c::TSS2_RC = LAYER | 10;

/// Tells our structure from others: "plinthtp".
const MAGIC: u64 = 0x706c_696e_7468_7470;

/// The library sees the beginning, `common`.
#[repr(C)]
pub struct Tcti {
    common: c::TSS2_TCTI_CONTEXT_COMMON_V1,
    state: RefCell<State>,
}

struct State {
    link: Link,
    /// A response that was read and not handed over yet.
    response: Option<Vec<u8>>,
}

impl Tcti {
    /// Allocated by hand: the library keeps a pointer to it, which a moved `Box` would spoil.
    pub fn allocate(link: Link) -> NonNull<Self> {
        let common = c::TSS2_TCTI_CONTEXT_COMMON_V1 {
            magic: MAGIC,
            version: 1,
            transmit: Some(transmit),
            receive: Some(receive),
            finalize: None,
            cancel: None,
            getPollHandles: None,
            setLocality: None,
        };
        let state = RefCell::new(State { link, response: None });
        NonNull::from(Box::leak(Box::new(Self { common, state })))
    }

    /// # Safety
    /// The pointer comes from `allocate`, and nobody uses it any more.
    pub unsafe fn free(tcti: NonNull<Self>) {
        // SAFETY: `allocate` leaked a box.
        drop(unsafe { Box::from_raw(tcti.as_ptr()) });
    }

    /// The pointer as the library takes it.
    pub fn as_library(tcti: NonNull<Self>) -> *mut c::TSS2_TCTI_CONTEXT {
        tcti.as_ptr().cast()
    }

    pub fn broken(&self) -> Option<Break> {
        self.state.borrow().link.broken().cloned()
    }

    fn send(&self, command: &[u8]) -> c::TSS2_RC {
        let Ok(mut state) = self.state.try_borrow_mut() else { return BAD_SEQUENCE };
        state.response = None;
        state.link.send(command).map_or(IO_ERROR, |()| 0)
    }

    /// Copies the response into the library's buffer, when it fits. Sets its length in any case.
    fn fill(&self, room: Option<&mut [u8]>, bytes: &mut usize) -> c::TSS2_RC {
        let Ok(mut state) = self.state.try_borrow_mut() else { return BAD_SEQUENCE };
        let response = match state.response.take() {
            Some(response) => response,
            None => match state.link.receive() {
                Ok(response) => response,
                Err(_) => return IO_ERROR,
            },
        };
        *bytes = response.len();
        let code = match room {
            Some(room) => match room.get_mut(..response.len()) {
                Some(room) => {
                    room.copy_from_slice(&response);
                    return 0;
                }
                None => INSUFFICIENT_BUFFER,
            },
            None => 0, // The library asks for the length only.
        };
        state.response = Some(response);
        code
    }
}

unsafe extern "C" fn transmit(
    context: *mut c::TSS2_TCTI_CONTEXT,
    bytes: c::size_t,
    command: *const u8,
) -> c::TSS2_RC {
    let Ok(bytes) = usize::try_from(bytes) else { return BAD_REFERENCE };
    if context.is_null() || command.is_null() {
        return BAD_REFERENCE;
    }
    // SAFETY: the library calls with the pointer of `as_library`, to a live `Tcti` that is only ever
    // shared, and with a command of this many bytes that it does not change meanwhile.
    let (tcti, command) = unsafe {
        (&*context.cast::<Tcti>().cast_const(), std::slice::from_raw_parts(command, bytes))
    };
    tcti.send(command)
}

/// The time limit of the library is not used: its calls all say "for ever", ours is in the [`Link`].
unsafe extern "C" fn receive(
    context: *mut c::TSS2_TCTI_CONTEXT,
    bytes: *mut c::size_t,
    response: *mut u8,
    _timeout: i32,
) -> c::TSS2_RC {
    if context.is_null() || bytes.is_null() {
        return BAD_REFERENCE;
    }
    // SAFETY: as in `transmit`; `bytes` is the library's variable for the length, and where there is
    // a buffer it is writable for that many bytes and used by nobody else during the call.
    unsafe {
        let tcti = &*context.cast::<Tcti>().cast_const();
        let Ok(mut length) = usize::try_from(*bytes) else { return BAD_REFERENCE };
        let room = (!response.is_null()).then(|| std::slice::from_raw_parts_mut(response, length));
        let code = tcti.fill(room, &mut length);
        let Ok(length) = c::size_t::try_from(length) else { return BAD_REFERENCE };
        *bytes = length;
        code
    }
}
