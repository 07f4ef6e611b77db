//! Compiled modules, kept by their hash: compiling takes a thousand times longer than a message.

use std::collections::BTreeMap;
use std::sync::Mutex;

use replica_state::Module;

use crate::LocalFailure;
use crate::canister_error::CanisterError;
use crate::meter::{self, ModuleError};
use crate::sandbox::{CompileError, CompiledModule, Engine};

/// Bytes of compiled modules kept, and how many of them. A subnet whose canisters use more than
/// this compiles some of them again and again.
const RESIDENT_BYTES_MAX: u64 = 1 << 30;
const MODULES_MAX: usize = 1_000;

/// Instructions charged for each byte of a module: for decompressing, checking and instrumenting.
const BYTE_INSTRUCTIONS: u64 = 100;

/// Instructions charged for compiling one operator of a module (published weight).
const COMPILE_INSTRUCTIONS: u64 = 6_000;

/// Bytes that one compressed byte can stand for at most.
const EXPANSION_MAX: u64 = 1_032;

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
    bytes: u64,
}

impl Modules {
    /// The compiled form of a module that is to be installed. Each step is charged before it is
    /// made, and the same whether the cache has the module or not: also what is refused costs.
    ///
    /// # Errors
    /// The module breaks a rule, the charge is refused, or this computer fails.
    pub(crate) fn admit<E>(
        &self,
        engine: &Engine,
        module: &Module,
        mut charge: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<CompiledModule, E>
    where
        E: From<CanisterError> + From<LocalFailure>,
    {
        let reading = |bytes: u64| bytes.saturating_mul(BYTE_INSTRUCTIONS);
        let compiling = |operators: u64| operators.saturating_mul(COMPILE_INSTRUCTIONS);
        if let Some(compiled) = self.lock().find(&module.hash) {
            charge(reading(compiled.module_bytes()))?;
            charge(compiling(compiled.operators()))?;
            return Ok(compiled);
        }
        let limits = engine.limits();
        let decoded = meter::decode(&module.bytes, limits.module_bytes_max);
        let bytes = decoded.as_ref().map_or_else(
            |_| (module.bytes.len() as u64 * EXPANSION_MAX).min(limits.module_bytes_max),
            |decoded| decoded.len() as u64,
        );
        charge(reading(bytes))?;
        let metered = decoded.and_then(|decoded| meter::instrument(&decoded, limits));
        let metered = metered.map_err(invalid)?;
        charge(compiling(metered.operators))?;
        let compiled = engine.compile_metered(metered).map_err(|error| match error {
            CompileError::Module(error) => invalid(error).into(),
            CompileError::Local(failure) => E::from(failure),
        })?;
        self.lock().keep(module.hash, compiled.clone());
        Ok(compiled)
    }

    /// The compiled form of a module that is installed.
    ///
    /// # Errors
    /// This computer fails: the module was accepted when it was installed.
    pub(crate) fn get(
        &self,
        engine: &Engine,
        module: &Module,
    ) -> Result<CompiledModule, LocalFailure> {
        if let Some(compiled) = self.lock().find(&module.hash) {
            return Ok(compiled);
        }
        let compiled = engine.compile(&module.bytes).map_err(|error| match error {
            CompileError::Module(error) => LocalFailure::InstalledModule(error.to_string()),
            CompileError::Local(failure) => failure,
        })?;
        self.lock().keep(module.hash, compiled.clone());
        Ok(compiled)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // A panic elsewhere cannot leave the cache wrong in a way that matters: it is only a cache.
        self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn invalid(error: ModuleError) -> CanisterError {
    CanisterError::InvalidWasm(error.to_string())
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
        self.bytes += compiled.resident_bytes();
        if let Some((stamp, before)) = self.modules.insert(hash, (self.clock, compiled)) {
            self.by_age.remove(&stamp);
            self.bytes -= before.resident_bytes();
        }
        self.by_age.insert(self.clock, hash);
        self.shrink(RESIDENT_BYTES_MAX);
    }

    /// Drops what was not used for longest, but never the newest.
    fn shrink(&mut self, bytes_max: u64) {
        while self.modules.len() > 1 && (self.bytes > bytes_max || self.modules.len() > MODULES_MAX)
        {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            if let Some((_, dropped)) = self.modules.remove(&oldest) {
                self.bytes -= dropped.resident_bytes();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Limits;

    fn module(index: u32) -> Module {
        // Every module has code of its own, and a page of data.
        let text = format!(
            "(module (memory 1) (data (i32.const 0) \"a\")
                (func (export \"canister_update x\") (drop (i32.const {index}))))"
        );
        Module::new(wat::parse_str(text).expect("it is well formed"))
    }

    #[test]
    fn the_cache_is_bounded_by_bytes() {
        let engine = Engine::new(&Limits::default()).expect("the machine works here");
        let mut cache = Cache::default();
        let modules: Vec<_> = (0..4).map(module).collect();
        let compiled: Vec<_> =
            modules.iter().map(|module| engine.compile(&module.bytes).expect("valid")).collect();
        for (module, compiled) in modules.iter().zip(&compiled) {
            cache.keep(module.hash, compiled.clone());
        }
        let sum = compiled.iter().map(CompiledModule::resident_bytes).sum::<u64>();
        assert_eq!(cache.bytes, sum);
        assert!(compiled[0].resident_bytes() > 4096, "code and a page of data");
        // The first was used last.
        assert!(cache.find(&modules[0].hash).is_some());
        cache.shrink(compiled[0].resident_bytes() + compiled[3].resident_bytes());
        let kept: Vec<bool> =
            modules.iter().map(|module| cache.modules.contains_key(&module.hash)).collect();
        assert_eq!(kept, [true, false, false, true]);
        assert_eq!(cache.bytes, compiled[0].resident_bytes() + compiled[3].resident_bytes());
        cache.shrink(0);
        assert_eq!((cache.modules.len(), cache.by_age.len()), (1, 1), "the newest is in use");
        cache.keep(modules[0].hash, compiled[0].clone());
        assert_eq!(cache.bytes, compiled[0].resident_bytes(), "the same again is counted once");
    }

    /// What the caller pays must not tell whether this node knew the module.
    #[test]
    fn charges_do_not_depend_on_the_cache() {
        let engine = Engine::new(&Limits::default()).expect("the machine works here");
        let known = Modules::default();
        let admit = |modules: &Modules, module: &Module, limit: u64| {
            let mut used = 0;
            let result = modules.admit(&engine, module, |instructions| {
                used += instructions;
                match used > limit {
                    true => Err(StepError::Canister(CanisterError::InstructionLimit(limit))),
                    false => Ok(()),
                }
            });
            (used, result.map(|compiled| compiled.operators()).map_err(|error| error.to_text()))
        };
        let good = module(1);
        let (used, result) = admit(&known, &good, u64::MAX);
        assert_eq!(result, Ok(3));
        assert_eq!(used, good.bytes.len() as u64 * BYTE_INSTRUCTIONS + 3 * COMPILE_INSTRUCTIONS);
        for limit in [0, used - 1, used, u64::MAX] {
            let fresh = Modules::default();
            assert_eq!(admit(&known, &good, limit), admit(&fresh, &good, limit), "{limit}");
        }
        // What is refused is charged as well: by its bytes, or what its bytes could have become.
        let bad = Module::new(good.bytes[..good.bytes.len() - 1].to_vec());
        let (used, result) = admit(&known, &bad, u64::MAX);
        assert!(result.is_err() && used == bad.bytes.len() as u64 * BYTE_INSTRUCTIONS);
        let cut = Module::new(b"\x1f\x8b\x08 no gzip stream".to_vec());
        let (used, result) = admit(&known, &cut, u64::MAX);
        assert!(result.is_err());
        assert_eq!(used, cut.bytes.len() as u64 * EXPANSION_MAX * BYTE_INSTRUCTIONS);
    }

    enum StepError {
        Canister(CanisterError),
        Local(LocalFailure),
    }

    impl StepError {
        fn to_text(&self) -> String {
            match self {
                Self::Canister(error) => error.to_string(),
                Self::Local(failure) => failure.to_string(),
            }
        }
    }

    impl From<CanisterError> for StepError {
        fn from(error: CanisterError) -> Self {
            Self::Canister(error)
        }
    }

    impl From<LocalFailure> for StepError {
        fn from(failure: LocalFailure) -> Self {
            Self::Local(failure)
        }
    }
}
