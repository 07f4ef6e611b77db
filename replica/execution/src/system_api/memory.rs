//! Growth of both memories, and access to the stable one.

use replica_state::WASM_PAGE_BYTES;

use super::stable::WriteLimit;
use super::{Context, MessageApi};
use crate::canister_error::{CanisterError, TrapCode};
use crate::sandbox::{ApiError, Growth, Guest, check_range};

/// Instructions charged for each page of 4 KiB of stable memory that a message is the first to
/// change, for making it ready and keeping it (published weight of a dirty page).
const DIRTY_PAGE_INSTRUCTIONS: u64 = 1_000;
/// Wasm pages that 32-bit addresses reach.
const NARROW_PAGES_MAX: u64 = (1 << 32) / WASM_PAGE_BYTES;
/// What the functions that grow memory return when they cannot.
const REFUSED: u64 = u64::MAX;

impl MessageApi {
    pub(super) fn heap_growth(&mut self, pages: u64, wanted: u64) -> Result<Growth, ApiError> {
        let limits = &self.subnet.config.limits;
        let most = match self.is_wide() {
            true => limits.wasm64_memory_bytes_max,
            false => limits.wasm32_memory_bytes_max,
        };
        let bytes = wanted.saturating_mul(WASM_PAGE_BYTES);
        if bytes > most {
            return Ok(Growth::Refuse);
        }
        self.check_heap_limit(bytes)?;
        let more = wanted.saturating_sub(pages).saturating_mul(WASM_PAGE_BYTES);
        if !self.has_room(more) {
            return Ok(Growth::Refuse);
        }
        self.check_can_keep(more)?;
        self.heap_grown = self.heap_grown.saturating_add(more);
        Ok(Growth::Allow)
    }

    /// The limit of the settings binds updates, initialisation and the end of an upgrade; other
    /// messages may exceed it, so that a canister can always be repaired.
    fn check_heap_limit(&self, bytes: u64) -> Result<(), ApiError> {
        let limit = self.canister.system.settings.wasm_memory_limit;
        let binding = matches!(self.context, Context::Update | Context::Init);
        if binding && limit > 0 && bytes > limit {
            return Err(CanisterError::WasmMemoryLimit { bytes, limit }.into());
        }
        Ok(())
    }

    /// Whether the subnet has room for so many more bytes. What the canister has set aside by its
    /// memory allocation is its own already.
    fn has_room(&self, more: u64) -> bool {
        let held = self.memory_bytes.max(self.canister.system.settings.memory_allocation);
        let wanted = self.memory_bytes_now().saturating_add(more);
        wanted.saturating_sub(held) <= self.memory_room
    }

    /// Whether the canister has the cycles to keep so many more bytes without freezing.
    fn check_can_keep(&self, more: u64) -> Result<(), ApiError> {
        if !self.context.keeps_changes() {
            return Ok(());
        }
        let bytes = self.memory_bytes_now().saturating_add(more);
        if self.effects.balance < self.subnet.freezing_threshold(&self.canister, bytes) {
            return Err(CanisterError::InsufficientCyclesInMemoryGrow { bytes: more }.into());
        }
        Ok(())
    }

    /// The size for the 32-bit functions, which do not exist for a larger memory.
    pub(super) fn stable_size_narrow(&self) -> Result<u64, ApiError> {
        match self.stable.size() {
            size if size <= NARROW_PAGES_MAX => Ok(size),
            _ => Err(CanisterError::Trapped(TrapCode::StableMemoryTooBigFor32Bit).into()),
        }
    }

    pub(super) fn stable_grow_narrow(&mut self, pages: u64) -> Result<u64, ApiError> {
        if self.stable_size_narrow()?.saturating_add(pages) > NARROW_PAGES_MAX {
            return Ok(REFUSED);
        }
        self.stable_grow(pages)
    }

    pub(super) fn stable_grow(&mut self, pages: u64) -> Result<u64, ApiError> {
        let before = self.stable.size();
        let most = self.subnet.config.limits.stable_memory_bytes_max / WASM_PAGE_BYTES;
        if before.saturating_add(pages) > most || !self.has_room(pages * WASM_PAGE_BYTES) {
            return Ok(REFUSED);
        }
        self.check_can_keep(pages * WASM_PAGE_BYTES)?;
        self.stable.grow(pages);
        Ok(before)
    }

    fn check_stable_range(&self, offset: u64, size: u64) -> Result<(), ApiError> {
        check_range(offset, size, self.stable.bytes())
            .map_err(|_| CanisterError::Trapped(TrapCode::StableMemoryOutOfBounds).into())
    }

    pub(super) fn stable_write(
        &mut self,
        offset: u64,
        src: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        guest.charge(size)?;
        self.check_stable_range(offset, size)?;
        check_range(src, size, guest.memory_bytes())?;
        let new_pages = self.stable.pages_newly_written(offset, size);
        let limit = match self.context {
            Context::Init | Context::PreUpgrade => WriteLimit::Upgrade,
            context if context.is_replicated() => WriteLimit::Message,
            _ => WriteLimit::Query,
        };
        let page_bytes = replica_state::PAGE_BYTES as u64;
        if (self.stable.pages_written() + new_pages).saturating_mul(page_bytes) > limit.bytes() {
            return Err(CanisterError::MemoryAccessLimit(WriteLimit::text()).into());
        }
        guest.charge(new_pages * DIRTY_PAGE_INSTRUCTIONS)?;
        self.stable.write(offset, src, size, guest)?;
        Ok(0)
    }

    pub(super) fn stable_read(
        &mut self,
        dst: u64,
        offset: u64,
        size: u64,
        guest: &mut dyn Guest,
    ) -> Result<u64, ApiError> {
        guest.charge(size)?;
        self.check_stable_range(offset, size)?;
        check_range(dst, size, guest.memory_bytes())?;
        self.stable.read(dst, offset, size, guest)?;
        Ok(0)
    }
}
