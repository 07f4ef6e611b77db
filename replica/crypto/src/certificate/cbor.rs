//! The CBOR form of certificates: `55799({tree, signature, ? delegation})`.

use super::{Certificate, Delegation};
use crate::cbor::{self, CborError};
use crate::chain_key::Signature;
use crate::hash_tree::{self, HashTree};
use bytes::Bytes;
use minicbor::{Decoder, Encoder};

/// Why bytes are not a certificate.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not the CBOR that is expected here.
    #[error("a certificate is not well encoded")]
    Cbor(#[from] CborError),
    /// The tree cannot be read.
    #[error("the certificate's tree cannot be read")]
    Tree(#[from] hash_tree::DecodeError),
    /// The signature does not have 48 bytes.
    #[error("the certificate's signature has {0} bytes, not 48")]
    SignatureLength(usize),
}

impl Certificate {
    /// Decodes a certificate, with or without the self-describing tag.
    pub fn from_cbor(bytes: &[u8]) -> Result<Certificate, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        cbor::skip_self_describing_tag(&mut decoder)?;
        let certificate = decode(&mut decoder)?;
        cbor::expect_end(&decoder)?;
        Ok(certificate)
    }

    /// The CBOR form, with the self-describing tag.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut to = Encoder::new(Vec::new());
        cbor::put_self_describing_tag(&mut to);
        cbor::put_map(&mut to, 2 + u64::from(self.delegation.is_some()));
        cbor::put_text(&mut to, "tree");
        self.tree.encode(&mut to);
        cbor::put_text(&mut to, "signature");
        cbor::put_bytes(&mut to, &self.signature.0);
        if let Some(delegation) = &self.delegation {
            cbor::put_text(&mut to, "delegation");
            cbor::put_map(&mut to, 2);
            cbor::put_text(&mut to, "subnet_id");
            cbor::put_bytes(&mut to, &delegation.subnet_id);
            cbor::put_text(&mut to, "certificate");
            cbor::put_bytes(&mut to, &delegation.certificate);
        }
        to.into_writer()
    }
}

fn decode(from: &mut Decoder<'_>) -> Result<Certificate, DecodeError> {
    let (mut tree, mut signature, mut delegation) = (None, None, None);
    for _ in 0..cbor::map_length(from)? {
        match cbor::text(from)? {
            "tree" => cbor::put_once(&mut tree, "tree", HashTree::decode(from)?)?,
            "signature" => {
                let bytes = cbor::byte_string(from)?;
                let value = Signature::from_slice(bytes)
                    .ok_or(DecodeError::SignatureLength(bytes.len()))?;
                cbor::put_once(&mut signature, "signature", value)?;
            }
            "delegation" => {
                cbor::put_once(&mut delegation, "delegation", decode_delegation(from)?)?;
            }
            other => return Err(CborError::UnknownKey(other.to_owned()).into()),
        }
    }
    Ok(Certificate {
        tree: cbor::required(tree, "tree")?,
        signature: cbor::required(signature, "signature")?,
        delegation,
    })
}

fn decode_delegation(from: &mut Decoder<'_>) -> Result<Delegation, CborError> {
    let (mut subnet_id, mut certificate) = (None, None);
    for _ in 0..cbor::map_length(from)? {
        match cbor::text(from)? {
            "subnet_id" => cbor::put_once(&mut subnet_id, "subnet_id", cbor::byte_string(from)?)?,
            "certificate" => {
                cbor::put_once(&mut certificate, "certificate", cbor::byte_string(from)?)?;
            }
            other => return Err(CborError::UnknownKey(other.to_owned())),
        }
    }
    Ok(Delegation {
        subnet_id: Bytes::copy_from_slice(cbor::required(subnet_id, "subnet_id")?),
        certificate: Bytes::copy_from_slice(cbor::required(certificate, "certificate")?),
    })
}
