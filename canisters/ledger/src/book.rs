//! The book: balances, allowances and the log, all in stable memory, so that an upgrade keeps them.

use candid::CandidType;
use ic_stable_structures::memory_manager::{MemoryId, MemoryManager, VirtualMemory};
use ic_stable_structures::{DefaultMemoryImpl, StableBTreeMap, StableCell};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

use crate::account::{Account, BadAccount, Key};
use crate::refused::Refused;

type Memory = VirtualMemory<DefaultMemoryImpl>;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// How long ago a request with a time may have been made.
const WINDOW: u64 = 24 * 60 * 60 * NANOS_PER_SECOND;
/// How far clocks may differ.
const DRIFT: u64 = 120 * NANOS_PER_SECOND;
/// No end of an allowance.
const NEVER: u64 = u64::MAX;
/// Remembered requests that one request forgets at most, so that none pays for many.
const FORGOTTEN_AT_ONCE: usize = 8;
/// The longest memo.
const MEMO_BYTES: usize = 32;

/// What is fixed for a ledger.
#[derive(Clone, Copy)]
pub struct Rules {
    /// What a transfer and an approval cost; it is burned.
    pub fee: u128,
    /// Under which name an account is kept.
    pub key: fn(&Account) -> Result<Key, BadAccount>,
    /// The account whose transfers make tokens, and to which a transfer burns them.
    pub minting: fn() -> Option<Account>,
    /// What an account has before anything was done with it.
    pub opening: fn(&Key) -> u128,
}

/// One line of the log.
#[derive(Clone, Debug, CandidType, Serialize, Deserialize)]
pub struct Entry {
    /// The hash of the line before.
    pub parent: Option<ByteBuf>,
    /// What was done.
    pub operation: Operation,
    /// What the caller wrote along.
    pub memo: Option<Memo>,
    /// When the caller says that it made the request, in nanoseconds.
    pub created_at: Option<u64>,
    /// When it was done, in nanoseconds.
    pub time: u64,
}

/// What a caller writes along with a request.
#[derive(Clone, Debug, PartialEq, Eq, CandidType, Serialize, Deserialize)]
pub enum Memo {
    /// Of the ICP ledger's own method.
    Number(u64),
    /// Of the standards' methods.
    Bytes(ByteBuf),
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq, CandidType, Serialize, Deserialize)]
pub enum Operation {
    Mint { to: ByteBuf, amount: u128 },
    Burn { from: ByteBuf, spender: Option<ByteBuf>, amount: u128, fee: u128 },
    Transfer { from: ByteBuf, to: ByteBuf, spender: Option<ByteBuf>, amount: u128, fee: u128 },
    Approve { from: ByteBuf, spender: ByteBuf, allowance: u128, expires_at: Option<u64>, fee: u128 },
}

/// A movement of tokens from an account.
#[derive(Clone, Debug)]
pub struct Movement {
    pub from: Key,
    /// The account that gets them; `None` takes them out of the ledger.
    pub to: Option<Key>,
    /// Who moves them by an allowance, if not the owner.
    pub spender: Option<Key>,
    pub amount: u128,
    /// The fee that the caller expects.
    pub fee: Option<u128>,
    pub memo: Option<Memo>,
    pub created_at: Option<u64>,
    /// What tells this request from all others of the same time.
    pub request: Vec<u8>,
}

/// An allowance to be given.
#[derive(Clone, Debug)]
pub struct Approval {
    pub from: Key,
    pub spender: Key,
    pub amount: u128,
    pub expected: Option<u128>,
    pub expires_at: Option<u64>,
    pub fee: Option<u128>,
    pub memo: Option<Memo>,
    pub created_at: Option<u64>,
    /// What tells this request from all others of the same time.
    pub request: Vec<u8>,
}

/// The book of a ledger.
pub struct Book {
    rules: Rules,
    balances: StableBTreeMap<Key, u128, Memory>,
    /// By owner and spender: how much, and until when.
    allowances: StableBTreeMap<Vec<u8>, (u128, u64), Memory>,
    /// Blocks of requests by their time and hash.
    recent: StableBTreeMap<Vec<u8>, u64, Memory>,
    log: StableBTreeMap<u64, Vec<u8>, Memory>,
    supply: StableCell<u128, Memory>,
}

