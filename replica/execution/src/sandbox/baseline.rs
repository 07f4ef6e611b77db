//! The same machine without metering and without tracking of memory: what measurements compare
//! with, and a reference for results. No canister ever runs here.

use wasmtime::{Instance, Linker, Module, Store};

use super::engine::{self, EngineError};
use super::outcome::Ended;
use super::trap;
use super::{Trap, stack};

/// An instance of a module as it is, which must import nothing.
pub struct Baseline {
    store: Store<()>,
    instance: Instance,
}

impl Baseline {
    /// Compiles and instantiates a module.
    pub fn new(wasm: &[u8]) -> Result<Self, EngineError> {
        let refuse = |error: wasmtime::Error| EngineError::Machine(format!("{error:#}"));
        let machine = engine::plain_machine().map_err(refuse)?;
        let module = Module::new(&machine, wasm).map_err(refuse)?;
        let mut store = Store::new(&machine, ());
        let instance = Linker::new(&machine).instantiate(&mut store, &module).map_err(refuse)?;
        Ok(Baseline { store, instance })
    }

    /// Calls an export without parameters and results.
    ///
    /// # Panics
    /// Where this computer cannot run it: measurements and tests end there.
    pub fn call(&mut self, export: &str) -> Result<(), Trap> {
        let Baseline { store, instance } = self;
        let function = instance
            .get_typed_func::<(), ()>(&mut *store, export)
            .map_err(|_| Trap::NoSuchExport(export.to_string()))?;
        let called = stack::on_large_stack(|| function.call(store, ()).map_err(trap::of));
        match called {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Ended::Trap(trap))) => Err(trap),
            Ok(Err(Ended::Local(failure))) | Err(failure) => panic!("{failure}"),
        }
    }

    /// The bytes of the exported memory of this name; empty if there is none.
    pub fn memory(&mut self, export: &str) -> Vec<u8> {
        let memory = self.instance.get_memory(&mut self.store, export);
        memory.map_or_else(Vec::new, |memory| memory.data(&self.store).to_vec())
    }
}
