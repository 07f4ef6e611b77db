//! Policies as values: their digests are computed here without a TPM, and are what the TPM computes
//! when the same steps are taken in a session. TPM 2.0 library specification, part 3, section 23.
//!
//! ```text
//!  Branch   = PolicyPCR(values) [, PolicyNV(counter <= most)]     one release, as it boots
//!  Allowed  = Branch | PolicyOR(Branch, Branch, ...)              the releases that may run now
//!  Approval = PolicyAuthorizeNV(index)  or  PolicyAuthorize(key)  who says what is allowed
//! ```
//! A secret is sealed to an [`Approval`] and stays sealed to it over all releases; what the approver
//! allows changes.

use crate::error::TpmError;
use crate::nv::NvIndex;
use crate::pcr::PcrValues;
use sha2::{Digest as _, Sha256};
use tss_esapi::constants::tss as tpm;
use tss_esapi::structures::{Public, Signature};
use tss_esapi::traits::{Marshall, UnMarshall};

/// Most branches of one PolicyOR.
pub const BRANCHES_MAX: usize = 8;

/// The SHA-256 digest of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyDigest(pub [u8; 32]);

impl PolicyDigest {
    /// The digest of a session before its first step.
    pub const START: Self = Self([0; 32]);

    /// The digest after one more step.
    fn then(self, command: u32, arguments: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(command.to_be_bytes());
        for argument in arguments {
            hash.update(argument);
        }
        Self(hash.finalize().into())
    }

    /// What an NV index holds to allow this policy: TPMT_HA.
    pub(crate) fn to_nv(self) -> [u8; ALLOWED_BYTES] {
        let mut bytes = [0; ALLOWED_BYTES];
        bytes[..2].copy_from_slice(&tpm::TPM2_ALG_SHA256.to_be_bytes());
        bytes[2..].copy_from_slice(&self.0);
        bytes
    }

    pub(crate) fn from_nv(bytes: &[u8]) -> Option<Self> {
        let (algorithm, digest) = bytes.split_at_checked(2)?;
        (algorithm == tpm::TPM2_ALG_SHA256.to_be_bytes())
            .then(|| digest.try_into().ok().map(Self))
            .flatten()
    }
}

/// The size of an index that holds a policy digest: hash algorithm and SHA-256 digest.
pub(crate) const ALLOWED_BYTES: usize = 2 + 32;

/// The counter of a machine must not have gone beyond a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterLimit {
    /// The counter.
    pub counter: NvIndex,
    /// The greatest value that is allowed.
    pub most: u64,
}

/// What holds while one release runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The registers that matter, with the values that the release gives them.
    pub pcrs: PcrValues,
    /// Until when the release may open secrets, in increments of the machine's counter.
    pub counter: Option<CounterLimit>,
}

impl Branch {
    /// The digest that a session has after [`Branch`]'s steps.
    pub fn digest(&self) -> PolicyDigest {
        let selection = self.pcrs.selection().to_bytes();
        let pcrs = PolicyDigest::START
            .then(tpm::TPM2_CC_PolicyPCR, &[selection.as_slice(), self.pcrs.digest().as_slice()]);
        match &self.counter {
            None => pcrs,
            Some(limit) => pcrs.then(
                tpm::TPM2_CC_PolicyNV,
                &[limit.operation_digest().as_slice(), limit.counter.name().as_slice()],
            ),
        }
    }
}

impl CounterLimit {
    /// Operand, offset 0, and "unsigned, at most".
    fn operation_digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.most.to_be_bytes());
        hash.update(0u16.to_be_bytes());
        hash.update(tpm::TPM2_EO_UNSIGNED_LE.to_be_bytes());
        hash.finalize().into()
    }
}

/// One to eight branches that are allowed at the same time, usually one, during an upgrade two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(Vec<PolicyDigest>);

impl Allowed {
    /// The branches in the order in which they count.
    pub fn new(branches: Vec<PolicyDigest>) -> Result<Self, TpmError> {
        if !(1..=BRANCHES_MAX).contains(&branches.len()) {
            let count = branches.len();
            return Err(TpmError::bad_input(format!(
                "a policy allows 1 to 8 branches, not {count}"
            )));
        }
        Ok(Self(branches))
    }

    /// Whether a branch is among them.
    pub fn has(&self, branch: PolicyDigest) -> bool {
        self.0.contains(&branch)
    }

    /// The branches in order.
    pub fn branches(&self) -> &[PolicyDigest] {
        &self.0
    }

    /// The digest that a session has after it took one of the branches, and PolicyOR where there are
    /// several.
    pub fn digest(&self) -> PolicyDigest {
        match self.0.as_slice() {
            [only] => *only,
            several => {
                let several: Vec<&[u8]> = several.iter().map(|d| d.0.as_slice()).collect();
                PolicyDigest::START.then(tpm::TPM2_CC_PolicyOR, &several)
            }
        }
    }
}

/// Who says which policies are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// An index of this TPM holds the digest of the allowed policy.
    Nv(NvIndex),
    /// The holder of a key signs the digests of allowed policies.
    Key(ApprovalKey),
}

impl Approval {
    /// The digest that secrets are sealed to.
    pub fn digest(&self) -> PolicyDigest {
        match self {
            Self::Nv(index) => {
                PolicyDigest::START.then(tpm::TPM2_CC_PolicyAuthorizeNV, &[index.name().as_slice()])
            }
            // The reference, which is empty here, is hashed in a second step of its own.
            Self::Key(key) => {
                let key = PolicyDigest::START
                    .then(tpm::TPM2_CC_PolicyAuthorize, &[key.name().as_slice()]);
                PolicyDigest(Sha256::digest(key.0).into())
            }
        }
    }
}

