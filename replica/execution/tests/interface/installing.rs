//! Putting code on canisters: which steps run in which order, and that a step that fails leaves
//! everything as it was.

use candid::{Decode, Encode};
use ic_management_canister_types as ic;
use replica_execution::meter::Width;
use types::{CanisterId, Cycles, Fees, MANAGEMENT_CANISTER};

use crate::harness::{Subnet, admin, nat, number, record, stranger, upgrade};
use crate::programs::{WIDTHS, install, numbers, program};

const INSTALL: ic::CanisterInstallMode = ic::CanisterInstallMode::Install;
const REINSTALL: ic::CanisterInstallMode = ic::CanisterInstallMode::Reinstall;

/// Each step appends its digit to a number at the beginning of the stable memory.
const STEPS: &str = r#"
  (func $note (param $digit i64)
    (if (i64.eqz (call $stable64_size)) (then (drop (call $stable64_grow (i64.const 1)))))
    (call $stable64_read (i64.const 0) (i64.const 0) (i64.const 8))
    (i64.store (ptr.const 0)
      (i64.add (i64.mul (i64.load (ptr.const 0)) (i64.const 10)) (local.get $digit)))
    (call $stable64_write (i64.const 0) (i64.const 0) (i64.const 8)))
  (start $start)
  (func $start (call $note (i64.const 1)))
  (func (export "canister_init") (call $note (i64.const 2)))
  (func (export "canister_pre_upgrade") (call $note (i64.const 3)))
  (func (export "canister_post_upgrade") (call $note (i64.const 4)))
  (func (export "canister_update notes")
    (call $stable64_read (i64.const 0) (i64.const 0) (i64.const 8))
    (call $out (ptr.const 0) (ptr.const 8)) (call $msg_reply))"#;

#[test]
fn steps_in_their_order() {
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let id = install(&mut subnet, width, STEPS);
        let wasm = program(width, STEPS);
        let notes = |subnet: &mut Subnet| number(&subnet.update(id, "notes", b"").unwrap());
        assert_eq!(notes(&mut subnet), 12);
        // `(start)` belongs to installing, not to each message.
        assert_eq!(notes(&mut subnet), 12);
        for (mode, expected) in [
            (upgrade(None, None), 12_314),
            (upgrade(Some(false), Some(ic::WasmMemoryPersistence::Replace)), 12_314_314),
            (upgrade(Some(true), None), 1_231_431_414),
            (REINSTALL, 12),
        ] {
            subnet.install(id, mode, &wasm, b"").unwrap();
            assert_eq!(notes(&mut subnet), expected, "{mode:?}");
        }
    }
}

/// Has something of everything that installing code could change, and waits for randomness.
const FULL: &str = r#"
  (data (ptr.const 0) "raw_rand")
  (data (ptr.const 20) "DIDL\00\00")
  (data (ptr.const 40) "kept")
  (table funcref (elem $done))
  (global $count (mut i64) (i64.const 5))
  (func $done (param ptr) (call $out (ptr.const 196608) (ptr.const 8)) (call $msg_reply))
  (func (export "canister_update fill")
    (global.set $count (i64.const 6))
    (drop (memory.grow (ptr.const 3)))
    (i64.store (ptr.const 196608) (i64.const 7))
    (drop (call $stable64_grow (i64.const 2)))
    (call $stable64_write (i64.const 70000) (i64.const 40) (i64.const 4))
    (call $certified_data_set (ptr.const 40) (ptr.const 4))
    (drop (call $global_timer_set (i64.const 0x7fffffffffffffff)))
    (call $call_new (ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 8)
      (ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 0))
    (call $call_data_append (ptr.const 20) (ptr.const 6))
    (drop (call $call_perform)))
  (func (export "canister_pre_upgrade")
    (call $msg_caller_copy (ptr.const 300) (ptr.const 0) (call $msg_caller_size))
    (global.set $count (i64.const 8))
    (drop (call $stable64_grow (i64.const 1)))
    (call $stable64_write (i64.const 0) (i64.const 40) (i64.const 4))
    (call $certified_data_set (ptr.const 40) (ptr.const 2))
    (drop (call $global_timer_set (i64.const 0)))
    PRE)"#;

