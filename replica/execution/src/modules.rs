//! Compiled modules, kept by their hash: compiling takes a thousand times longer than a message.

use std::collections::BTreeMap;
use std::sync::Mutex;

use replica_state::Module;

use crate::canister_error::CanisterError;
use crate::sandbox::{CompiledModule, Engine};

/// Modules kept compiled. Each takes a few times the size of its code; a subnet whose canisters
/// use more different modules than this compiles some of them again and again.
const MODULES_MAX: usize = 1_000;

/// The cache. Several threads use it; two that miss the same module both compile it, and either
/// result is as good.
#[derive(Default)]
pub(crate) struct Modules {
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    modules: BTreeMap<[u8; 32], (u64, CompiledModule)>,
    by_age: BTreeMap<u64, [u8; 32]>,
    clock: u64,
}

impl Modules {
    /// The compiled form of a module.
    ///
    /// # Errors
    /// The module breaks a rule; see the text.
    pub(crate) fn get(
        &self,
        engine: &Engine,
        module: &Module,
    ) -> Result<CompiledModule, CanisterError> {
        if let Some(compiled) = self.lock().find(&module.hash) {
            return Ok(compiled);
        }
        let compiled = engine
            .compile(&module.bytes)
            .map_err(|error| CanisterError::InvalidWasm(error.to_string()))?;
        self.lock().keep(module.hash, compiled.clone());
        Ok(compiled)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // A panic elsewhere cannot leave the cache wrong in a way that matters: it is only a cache.
        self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Cache {
    fn find(&mut self, hash: &[u8; 32]) -> Option<CompiledModule> {
        let (stamp, compiled) = self.modules.get_mut(hash)?;
        self.clock += 1;
        self.by_age.remove(stamp);
        *stamp = self.clock;
        self.by_age.insert(self.clock, *hash);
        Some(compiled.clone())
    }

    fn keep(&mut self, hash: [u8; 32], compiled: CompiledModule) {
        self.clock += 1;
        if let Some((stamp, _)) = self.modules.insert(hash, (self.clock, compiled)) {
            self.by_age.remove(&stamp);
        }
        self.by_age.insert(self.clock, hash);
        while self.modules.len() > MODULES_MAX {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.modules.remove(&oldest);
        }
    }
}