/// A public key whose signatures allow policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalKey {
    pub(crate) public: Public,
    bytes: Vec<u8>,
}

impl ApprovalKey {
    /// Takes a key as TPMT_PUBLIC.
    pub fn new(public: &[u8]) -> Result<Self, TpmError> {
        let unreadable = || TpmError::bad_input("the approval key is no TPMT_PUBLIC");
        let read = Public::unmarshall(public).map_err(|_| unreadable())?;
        let bytes = read.marshall().map_err(|_| unreadable())?;
        // The name is the hash of these bytes: there must be one encoding only.
        if bytes != public {
            return Err(unreadable());
        }
        Ok(Self { public: read, bytes })
    }

    /// An ECDSA key on P-256 with SHA-256, from its coordinates (32 bytes each).
    pub fn p256(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, TpmError> {
        Self::new(&crate::template::external_p256(x, y)?)
    }

    /// The name that the TPM gives the key: the algorithm and the hash of its public area.
    pub fn name(&self) -> Vec<u8> {
        sha256_name(&self.bytes)
    }
}

/// A policy that was allowed by a signature.
#[derive(Clone, Debug)]
pub struct SignedPolicy {
    pub(crate) signature: Signature,
}

impl SignedPolicy {
    /// What the holder of an [`ApprovalKey`] signs to allow a policy: the SHA-256 digest to be signed.
    pub fn digest_to_sign(allowed: PolicyDigest) -> [u8; 32] {
        Sha256::digest(allowed.0).into()
    }

    /// Takes a signature as TPMT_SIGNATURE.
    pub fn new(signature: &[u8]) -> Result<Self, TpmError> {
        let signature = Signature::unmarshall(signature)
            .map_err(|_| TpmError::bad_input("the signature of the policy is no TPMT_SIGNATURE"))?;
        Ok(Self { signature })
    }

    /// Takes an ECDSA signature on P-256 with SHA-256 as `r` and `s` (32 bytes each).
    pub fn p256(r: &[u8; 32], s: &[u8; 32]) -> Result<Self, TpmError> {
        let mut bytes = Vec::with_capacity(72);
        bytes.extend(tpm::TPM2_ALG_ECDSA.to_be_bytes());
        bytes.extend(tpm::TPM2_ALG_SHA256.to_be_bytes());
        for number in [r, s] {
            bytes.extend(32u16.to_be_bytes());
            bytes.extend(number);
        }
        Self::new(&bytes)
    }
}

/// TPM name of a public area with SHA-256: algorithm and hash.
pub(crate) fn sha256_name(public: &[u8]) -> Vec<u8> {
    let mut name = tpm::TPM2_ALG_SHA256.to_be_bytes().to_vec();
    name.extend(Sha256::digest(public));
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::Estate;
    use crate::pcr::{Bank, PcrValues};

    /// Secrets are sealed to these digests: a change closes them on every machine.
    #[test]
    fn digests_do_not_change() {
        let estate = Estate::usual().unwrap();
        let pcrs = [(Bank::Sha256, 11, vec![7; 32]), (Bank::Sha384, 4, vec![8; 48])];
        let pcrs = PcrValues::new(pcrs).unwrap();
        let limit = CounterLimit { counter: estate.counter, most: 5 };
        let branch = |counter| Branch { pcrs: pcrs.clone(), counter }.digest();
        let (without, with) = (branch(None), branch(Some(limit)));
        let both = Allowed::new(vec![without, with]).unwrap().digest();
        let key = Approval::Key(ApprovalKey::p256(&[1; 32], &[2; 32]).unwrap());
        let found = [without, with, both, estate.approval().digest(), key.digest()];
        let expected = [
            "02ee3e6dad50fef9add26f54eb01f29924be59aa7b6933a71c65ede99c1c5d3d",
            "1c00b18f906b0f72af4246ddedbc5dcb60eed908e134339e6e6beff181a5f31f",
            "ae9e279c223634a922dea51ad50d36aef0be11b3e3ed15a6f4c0546e0e665505",
            "bd9b84dcc6e3818c12f95d1a09fc2a77e4f42f7866e73b5d2d5deb0fa66bc347",
            "a226512025916846ad869933ca6e990a32a1bd2eb16619fed650b26050e49c68",
        ];
        assert_eq!(found.map(|digest| hex::encode(digest.0)), expected);
    }

    #[test]
    fn damaged_keys_and_signatures_are_refused_or_read_and_never_worse() {
        let key = crate::template::external_p256(&[1; 32], &[2; 32]).unwrap();
        ApprovalKey::new(&key).unwrap();
        ApprovalKey::new(&[key.as_slice(), &[0]].concat()).unwrap_err();
        let signature = SignedPolicy::p256(&[1; 32], &[2; 32]).unwrap().signature;
        let signature = signature.marshall().unwrap();
        for at in 0..key.len() {
            ApprovalKey::new(&key[..at]).unwrap_err();
            for value in [0, 1, 0x7f, 0xff] {
                let mut key = key.clone();
                key[at] = value;
                let _ = ApprovalKey::new(&key);
            }
        }
        for at in 0..signature.len() {
            SignedPolicy::new(&signature[..at]).map(|_| ()).unwrap_err();
            for value in [0, 1, 0x7f, 0xff] {
                let mut signature = signature.clone();
                signature[at] = value;
                let _ = SignedPolicy::new(&signature);
            }
        }
    }
}
