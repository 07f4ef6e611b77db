// The interfaces that agent.mjs uses, as @icp-sdk/core wants them.

export const counterInterface = ({ IDL }) => {
  const answer = IDL.Variant({ Ok: IDL.Nat, Err: IDL.Text });
  const blob = IDL.Vec(IDL.Nat8);
  const certified = IDL.Record({ value: IDL.Nat64, certificate: blob, witness: blob });
  return IDL.Service({
    add: IDL.Func([IDL.Nat64], [IDL.Nat64], []),
    add_and_trap: IDL.Func([IDL.Nat64, IDL.Text], [], []),
    get: IDL.Func([], [IDL.Nat64], ["query"]),
    get_certified: IDL.Func([], [certified], ["query"]),
    get_note: IDL.Func([IDL.Text], [IDL.Opt(IDL.Text)], ["query"]),
    label: IDL.Func([], [IDL.Text], ["query"]),
    put_note: IDL.Func([IDL.Text, IDL.Text], [], []),
    random_bytes: IDL.Func([], [blob], []),
    record_in_ledger: IDL.Func([IDL.Principal], [answer], []),
    reject_with: IDL.Func([IDL.Text], [], []),
    start_ticking: IDL.Func([IDL.Nat64], [], []),
    ticks: IDL.Func([], [IDL.Nat64], ["query"]),
    who_am_i: IDL.Func([], [IDL.Principal], ["query"]),
  });
};

export const ledgerInterface = ({ IDL }) =>
  IDL.Service({
    addToCounter: IDL.Func([IDL.Principal, IDL.Nat64], [IDL.Nat64], []),
    heartbeats: IDL.Func([], [IDL.Nat], ["query"]),
    record: IDL.Func([IDL.Text, IDL.Nat], [IDL.Nat], []),
    recordAndTrap: IDL.Func([IDL.Nat], [], []),
    total: IDL.Func([], [IDL.Nat], ["query"]),
  });

export const managementInterface = ({ IDL }) => {
  const create = IDL.Record({
    amount: IDL.Opt(IDL.Nat),
    settings: IDL.Opt(IDL.Record({})),
    specified_id: IDL.Opt(IDL.Principal),
    sender_canister_version: IDL.Opt(IDL.Nat64),
  });
  const upgrade = IDL.Opt(
    IDL.Record({
      skip_pre_upgrade: IDL.Opt(IDL.Bool),
      wasm_memory_persistence: IDL.Opt(IDL.Variant({ keep: IDL.Null, replace: IDL.Null })),
    }),
  );
  const install = IDL.Record({
    mode: IDL.Variant({ install: IDL.Null, reinstall: IDL.Null, upgrade }),
    canister_id: IDL.Principal,
    wasm_module: IDL.Vec(IDL.Nat8),
    arg: IDL.Vec(IDL.Nat8),
    sender_canister_version: IDL.Opt(IDL.Nat64),
  });
  return IDL.Service({
    provisional_create_canister_with_cycles: IDL.Func([create], [IDL.Record({ canister_id: IDL.Principal })], []),
    install_code: IDL.Func([install], [], []),
  });
};
