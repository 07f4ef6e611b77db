//! What members say to each other besides blocks and votes.
//!
//! Encoding: CBOR in deterministic form, the array `[1, kind, field ...]` with the version in
//! front. The sender is authenticated by the connection; the bytes are foreign, so every list and
//! every string has a bound here, and another encoding of the same message is refused.

use bytes::Bytes;
use minicbor::{Decoder, Encoder};
use replica_crypto::cbor::{self, CborError};
use replica_crypto::chain_key::{Signature, SignatureShare};
use thiserror::Error;
use types::{Height, MessageId, StateRoot};

use crate::bounds::{
    DKG_MESSAGE_BYTES_MAX, INGRESS_PER_MESSAGE_MAX, MESSAGE_BYTES_MAX, TAPES_PER_ANSWER_MAX,
};
use crate::traits::{Certification, Tape};

const VERSION: u64 = 1;

/// One message of a member to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Ingress envelopes that the sender has admitted.
    Ingress(Vec<Bytes>),
    /// Ids of envelopes that the sender has admitted and that are large: ask for them.
    IngressOffer(Vec<MessageId>),
    /// Ids out of the receiver's offers: send them.
    IngressWanted(Vec<MessageId>),
    /// The sender's share of the random tape.
    TapeShare {
        /// The height, final for the sender.
        height: Height,
        /// The share.
        share: SignatureShare,
    },
    /// The sender's share of a certification.
    CertificationShare {
        /// The height, executed by the sender.
        height: Height,
        /// The root that the sender computed.
        root: StateRoot,
        /// The share.
        share: SignatureShare,
    },
    /// The sender lacks combined signatures.
    ArtifactsWanted {
        /// The first tape that it lacks, if it lacks one.
        tapes_from: Option<Height>,
        /// It wants the lowest certification at or above this height.
        certification_from: Option<Height>,
    },
    /// Combined signatures, as wanted.
    Artifacts {
        /// Tapes in ascending order of height.
        tapes: Vec<Tape>,
        /// A certification.
        certification: Option<Certification>,
    },
    /// Where the sender stands.
    Status {
        /// The highest finalized height.
        finalized: Height,
        /// The highest executed height.
        executed: Height,
        /// The highest certified height.
        certified: Height,
    },
    /// Key generation: the sender's dealing for the receiver.
    Dealing(Bytes),
    /// Key generation: the sender acknowledges the receiver's dealing.
    DealingAcknowledged(Bytes),
    /// Key generation: a dealer's signed log, for whoever leads to put it in a block.
    DealerLog(Bytes),
}

/// Why bytes are no message.
#[derive(Debug, Error)]
pub enum MessageError {
    /// Too large.
    #[error("the message has {0} bytes, above {MESSAGE_BYTES_MAX}")]
    TooLarge(usize),
    /// Not the CBOR described above.
    #[error("the message is not well formed")]
    Malformed(#[from] CborError),
    /// A version this replica does not know.
    #[error("the message has version {0}; this replica knows version {VERSION}")]
    Version(u64),
    /// A kind this replica does not know.
    #[error("the message is of the unknown kind {0}")]
    Kind(u64),
    /// A list or string above its bound.
    #[error("the message has a field of {0} entries or bytes, above its bound")]
    Bound(u64),
    /// A root, id or signature of another length.
    #[error("the message has a field of {0} bytes where it must have another number")]
    Length(usize),
    /// The same message in another encoding.
    #[error("the message is not in its canonical encoding")]
    NotCanonical,
}

impl From<minicbor::decode::Error> for MessageError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Malformed(error.into())
    }
}

impl Message {
    /// The one encoding.
    pub fn encode(&self) -> Bytes {
        let mut to = Writer::new(self.kind(), self.fields());
        match self {
            Self::Ingress(envelopes) => to.list(envelopes, |to, bytes| to.bytes(bytes)),
            Self::IngressOffer(ids) | Self::IngressWanted(ids) => {
                to.list(ids, |to, id| to.bytes(&id.0))
            }
            Self::TapeShare { height, share } => to.height(height).bytes(&share.0),
            Self::CertificationShare { height, root, share } => {
                to.height(height).bytes(&root.0).bytes(&share.0)
            }
            Self::ArtifactsWanted { tapes_from, certification_from } => to
                .list(tapes_from.as_slice(), Writer::height)
                .list(certification_from.as_slice(), Writer::height),
            Self::Artifacts { tapes, certification } => to
                .list(tapes, |to, tape| to.height(&tape.height).bytes(&tape.signature.0))
                .list(certification.as_slice(), |to, one| {
                    to.height(&one.height).bytes(&one.root.0).bytes(&one.signature.0)
                }),
            Self::Status { finalized, executed, certified } => {
                to.height(finalized).height(executed).height(certified)
            }
            Self::Dealing(bytes) | Self::DealingAcknowledged(bytes) | Self::DealerLog(bytes) => {
                to.bytes(bytes)
            }
        };
        to.0.into_writer().into()
    }

