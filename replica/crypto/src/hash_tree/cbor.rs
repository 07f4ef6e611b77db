//! The CBOR form of a hash tree: `[0]` empty, `[1, left, right]` fork, `[2, label, tree]` entry,
//! `[3, value]` leaf, `[4, digest]` pruned ("Encoding of certificates").
//!
//! Arrays and byte strings must have a definite length; the self-describing tag may precede a
//! tree that stands alone.

use super::HashTree;
use crate::cbor::{self, CborError};
use bytes::Bytes;
use minicbor::{Decoder, Encoder};

/// The deepest tree that is decoded, counted in nodes from the root. Trees of canisters are
/// balanced and stay below 60; common CBOR readers of clients give up at 128.
pub const TREE_DEPTH_MAX: u32 = 128;

/// The most nodes of one tree that is decoded. A witness of 1,000 paths in a tree of a million
/// entries has about 60,000; the bound keeps 5 MiB of `[0]` from becoming 200 MB of nodes.
pub const NODE_COUNT_MAX: u32 = 262_144;

/// Why bytes are not a hash tree.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not the CBOR that is expected here.
    #[error("a hash tree is not well encoded")]
    Cbor(#[from] CborError),
    /// A node is none of the five kinds.
    #[error(
        "node kind {kind} with {length} elements: expected [0], [1,l,r], [2,label,t], [3,value] or [4,digest]"
    )]
    NodeKind {
        /// The first element of the node.
        kind: u8,
        /// The length of the array.
        length: u64,
    },
    /// A pruned digest does not have 32 bytes.
    #[error("a pruned node has {0} bytes, not 32")]
    DigestLength(usize),
    /// The tree is too deep.
    #[error("the tree is deeper than {TREE_DEPTH_MAX} nodes")]
    TooDeep,
    /// The tree has too many nodes.
    #[error("the tree has more than {NODE_COUNT_MAX} nodes")]
    TooManyNodes,
}

impl HashTree {
    /// Decodes a tree that stands alone, with or without the self-describing tag.
    pub fn from_cbor(bytes: &[u8]) -> Result<HashTree, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        cbor::skip_self_describing_tag(&mut decoder)?;
        let tree = HashTree::decode(&mut decoder)?;
        cbor::expect_end(&decoder)?;
        Ok(tree)
    }

    /// Decodes a tree inside of another value.
    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<HashTree, DecodeError> {
        decode_node(decoder, TREE_DEPTH_MAX, &mut { NODE_COUNT_MAX })
    }

    /// The CBOR form, without the self-describing tag.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        self.encode(&mut encoder);
        encoder.into_writer()
    }

    /// Appends the CBOR form.
    pub(crate) fn encode(&self, to: &mut Encoder<Vec<u8>>) {
        match self {
            HashTree::Empty => node(to, 1, 0),
            HashTree::Fork(sides) => {
                node(to, 3, 1);
                sides.0.encode(to);
                sides.1.encode(to);
            }
            HashTree::Labeled(label, below) => {
                node(to, 3, 2);
                cbor::put_bytes(to, label);
                below.encode(to);
            }
            HashTree::Leaf(value) => {
                node(to, 2, 3);
                cbor::put_bytes(to, value);
            }
            HashTree::Pruned(digest) => {
                node(to, 2, 4);
                cbor::put_bytes(to, digest);
            }
        }
    }
}

fn node(to: &mut Encoder<Vec<u8>>, length: u64, kind: u8) {
    cbor::put_array(to, length);
    cbor::put_u64(to, kind.into());
}

fn decode_node(
    decoder: &mut Decoder<'_>,
    depth_left: u32,
    nodes_left: &mut u32,
) -> Result<HashTree, DecodeError> {
    let depth_left = depth_left.checked_sub(1).ok_or(DecodeError::TooDeep)?;
    *nodes_left = nodes_left.checked_sub(1).ok_or(DecodeError::TooManyNodes)?;
    let length = cbor::array_length(decoder)?;
    let kind = decoder.u8().map_err(CborError::from)?;
    match (kind, length) {
        (0, 1) => Ok(HashTree::Empty),
        (1, 3) => Ok(HashTree::fork(
            decode_node(decoder, depth_left, nodes_left)?,
            decode_node(decoder, depth_left, nodes_left)?,
        )),
        (2, 3) => Ok(HashTree::labeled(
            Bytes::copy_from_slice(cbor::byte_string(decoder)?),
            decode_node(decoder, depth_left, nodes_left)?,
        )),
        (3, 2) => Ok(HashTree::leaf(Bytes::copy_from_slice(cbor::byte_string(decoder)?))),
        (4, 2) => {
            let digest = cbor::byte_string(decoder)?;
            let digest = digest.try_into().map_err(|_| DecodeError::DigestLength(digest.len()))?;
            Ok(HashTree::Pruned(digest))
        }
        _ => Err(DecodeError::NodeKind { kind, length }),
    }
}
