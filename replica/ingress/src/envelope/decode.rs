//! Reading envelopes.

use super::{
    CallContent, Common, Content, DELEGATION_COUNT_MAX, Delegation, Envelope, LABEL_COUNT_MAX,
    NONCE_BYTES_MAX, PATH_COUNT_MAX, QueryContent, ReadStateContent, SenderInfo, SignedDelegation,
    TARGET_COUNT_MAX,
};
use bytes::Bytes;
use minicbor::Decoder;
use replica_crypto::cbor::{self, CborError, Items};
use types::{CanisterId, Principal, Time};

/// Why bytes are not an envelope of the expected kind.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not the CBOR that is expected here.
    #[error("the envelope is not well encoded")]
    Cbor(#[from] CborError),
    /// A principal is too long.
    #[error("{field} has {bytes} bytes; a principal has at most 29")]
    Principal {
        /// Where.
        field: &'static str,
        /// How long it is.
        bytes: usize,
    },
    /// The request is of another kind than the endpoint takes.
    #[error("the request_type is {found:?}; this endpoint takes {expected:?}")]
    RequestType {
        /// What is sent.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// A field that this kind of request does not have.
    #[error("a request of type {request_type:?} has no field {field:?}")]
    FieldOfOtherType {
        /// The kind of request.
        request_type: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A list or a string is too long.
    #[error("{what}: more than the {max} that are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        max: usize,
    },
}

const DELEGATIONS: &str = "delegations in sender_delegation";
const TARGETS: &str = "targets of a delegation";

impl DecodeError {
    /// Whether there are more delegations or targets than the specification allows: the request is
    /// well formed and authenticates nobody.
    pub fn is_of_delegations(&self) -> bool {
        matches!(self, Self::TooMany { what: DELEGATIONS | TARGETS, .. })
    }
}

/// Contents are made of the fields that were found.
pub trait FromFields: Sized {
    #[doc(hidden)]
    fn from_fields(fields: Fields) -> Result<Self, DecodeError>;
}

/// The fields of any content, as far as they were found.
#[derive(Default)]
pub struct Fields {
    request_type: Option<String>,
    sender: Option<Principal>,
    ingress_expiry: Option<Time>,
    nonce: Option<Bytes>,
    canister_id: Option<CanisterId>,
    method_name: Option<String>,
    arg: Option<Bytes>,
    sender_info: Option<SenderInfo>,
    paths: Option<Vec<Vec<Bytes>>>,
}

impl<C: Content> Envelope<C> {
    /// Reads an envelope. The fields share the memory of `raw`.
    pub fn from_cbor(raw: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader { raw, from: Decoder::new(raw) };
        cbor::skip_self_describing_tag(&mut reader.from)?;
        let envelope = reader.envelope()?;
        cbor::expect_end(&reader.from)?;
        Ok(envelope)
    }
}

/// A decoder together with the bytes it reads, of which fields keep parts.
struct Reader<'b> {
    raw: &'b Bytes,
    from: Decoder<'b>,
}

impl<'b> Reader<'b> {
    fn envelope<C: Content>(&mut self) -> Result<Envelope<C>, DecodeError> {
        let (mut content, mut pubkey, mut delegation, mut sig) = (None, None, None, None);
        let mut entries = Items::of_map(&mut self.from)?;
        while entries.has_next(&mut self.from)? {
            match self.key()? {
                "content" => cbor::put_once(&mut content, "content", self.content()?)?,
                "sender_pubkey" => {
                    cbor::put_once(&mut pubkey, "sender_pubkey", self.optional(Self::blob)?)?;
                }
                "sender_sig" => {
                    cbor::put_once(&mut sig, "sender_sig", self.optional(Self::blob)?)?;
                }
                "sender_delegation" => {
                    let chain = self.optional(Self::delegations)?;
                    cbor::put_once(&mut delegation, "sender_delegation", chain)?;
                }
                other => return Err(unknown(other)),
            }
        }
        Ok(Envelope {
            content: C::from_fields(cbor::required(content, "content")?)?,
            sender_pubkey: pubkey.flatten(),
            sender_delegation: delegation.flatten(),
            sender_sig: sig.flatten(),
        })
    }

