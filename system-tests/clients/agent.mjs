// @icp-sdk/core against a running network: two canisters created, used, upgraded; every certificate and
// every node's signature verified by the agent. Reads ENDPOINT, ROOT_KEY, SUBNET_ID and CANISTERS from
// the environment, prints each step, and `done` at the end.
import "./webcrypto.mjs";
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Actor, CanisterStatus, Certificate, HttpAgent, SubnetStatus, lookupResultToBuffer } from "@icp-sdk/core/agent";
import { IDL } from "@icp-sdk/core/candid";
import { DelegationChain, DelegationIdentity, ECDSAKeyIdentity, Ed25519KeyIdentity } from "@icp-sdk/core/identity";
import { Secp256k1KeyIdentity } from "@icp-sdk/core/identity/secp256k1";
import { Principal } from "@icp-sdk/core/principal";
import { counterInterface, ledgerInterface, managementInterface } from "./interfaces.mjs";

const { ENDPOINT, ROOT_KEY, SUBNET_ID, CANISTERS } = process.env;
const rootKey = new Uint8Array(Buffer.from(ROOT_KEY, "hex"));
const subnetId = Principal.fromText(SUBNET_ID);
const PATIENCE_MS = 60_000;

const module = (name) => new Uint8Array(fs.readFileSync(path.join(CANISTERS, `${name}.wasm`)));
const agentOf = (identity, key = rootKey) => HttpAgent.create({ host: ENDPOINT, rootKey: key, identity });
const argument = (types, values) => IDL.encode(types, values);

const developer = Ed25519KeyIdentity.generate();
const agent = await agentOf(developer);
const management = (effectiveTarget) =>
  Actor.createActor(managementInterface, { agent, canisterId: Principal.managementCanister(), effectiveTarget });

async function create() {
  const { canister_id } = await management({ subnetId }).provisional_create_canister_with_cycles({
    amount: [100_000_000_000_000n],
    settings: [],
    specified_id: [],
    sender_canister_version: [],
  });
  return canister_id;
}

async function install(canister_id, mode, wasm_module, arg) {
  const fields = { canister_id, mode, wasm_module, arg: new Uint8Array(arg), sender_canister_version: [] };
  await management({ canisterId: canister_id }).install_code(fields);
}

/// Waits until a counting query answers more than it does now.
async function grows(what, query) {
  const before = await query();
  const end = Date.now() + PATIENCE_MS;
  while ((await query()) === before) {
    assert(Date.now() < end, `${what} stays at ${before}`);
    await sleep(200);
  }
}

async function step(name, part) {
  console.log(name);
  await part();
}

const counterId = await create();
await install(counterId, { install: null }, module("rust-counter"), argument([IDL.Opt(IDL.Text)], [["first"]]));
const ledgerId = await create();
await install(ledgerId, { install: null }, module("motoko-ledger"), argument([], []));
const counterOf = (someAgent) => Actor.createActor(counterInterface, { agent: someAgent, canisterId: counterId });
const counter = counterOf(agent);
const ledger = Actor.createActor(ledgerInterface, { agent, canisterId: ledgerId });

await step("the endpoint's root key is the network's", async () => {
  const fetched = await HttpAgent.create({ host: ENDPOINT, shouldFetchRootKey: true });
  assert.deepEqual(Buffer.from(fetched.rootKey), Buffer.from(rootKey));
  assert.equal(Principal.selfAuthenticating(rootKey).toText(), SUBNET_ID);
});

await step("canisters count and record", async () => {
  assert.equal(await counter.add(5n), 5n);
  assert.equal(await counter.get(), 5n);
  assert.equal(await counter.label(), "first");
  await counter.put_note("colour", "green");
  assert.deepEqual(await counter.get_note("colour"), ["green"]);
  assert.equal(await ledger.record("tea", 3n), 3n);
  assert.equal(await ledger.total(), 3n);
});

