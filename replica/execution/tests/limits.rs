//! What all canisters together may occupy and change, and what their work counts for the round.

mod harness;

use candid::{Decode, Encode};
use harness::{Subnet, admin, module, nat, number, record};
use ic_management_canister_types as ic;
use types::{CanisterId, Cycles, Fees, UserError};

/// Grows its memories by as many wasm pages as the argument's first byte says, and writes pages.
const GROWER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
  (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
  (memory 1)
  (global $count (mut i64) (i64.const 0))
  (func $amount (result i32)
    (call $arg_copy (i32.const 0) (i32.const 0) (i32.const 1))
    (i32.load8_u (i32.const 0)))
  (func $answer (param i64)
    (i64.store (i32.const 8) (local.get 0))
    (call $append (i32.const 8) (i32.const 8)) (call $reply))
  (func (export "canister_update heap")
    (call $answer (i64.extend_i32_s (memory.grow (call $amount)))))
  (func (export "canister_update stable")
    (call $answer (call $grow (i64.extend_i32_u (call $amount)))))
  (func (export "canister_update touch")
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (i64.store (i32.const 4096) (global.get $count))
    (call $reply))
  (func (export "canister_update touch_stable")
    (drop (call $grow (i64.const 1)))
    (call $write (i64.const 4090) (i64.const 0) (i64.const 10))
    (call $reply)))
"#;

const PAGE: u64 = 65_536;

fn code(error: &UserError) -> String {
    error.code.to_string()
}

/// A subnet with room for so many bytes beyond one installed grower.
fn with_room(bytes: u64) -> (Subnet, CanisterId) {
    let size = module(GROWER).len() as u64 + PAGE + 8;
    let mut subnet = Subnet::with(|config| config.limits.subnet_memory_bytes_max = size + bytes);
    let id = subnet.install_new(GROWER);
    (subnet, id)
}

fn grow(subnet: &mut Subnet, id: CanisterId, memory: &str, pages: u8) -> i64 {
    number(&subnet.update(id, memory, &[pages]).expect("it answers")).cast_signed()
}

#[test]
fn memories_grow_as_long_as_the_subnet_has_room() {
    let (mut subnet, id) = with_room(4 * PAGE);
    assert_eq!(grow(&mut subnet, id, "heap", 5), -1);
    assert_eq!(grow(&mut subnet, id, "stable", 5), -1);
    assert_eq!(grow(&mut subnet, id, "heap", 3), 1);
    assert_eq!(grow(&mut subnet, id, "stable", 2), -1);
    assert_eq!(grow(&mut subnet, id, "stable", 1), 0);
    assert_eq!(grow(&mut subnet, id, "heap", 1), -1);
    // Two in one round share the room: what the first takes is gone.
    let error = subnet.install(id, ic::CanisterInstallMode::Reinstall, &module(GROWER), b"");
    assert_eq!(error, Ok(()), "who becomes smaller needs no room");
    let calls: Vec<_> =
        [3, 2].map(|pages| subnet.submit(admin(), id, Some(id), "heap", &[pages])).into();
    subnet.round();
    let answers = calls.into_iter().map(|call| number(&subnet.outcome(call).unwrap().unwrap()));
    assert_eq!(answers.map(u64::cast_signed).collect::<Vec<_>>(), [1, -1]);
}

#[test]
fn code_allocations_and_chunks_need_room() {
    let (mut subnet, id) = with_room(PAGE);
    let other = subnet.create();
    let mode = ic::CanisterInstallMode::Install;
    let error = subnet.install(other, mode, &module(GROWER), b"").unwrap_err();
    assert_eq!(code(&error), "IC0101");
    assert!(
        error.message.contains(&format!("but only {PAGE} B are available in the subnet.")),
        "{error}"
    );
    assert_eq!(subnet.status(other).module_hash, None);

    let allocate = |subnet: &mut Subnet, canister: CanisterId, bytes: u64| {
        let settings =
            ic::CanisterSettings { memory_allocation: nat(bytes.into()), ..Default::default() };
        let args = ic::UpdateSettingsArgs {
            canister_id: canister.0,
            settings,
            sender_canister_version: None,
        };
        subnet.manage(canister, "update_settings", &args).map(drop)
    };
    assert_eq!(code(&allocate(&mut subnet, other, PAGE + 1).unwrap_err()), "IC0101");
    allocate(&mut subnet, other, PAGE).unwrap();
    assert_eq!(grow(&mut subnet, id, "heap", 1), -1, "the room is set aside for the other");
    let upload = ic::UploadChunkArgs { canister_id: id.0, chunk: vec![1] };
    assert_eq!(code(&subnet.manage(id, "upload_chunk", &upload).unwrap_err()), "IC0101");
    allocate(&mut subnet, other, 0).unwrap();
    subnet.manage(id, "upload_chunk", &upload).unwrap();
    assert_eq!(grow(&mut subnet, id, "heap", 1), -1, "a byte is missing");
    subnet.manage(id, "clear_chunk_store", &record(id)).unwrap();
    assert_eq!(grow(&mut subnet, id, "heap", 1), 1);
}