    fn content(&mut self) -> Result<Fields, DecodeError> {
        let mut fields = Fields::default();
        let mut nonce = None;
        let mut sender_info = None;
        let mut entries = Items::of_map(&mut self.from)?;
        while entries.has_next(&mut self.from)? {
            match self.key()? {
                "request_type" => {
                    cbor::put_once(&mut fields.request_type, "request_type", self.text()?)?;
                }
                "sender" => {
                    cbor::put_once(&mut fields.sender, "sender", self.principal("sender")?)?;
                }
                "ingress_expiry" => {
                    cbor::put_once(&mut fields.ingress_expiry, "ingress_expiry", self.time()?)?;
                }
                "nonce" => cbor::put_once(&mut nonce, "nonce", self.optional(Self::nonce)?)?,
                "canister_id" => {
                    let id = CanisterId(self.principal("canister_id")?);
                    cbor::put_once(&mut fields.canister_id, "canister_id", id)?;
                }
                "method_name" => {
                    cbor::put_once(&mut fields.method_name, "method_name", self.text()?)?;
                }
                "arg" => cbor::put_once(&mut fields.arg, "arg", self.blob()?)?,
                "sender_info" => {
                    let info = self.optional(Self::sender_info)?;
                    cbor::put_once(&mut sender_info, "sender_info", info)?;
                }
                "paths" => cbor::put_once(&mut fields.paths, "paths", self.paths()?)?,
                other => return Err(unknown(other)),
            }
        }
        fields.nonce = nonce.flatten();
        fields.sender_info = sender_info.flatten();
        Ok(fields)
    }

    fn sender_info(&mut self) -> Result<SenderInfo, DecodeError> {
        let (mut info, mut signer, mut sig) = (None, None, None);
        let mut entries = Items::of_map(&mut self.from)?;
        while entries.has_next(&mut self.from)? {
            match self.key()? {
                "info" => cbor::put_once(&mut info, "info", self.blob()?)?,
                "signer" => cbor::put_once(&mut signer, "signer", self.principal("signer")?)?,
                "sig" => cbor::put_once(&mut sig, "sig", self.blob()?)?,
                other => return Err(unknown(other)),
            }
        }
        Ok(SenderInfo {
            info: cbor::required(info, "info")?,
            signer: CanisterId(cbor::required(signer, "signer")?),
            sig: cbor::required(sig, "sig")?,
        })
    }

    fn delegations(&mut self) -> Result<Vec<SignedDelegation>, DecodeError> {
        self.list(DELEGATIONS, DELEGATION_COUNT_MAX, Self::signed_delegation)
    }

    fn signed_delegation(&mut self) -> Result<SignedDelegation, DecodeError> {
        let (mut delegation, mut signature) = (None, None);
        let mut entries = Items::of_map(&mut self.from)?;
        while entries.has_next(&mut self.from)? {
            match self.key()? {
                "delegation" => cbor::put_once(&mut delegation, "delegation", self.delegation()?)?,
                "signature" => cbor::put_once(&mut signature, "signature", self.blob()?)?,
                other => return Err(unknown(other)),
            }
        }
        Ok(SignedDelegation {
            delegation: cbor::required(delegation, "delegation")?,
            signature: cbor::required(signature, "signature")?,
        })
    }

    fn delegation(&mut self) -> Result<Delegation, DecodeError> {
        let (mut pubkey, mut expiration, mut targets, mut permissions) = (None, None, None, None);
        let mut entries = Items::of_map(&mut self.from)?;
        while entries.has_next(&mut self.from)? {
            match self.key()? {
                "pubkey" => cbor::put_once(&mut pubkey, "pubkey", self.blob()?)?,
                "expiration" => cbor::put_once(&mut expiration, "expiration", self.time()?)?,
                "targets" => {
                    cbor::put_once(&mut targets, "targets", self.optional(Self::targets)?)?;
                }
                "permissions" => {
                    cbor::put_once(&mut permissions, "permissions", self.optional(Self::text)?)?;
                }
                other => return Err(unknown(other)),
            }
        }
        Ok(Delegation {
            pubkey: cbor::required(pubkey, "pubkey")?,
            expiration: cbor::required(expiration, "expiration")?,
            targets: targets.flatten(),
            permissions: permissions.flatten(),
        })
    }

    fn targets(&mut self) -> Result<Vec<CanisterId>, DecodeError> {
        self.list(TARGETS, TARGET_COUNT_MAX, |reader| {
            reader.principal("a target of a delegation").map(CanisterId)
        })
    }

