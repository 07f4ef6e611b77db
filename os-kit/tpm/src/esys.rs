//! The room of the C library: libtss2-esys marshals commands and keeps the sessions.
//!
//! All unsafe code of this crate is below. It uses the library through the bindings of tss-esapi and
//! tss-esapi's checked types for what goes in and out, but not its `Context`: that one has no
//! PolicyNV, PolicyAuthorizeNV and NV_Certify, hides the pointer that they would need, and waits for
//! a response without a limit (docs/decisions/060-tpm-through-esys.md).
//!
//! Safety rests on four facts, which the `call!` macro and the types here keep true:
//! - the context pointer is the one that `Esys_Initialize` returned and is used until `Esys_Finalize`
//!   in `Drop`, by one thread at a time ([`Esys`] is not `Sync`);
//! - what goes in is a reference to an initialised C structure that lives during the call; the
//!   library copies what it keeps;
//! - what comes out is memory that the library allocated and that `Out` alone owns until it gives it
//!   back with `Esys_Free`;
//! - the library calls back into [`tcti::Tcti`] only, which lives as long as the context.

mod keys;
pub mod nv;
mod policy;
mod registers;
mod sessions;
mod state;
mod tcti;
pub mod values;

use crate::error::TpmError;
use crate::link::Link;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::{NonNull, null_mut};
use tcti::Tcti;
use tss_esapi::tss2_esys as c;

/// The library's number for a loaded object, an index, a session or a hierarchy.
pub type Tr = c::ESYS_TR;

/// The hierarchy whose seed is new at each start.
pub const NULL_HIERARCHY: Tr = c::ESYS_TR_RH_NULL;

/// The sessions of one command, in order.
#[derive(Clone, Copy)]
pub struct Sessions(Tr, Tr, Tr);

impl Sessions {
    pub const NONE: Self = Self(c::ESYS_TR_NONE, c::ESYS_TR_NONE, c::ESYS_TR_NONE);

    pub fn one(first: Tr) -> Self {
        Self(first, c::ESYS_TR_NONE, c::ESYS_TR_NONE)
    }

    pub fn two(first: Tr, second: Tr) -> Self {
        Self(first, second, c::ESYS_TR_NONE)
    }
}

/// Which parameters of a command a session encrypts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Encrypt {
    Nothing,
    Command,
    Response,
}

/// One connection to a TPM through the library.
pub struct Esys {
    context: NonNull<c::ESYS_CONTEXT>,
    /// Freed after the context, which calls it.
    tcti: NonNull<Tcti>,
    /// Keys and sessions that were made and not flushed yet.
    held: Cell<usize>,
    /// What has a handle in the TPM and is in use: its number, and how often. The library gives the
    /// same number to whoever asks for the same handle, and forgets it at the first `Esys_TR_Close`.
    found: RefCell<BTreeMap<u32, (Tr, usize)>>,
}

// SAFETY: neither the library nor `Tcti` ties a context to the thread that made it: both keep all they
// need behind their pointers, which move along.
unsafe impl Send for Esys {}

impl Esys {
    /// Makes a context over an open connection. Nothing is sent yet.
    pub fn new(link: Link) -> Result<Self, TpmError> {
        let tcti = Tcti::allocate(link);
        let mut context = null_mut();
        // SAFETY: `tcti` points to a live `Tcti`, which begins with the structure that the library
        // expects; no ABI version is asked for; `context` is a place for the result.
        let code = unsafe { c::Esys_Initialize(&mut context, Tcti::as_library(tcti), null_mut()) };
        match NonNull::new(context) {
            Some(context) if code == 0 => {
                Ok(Self { context, tcti, held: Cell::new(0), found: RefCell::new(BTreeMap::new()) })
            }
            _ => {
                // SAFETY: the library keeps no pointer to it after it failed.
                unsafe { Tcti::free(tcti) };
                Err(TpmError::from_code(code, "Initialize"))
            }
        }
    }

