mod adversary;
mod bytes;
mod node;
mod steps;
mod world;

use super::*;
use crate::evidence::forge::{self, HEIGHT, ROOT};
use crate::evidence::{Activation, Role, challenge_id};
use crate::tpm::Public;
use crate::tpm::credential::Challenge;
use std::collections::BTreeMap;

/// Challenges can be answered for ten heights, and machines may be silent for fifty.
fn rules() -> Rules {
    let machine = forge::Machine::new(Role::Machine, 1);
    Rules {
        policy: machine.read_policy(),
        roots: machine.roots(),
        challenge_heights: 10,
        interval_heights: 50,
    }
}

/// All heights around the usual one are certified, with the same root.
fn certified() -> BTreeMap<u64, [u8; 32]> {
    (HEIGHT - 100..HEIGHT + 500).map(|height| (height, ROOT)).collect()
}

fn site(number: u8) -> Site {
    Site { operator: vec![number; 29], data_center: format!("dc{number}") }
}

fn code(number: u8) -> [u8; 32] {
    [number; 32]
}

/// What a node waits: less than the registrar does.
const PACE: Pace = Pace { retry_heights: 3, challenge_heights: 8, attest_heights: 20 };

/// A real machine: its TPM opens what is for its two keys, and nothing else. Its evidence is what an honest
/// node makes.
#[derive(Clone)]
struct Hardware {
    forged: forge::Machine,
    /// Challenges that its TPM has opened, by name.
    opened: BTreeMap<[u8; 32], Activation>,
}

impl Hardware {
    fn new(number: u8) -> Self {
        Self { forged: forge::Machine::new(Role::Machine, number), opened: BTreeMap::new() }
    }

    fn ids(&self) -> (crate::tpm::Name, crate::tpm::Name) {
        self.forged.names().unwrap()
    }

    fn join(&self, code: [u8; 32]) -> JoinRequest {
        JoinRequest {
            code,
            ek_public: self.forged.ek_public.clone(),
            ak_public: self.forged.ak_public.clone(),
        }
    }

    /// TPM2_ActivateCredential, as an ideal one does it. `drawn` are all challenges that were ever made.
    fn open(&mut self, invitation: &Invitation, drawn: &[Activation]) -> bool {
        let ek = Public::parse(&self.forged.ek_public).unwrap();
        let (_, ak) = self.ids();
        let id = challenge_id(&invitation.challenge);
        let own = drawn.iter().find(|made| {
            made.challenge(&ek, ak).is_ok_and(|challenge| challenge_id(&challenge) == id)
        });
        match own {
            Some(made) => {
                self.opened.insert(id, made.clone());
                self.forged.activation = made.clone();
                true
            }
            None => false,
        }
    }

    fn installation(&self, code: [u8; 32]) -> Installation {
        Installation {
            code,
            ek_public: self.forged.ek_public.clone(),
            ak_public: self.forged.ak_public.clone(),
            keys: self.forged.statement.keys.clone(),
        }
    }

    /// Opens a challenge for a node's side, and tells it.
    fn open_for(&mut self, node: &mut Node, challenge: Challenge, drawn: &[Activation]) {
        let id = challenge_id(&challenge);
        let is_open = self.open(&Invitation { challenge }, drawn);
        let secret = is_open.then(|| self.opened[&id].secret().to_vec());
        node.opened(&id, secret.as_deref()).unwrap();
    }

    /// Evidence of what was opened, or is recorded.
    fn prove(&mut self, proof: &Proof, height: u64, drawn: &[Activation]) -> Vec<u8> {
        let ek = Public::parse(&self.forged.ek_public).unwrap();
        let (_, ak) = self.ids();
        let is_it = |made: &&Activation| {
            made.challenge(&ek, ak).is_ok_and(|made| challenge_id(&made) == proof.challenge)
        };
        let made = drawn.iter().find(is_it).unwrap();
        assert_eq!(made.secret(), &*proof.secret);
        self.forged.activation = made.clone();
        self.evidence(height)
    }

    fn evidence(&mut self, height: u64) -> Vec<u8> {
        self.forged.statement.anchor.height = height;
        self.forged.evidence().encode()
    }
}

/// Draws of the registrar, different in each step.
fn draw(number: u8) -> Activation {
    Activation::new([number; 32], vec![number.max(1); 48])
}
