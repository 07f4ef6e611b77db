//! The canisters that tools expect on a network: the ICP ledger, the cycles minting canister and the
//! cycles ledger, at their public ids, as `canisters/` makes them for development networks.
//!
//! They come after the first certified block, through the management canister as any user would put
//! them there. A later start finds them and leaves them, or upgrades them if the modules have changed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candid::utils::ArgumentEncoder;
use candid::{CandidType, Nat, Principal};
use ic_agent::identity::BasicIdentity;
use ic_agent::{Agent, AgentError};
use ic_management_canister_types::{
    CanisterInstallMode, InstallCodeArgs, ProvisionalCreateCanisterWithCyclesArgs,
};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::interrupt::Interrupts;
use crate::status::NetworkStatus;
use crate::up::progress;

/// The folder of the modules, beside the executables.
const FOLDER: &str = "system-canisters";

/// The cycles that stand behind all that the ledgers give away: no user can ask for as much.
const PLENTY: u128 = 1_000_000_000_000_000_000_000_000_000_000;

/// What the anonymous principal, which everybody can be, has from the start: 10^9 T cycles.
const ANONYMOUS_CYCLES: u128 = 1_000_000_000_000_000_000_000;

/// And in e8s: 10^9 ICP.
const ANONYMOUS_E8S: u128 = 100_000_000_000_000_000;

const POLL: Duration = Duration::from_millis(50);

/// One of them.
struct SystemCanister {
    name: &'static str,
    id: Principal,
    cycles: u128,
    /// The argument of its installation, for a subnet.
    argument: fn(Principal) -> Vec<u8>,
}

/// In the order of their ids.
const ALL: [SystemCanister; 3] = [
    SystemCanister {
        name: "local-icp-ledger",
        id: Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 2, 1, 1]),
        cycles: 0,
        argument: |_| encoded((IcpLedger { initial_values: anonymous(ANONYMOUS_E8S) },)),
    },
    SystemCanister {
        name: "local-cycles-minting",
        id: Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 4, 1, 1]),
        cycles: PLENTY,
        argument: |subnet| encoded((CyclesMinting { subnet },)),
    },
    SystemCanister {
        name: "local-cycles-ledger",
        id: Principal::from_slice(&[0, 0, 0, 0, 2, 0x10, 0, 2, 1, 1]),
        cycles: PLENTY,
        argument: |subnet| {
            encoded((CyclesLedger { subnet, initial_values: anonymous(ANONYMOUS_CYCLES) },))
        },
    },
];

#[derive(CandidType)]
struct Account {
    owner: Principal,
    subaccount: Option<Vec<u8>>,
}

#[derive(CandidType)]
struct IcpLedger {
    initial_values: Vec<(Account, Nat)>,
}

#[derive(CandidType)]
struct CyclesMinting {
    subnet: Principal,
}

#[derive(CandidType)]
struct CyclesLedger {
    subnet: Principal,
    initial_values: Vec<(Account, Nat)>,
}

fn anonymous(amount: u128) -> Vec<(Account, Nat)> {
    vec![(Account { owner: Principal::anonymous(), subaccount: None }, amount.into())]
}

fn encoded(arguments: impl ArgumentEncoder) -> Vec<u8> {
    candid::encode_args(arguments).expect("plain data has a Candid form")
}

/// Their modules, in the order of `ALL`.
#[derive(Clone)]
pub struct Modules(Vec<Vec<u8>>);

impl Modules {
    /// Reads them from beside this executable, or names the missing one.
    pub fn read() -> Result<Self, Error> {
        let own = std::env::current_exe().map_err(Error::file("find", Path::new("plinth")))?;
        let folder = own.with_file_name(FOLDER);
        let read = |canister: &SystemCanister| {
            let path = folder.join(format!("{}.wasm", canister.name));
            match std::fs::read(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Err(Error::SystemCanister(path))
                }
                result => result.map_err(Error::file("read", &path)),
            }
        };
        ALL.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// Puts them on the network, whose owner's key is in `key_file`. Waits until all answer.
pub fn install(
    modules: &Modules,
    status: &NetworkStatus,
    key_file: &Path,
    interrupts: &Interrupts,
) -> Result<(), Error> {
    let begin = Instant::now();
    let installer = Installer::new(status, key_file)?;
    let modules = modules.clone();
    // On a thread of its own, so that Ctrl-C is heard meanwhile.
    let work = std::thread::spawn(move || installer.run(&modules));
    while !work.is_finished() {
        if interrupts.sleep(POLL) {
            return Err(Error::Interrupted);
        }
    }
    let changed = work.join().map_err(|_| failed("the installation", "it panicked"))??;
    if changed > 0 {
        let seconds = begin.elapsed().as_secs_f32();
        progress(&format!("{changed} system canisters installed in {seconds:.1} s"));
    }
    Ok(())
}

fn failed(what: &str, error: impl ToString) -> Error {
    Error::Helper {
        what: format!("installing system canisters: {what}"),
        detail: error.to_string(),
    }
}

struct Installer {
    agent: Agent,
    subnet: Principal,
}

impl Installer {
    fn new(status: &NetworkStatus, key_file: &Path) -> Result<Self, Error> {
        let mut key = [0; 32];
        let text = std::fs::read_to_string(key_file).map_err(Error::file("read", key_file))?;
        hex::decode_to_slice(text.trim(), &mut key)
            .map_err(|error| failed(&key_file.display().to_string(), error))?;
        let agent = Agent::builder()
            .with_url(&status.endpoint)
            .with_identity(BasicIdentity::from_raw_key(&key))
            .build()
            .map_err(|error| failed(&status.endpoint, error))?;
        let root_key =
            hex::decode(&status.root_key).map_err(|error| failed("the root key", error))?;
        agent.set_root_key(root_key);
        let subnet = Principal::from_text(&status.subnet_id)
            .map_err(|error| failed("the subnet's id", error))?;
        Ok(Self { agent, subnet })
    }

