//! Canister signatures: a canister signs by putting a hash into its certified data.
//!
//! Rules followed here ("Canister signatures"): the key is a canister id and a seed; the
//! signature is a certificate that reveals the canister's certified data, and a tree whose root
//! that is and which has an empty value at `sig/SHA-256(seed)/SHA-256(payload)`. Where a
//! delegation is involved, its ranges must have the canister, and its subnet must reveal its type
//! and not be a `cloud_engine`.

use super::{UserKeyError, spki};
use crate::cbor::{self, CborError};
use crate::certificate::{self, Certificate, CertificateError};
use crate::chain_key::PublicKey as RootKey;
use crate::hash_tree::{self, HashTree, Lookup};
use minicbor::{Decoder, Encoder};
use sha2::{Digest as _, Sha256};
use types::{CanisterId, Principal};

/// The public key of a canister signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanisterKey {
    /// The canister that signs.
    pub canister_id: CanisterId,
    /// What tells this key from the canister's others; the canister chooses it.
    pub seed: Vec<u8>,
}

/// Why a canister signature does not hold.
#[derive(Debug, thiserror::Error)]
pub enum CanisterSignatureError {
    /// The signature is not the map that the specification defines.
    #[error("the signature is not well encoded")]
    Encoding(#[from] CborError),
    /// The certificate cannot be read.
    #[error("the signature's certificate cannot be read")]
    CertificateEncoding(#[from] certificate::DecodeError),
    /// The tree cannot be read.
    #[error("the signature's tree cannot be read")]
    TreeEncoding(#[from] hash_tree::DecodeError),
    /// The certificate does not hold.
    #[error("the signature's certificate does not hold")]
    Certificate(#[from] CertificateError),
    /// The subnet of the canister may not be trusted for signatures.
    #[error("the canister's subnet must be known and must not be a cloud engine; it is {0:?}")]
    SubnetType(Option<String>),
    /// The tree is not what the canister certified.
    #[error("the tree's root is not the canister's certified data")]
    CertifiedData,
    /// The tree is not well formed.
    #[error("the tree is not well formed")]
    TreeForm,
    /// The tree does not have the signature.
    #[error("the tree does not have the payload under the key's seed")]
    NotSigned,
}

impl CanisterKey {
    /// Reads the key's bytes: the length of the canister id, the id, the seed.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, UserKeyError> {
        let parts = || {
            let (length, rest) = bytes.split_first()?;
            let (canister_id, seed) = rest.split_at_checked(usize::from(*length))?;
            let canister_id = CanisterId(Principal::try_from_slice(canister_id).ok()?);
            Some(Self { canister_id, seed: seed.to_vec() })
        };
        parts().ok_or(UserKeyError::Key("a canister id of up to 29 bytes with its length, a seed"))
    }

    /// The key in DER.
    pub fn to_der(&self) -> Vec<u8> {
        let id = self.canister_id.as_slice();
        // A principal has at most 29 bytes, so the cast keeps its length.
        spki::encode(spki::CANISTER, &[&[id.len() as u8], id, &self.seed].concat())
    }

    /// Checks a signature over a payload.
    pub(super) fn verify(
        &self,
        payload: &[u8],
        signature: &[u8],
        root_key: &RootKey,
    ) -> Result<(), CanisterSignatureError> {
        let (certificate, tree) = read_signature(signature)?;
        // The cheap checks come first: a BLS signature costs about a millisecond.
        self.check_signed(payload, &tree)?;
        let path = [&b"canister"[..], self.canister_id.as_slice(), b"certified_data"];
        if certificate.tree.lookup(&path) != Lookup::Found(&tree.digest()) {
            return Err(CanisterSignatureError::CertifiedData);
        }
        let delegation = certificate.verify_for_canister(root_key, self.canister_id.as_slice())?;
        match delegation.as_ref().map(|delegation| delegation.subnet_type()) {
            None => Ok(()),
            Some(Some(subnet_type)) if subnet_type != b"cloud_engine" => Ok(()),
            Some(subnet_type) => {
                let text = subnet_type.map(|text| String::from_utf8_lossy(text).into_owned());
                Err(CanisterSignatureError::SubnetType(text))
            }
        }
    }

    fn check_signed(&self, payload: &[u8], tree: &HashTree) -> Result<(), CanisterSignatureError> {
        if !tree.is_well_formed() {
            return Err(CanisterSignatureError::TreeForm);
        }
        let (seed, payload) = (Sha256::digest(&self.seed), Sha256::digest(payload));
        match tree.lookup(&[&b"sig"[..], &seed, &payload]) {
            Lookup::Found(b"") => Ok(()),
            _ => Err(CanisterSignatureError::NotSigned),
        }
    }
}

fn read_signature(bytes: &[u8]) -> Result<(Certificate, HashTree), CanisterSignatureError> {
    let mut from = Decoder::new(bytes);
    cbor::skip_self_describing_tag(&mut from)?;
    let (mut certificate, mut tree) = (None, None);
    for _ in 0..cbor::map_length(&mut from)? {
        match cbor::text(&mut from)? {
            "certificate" => {
                cbor::put_once(&mut certificate, "certificate", cbor::byte_string(&mut from)?)?;
            }
            "tree" => cbor::put_once(&mut tree, "tree", HashTree::decode(&mut from)?)?,
            other => return Err(CborError::UnknownKey(other.to_owned()).into()),
        }
    }
    cbor::expect_end(&from)?;
    let certificate = Certificate::from_cbor(cbor::required(certificate, "certificate")?)?;
    Ok((certificate, cbor::required(tree, "tree")?))
}

/// Puts a canister signature together of its two parts, as a canister does for its users.
pub fn encode_signature(certificate: &Certificate, tree: &HashTree) -> Vec<u8> {
    let mut to = Encoder::new(Vec::new());
    cbor::put_self_describing_tag(&mut to);
    cbor::put_map(&mut to, 2);
    cbor::put_text(&mut to, "certificate");
    cbor::put_bytes(&mut to, &certificate.to_cbor());
    cbor::put_text(&mut to, "tree");
    tree.encode(&mut to);
    to.into_writer()
}