impl Book {
    /// The memories of the book; a canister may use the ones from here on.
    pub const MEMORIES: u8 = 5;

    /// The book in this memory: the one that is there, or a new one.
    pub fn open(memory: &MemoryManager<DefaultMemoryImpl>, rules: Rules) -> Self {
        let at = |id| memory.get(MemoryId::new(id));
        Self {
            rules,
            balances: StableBTreeMap::init(at(0)),
            allowances: StableBTreeMap::init(at(1)),
            recent: StableBTreeMap::init(at(2)),
            log: StableBTreeMap::init(at(3)),
            supply: StableCell::init(at(4), 0),
        }
    }

    /// The fee of a transfer.
    pub fn fee(&self) -> u128 {
        self.rules.fee
    }

    /// Under which name an account is kept.
    pub fn key(&self, account: &Account) -> Result<Key, BadAccount> {
        (self.rules.key)(account)
    }

    /// What an account has.
    pub fn balance(&self, key: &Key) -> u128 {
        self.balances.get(key).unwrap_or_else(|| (self.rules.opening)(key))
    }

    /// What all accounts have together that anything was done with.
    pub fn supply(&self) -> u128 {
        *self.supply.get()
    }

    /// What a spender may take, and until when.
    pub fn allowance(&self, from: &Key, spender: &Key, now: u64) -> (u128, Option<u64>) {
        match self.allowances.get(&pair(from, spender)) {
            Some((amount, end)) if end > now => (amount, Some(end).filter(|end| *end != NEVER)),
            _ => (0, None),
        }
    }

    /// How many lines the log has.
    pub fn log_length(&self) -> u64 {
        self.log.len()
    }

    /// A line of the log.
    pub fn entry(&self, index: u64) -> Option<Entry> {
        self.log.get(&index).and_then(|bytes| candid::decode_one(&bytes).ok())
    }

    /// New tokens for an account. Returns the block.
    pub fn mint(&mut self, to: &Key, amount: u128, memo: Option<Memo>, now: u64) -> u64 {
        self.open_account(to, now);
        self.credit(to, amount);
        self.add_supply(amount);
        let operation = Operation::Mint { to: ByteBuf::from(to.clone()), amount };
        self.write(operation, memo, None, now)
    }

    /// Moves tokens. Returns the block.
    pub fn transfer(&mut self, wanted: Movement, now: u64) -> Result<u64, Refused> {
        check_memo(wanted.memo.as_ref())?;
        self.check_new(wanted.created_at, &wanted.request, now)?;
        let minting = (self.rules.minting)().map(|account| self.key(&account)).transpose()?;
        let block = match (&wanted.to, &minting) {
            (Some(to), Some(minting)) if wanted.from == *minting => {
                if to == minting {
                    return Err(Refused::Invalid("the minting account cannot pay itself"));
                }
                check_fee(&wanted, 0)?;
                self.mint(to, wanted.amount, wanted.memo.clone(), now)
            }
            (Some(to), Some(minting)) if to == minting => {
                check_fee(&wanted, 0)?;
                if wanted.amount < self.rules.fee {
                    return Err(Refused::BadBurn { least: self.rules.fee });
                }
                self.remove(&wanted, 0, now)?
            }
            (Some(to), _) => {
                check_fee(&wanted, self.rules.fee)?;
                self.pay(&wanted, to, now)?
            }
            (None, _) => {
                check_fee(&wanted, self.rules.fee)?;
                self.remove(&wanted, self.rules.fee, now)?
            }
        };
        self.remember(wanted.created_at, &wanted.request, block);
        Ok(block)
    }