    /// Reads a message; its parts share the memory of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, MessageError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::TooLarge(bytes.len()));
        }
        let mut from = Reader { decoder: Decoder::new(bytes), source: bytes };
        let fields = cbor::array_length(&mut from.decoder)?;
        match from.decoder.u64()? {
            VERSION => {}
            other => return Err(MessageError::Version(other)),
        }
        let message = from.message()?;
        cbor::expect_end(&from.decoder)?;
        // Definite lengths, shortest integers, and no other number of fields.
        match fields == message.fields() + 2 && message.encode() == *bytes {
            true => Ok(message),
            false => Err(MessageError::NotCanonical),
        }
    }

    fn kind(&self) -> u64 {
        match self {
            Self::Ingress(_) => 0,
            Self::IngressOffer(_) => 1,
            Self::IngressWanted(_) => 2,
            Self::TapeShare { .. } => 3,
            Self::CertificationShare { .. } => 4,
            Self::ArtifactsWanted { .. } => 5,
            Self::Artifacts { .. } => 6,
            Self::Status { .. } => 7,
            Self::Dealing(_) => 8,
            Self::DealingAcknowledged(_) => 9,
            Self::DealerLog(_) => 10,
        }
    }

    fn fields(&self) -> u64 {
        match self {
            Self::Ingress(_) | Self::IngressOffer(_) | Self::IngressWanted(_) => 1,
            Self::Dealing(_) | Self::DealingAcknowledged(_) | Self::DealerLog(_) => 1,
            Self::TapeShare { .. } | Self::ArtifactsWanted { .. } | Self::Artifacts { .. } => 2,
            Self::CertificationShare { .. } | Self::Status { .. } => 3,
        }
    }
}

struct Writer(Encoder<Vec<u8>>);

impl Writer {
    fn new(kind: u64, fields: u64) -> Self {
        let mut to = Encoder::new(Vec::new());
        cbor::put_array(&mut to, fields + 2);
        cbor::put_u64(&mut to, VERSION);
        cbor::put_u64(&mut to, kind);
        Self(to)
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        cbor::put_bytes(&mut self.0, bytes);
        self
    }

    fn height(&mut self, height: &Height) -> &mut Self {
        cbor::put_u64(&mut self.0, height.0);
        self
    }

    fn list<T>(
        &mut self,
        list: &[T],
        put: impl for<'w> Fn(&'w mut Self, &T) -> &'w mut Self,
    ) -> &mut Self {
        cbor::put_array(&mut self.0, list.len() as u64);
        list.iter().for_each(|entry| _ = put(self, entry));
        self
    }
}

struct Reader<'b> {
    decoder: Decoder<'b>,
    source: &'b Bytes,
}