    /// Returns how many were installed or upgraded.
    fn run(self, modules: &Modules) -> Result<usize, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed("the runtime", error))?;
        runtime.block_on(self.ensure_all(modules))
    }

    async fn ensure_all(&self, modules: &Modules) -> Result<usize, Error> {
        for canister in &ALL {
            self.ensure_exists(canister).await.map_err(|error| failed(canister.name, error))?;
        }
        let [first, second, third] = &ALL;
        let [one, two, three] = &modules.0[..] else {
            return Err(failed("the modules", "there must be three"));
        };
        let (first, second, third) = tokio::join!(
            self.ensure_installed(first, one),
            self.ensure_installed(second, two),
            self.ensure_installed(third, three)
        );
        Ok([first?, second?, third?].into_iter().filter(|changed| *changed).count())
    }

    async fn ensure_exists(&self, canister: &SystemCanister) -> Result<(), AgentError> {
        let known = self.agent.read_state_canister_controllers(canister.id).await;
        if unless_absent(known)?.is_some() {
            return Ok(());
        }
        let arguments = ProvisionalCreateCanisterWithCyclesArgs {
            amount: Some(canister.cycles.into()),
            specified_id: Some(canister.id),
            ..Default::default()
        };
        self.manage(canister.id, "provisional_create_canister_with_cycles", arguments).await
    }

    /// Returns whether there was something to do.
    async fn ensure_installed(
        &self,
        canister: &SystemCanister,
        module: &[u8],
    ) -> Result<bool, Error> {
        let failed = |error: AgentError| failed(canister.name, error);
        let hash = self.agent.read_state_canister_module_hash(canister.id).await;
        let hash = unless_absent(hash).map_err(failed)?;
        if hash.as_ref().is_some_and(|hash| hash[..] == Sha256::digest(module)[..]) {
            return Ok(false);
        }
        let mode = match hash {
            None => CanisterInstallMode::Install,
            Some(_) => CanisterInstallMode::Upgrade(None),
        };
        let arguments = InstallCodeArgs {
            mode,
            canister_id: canister.id,
            wasm_module: module.to_vec(),
            arg: (canister.argument)(self.subnet),
            sender_canister_version: None,
        };
        self.manage(canister.id, "install_code", arguments).await.map_err(failed)?;
        Ok(true)
    }

    async fn manage(
        &self,
        id: Principal,
        method: &str,
        arguments: impl CandidType,
    ) -> Result<(), AgentError> {
        self.agent
            .update(&Principal::management_canister(), method)
            .with_effective_canister_id(id)
            .with_arg(encoded((arguments,)))
            .call_and_wait()
            .await
            .map(|_answer| ())
    }
}

/// What the certified state says is not there.
fn unless_absent<T>(result: Result<T, AgentError>) -> Result<Option<T>, AgentError> {
    match result {
        Err(AgentError::LookupPathAbsent(_)) => Ok(None),
        result => result.map(Some),
    }
}

/// Where the key of their owner is.
pub fn key_file(dir: &Path) -> PathBuf {
    dir.join("operator.key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_at_the_public_ids_and_in_the_order_of_these() {
        let texts = ALL.map(|canister| canister.id.to_text());
        assert_eq!(
            texts,
            [
                "ryjl3-tyaaa-aaaaa-aaaba-cai",
                "rkp4c-7iaaa-aaaaa-aaaca-cai",
                "um5iw-rqaaa-aaaaq-qaaba-cai"
            ]
        );
        assert!(ALL.windows(2).all(|pair| pair[0].id < pair[1].id));
    }
}