    fn pay(&mut self, wanted: &Movement, to: &Key, now: u64) -> Result<u64, Refused> {
        let fee = self.rules.fee;
        self.take(wanted, fee, now)?;
        self.open_account(to, now);
        self.credit(to, wanted.amount);
        let operation = Operation::Transfer {
            from: ByteBuf::from(wanted.from.clone()),
            to: ByteBuf::from(to.clone()),
            spender: wanted.spender.clone().map(ByteBuf::from),
            amount: wanted.amount,
            fee,
        };
        Ok(self.write(operation, wanted.memo.clone(), wanted.created_at, now))
    }

    fn remove(&mut self, wanted: &Movement, fee: u128, now: u64) -> Result<u64, Refused> {
        self.take(wanted, fee, now)?;
        self.remove_supply(wanted.amount);
        let operation = Operation::Burn {
            from: ByteBuf::from(wanted.from.clone()),
            spender: wanted.spender.clone().map(ByteBuf::from),
            amount: wanted.amount,
            fee,
        };
        Ok(self.write(operation, wanted.memo.clone(), wanted.created_at, now))
    }

    /// Gives an allowance in the place of the one that is there. Returns the block.
    pub fn approve(&mut self, wanted: Approval, now: u64) -> Result<u64, Refused> {
        let fee = self.rules.fee;
        if wanted.from == wanted.spender {
            return Err(Refused::Invalid("an account needs no allowance of its own"));
        }
        check_memo(wanted.memo.as_ref())?;
        self.check_new(wanted.created_at, &wanted.request, now)?;
        if wanted.fee.is_some_and(|named| named != fee) {
            return Err(Refused::BadFee { expected: fee });
        }
        if wanted.expires_at.is_some_and(|end| end <= now) {
            return Err(Refused::Expired { now });
        }
        let (current, _) = self.allowance(&wanted.from, &wanted.spender, now);
        if wanted.expected.is_some_and(|expected| expected != current) {
            return Err(Refused::AllowanceChanged { current });
        }
        self.open_account(&wanted.from, now);
        self.debit(&wanted.from, fee)?;
        self.remove_supply(fee);
        let allowance = (wanted.amount, wanted.expires_at.unwrap_or(NEVER));
        self.set_allowance(&wanted.from, &wanted.spender, allowance);
        let operation = Operation::Approve {
            from: ByteBuf::from(wanted.from),
            spender: ByteBuf::from(wanted.spender),
            allowance: wanted.amount,
            expires_at: wanted.expires_at,
            fee,
        };
        let block = self.write(operation, wanted.memo, wanted.created_at, now);
        self.remember(wanted.created_at, &wanted.request, block);
        Ok(block)
    }

    /// Gives a spender back what a movement took that then came to nothing.
    pub fn restore_allowance(&mut self, from: &Key, spender: &Key, amount: u128, now: u64) {
        let (left, end) = self.allowance(from, spender, now);
        let restored = (left.saturating_add(amount), end.unwrap_or(NEVER));
        self.set_allowance(from, spender, restored);
    }

    /// Takes amount and fee of a movement from its account, and from the allowance of its spender.
    fn take(&mut self, wanted: &Movement, fee: u128, now: u64) -> Result<(), Refused> {
        let total = wanted.amount.saturating_add(fee);
        let spender = wanted.spender.as_ref().filter(|spender| **spender != wanted.from);
        let allowance = spender.map(|spender| self.allowance(&wanted.from, spender, now));
        if let Some((allowance, _)) = allowance
            && allowance < total
        {
            return Err(Refused::InsufficientAllowance { allowance });
        }
        self.open_account(&wanted.from, now);
        self.debit(&wanted.from, total)?;
        self.remove_supply(fee);
        if let (Some(spender), Some((allowance, end))) = (spender, allowance) {
            self.set_allowance(&wanted.from, spender, (allowance - total, end.unwrap_or(NEVER)));
        }
        Ok(())
    }

    fn set_allowance(&mut self, from: &Key, spender: &Key, (amount, end): (u128, u64)) {
        match amount {
            0 => self.allowances.remove(&pair(from, spender)),
            _ => self.allowances.insert(pair(from, spender), (amount, end)),
        };
    }