#[test]
fn code_in_ram_and_compute_are_bounded_for_all_together() {
    let wasm = module(GROWER);
    let mut subnet = Subnet::with(|config| {
        config.limits.subnet_code_bytes_max = wasm.len() as u64 + 10;
        config.limits.subnet_compute_percent_max = 50;
    });
    let id = subnet.install_new(GROWER);
    let upload = |bytes: usize| ic::UploadChunkArgs { canister_id: id.0, chunk: vec![1; bytes] };
    let error = subnet.manage(id, "upload_chunk", &upload(11)).unwrap_err();
    assert_eq!(code(&error), "IC0101");
    subnet.manage(id, "upload_chunk", &upload(10)).unwrap();
    subnet.manage(id, "upload_chunk", &upload(10)).expect("it is there already");
    let other = subnet.create();
    let mode = ic::CanisterInstallMode::Install;
    assert_eq!(code(&subnet.install(other, mode, &wasm, b"").unwrap_err()), "IC0101");

    let percent = |percent: u128| {
        Some(ic::CanisterSettings { compute_allocation: nat(percent), ..Default::default() })
    };
    subnet.create_with(percent(30));
    let args =
        ic::ProvisionalCreateCanisterWithCyclesArgs { settings: percent(21), ..Default::default() };
    let method = "provisional_create_canister_with_cycles";
    let error = subnet.manage(types::MANAGEMENT_CANISTER, method, &args).unwrap_err();
    assert_eq!(code(&error), "IC0101");
    assert!(error.message.contains("remaining compute capacity is 20%."), "{error}");
    subnet.create_with(percent(20));
}

/// Changed pages stay in memory until the checkpoint: beyond the limit, nothing begins before it.
#[test]
fn rounds_wait_for_the_checkpoint_when_too_much_changed() {
    let mut subnet = Subnet::with(|config| {
        config.checkpoint_interval = 20;
        config.limits.heap_delta_bytes_max = 1 << 20;
    });
    let id = subnet.install_new(GROWER);
    while !subnet.state.height.0.is_multiple_of(20) {
        subnet.round();
    }
    subnet.round();
    assert_eq!(subnet.state.totals.heap_delta_bytes, 0, "it begins anew after the checkpoint");
    subnet.update(id, "touch", b"").unwrap();
    assert_eq!(subnet.state.totals.heap_delta_bytes, 4096);
    // Two pages of the stable memory, and none of the heap.
    subnet.update(id, "touch_stable", b"").unwrap();
    assert_eq!(subnet.state.totals.heap_delta_bytes, 3 * 4096);
    let calls: Vec<_> =
        (0..300).map(|_| subnet.submit(admin(), id, Some(id), "touch", b"")).collect();
    let cut = subnet.round();
    assert!(cut.counters.cut_short);
    assert_eq!(subnet.state.totals.heap_delta_bytes, 1 << 20);
    let done = |subnet: &Subnet| calls.iter().filter(|id| subnet.outcome(**id).is_some()).count();
    let before = done(&subnet);
    assert_eq!(before, 256 - 3);
    // Calls of the management canister wait as well.
    let status = subnet.submit(
        admin(),
        types::MANAGEMENT_CANISTER,
        Some(id),
        "canister_status",
        &Encode!(&record(id)).unwrap(),
    );
    while !subnet.state.height.0.is_multiple_of(20) {
        subnet.round();
        assert_eq!(done(&subnet), before);
        assert_eq!(subnet.outcome(status), None);
    }
    subnet.round();
    assert_eq!(done(&subnet), 300);
    assert!(subnet.outcome(status).is_some());
}

fn instructions_of(subnet: &mut Subnet, canister: CanisterId, method: &str) -> u64 {
    let id = subnet.submit(admin(), canister, Some(canister), method, b"");
    let used = subnet.round().counters.instructions;
    assert!(subnet.outcome(id).is_some_and(|outcome| outcome.is_ok()));
    used
}