#[test]
fn a_failure_leaves_everything_as_it_was() {
    let spoil = r#"(drop (call $stable64_grow (i64.const 1)))
        (call $stable64_write (i64.const 0) (i64.const 0) (i64.const 100))"#;
    let start = format!("(start $go) (func $go {spoil} unreachable)");
    let post = format!(
        "(func (export \"canister_post_upgrade\") {spoil}
           (call $certified_data_set (ptr.const 0) (ptr.const 1)) unreachable)"
    );
    let init = post.replace("post_upgrade", "init");
    let endless = "(func (export \"canister_post_upgrade\") (loop $again (br $again)))".to_string();
    let too_small = "(import \"ic0\" \"no_such\" (func))".to_string();
    let fine = String::new();
    let plain = upgrade(None, None);
    let mut subnet = Subnet::with(|config| config.limits.instructions_per_install_max = 50_000_000);
    for width in WIDTHS {
        for (pre, mode, next, code) in [
            ("unreachable", plain, &fine, "IC0502"),
            ("(call $trap (ptr.const 40) (ptr.const 4))", plain, &fine, "IC0503"),
            ("(loop $again (br $again))", plain, &fine, "IC0522"),
            ("", plain, &start, "IC0502"),
            ("", plain, &post, "IC0502"),
            ("", plain, &endless, "IC0522"),
            ("", plain, &too_small, "IC0505"),
            ("", REINSTALL, &start, "IC0502"),
            ("", REINSTALL, &init, "IC0502"),
            ("", INSTALL, &fine, "IC0514"),
            ("", upgrade(None, Some(ic::WasmMemoryPersistence::Keep)), &fine, "IC0504"),
        ] {
            let id = install(&mut subnet, width, &FULL.replace("PRE", pre));
            let call = subnet.submit(admin(), id, Some(id), "fill", b"");
            subnet.round();
            let before = subnet.state.canister(&id).unwrap().clone();
            assert_eq!(before.system.calls.callback_count(), 1);
            let next = match next == &too_small {
                true => crate::harness::module(&format!("(module {next})")),
                false => program(width, next),
            };
            let args = ic::InstallCodeArgs {
                mode,
                canister_id: id.0,
                wasm_module: next,
                arg: vec![],
                sender_canister_version: None,
            };
            let arg = Encode!(&args).unwrap();
            let installing =
                subnet.submit(admin(), MANAGEMENT_CANISTER, Some(id), "install_code", &arg);
            // In the round in which the randomness comes: installing goes first.
            subnet.round();
            let error = subnet.outcome(installing).unwrap().unwrap_err();
            assert_eq!(error.code.to_string(), code, "{error}");
            // The callback finds the code and the heap that belong to it.
            assert_eq!(subnet.outcome(call).unwrap().unwrap(), numbers(&[7]), "{error}");
            let after = subnet.state.canister(&id).unwrap();
            let (old, new) = (&before.system, &after.system);
            assert_eq!(new.canister_version, old.canister_version + 1, "the callback's own");
            assert_eq!(before.execution, after.execution, "{error}");
            assert_eq!(
                (&old.certified_data, old.global_timer, &old.settings, &old.status),
                (&new.certified_data, new.global_timer, &new.settings, &new.status)
            );
            assert_eq!((&old.history, old.balance), (&new.history, new.balance));
            assert_eq!((old.last_install, &old.tasks), (new.last_install, &new.tasks));
        }
    }
}

#[test]
fn what_new_code_finds() {
    let look = |name: &str| {
        format!(
            r#"(func (export "{name}")
                 (call $stable64_read (i64.const 100) (i64.const 70000) (i64.const 4))
                 (global.set $seen (i64.load (ptr.const 100)))
                 (global.set $size (call $stable64_size)))
               (global $seen (mut i64) (i64.const 0))
               (global $size (mut i64) (i64.const 0))
               (func (export "canister_query seen")
                 (call $out64 (global.get $seen)) (call $out64 (global.get $size))
                 (call $msg_reply))"#
        )
    };
    let mut subnet = Subnet::new();
    let word = u64::from(u32::from_le_bytes(*b"kept"));
    for width in WIDTHS {
        let id = install(&mut subnet, width, &FULL.replace("PRE", ""));
        let call = subnet.submit(admin(), id, Some(id), "fill", b"");
        subnet.finish(call).unwrap();
        subnet
            .install(id, upgrade(None, None), &program(width, &look("canister_post_upgrade")), b"")
            .unwrap();
        // Two pages of before, and the one of the step before the upgrade.
        assert_eq!(subnet.query(id, "seen", b"").unwrap(), numbers(&[word, 3]));
        let system = &subnet.state.canister(&id).unwrap().system;
        assert_eq!((system.certified_data.as_ref(), system.global_timer), (&b"ke"[..], None));
        let grown = r#"(func (export "canister_init") (drop (call $stable64_grow (i64.const 2))))
            (func (export "canister_query size")
              (call $out64 (call $stable64_size)) (call $msg_reply))"#;
        subnet.install(id, REINSTALL, &program(width, grown), b"").unwrap();
        assert_eq!(subnet.query(id, "size", b"").unwrap(), numbers(&[2]), "it was empty before");
        let system = &subnet.state.canister(&id).unwrap().system;
        assert!(system.certified_data.is_empty());
    }
}

