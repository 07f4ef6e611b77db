//! The block as the engine orders it: a payload with its place in the chain.

use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, RangeCfg, Read, ReadExt as _, Write};
use commonware_consensus::{BoundedBlock, Heightable, types::Height};
use commonware_cryptography::{
    Digestible, Hasher as _,
    sha256::{Digest, Sha256},
};
use commonware_parallel::Strategy;

use crate::application::{AncestorBlock, BLOCK_BYTES_MAX, FinalizedBlock};

/// Separates block digests from all other digests of the network.
const BLOCK_DOMAIN: &[u8] = b"plinth block";
/// Separates the digest that genesis builds on.
const GENESIS_DOMAIN: &[u8] = b"plinth genesis";
/// Everything of an encoded block but the payload: parent, height, length of the payload.
const BLOCK_OVERHEAD_BYTES: usize = 32 + 8 + 5;

/// A block. Its encoding is canonical: parent digest, big-endian height, length and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderedBlock {
    pub(crate) parent: Digest,
    pub(crate) height: u64,
    pub(crate) payload: Bytes,
}

impl OrderedBlock {
    /// The block at height 0, which every member derives from the chain's namespace.
    pub(crate) fn genesis(namespace: &[u8]) -> Self {
        let parent = Sha256::hash(&[GENESIS_DOMAIN, namespace]);
        Self { parent, height: 0, payload: Bytes::new() }
    }

    pub(crate) fn to_finalized(&self, digest: Digest) -> FinalizedBlock {
        FinalizedBlock {
            height: types::Height(self.height),
            digest: digest.0,
            payload: self.payload.clone(),
        }
    }

    pub(crate) fn to_ancestor(&self, digest: Digest) -> AncestorBlock {
        AncestorBlock {
            height: types::Height(self.height),
            digest: digest.0,
            payload: self.payload.clone(),
        }
    }
}

impl Write for OrderedBlock {
    fn write(&self, buf: &mut impl BufMut) {
        self.parent.write(buf);
        self.height.write(buf);
        self.payload.write(buf);
    }
}

impl EncodeSize for OrderedBlock {
    fn encode_size(&self) -> usize {
        self.parent.encode_size() + self.height.encode_size() + self.payload.encode_size()
    }
}

impl Read for OrderedBlock {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let parent = Digest::read(buf)?;
        let height = u64::read(buf)?;
        let payload = Bytes::read_cfg(buf, &RangeCfg::new(0..=BLOCK_BYTES_MAX))?;
        Ok(Self { parent, height, payload })
    }
}

impl Digestible for OrderedBlock {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        Sha256::hash(&[
            BLOCK_DOMAIN,
            self.parent.as_ref(),
            &self.height.to_be_bytes(),
            &self.payload,
        ])
    }

    fn digest_across(&self, _: &impl Strategy) -> Digest {
        self.digest()
    }
}

impl Heightable for OrderedBlock {
    fn height(&self) -> Height {
        Height::new(self.height)
    }
}

impl commonware_consensus::Block for OrderedBlock {
    fn parent(&self) -> Digest {
        self.parent
    }
}

impl BoundedBlock for OrderedBlock {
    fn max_encode_size((): &()) -> usize {
        BLOCK_OVERHEAD_BYTES + BLOCK_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use commonware_codec::{Copying, DecodeExt as _, Encode as _};

    use super::*;
    use crate::conformance::{Format, check};
    use crate::mutations::for_each_mutant;

    fn block(payload: &'static [u8]) -> OrderedBlock {
        OrderedBlock {
            parent: OrderedBlock::genesis(b"test").digest(),
            height: 7,
            payload: Bytes::from_static(payload),
        }
    }

    #[test]
    fn encoding_reads_back_and_keeps_the_digest() {
        let block = block(b"payload");
        let read = OrderedBlock::decode(block.encode()).expect("own encoding decodes");
        assert_eq!((read.digest(), read), (block.digest(), block));
    }

    #[test]
    fn digest_covers_every_field() {
        let digests = [
            block(b"a"),
            block(b"b"),
            OrderedBlock { height: 8, ..block(b"a") },
            OrderedBlock { parent: Digest::from([0; 32]), ..block(b"a") },
        ]
        .map(|block| block.digest());
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest));
        }
        let (a, b) = (OrderedBlock::genesis(b"a"), OrderedBlock::genesis(b"b"));
        assert_ne!(a.digest(), b.digest());
    }

    #[test]
    fn a_short_or_too_long_block_is_an_error() {
        let bytes = block(b"payload").encode();
        for cut in 0..bytes.len() {
            assert!(OrderedBlock::decode(Copying(&bytes[..cut])).is_err(), "cut at {cut}");
        }
        let huge = OrderedBlock { payload: vec![0; BLOCK_BYTES_MAX + 1].into(), ..block(b"") };
        assert!(OrderedBlock::decode(huge.encode()).is_err());
    }

    /// Blocks stand in the archive on disk and go from node to node; they have no version.
    #[test]
    fn the_format_is_frozen() {
        let blocks = [OrderedBlock::genesis(b"test"), block(b""), block(b"payload")];
        let large =
            OrderedBlock { height: u64::MAX, payload: vec![7; 70_000].into(), ..block(b"") };
        let blocks = || blocks.iter().chain([&large]);
        check(&[
            Format {
                name: "blocks",
                encodings: blocks().map(|block| block.encode().to_vec()).collect(),
                hash: "e8a9b1cb30b35b1964f1246251080a043154e79a2df986cd3f984c9a42a19448",
            },
            Format {
                name: "digests of blocks",
                encodings: blocks().map(|block| block.digest().0.to_vec()).collect(),
                hash: "ce6ec1aaf481454f0d55fd3cc77705e2cf0c4ca858987845b2747f3447c7b113",
            },
        ]);
    }

    #[test]
    fn changed_bytes_are_refused_or_another_block() {
        let samples = [block(b"payload"), block(&[7; 300])].map(|block| block.encode().to_vec());
        for_each_mutant(&samples, 20_000, |bytes| {
            if let Ok(block) = OrderedBlock::decode(Copying(bytes)) {
                assert_eq!(&block.encode()[..], bytes, "there is one encoding");
            }
        });
    }

    #[test]
    fn the_size_bound_holds_for_the_largest_block() {
        let largest = OrderedBlock { payload: vec![0; BLOCK_BYTES_MAX].into(), ..block(b"") };
        assert!(largest.encode().len() <= OrderedBlock::max_encode_size(&()));
        assert!(OrderedBlock::decode(largest.encode()).is_ok());
    }
}