    fn paths(&mut self) -> Result<Vec<Vec<Bytes>>, DecodeError> {
        self.list("paths", PATH_COUNT_MAX, |reader| {
            reader.list("labels of a path", LABEL_COUNT_MAX, Self::blob)
        })
    }

    fn nonce(&mut self) -> Result<Bytes, DecodeError> {
        let nonce = self.blob()?;
        match nonce.len() <= NONCE_BYTES_MAX {
            true => Ok(nonce),
            false => Err(DecodeError::TooMany { what: "bytes of the nonce", max: NONCE_BYTES_MAX }),
        }
    }

    fn list<T>(
        &mut self,
        what: &'static str,
        max: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut list = Vec::new();
        let mut elements = Items::of_array(&mut self.from)?;
        while elements.has_next(&mut self.from)? {
            if list.len() == max {
                return Err(DecodeError::TooMany { what, max });
            }
            list.push(element(self)?);
        }
        Ok(list)
    }

    /// A value that may be null for "not there".
    fn optional<T>(
        &mut self,
        value: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match cbor::skip_null(&mut self.from)? {
            true => Ok(None),
            false => value(self).map(Some),
        }
    }

    fn key(&mut self) -> Result<&'b str, DecodeError> {
        Ok(cbor::text(&mut self.from)?)
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        Ok(cbor::text(&mut self.from)?.to_owned())
    }

    fn blob(&mut self) -> Result<Bytes, DecodeError> {
        Ok(self.raw.slice_ref(cbor::byte_string(&mut self.from)?))
    }

    fn time(&mut self) -> Result<Time, DecodeError> {
        Ok(Time(self.from.u64().map_err(CborError::from)?))
    }

    fn principal(&mut self, field: &'static str) -> Result<Principal, DecodeError> {
        let bytes = cbor::byte_string(&mut self.from)?;
        Principal::try_from_slice(bytes)
            .map_err(|_| DecodeError::Principal { field, bytes: bytes.len() })
    }
}

fn unknown(key: &str) -> DecodeError {
    CborError::UnknownKey(key.to_owned()).into()
}

impl Fields {
    fn expect_type(&self, expected: &'static str) -> Result<(), DecodeError> {
        match self.request_type.as_deref() {
            None => Err(CborError::MissingKey("request_type").into()),
            Some(found) if found == expected => Ok(()),
            Some(found) => Err(DecodeError::RequestType { found: found.to_owned(), expected }),
        }
    }

    fn common(&mut self) -> Result<Common, DecodeError> {
        Ok(Common {
            sender: cbor::required(self.sender.take(), "sender")?,
            ingress_expiry: cbor::required(self.ingress_expiry.take(), "ingress_expiry")?,
            nonce: self.nonce.take(),
        })
    }
}

fn must_be_absent<T>(
    value: &Option<T>,
    request_type: &'static str,
    field: &'static str,
) -> Result<(), DecodeError> {
    match value {
        None => Ok(()),
        Some(_) => Err(DecodeError::FieldOfOtherType { request_type, field }),
    }
}

macro_rules! call_like {
    ($name:ident) => {
        impl FromFields for $name {
            fn from_fields(mut fields: Fields) -> Result<Self, DecodeError> {
                fields.expect_type(Self::REQUEST_TYPE)?;
                must_be_absent(&fields.paths, Self::REQUEST_TYPE, "paths")?;
                Ok(Self {
                    common: fields.common()?,
                    canister_id: cbor::required(fields.canister_id, "canister_id")?,
                    method_name: cbor::required(fields.method_name, "method_name")?,
                    arg: cbor::required(fields.arg, "arg")?,
                    sender_info: fields.sender_info,
                })
            }
        }
    };
}

call_like!(CallContent);
call_like!(QueryContent);

impl FromFields for ReadStateContent {
    fn from_fields(mut fields: Fields) -> Result<Self, DecodeError> {
        fields.expect_type(Self::REQUEST_TYPE)?;
        must_be_absent(&fields.canister_id, Self::REQUEST_TYPE, "canister_id")?;
        must_be_absent(&fields.method_name, Self::REQUEST_TYPE, "method_name")?;
        must_be_absent(&fields.arg, Self::REQUEST_TYPE, "arg")?;
        must_be_absent(&fields.sender_info, Self::REQUEST_TYPE, "sender_info")?;
        let common = fields.common()?;
        Ok(Self { common, paths: cbor::required(fields.paths, "paths")? })
    }
}
