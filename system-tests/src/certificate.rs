//! Certificates, checked by hand: with the independent BLS crate and the specification's domain
//! separators, not with what the agent has built in.

use ic_agent::Certificate;
use ic_agent::hash_tree::{HashTree, LookupResult};

/// `\x0Dic-state-root`: the domain separator of a state root's signature.
const STATE_ROOT: &[u8] = b"\x0Dic-state-root";

/// Bytes of a BLS12-381 public key in G2; a DER key ends with them.
const KEY_BYTES: usize = 96;

/// Reads a certificate out of CBOR.
pub fn decode(cbor: &[u8]) -> Certificate {
    serde_cbor::from_slice(cbor).expect("the certificate is CBOR as the specification has it")
}

/// Reads a hash tree out of CBOR.
pub fn decode_tree(cbor: &[u8]) -> HashTree<Vec<u8>> {
    serde_cbor::from_slice(cbor).expect("the hash tree is CBOR as the specification has it")
}

/// Whether the key that ends this DER signed the certificate's root.
pub fn is_signed_by(certificate: &Certificate, key_der: &[u8]) -> bool {
    let message = [STATE_ROOT, &certificate.tree.digest()].concat();
    let key = &key_der[key_der.len() - KEY_BYTES..];
    ic_verify_bls_signature::verify_bls_signature(&certificate.signature, &message, key).is_ok()
}

/// The value at a path of the tree; panics when the tree does not prove one.
pub fn value_at(tree: &HashTree<Vec<u8>>, path: &[&[u8]]) -> Vec<u8> {
    match tree.lookup_path(path.iter()) {
        LookupResult::Found(value) => value.to_vec(),
        other => panic!("nothing at {path:?}: {other:?}"),
    }
}

/// SHA-256, as module hashes and chunk hashes are made with.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