    fn tcti(&self) -> &Tcti {
        // SAFETY: freed in `Drop` only, and never borrowed mutably: it has cells inside.
        unsafe { self.tcti.as_ref() }
    }

    /// Whether the connection is lost.
    pub fn is_broken(&self) -> bool {
        self.tcti().broken().is_some()
    }

    /// The keys and sessions that are held at present.
    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// Turns the code of a call into its meaning. A broken connection explains any code.
    fn check(&self, during: &'static str, code: c::TSS2_RC) -> Result<(), TpmError> {
        if code == 0 {
            return Ok(());
        }
        match self.tcti().broken() {
            Some(reason) => Err(TpmError::from_break(&reason, during)),
            None => Err(TpmError::from_code(code, during)),
        }
    }

    /// Takes charge of a new object or session.
    fn hold(&self, tr: Tr) -> Held<'_> {
        self.held.set(self.held.get() + 1);
        Held { esys: self, tr }
    }
}

impl Drop for Esys {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: the context is live, and nobody uses it afterwards; the library does not touch a
        // TCTI that it did not load itself, so that ours can be freed next, once.
        unsafe {
            c::Esys_Finalize(&mut context);
            Tcti::free(self.tcti);
        }
    }
}

/// A loaded key or a session. It is flushed from the TPM when it goes out of scope, on every path.
pub struct Held<'t> {
    esys: &'t Esys,
    tr: Tr,
}

impl Held<'_> {
    pub fn tr(&self) -> Tr {
        self.tr
    }

    /// This session as the only one of a command.
    pub fn one(&self) -> Sessions {
        Sessions::one(self.tr)
    }

    /// Leaves the flushing to somebody else.
    pub fn release(self) -> Tr {
        let tr = self.tr;
        std::mem::forget(self);
        tr
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.esys.flush(self.tr);
    }
}

/// Something with a handle of its own in the TPM: a persistent key or an index. It stays there.
pub struct Found<'t> {
    esys: &'t Esys,
    handle: u32,
    tr: Tr,
}

impl Found<'_> {
    pub fn tr(&self) -> Tr {
        self.tr
    }
}

impl Drop for Found<'_> {
    fn drop(&mut self) {
        self.esys.let_go(self.handle);
    }
}

/// What the library allocated for us.
pub struct Out<T: Copy>(*mut T);

impl<T: Copy> Out<T> {
    fn new() -> Self {
        Self(null_mut())
    }

    /// The place where the library puts its pointer.
    fn place(&mut self) -> *mut *mut T {
        &mut self.0
    }

    fn take(self, during: &'static str) -> Result<T, TpmError> {
        if self.0.is_null() {
            return Err(TpmError::nonsense(during, "nothing"));
        }
        // SAFETY: a pointer that the library set points to one initialised `T`, a plain C structure.
        Ok(unsafe { self.0.read() })
    }
}

impl<T: Copy> Drop for Out<T> {
    fn drop(&mut self) {
        if self.0.is_null() {
            return;
        }
        // SAFETY: the memory holds one `T`, is ours, and is given back once. It is wiped first, since
        // it may be a secret; volatile, since the compiler sees no later reader.
        unsafe {
            let bytes = self.0.cast::<u8>();
            for at in 0..size_of::<T>() {
                bytes.add(at).write_volatile(0);
            }
            c::Esys_Free(self.0.cast());
        }
    }
}

/// Calls a function of the library: name of the command, function, its sessions and arguments.
macro_rules! call {
    ($esys:expr, $during:literal, $function:ident($($argument:expr),* $(,)?)) => {{
        let esys: &$crate::esys::Esys = $esys;
        // SAFETY: see the top of `esys`: the context is live, the arguments are numbers, references to
        // C structures, null where the library allows it, and places for what comes out.
        let code = unsafe {
            ::tss_esapi::tss2_esys::$function(esys.context.as_ptr(), $($argument),*)
        };
        esys.check($during, code)
    }};
}
use call;
