//! `canister_metrics`: what canisters spent their cycles on.

use candid::{CandidType, Decode, Deserialize, Encode, Nat};
use ic_management_canister_types as ic;
use replica_execution::meter::Width;
use types::{CanisterId, Cycles, Fees, MANAGEMENT_CANISTER, SubnetType, UserError};

use crate::harness::{Subnet, admin, nat, record, stranger};
use crate::programs::install;

/// As `ic.did` has it.
#[derive(CandidType, Deserialize, Clone, Debug, Default, PartialEq)]
struct CyclesConsumed {
    memory: Nat,
    compute_allocation: Nat,
    ingress_induction: Nat,
    instructions: Nat,
    request_and_response_transmission: Nat,
    uninstall: Nat,
    canister_creation: Nat,
    http_outcalls: Nat,
    burned_cycles: Nat,
}

#[derive(CandidType, Deserialize, Clone, Debug, PartialEq)]
struct Metrics {
    cycles_consumed: CyclesConsumed,
}

impl CyclesConsumed {
    fn total(&self) -> Nat {
        [
            &self.memory,
            &self.compute_allocation,
            &self.ingress_induction,
            &self.instructions,
            &self.request_and_response_transmission,
            &self.uninstall,
            &self.canister_creation,
            &self.http_outcalls,
            &self.burned_cycles,
        ]
        .into_iter()
        .fold(Nat::from(0u8), |sum, more| sum + more.clone())
    }
}

fn priced() -> Subnet {
    Subnet::with(|config| {
        config.fees = Fees { reference_size: 1, ..Fees::default() };
        config.subnet_type = SubnetType::Application;
    })
}

fn query(subnet: &Subnet, id: CanisterId) -> Result<CyclesConsumed, UserError> {
    let arg = Encode!(&record(id)).expect("it has an encoding");
    let reply = subnet.query(MANAGEMENT_CANISTER, "canister_metrics", &arg)?;
    Ok(Decode!(&reply, Metrics).expect("the reply has this type").cycles_consumed)
}

const TEXT: &str = r#"
  (data (ptr.const 0) "okay")
  (table funcref (elem $done))
  (func $done (param ptr) (call $msg_reply))
  (func (export "canister_update okay") (call $msg_reply))
  (func (export "canister_update call")
    (call $call_self (ptr.const 0) (ptr.const 4) (ptr.const 0) (ptr.const 0))
    (drop (call $call_perform)))
  (func (export "canister_update burn")
    (call $cycles_burn128 (i64.const 0) (i64.const 1234567) (ptr.const 100)) (call $msg_reply))"#;

#[test]
fn each_use_counts_for_itself() {
    let mut subnet = priced();
    let id = install(&mut subnet, Width::Bits32, TEXT);
    let zero = Nat::from(0u8);
    let step = |subnet: &mut Subnet, act: &mut dyn FnMut(&mut Subnet)| {
        let before = query(subnet, id).unwrap();
        let total = subnet.state.canister(&id).unwrap().system.consumed.total();
        assert_eq!(before.total(), Nat::from(total.0));
        act(subnet);
        let after = query(subnet, id).unwrap();
        let more = |of: fn(&CyclesConsumed) -> &Nat| of(&after).clone() - of(&before).clone();
        CyclesConsumed {
            memory: more(|all| &all.memory),
            compute_allocation: more(|all| &all.compute_allocation),
            ingress_induction: more(|all| &all.ingress_induction),
            instructions: more(|all| &all.instructions),
            request_and_response_transmission: more(|all| &all.request_and_response_transmission),
            uninstall: more(|all| &all.uninstall),
            canister_creation: more(|all| &all.canister_creation),
            http_outcalls: more(|all| &all.http_outcalls),
            burned_cycles: more(|all| &all.burned_cycles),
        }
    };
    let only = |more: &CyclesConsumed| CyclesConsumed {
        ingress_induction: zero.clone(),
        instructions: zero.clone(),
        memory: zero.clone(),
        ..more.clone()
    };

    let more = step(&mut subnet, &mut |subnet| {
        subnet.update(id, "burn", b"").unwrap();
    });
    assert_eq!(more.ingress_induction, 1_200_000u32 + 2_000 * (4 + 300));
    assert!(more.instructions > 5_000_000u32 && more.instructions < 5_010_000u32, "{more:?}");
    let burned = CyclesConsumed { burned_cycles: 1_234_567u32.into(), ..Default::default() };
    assert_eq!(only(&more), burned);

    let more = step(&mut subnet, &mut |subnet| {
        subnet.update(id, "call", b"").unwrap();
    });
    // The call with the four bytes of its method; the reply is empty. Three messages.
    let request_and_response_transmission = Nat::from(260_000u32 + 4_000);
    assert_eq!(
        only(&more),
        CyclesConsumed { request_and_response_transmission, ..Default::default() }
    );
    assert!(more.instructions > 15_000_000u32 && more.instructions < 15_030_000u32, "{more:?}");

    // A GiB and a percent for a day.
    let settings = ic::UpdateSettingsArgs {
        canister_id: id.0,
        settings: ic::CanisterSettings {
            memory_allocation: nat(1 << 30),
            compute_allocation: nat(1),
            ..Default::default()
        },
        sender_canister_version: None,
    };
    subnet.manage(id, "update_settings", &settings).unwrap();
    subnet.round_after(20_000);
    let more = step(&mut subnet, &mut |subnet| {
        subnet.round_after(86_400_000);
    });
    assert_eq!(more.memory, 127_000u64 * 86_400);
    assert_eq!(more.compute_allocation, 10_000_000u64 * 86_400);
    assert_eq!((&more.instructions, &more.ingress_induction), (&zero, &zero));

    // What is left when it cannot pay is gone with its code.
    subnet.state.canister_mut(&id).unwrap().system.balance = Cycles(777);
    let more = step(&mut subnet, &mut |subnet| {
        subnet.round_after(86_400_000);
    });
    assert_eq!(more, CyclesConsumed { uninstall: 777u32.into(), ..Default::default() });
    assert!(subnet.state.canister(&id).unwrap().execution.is_none());
}

#[test]
fn metrics_are_for_controllers() {
    let mut subnet = priced();
    let id = install(&mut subnet, Width::Bits32, TEXT);
    let reply = subnet.manage(id, "canister_metrics", &record(id)).unwrap();
    let metrics = Decode!(&reply, Metrics).unwrap().cycles_consumed;
    assert_eq!(metrics.canister_creation, 0u8, "it was made from nothing");
    assert!(metrics.instructions > 0u8);
    let error = subnet.manage_as(stranger(), id, "canister_metrics", &record(id)).unwrap_err();
    assert_eq!(error.code.to_string(), "IC0512");
    let settings = ic::UpdateSettingsArgs {
        canister_id: id.0,
        settings: crate::harness::controllers(&[stranger()]),
        sender_canister_version: None,
    };
    subnet.manage(id, "update_settings", &settings).unwrap();
    assert_eq!(query(&subnet, id).unwrap_err().code.to_string(), "IC0512");
    // Whoever administrates the subnet may.
    let mut open = Subnet::new();
    let id = open.create();
    let arg = Encode!(&record(id)).unwrap();
    assert_eq!(open.validate(stranger(), MANAGEMENT_CANISTER, "canister_metrics", &arg), Ok(()));
    assert!(open.validate(admin(), MANAGEMENT_CANISTER, "canister_metrics", &arg).is_ok());
    let missing = CanisterId::from_index(50);
    assert_eq!(query(&open, missing).unwrap_err().code.to_string(), "IC0301");
}