await step("every scheme of signatures is accepted", async () => {
  const session = Secp256k1KeyIdentity.generate();
  const tomorrow = new Date(Date.now() + 24 * 3600 * 1000);
  const chain = await DelegationChain.create(developer, session.getPublicKey(), tomorrow);
  const identities = [
    developer,
    session,
    await ECDSAKeyIdentity.generate({ extractable: true }),
    DelegationIdentity.fromDelegation(session, chain),
  ];
  for (const identity of identities) {
    const seen = await counterOf(await agentOf(identity)).who_am_i();
    assert.equal(seen.toText(), identity.getPrincipal().toText());
  }
  assert.equal((await counterOf(await agentOf()).who_am_i()).toText(), Principal.anonymous().toText());
});

await step("a query proves the certified value", async () => {
  const { value, certificate } = await counter.get_certified();
  const proof = await Certificate.create({ certificate: new Uint8Array(certificate), rootKey, principal: { canisterId: counterId } });
  const data = lookupResultToBuffer(proof.lookup_path(["canister", counterId.toUint8Array(), "certified_data"]));
  assert.equal(data.length, 32);
  assert.equal(value, 5n);
});

await step("a wrong root key is noticed", async () => {
  const wrong = rootKey.slice();
  wrong[wrong.length - 1] ^= 1;
  const suspicious = counterOf(await agentOf(developer, wrong));
  await assert.rejects(suspicious.get());
  await assert.rejects(suspicious.add(0n));
});

await step("the state tree answers", async () => {
  const paths = ["controllers", "module_hash", "candid", "time"];
  const status = await CanisterStatus.request({ canisterId: counterId, agent, paths });
  assert.deepEqual(status.get("controllers").map(String), [developer.getPrincipal().toText()]);
  assert.match(status.get("candid"), /add_and_trap : \(nat64, text\) -> \(\)/);
  const subnet = await SubnetStatus.request({ subnetId, agent, paths: ["time", "nodeKeys"] });
  assert.equal(subnet.get("nodeKeys").size, 4);
});

await step("randomness differs", async () => {
  const [first, second] = [await counter.random_bytes(), await counter.random_bytes()];
  assert.equal(first.length, 32);
  assert.notDeepEqual(Buffer.from(first), Buffer.from(second));
});

await step("canisters call each other", async () => {
  assert.deepEqual(await counter.record_in_ledger(ledgerId), { Ok: 8n });
  assert.equal(await ledger.addToCounter(counterId, 2n), 7n);
  assert.equal(await ledger.total(), 10n);
});

await step("errors have their codes and leave no trace", async () => {
  await assert.rejects(counter.add_and_trap(100n, "on purpose"), /IC0503[^]*on purpose|on purpose[^]*IC0503/);
  assert.equal(await counter.get(), 7n);
  await assert.rejects(ledger.recordAndTrap(100n), /recordAndTrap traps after adding 100/);
  assert.equal(await ledger.total(), 10n);
  await assert.rejects(counter.reject_with("no thanks"), /no thanks/);
});

await step("timers tick", async () => {
  await counter.start_ticking(100n);
  await grows("ticks", () => counter.ticks());
  await grows("heartbeats", () => ledger.heartbeats());
});

await step("upgrades keep the state", async () => {
  const keepLabel = argument([IDL.Opt(IDL.Text)], [[]]);
  await install(counterId, { upgrade: [] }, module("rust-counter"), keepLabel);
  assert.equal(await counter.get(), 7n);
  assert.equal(await counter.label(), "first");
  assert.deepEqual(await counter.get_note("colour"), ["green"]);
  await grows("ticks", () => counter.ticks());

  const keep = { upgrade: [{ skip_pre_upgrade: [], wasm_memory_persistence: [{ keep: null }] }] };
  await install(ledgerId, keep, module("motoko-ledger"), argument([], []));
  assert.equal(await ledger.total(), 10n);
  await grows("heartbeats", () => ledger.heartbeats());
});

console.log("done");
