//! Certificates: a partial state tree signed by the chain key of its subnet.
//!
//! Rules followed here ("Certification" in the interface specification): the signature is over
//! the domain `ic-state-root` and the root hash; a certificate of a subnet other than the root
//! carries a delegation, which is a certificate of the root subnet that names the subnet's key
//! and must not carry a delegation itself; a delegation is good only for canisters in the
//! subnet's ranges.

mod cbor;
mod ranges;
#[cfg(test)]
pub(crate) mod tests;

pub use cbor::DecodeError;

use crate::chain_key::{PublicKey, Signature, VerifyError};
use crate::domain::Domain;
use crate::hash_tree::{Digest, HashTree, Lookup};
use bytes::Bytes;

/// A partial state tree with the signature on its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What is certified.
    pub tree: HashTree,
    /// The subnet's signature on the root of the tree.
    pub signature: Signature,
    /// Why the subnet may certify; none for the root subnet.
    pub delegation: Option<Delegation>,
}

/// The root subnet's word for another subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The subnet that signs.
    pub subnet_id: Bytes,
    /// A certificate of the root subnet, encoded.
    pub certificate: Bytes,
}

/// A delegation that has been verified.
#[derive(Clone, Debug)]
pub struct VerifiedDelegation {
    subnet_id: Bytes,
    tree: HashTree,
}

/// Why a certificate does not hold.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The signature is wrong.
    #[error("the certificate's signature does not hold under the expected chain key")]
    Signature(#[source] VerifyError),
    /// The delegation cannot be read.
    #[error("the delegation's certificate cannot be read")]
    DelegationEncoding(#[source] DecodeError),
    /// The delegation's signature is wrong.
    #[error("the delegation's certificate does not hold under the root key")]
    DelegationSignature(#[source] VerifyError),
    /// The delegation has a delegation.
    #[error("the delegation's certificate has a delegation itself, which is not allowed")]
    NestedDelegation,
    /// The delegation names no usable key for the subnet.
    #[error("the delegation has no valid public key at /subnet/{0}/public_key")]
    DelegationKey(String),
    /// The canister is not in the subnet's ranges.
    #[error("canister {0} is not in the ranges that the delegation gives to the subnet")]
    CanisterOutOfRange(String),
}

impl Certificate {
    /// The bytes that the chain key signs for a root.
    pub fn signing_payload(root: &Digest) -> Vec<u8> {
        Domain::STATE_ROOT.payload(root)
    }

    /// Checks the signature, and the delegation if there is one. Gives the delegation, whose
    /// scope is the caller's to check; `None` if the root subnet signed.
    pub fn verify(
        &self,
        root_key: &PublicKey,
    ) -> Result<Option<VerifiedDelegation>, CertificateError> {
        let Some(delegation) = &self.delegation else {
            self.verify_signature(root_key).map_err(CertificateError::Signature)?;
            return Ok(None);
        };
        let (delegation, subnet_key) = delegation.verify(root_key)?;
        self.verify_signature(&subnet_key).map_err(CertificateError::Signature)?;
        Ok(Some(delegation))
    }

    /// Like [`Certificate::verify`], and checks that the subnet may certify for this canister.
    pub fn verify_for_canister(
        &self,
        root_key: &PublicKey,
        canister_id: &[u8],
    ) -> Result<Option<VerifiedDelegation>, CertificateError> {
        let delegation = self.verify(root_key)?;
        if delegation.as_ref().is_some_and(|delegation| !delegation.covers(canister_id)) {
            return Err(CertificateError::CanisterOutOfRange(hex::encode(canister_id)));
        }
        Ok(delegation)
    }

    fn verify_signature(&self, key: &PublicKey) -> Result<(), VerifyError> {
        key.verify(Domain::STATE_ROOT, &self.tree.digest(), &self.signature)
    }
}

impl Delegation {
    fn verify(
        &self,
        root_key: &PublicKey,
    ) -> Result<(VerifiedDelegation, PublicKey), CertificateError> {
        let certificate = Certificate::from_cbor(&self.certificate)
            .map_err(CertificateError::DelegationEncoding)?;
        if certificate.delegation.is_some() {
            return Err(CertificateError::NestedDelegation);
        }
        certificate.verify_signature(root_key).map_err(CertificateError::DelegationSignature)?;
        let path = [&b"subnet"[..], &self.subnet_id, b"public_key"];
        let key = match certificate.tree.lookup(&path) {
            Lookup::Found(der) => PublicKey::from_der(der).ok(),
            _ => None,
        };
        let key =
            key.ok_or_else(|| CertificateError::DelegationKey(hex::encode(&self.subnet_id)))?;
        Ok((VerifiedDelegation { subnet_id: self.subnet_id.clone(), tree: certificate.tree }, key))
    }
}

impl VerifiedDelegation {
    /// The subnet that may certify.
    pub fn subnet_id(&self) -> &[u8] {
        &self.subnet_id
    }

    /// The subnet's type (`application`, `system`, ...), if the delegation reveals it.
    pub fn subnet_type(&self) -> Option<&[u8]> {
        match self.tree.lookup(&[&b"subnet"[..], &self.subnet_id, b"type"]) {
            Lookup::Found(subnet_type) => Some(subnet_type),
            _ => None,
        }
    }

    /// Whether the revealed ranges of the subnet, sharded or in one list, have the canister.
    pub fn covers(&self, canister_id: &[u8]) -> bool {
        let sharded = self.tree.lookup_all(&[&b"canister_ranges"[..], &self.subnet_id]);
        let flat = self.tree.lookup(&[&b"subnet"[..], &self.subnet_id, b"canister_ranges"]);
        let flat = match flat {
            Lookup::Found(list) => Some(list),
            _ => None,
        };
        sharded.into_iter().chain(flat).any(|list| ranges::contain(list, canister_id))
    }
}
