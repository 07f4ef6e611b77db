//! Releases as the tests have them: each is measured into PCR 11 after the machine is switched on.

use crate::swtpm::Machine;
use os_kit_tpm::{
    Allowed, ApprovedBy, Bank, Branch, CounterLimit, Estate, PcrValues, Proof, Secret, Tpm,
};
use sha2::{Digest, Sha256};

/// The register that tells releases apart.
pub const PCR: u8 = 11;

pub const SECRET: &[u8] = b"the key of this machine's disks, in 32+ bytes";

pub fn secret() -> Secret {
    Secret::new(SECRET.to_vec()).unwrap()
}

#[derive(Clone)]
pub struct Release {
    pub number: u8,
    pub estate: Estate,
    /// Up to which value of the counter it may run.
    pub counter_most: Option<u64>,
}

impl Release {
    pub fn new(number: u8) -> Self {
        Self { number, estate: Estate::usual().unwrap(), counter_most: None }
    }

    pub fn until(number: u8, counter_most: u64) -> Self {
        Self { counter_most: Some(counter_most), ..Self::new(number) }
    }

    /// Restarts the machine into this release.
    pub fn boot(&self, machine: &mut Machine) -> Tpm {
        machine.restart();
        let tpm = machine.open();
        self.measure(&tpm);
        tpm
    }

    pub fn measure(&self, tpm: &Tpm) {
        tpm.extend_pcr(PCR, &[(Bank::Sha256, self.measurement())]).unwrap();
    }

    fn measurement(&self) -> Vec<u8> {
        Sha256::digest([b"release".as_slice(), &[self.number]].concat()).to_vec()
    }

    pub fn branch(&self) -> Branch {
        let value = Sha256::digest([[0; 32].as_slice(), &self.measurement()].concat());
        let pcrs = PcrValues::new([(Bank::Sha256, PCR, value.to_vec())]).unwrap();
        let counter = self.estate.counter;
        let counter = self.counter_most.map(|most| CounterLimit { counter, most });
        Branch { pcrs, counter }
    }

    pub fn proof(&self, allowed: &Allowed) -> Proof {
        let (branch, allowed) = (self.branch(), allowed.clone());
        Proof { branch, allowed, by: ApprovedBy::Nv(self.estate.allowed) }
    }

    /// The proof while this release alone is allowed.
    pub fn alone(&self) -> Proof {
        self.proof(&allowed(&[self]))
    }

    /// Measures this release and takes the TPM, with this release alone allowed.
    pub fn take(&self, tpm: &Tpm) {
        self.measure(tpm);
        tpm.take_ownership(&self.estate, &allowed(&[self])).unwrap();
    }
}

pub fn allowed(releases: &[&Release]) -> Allowed {
    Allowed::new(releases.iter().map(|release| release.branch().digest()).collect()).unwrap()
}