    /// Writes down what an account has from the start, before the first change of it.
    fn open_account(&mut self, key: &Key, now: u64) {
        if self.balances.contains_key(key) {
            return;
        }
        let opening = (self.rules.opening)(key);
        self.balances.insert(key.clone(), opening);
        if opening > 0 {
            self.add_supply(opening);
            let operation = Operation::Mint { to: ByteBuf::from(key.clone()), amount: opening };
            self.write(operation, None, None, now);
        }
    }

    fn credit(&mut self, key: &Key, amount: u128) {
        let balance = self.balance(key).saturating_add(amount);
        self.balances.insert(key.clone(), balance);
    }

    fn debit(&mut self, key: &Key, amount: u128) -> Result<(), Refused> {
        let balance = self.balance(key);
        let left = balance.checked_sub(amount).ok_or(Refused::InsufficientFunds { balance })?;
        self.balances.insert(key.clone(), left);
        Ok(())
    }

    fn add_supply(&mut self, amount: u128) {
        let supply = self.supply().saturating_add(amount);
        self.supply.set(supply);
    }

    fn remove_supply(&mut self, amount: u128) {
        let supply = self.supply().saturating_sub(amount);
        self.supply.set(supply);
    }

    fn write(
        &mut self,
        operation: Operation,
        memo: Option<Memo>,
        created_at: Option<u64>,
        time: u64,
    ) -> u64 {
        let index = self.log.len();
        let before = index.checked_sub(1).and_then(|before| self.log.get(&before));
        let parent = before.map(|bytes| ByteBuf::from(Sha256::digest(bytes).to_vec()));
        let entry = Entry { parent, operation, memo, created_at, time };
        let bytes = candid::encode_one(&entry).expect("plain data has a Candid form");
        self.log.insert(index, bytes);
        index
    }

    /// A request with a time is carried out once, and only while the ledger would remember it.
    fn check_new(
        &mut self,
        created_at: Option<u64>,
        request: &[u8],
        now: u64,
    ) -> Result<(), Refused> {
        self.forget(now);
        let Some(created_at) = created_at else { return Ok(()) };
        if created_at.saturating_add(WINDOW + DRIFT) < now {
            return Err(Refused::TooOld);
        }
        if created_at > now.saturating_add(DRIFT) {
            return Err(Refused::CreatedInFuture { now });
        }
        match self.recent.get(&recent_key(created_at, request)) {
            Some(of) => Err(Refused::Duplicate { of }),
            None => Ok(()),
        }
    }

    fn remember(&mut self, created_at: Option<u64>, request: &[u8], block: u64) {
        if let Some(created_at) = created_at {
            self.recent.insert(recent_key(created_at, request), block);
        }
    }

    fn forget(&mut self, now: u64) {
        let oldest = now.saturating_sub(WINDOW + DRIFT);
        let old = recent_key(oldest, &[]);
        let keys: Vec<_> = self
            .recent
            .keys()
            .take_while(|key| key[..8] < old[..8])
            .take(FORGOTTEN_AT_ONCE)
            .collect();
        for key in keys {
            self.recent.remove(&key);
        }
    }
}

fn check_fee(wanted: &Movement, fee: u128) -> Result<(), Refused> {
    match wanted.fee.is_some_and(|named| named != fee) {
        true => Err(Refused::BadFee { expected: fee }),
        false => Ok(()),
    }
}

fn check_memo(memo: Option<&Memo>) -> Result<(), Refused> {
    match memo {
        Some(Memo::Bytes(bytes)) if bytes.len() > MEMO_BYTES => {
            Err(Refused::Invalid("a memo has at most 32 bytes"))
        }
        _ => Ok(()),
    }
}

/// The time first, so that the oldest come first.
fn recent_key(created_at: u64, request: &[u8]) -> Vec<u8> {
    let mut key = created_at.to_be_bytes().to_vec();
    key.extend_from_slice(&Sha256::digest(request));
    key
}

/// The length of the first first, so that no two pairs have one form.
fn pair(from: &Key, spender: &Key) -> Vec<u8> {
    let mut pair = (from.len() as u64).to_be_bytes().to_vec();
    pair.extend_from_slice(from);
    pair.extend_from_slice(spender);
    pair
}

#[cfg(test)]
mod tests;