/// `canister_init` and the steps of an upgrade know who installs, and with which argument.
#[test]
fn the_installer_and_the_argument() {
    let text = r#"
      (global $caller (mut i32) (i32.const 0))
      (global $argument (mut i64) (i64.const 0))
      (func $look
        (call $msg_caller_copy (ptr.const 0) (ptr.const 0) (call $msg_caller_size))
        (global.set $caller (i32.load (ptr.const 0)))
        (call $msg_arg_data_copy (ptr.const 0) (ptr.const 0) (call $msg_arg_data_size))
        (global.set $argument (i64.load (ptr.const 0))))
      (func (export "canister_init") (call $look))
      (func (export "canister_post_upgrade") (call $look))
      (func (export "canister_query looked")
        (call $out32 (global.get $caller)) (call $out64 (global.get $argument)) (call $msg_reply))"#;
    let mut subnet = Subnet::new();
    let first = admin().as_slice()[..4].try_into().map(u32::from_le_bytes).unwrap();
    for width in WIDTHS {
        let id = subnet.create();
        for (mode, arg) in [(INSTALL, b"at first"), (upgrade(None, None), b"and then")] {
            subnet.install(id, mode, &program(width, text), arg).unwrap();
            let expected = numbers(&[first.into(), u64::from_le_bytes(*arg)]);
            assert_eq!(subnet.query(id, "looked", b"").unwrap(), expected);
        }
    }
}

fn upload(subnet: &mut Subnet, store: CanisterId, chunk: &[u8]) -> ic::ChunkHash {
    let args = ic::UploadChunkArgs { canister_id: store.0, chunk: chunk.to_vec() };
    let reply = subnet.manage(store, "upload_chunk", &args).expect("there is room");
    Decode!(&reply, ic::ChunkHash).expect("the reply is a hash")
}