/// Entries that are applied whenever an instance is made are paid for by each message.
#[test]
fn elements_are_charged_where_instances_need_work() {
    let text = |offset: &str| {
        format!(
            r#"(module
              (import "ic0" "msg_reply" (func $reply))
              (table 1000 funcref)
              (func $f)
              (elem (offset {offset}) func {})
              (func (export "canister_update run") (call $reply)))"#,
            "$f ".repeat(900)
        )
    };
    let mut subnet = Subnet::new();
    let plain = subnet.install_new(&text("(i32.const 50)"));
    let computed = subnet.install_new(&text("(i32.add (i32.const 25) (i32.const 25))"));
    let plain = instructions_of(&mut subnet, plain, "run");
    let computed = instructions_of(&mut subnet, computed, "run");
    assert_eq!(computed - plain, (900 - 64) * 40);
}

#[test]
fn a_module_has_a_bounded_number_of_elements() {
    let segment = format!("(elem (i32.const 0) func {})", "$f ".repeat(1_000));
    let text = |segments: usize| {
        format!("(module (table 1000 funcref) (func $f) {})", segment.repeat(segments))
    };
    let mut subnet = Subnet::new();
    let id = subnet.create();
    let mode = ic::CanisterInstallMode::Install;
    let error = subnet.install(id, mode, &module(&text(101)), b"").unwrap_err();
    assert_eq!(code(&error), "IC0505");
    assert!(
        error.message.contains("101000 element segment entries; at most 100000 are allowed"),
        "{error}"
    );
    subnet.install(id, mode, &module(&text(100)), b"").unwrap();
}

/// Work whose result is an error is work.
#[test]
fn failed_installations_count_for_the_round() {
    let mut subnet = Subnet::new();
    let id = subnet.create();
    let chunk = vec![7; 1_000_000];
    let reply = subnet
        .manage(id, "upload_chunk", &ic::UploadChunkArgs { canister_id: id.0, chunk })
        .unwrap();
    let stored = Decode!(&reply, ic::ChunkHash).unwrap();
    let install = |subnet: &mut Subnet, method: &str, arg: Vec<u8>| {
        let receiver = types::MANAGEMENT_CANISTER;
        let call = subnet.submit(admin(), receiver, Some(id), method, &arg);
        let used = subnet.round().counters.instructions;
        let error = subnet.outcome(call).expect("it is answered").expect_err("it is refused");
        (used, error)
    };
    let chunked = Encode!(&ic::InstallChunkedCodeArgs {
        mode: ic::CanisterInstallMode::Install,
        target_canister: id.0,
        store_canister: None,
        chunk_hashes_list: vec![stored; 50],
        wasm_module_hash: vec![0; 32],
        arg: vec![],
        sender_canister_version: None,
    });
    let (used, error) = install(&mut subnet, "install_chunked_code", chunked.unwrap());
    assert!(error.message.contains("does not match given hash"), "{error}");
    assert!(used >= 50_000_000 * 20, "{used}");

    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut to, &vec![0; 50_000_000]).unwrap();
    let bomb = to.finish().unwrap();
    assert!(bomb.len() < 100_000);
    let code = |wasm_module: Vec<u8>| {
        Encode!(&ic::InstallCodeArgs {
            mode: ic::CanisterInstallMode::Install,
            canister_id: id.0,
            wasm_module,
            arg: vec![],
            sender_canister_version: None,
        })
    };
    let (used, error) = install(&mut subnet, "install_code", code(bomb).unwrap());
    assert!(error.message.contains("not valid"), "{error}");
    assert!(used >= 50_000_000 * 100, "{used}");
    // The canister that was to be changed pays for all of it.
    let mut priced = Subnet::with(|config| config.fees = Fees::default());
    let poor = priced.create();
    let balance = |priced: &Subnet| priced.state.canister(&poor).unwrap().system.balance;
    let before = balance(&priced);
    priced.install(poor, ic::CanisterInstallMode::Install, &[1; 100_000], b"").unwrap_err();
    assert!(before.minus(balance(&priced)) > Cycles(1_000_000));
}

/// What is burned while code is installed is consumed, as it is at any other time.
#[test]
fn cycles_burned_by_an_installation_are_counted() {
    let text = r#"(module
      (import "ic0" "cycles_burn128" (func $burn (param i64 i64 i32)))
      (memory 1)
      (func (export "canister_init") (call $burn (i64.const 0) (i64.const 12345) (i32.const 0))))"#;
    let mut subnet = Subnet::new();
    let id = subnet.install_new(text);
    assert_eq!(subnet.state.totals.consumed_cycles, Cycles(12345));
    assert_eq!(subnet.state.canister(&id).unwrap().system.consumed.burned, Cycles(12345));
    // An installation that fails burns nothing.
    let trap = text.replace("(i32.const 0))))", "(i32.const 0)) unreachable))");
    subnet.install(id, ic::CanisterInstallMode::Reinstall, &module(&trap), b"").unwrap_err();
    assert_eq!(subnet.state.totals.consumed_cycles, Cycles(12345));
}