impl Reader<'_> {
    fn message(&mut self) -> Result<Message, MessageError> {
        Ok(match self.decoder.u64()? {
            0 => Message::Ingress(
                self.list(INGRESS_PER_MESSAGE_MAX, |from| from.bytes(MESSAGE_BYTES_MAX))?,
            ),
            1 => Message::IngressOffer(self.list(INGRESS_PER_MESSAGE_MAX, Self::id)?),
            2 => Message::IngressWanted(self.list(INGRESS_PER_MESSAGE_MAX, Self::id)?),
            3 => Message::TapeShare { height: self.height()?, share: self.share()? },
            4 => Message::CertificationShare {
                height: self.height()?,
                root: self.root()?,
                share: self.share()?,
            },
            5 => Message::ArtifactsWanted {
                tapes_from: self.optional(Self::height)?,
                certification_from: self.optional(Self::height)?,
            },
            6 => Message::Artifacts {
                tapes: self.list(TAPES_PER_ANSWER_MAX, Self::tape)?,
                certification: self.optional(Self::certification)?,
            },
            7 => Message::Status {
                finalized: self.height()?,
                executed: self.height()?,
                certified: self.height()?,
            },
            8 => Message::Dealing(self.bytes(DKG_MESSAGE_BYTES_MAX)?),
            9 => Message::DealingAcknowledged(self.bytes(DKG_MESSAGE_BYTES_MAX)?),
            10 => Message::DealerLog(self.bytes(DKG_MESSAGE_BYTES_MAX)?),
            other => return Err(MessageError::Kind(other)),
        })
    }

    /// A list of at most `max` entries, each of which takes at least one byte.
    fn list<T>(
        &mut self,
        max: u64,
        read: impl Fn(&mut Self) -> Result<T, MessageError>,
    ) -> Result<Vec<T>, MessageError> {
        let count = cbor::array_length(&mut self.decoder)?;
        if count > max {
            return Err(MessageError::Bound(count));
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn optional<T>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, MessageError>,
    ) -> Result<Option<T>, MessageError> {
        Ok(self.list(1, read)?.pop())
    }

    fn bytes(&mut self, max: usize) -> Result<Bytes, MessageError> {
        let bytes = cbor::byte_string(&mut self.decoder)?;
        match bytes.len() > max {
            true => Err(MessageError::Bound(bytes.len() as u64)),
            false => Ok(self.source.slice_ref(bytes)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let bytes = cbor::byte_string(&mut self.decoder)?;
        bytes.try_into().map_err(|_| MessageError::Length(bytes.len()))
    }

    fn height(&mut self) -> Result<Height, MessageError> {
        Ok(Height(self.decoder.u64()?))
    }

    fn id(&mut self) -> Result<MessageId, MessageError> {
        self.array().map(MessageId)
    }

    fn root(&mut self) -> Result<StateRoot, MessageError> {
        self.array().map(StateRoot)
    }

    fn share(&mut self) -> Result<SignatureShare, MessageError> {
        self.array().map(SignatureShare)
    }

    fn tape(&mut self) -> Result<Tape, MessageError> {
        Ok(Tape { height: self.height()?, signature: self.array().map(Signature)? })
    }

    fn certification(&mut self) -> Result<Certification, MessageError> {
        let (height, root) = (self.height()?, self.root()?);
        Ok(Certification { height, root, signature: self.array().map(Signature)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::{Format, check};

    fn samples(n: u8) -> Vec<Message> {
        let height = Height(u64::from(n).pow(8));
        let share = SignatureShare([n; 48]);
        let signature = Signature([!n; 48]);
        let root = StateRoot([n ^ 0x55; 32]);
        let bytes = Bytes::from(vec![n; usize::from(n) * 3]);
        let ids: Vec<_> = (0..n % 7).map(|k| MessageId([k; 32])).collect();
        vec![
            Message::Ingress(vec![bytes.clone(); usize::from(n % 4)]),
            Message::IngressOffer(ids.clone()),
            Message::IngressWanted(ids),
            Message::TapeShare { height, share },
            Message::CertificationShare { height, root, share },
            Message::ArtifactsWanted {
                tapes_from: n.is_multiple_of(2).then_some(height),
                certification_from: n.is_multiple_of(3).then_some(height),
            },
            Message::Artifacts {
                tapes: vec![Tape { height, signature }; usize::from(n % 5)],
                certification: (n % 2 == 1).then_some(Certification { height, root, signature }),
            },
            Message::Status { finalized: height, executed: Height(1), certified: Height(0) },
            Message::Dealing(bytes.clone()),
            Message::DealingAcknowledged(bytes.clone()),
            Message::DealerLog(bytes),
        ]
    }

    #[test]
    fn reads_back() {
        for message in (0..=255).flat_map(samples) {
            assert_eq!(Message::decode(&message.encode()).expect("own encoding"), message);
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic_and_have_one_encoding(
            n: u8, kind in 0usize..11, at: prop::sample::Index, change: u8, cut: prop::sample::Index,
        ) {
            let mut bytes = samples(n)[kind].encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            bytes.truncate(cut.index(bytes.len() * 2).max(1));
            let bytes = Bytes::from(bytes);
            if let Ok(message) = Message::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes);
            }
        }
    }

    fn refused(bytes: &[u8]) -> MessageError {
        Message::decode(&Bytes::copy_from_slice(bytes)).expect_err("foreign bytes")
    }

    #[test]
    fn bounds() {
        assert!(matches!(refused(&vec![0; MESSAGE_BYTES_MAX + 1]), MessageError::TooLarge(_)));
        assert!(matches!(refused(&[0x83, 2, 0, 0x80]), MessageError::Version(2)));
        assert!(matches!(refused(&[0x83, 1, 11, 0x80]), MessageError::Kind(11)));
        assert!(matches!(refused(&[0x83, 1, 0, 0x99, 2, 1]), MessageError::Bound(513)));
        assert!(matches!(refused(&[0x83, 1, 1, 0x81, 0x41, 0]), MessageError::Length(1)));
        assert!(matches!(refused(&[0x84, 1, 0, 0x80]), MessageError::NotCanonical));
        assert!(matches!(refused(&[0x83, 1, 0, 0x80, 0]), MessageError::Malformed(_)));
        let dealing = Message::Dealing(vec![0; DKG_MESSAGE_BYTES_MAX + 1].into());
        assert!(matches!(refused(&dealing.encode()), MessageError::Bound(_)));
    }

    /// Members of one version must understand each other: a change here is a new version.
    /// The version is the first field.
    #[test]
    fn the_format_is_frozen() {
        let messages = (0..=255).flat_map(samples);
        check(&[Format {
            name: "messages of members (VERSION)",
            encodings: messages.map(|message| message.encode().to_vec()).collect(),
            hash: "b5dbfd61ddf8575e1796ce044d751b1a10609b03d91c50305346043e586aefcb",
        }]);
    }
}
