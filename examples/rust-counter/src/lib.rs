//! An example canister: a counter that uses each part of the canister interface once.
//!
//! The counter and the ticking live on the heap and are saved to stable memory around an upgrade; the
//! notes live in stable memory all the time. The counter's value is certified, so that a query can prove it.

mod certified;
mod ledger;
mod memory;
mod ticking;

use candid::Principal;
use ic_cdk::{init, post_upgrade, pre_upgrade, query, update};
use memory::Saved;
use std::cell::{Cell, RefCell};

thread_local! {
    static VALUE: Cell<u64> = const { Cell::new(0) };
    static LABEL: RefCell<String> = const { RefCell::new(String::new()) };
}

#[init]
fn init(label: Option<String>) {
    LABEL.set(label.unwrap_or_default());
    set_value(0);
}

#[pre_upgrade]
fn pre_upgrade() {
    memory::save(Saved {
        value: VALUE.get(),
        label: LABEL.with_borrow(Clone::clone),
        ticks: ticking::ticks(),
        interval_ms: ticking::interval_ms(),
    });
}

#[post_upgrade]
fn post_upgrade(label: Option<String>) {
    let saved = memory::saved();
    LABEL.set(label.unwrap_or(saved.label));
    set_value(saved.value);
    ticking::resume(saved.ticks, saved.interval_ms);
}

/// Every change of the value goes through here, so that the certified data follow.
fn set_value(value: u64) {
    VALUE.set(value);
    certified::certify(value);
}

/// Adds to the counter and answers with its new value.
#[update]
fn add(amount: u64) -> u64 {
    set_value(VALUE.get().saturating_add(amount));
    VALUE.get()
}

/// The counter's value.
#[query]
fn get() -> u64 {
    VALUE.get()
}

/// The counter's value with the subnet's certificate over this canister's certified data, and a
/// witness (hash tree in CBOR) that leads from there to the value under the label "counter".
#[query]
fn get_certified() -> certified::Certified {
    certified::prove(VALUE.get())
}

/// What the argument of the last installation or upgrade said; an upgrade without one keeps it.
#[query]
fn label() -> String {
    LABEL.with_borrow(Clone::clone)
}

/// The caller.
#[query]
fn who_am_i() -> Principal {
    ic_cdk::api::msg_caller()
}

/// Keeps a text under a name, in stable memory.
#[update]
fn put_note(name: String, text: String) {
    memory::put_note(name, text);
}

/// The text that is kept under a name.
#[query]
fn get_note(name: String) -> Option<String> {
    memory::note(&name)
}

/// 32 bytes from the subnet's random tape.
#[update]
async fn random_bytes() -> serde_bytes::ByteBuf {
    match ic_cdk_management_canister::raw_rand().await {
        Ok(bytes) => serde_bytes::ByteBuf::from(bytes),
        Err(error) => ic_cdk::api::trap(format!("raw_rand failed: {error}")),
    }
}

/// Adds one tick each so many milliseconds until it is stopped; an upgrade keeps it going.
#[update]
fn start_ticking(interval_ms: u64) {
    ticking::start(interval_ms);
}

/// Ends the ticking; the ticks stay.
#[update]
fn stop_ticking() {
    ticking::stop();
}

/// How many ticks there have been.
#[query]
fn ticks() -> u64 {
    ticking::ticks()
}

/// Records the counter's value in the Motoko ledger and answers with the ledger's new total.
#[update]
async fn record_in_ledger(ledger: Principal) -> ledger::Answer {
    ledger::record(ledger, VALUE.get()).await
}

/// Adds, then traps with a text: nothing may remain of the addition.
#[update]
fn add_and_trap(amount: u64, text: String) {
    add(amount);
    ic_cdk::api::trap(text);
}

/// Rejects the call with a text.
#[update(manual_reply = true)]
fn reject_with(text: String) {
    ic_cdk::api::msg_reject(text);
}

ic_cdk::export_candid!();