#[test]
fn what_installing_from_chunks_refuses() {
    let mut subnet = Subnet::new();
    let [store, target, foreign] = [subnet.create(), subnet.create(), subnet.create()];
    let wasm = program(Width::Bits32, STEPS);
    let whole = upload(&mut subnet, store, &wasm);
    let of_foreign = upload(&mut subnet, foreign, &wasm);
    assert_eq!(whole.hash, of_foreign.hash);
    let hand_over = ic::UpdateSettingsArgs {
        canister_id: foreign.0,
        settings: crate::harness::controllers(&[stranger()]),
        sender_canister_version: None,
    };
    subnet.manage(foreign, "update_settings", &hand_over).unwrap();
    let missing = CanisterId::from_index(99);
    let good = ic::InstallChunkedCodeArgs {
        mode: REINSTALL,
        target_canister: target.0,
        store_canister: Some(store.0),
        chunk_hashes_list: vec![whole.clone()],
        wasm_module_hash: whole.hash.clone(),
        arg: vec![],
        sender_canister_version: None,
    };
    type Change<'a> = &'a dyn Fn(&mut ic::InstallChunkedCodeArgs);
    let cases: [(Change<'_>, &str, &str); 11] = [
        (&|args| args.wasm_module_hash = vec![1; 32], "IC0504", "does not match given hash"),
        (&|args| args.wasm_module_hash = vec![1; 31], "IC0408", "A hash has 32 bytes, not 31"),
        (&|args| args.chunk_hashes_list[0].hash.push(1), "IC0408", "A hash has 32 bytes, not 33"),
        (
            &|args| args.chunk_hashes_list.push(ic::ChunkHash { hash: vec![2; 32] }),
            "IC0504",
            "was not found",
        ),
        (&|args| args.chunk_hashes_list.clear(), "IC0504", "does not match given hash"),
        (
            &|args| args.chunk_hashes_list = vec![args.chunk_hashes_list[0].clone(); 101],
            "IC0504",
            "too many chunks are listed",
        ),
        // The target has chunks of its own, which are none.
        (&|args| args.store_canister = None, "IC0504", "was not found"),
        (&|args| args.store_canister = Some(missing.0), "IC0301", "not found"),
        (&|args| args.store_canister = Some(foreign.0), "IC0512", "can control it"),
        (&|args| args.target_canister = missing.0, "IC0301", "not found"),
        (&|args| args.target_canister = foreign.0, "IC0512", "Only controllers of canister"),
    ];
    for (change, code, text) in cases {
        let mut args = good.clone();
        change(&mut args);
        let about = CanisterId(args.target_canister);
        let error = subnet.manage(about, "install_chunked_code", &args).unwrap_err();
        assert_eq!(error.code.to_string(), code, "{error}");
        assert!(error.message.contains(text), "{error}");
        assert_eq!(subnet.status(target).module_hash, None);
    }
    subnet.manage(target, "install_chunked_code", &good).unwrap();
    assert_eq!(number(&subnet.update(target, "notes", b"").unwrap()), 12);
    // Twice the same chunk is another module, here none.
    let twice = ic::InstallChunkedCodeArgs {
        chunk_hashes_list: vec![whole.clone(), whole],
        wasm_module_hash: sha256(&[&wasm[..], &wasm].concat()),
        ..good
    };
    let error = subnet.manage(target, "install_chunked_code", &twice).unwrap_err();
    assert_eq!(error.code.to_string(), "IC0505", "{error}");
    assert_eq!(number(&subnet.update(target, "notes", b"").unwrap()), 12);
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    replica_state::Module::new(bytes.to_vec()).hash.to_vec()
}

#[test]
fn chunk_stores_have_room_for_a_hundred() {
    let mut subnet = Subnet::with(|config| config.limits.chunks_per_canister_max = 3);
    let store = subnet.create();
    for n in 0..3u8 {
        upload(&mut subnet, store, &[n]);
    }
    // What is there already takes no room.
    upload(&mut subnet, store, &[1]);
    let args = ic::UploadChunkArgs { canister_id: store.0, chunk: vec![9] };
    let error = subnet.manage(store, "upload_chunk", &args).unwrap_err();
    assert_eq!(error.code.to_string(), "IC0504");
    let text = "Wasm chunk store has already reached maximum capacity of 3 chunks";
    assert!(error.message.contains(text), "{error}");
    subnet.manage(store, "clear_chunk_store", &record(store)).unwrap();
    upload(&mut subnet, store, &[9]);
    let listed = subnet.manage(store, "stored_chunks", &record(store)).unwrap();
    assert_eq!(Decode!(&listed, Vec<ic::ChunkHash>).unwrap().len(), 1);
}

/// Initialisation is bound by the limit on the heap, the end of an upgrade too; what comes before it
/// and the hooks are not, so that a canister can be repaired.
#[test]
fn the_limit_on_the_heap_while_installing() {
    let text =
        |name: &str| format!("(func (export \"{name}\") (drop (memory.grow (ptr.const 9))))");
    let mut subnet = Subnet::new();
    for width in WIDTHS {
        let settings = ic::CanisterSettings {
            wasm_memory_limit: nat(5 << 16),
            ..crate::harness::controllers(&[admin()])
        };
        let id = subnet.create_with(Some(settings));
        let [init, pre, post, plain] =
            ["canister_init", "canister_pre_upgrade", "canister_post_upgrade", "other"]
                .map(|name| program(width, &text(name)));
        let error = subnet.install(id, INSTALL, &init, b"").unwrap_err();
        assert_eq!(error.code.to_string(), "IC0539", "{error}");
        subnet.install(id, INSTALL, &pre, b"").unwrap();
        let error = subnet.install(id, upgrade(None, None), &post, b"").unwrap_err();
        assert_eq!(error.code.to_string(), "IC0539", "{error}");
        subnet.install(id, upgrade(None, None), &plain, b"").unwrap();
    }
}

/// Code whose memory the canister could not keep is not installed.
#[test]
fn code_that_would_freeze_the_canister() {
    let mut subnet =
        Subnet::with(|config| config.fees = Fees { reference_size: 1, ..Fees::default() });
    let large = crate::harness::module("(module (memory 49152))");
    let small = crate::harness::module("(module (memory 1))");
    // The longest installation is paid ahead: 300 billion instructions. Three GiB for thirty days
    // cost 987 billion cycles.
    for (balance, installs) in [(900_000_000_000, false), (1_000_000_000_000, true)] {
        let id = subnet.create();
        let set = |subnet: &mut Subnet, amount| {
            subnet.state.canister_mut(&id).unwrap().system.balance = Cycles(amount);
        };
        set(&mut subnet, balance);
        let result = subnet.install(id, INSTALL, &large, b"");
        assert_eq!(result.is_ok(), installs, "{result:?}");
        let Err(error) = result else { continue };
        assert_eq!(error.code.to_string(), "IC0207");
        let text = "Canister installation failed with `Canister";
        assert!(error.message.starts_with(text), "{error}");
        assert_eq!(subnet.status(id).module_hash, None);
        subnet.install(id, INSTALL, &small, b"").unwrap();
    }
}
