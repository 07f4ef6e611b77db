//! What a canister is asked and what it answers, in Candid (HTTP gateway protocol).
//!
//! Answers are read without an expected type: the token of a stream is of a type that only the
//! canister knows, and goes back to it as it came.

use candid::types::Label;
use candid::types::value::{IDLArgs, IDLField, IDLValue};
use candid::{CandidType, DecoderConfig, idl_hash};
use types::{CandidShapeError, CanisterId, check_candid_shape};

/// The newest version of certification that the gateway checks.
const CERTIFICATE_VERSION: u16 = 2;

/// Work that reading takes for each byte of an answer, in candid's unit: what is read without an
/// expected type counts fifty times. So an answer becomes at most as many values as it has bytes.
const QUOTA_PER_BYTE: usize = 50;

/// Bytes that an answer counts as having more than it has, for its headers' and fields' places.
const QUOTA_BYTES_MORE: usize = 64 * 1024;

/// Headers of one answer.
const HEADERS_MAX: usize = 500;

/// A request as a canister is asked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(CandidType)]
struct Argument<'a> {
    method: &'a str,
    url: &'a str,
    headers: &'a [(String, String)],
    body: &'a serde_bytes::Bytes,
    certificate_version: Option<u16>,
}

/// What a canister answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether it wants to be asked again by an update call.
    pub(crate) upgrade: bool,
    /// Where the rest of the body is.
    pub(crate) rest: Option<Rest>,
}

/// The rest of a body, to be had from a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rest {
    pub(crate) canister: CanisterId,
    pub(crate) method: String,
    pub(crate) token: IDLValue,
}

/// A part of a body, and what to ask for the next one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) body: Vec<u8>,
    pub(crate) token: Option<IDLValue>,
}

/// Why an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("the answer is not Candid: {0}")]
    Candid(#[from] candid::Error),
    #[error("the answer's type is too large")]
    Shape(#[from] CandidShapeError),
    #[error("the answer has no field {0:?} of the type that the HTTP gateway protocol gives it")]
    Field(&'static str),
    #[error("the answer has {0} headers, more than {HEADERS_MAX}")]
    Headers(usize),
}

impl Asked {
    /// The argument of `http_request` and `http_request_update`.
    pub(crate) fn to_candid(&self) -> Result<Vec<u8>, MessageError> {
        Ok(candid::encode_one(Argument {
            method: &self.method,
            url: &self.url,
            headers: &self.headers,
            body: serde_bytes::Bytes::new(&self.body),
            certificate_version: Some(CERTIFICATE_VERSION),
        })?)
    }

    /// The value of a header, whose name is in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }
}

impl Answered {
    /// Reads the answer of `http_request` or `http_request_update`.
    pub(crate) fn from_candid(reply: &[u8]) -> Result<Self, MessageError> {
        let value = first_value(reply)?;
        let fields = record(&value).ok_or(MessageError::Field("status_code"))?;
        let Some(IDLValue::Nat16(status)) = field(fields, "status_code") else {
            return Err(MessageError::Field("status_code"));
        };
        let upgrade = matches!(optional(field(fields, "upgrade")), Some(IDLValue::Bool(true)));
        Ok(Self {
            status: *status,
            headers: headers(field(fields, "headers"))?,
            body: blob(field(fields, "body"))?,
            upgrade,
            rest: optional(field(fields, "streaming_strategy")).map(rest).transpose()?,
        })
    }

    /// The value of a header, in whatever letters its name is.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }
}

impl Part {
    /// Reads the answer of a streaming callback: a record, or an option of one.
    pub(crate) fn from_candid(reply: &[u8]) -> Result<Self, MessageError> {
        let value = first_value(reply)?;
        let Some(value) = optional(Some(&value)) else {
            return Ok(Self { body: Vec::new(), token: None });
        };
        let fields = record(value).ok_or(MessageError::Field("body"))?;
        let token = optional(field(fields, "token")).cloned();
        Ok(Self { body: blob(field(fields, "body"))?, token })
    }
}

/// The argument of a streaming callback.
pub(crate) fn token_to_candid(token: &IDLValue) -> Result<Vec<u8>, MessageError> {
    Ok(IDLArgs::new(std::slice::from_ref(token)).to_bytes()?)
}

fn value_of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.as_str())
}

fn first_value(reply: &[u8]) -> Result<IDLValue, MessageError> {
    // The decoder looks at the stack of this thread; what passes here never needs much of it.
    check_candid_shape(reply)?;
    let quota = reply.len().saturating_add(QUOTA_BYTES_MORE).saturating_mul(QUOTA_PER_BYTE);
    let mut config = DecoderConfig::new();
    config.set_decoding_quota(quota).set_full_error_message(false);
    let mut values = IDLArgs::from_bytes_with_config(reply, &config)?.args;
    match values.is_empty() {
        true => Err(MessageError::Field("status_code")),
        false => Ok(values.swap_remove(0)),
    }
}

fn record(value: &IDLValue) -> Option<&[IDLField]> {
    match value {
        IDLValue::Record(fields) => Some(fields),
        _ => None,
    }
}

fn field<'a>(fields: &'a [IDLField], name: &str) -> Option<&'a IDLValue> {
    let id = idl_hash(name);
    fields.iter().find(|field| field.id.get_id() == id).map(|field| &field.val)
}

/// What is there: `null`, `opt` and a value without `opt` are read alike, as Candid allows.
fn optional(value: Option<&IDLValue>) -> Option<&IDLValue> {
    match value? {
        IDLValue::None | IDLValue::Null | IDLValue::Reserved => None,
        IDLValue::Opt(value) => optional(Some(value)),
        value => Some(value),
    }
}

fn headers(value: Option<&IDLValue>) -> Result<Vec<(String, String)>, MessageError> {
    let Some(IDLValue::Vec(entries)) = value else { return Err(MessageError::Field("headers")) };
    if entries.len() > HEADERS_MAX {
        return Err(MessageError::Headers(entries.len()));
    }
    entries.iter().map(|entry| pair(entry).ok_or(MessageError::Field("headers"))).collect()
}

fn pair(entry: &IDLValue) -> Option<(String, String)> {
    let fields = record(entry)?;
    let text = |place: u32| {
        let found = fields.iter().find(|field| field.id.get_id() == Label::Id(place).get_id());
        match &found?.val {
            IDLValue::Text(text) => Some(text.clone()),
            _ => None,
        }
    };
    Some((text(0)?, text(1)?))
}

fn blob(value: Option<&IDLValue>) -> Result<Vec<u8>, MessageError> {
    let refused = || MessageError::Field("body");
    match value {
        Some(IDLValue::Blob(bytes)) => Ok(bytes.clone()),
        Some(IDLValue::Vec(values)) => {
            let byte = |value: &IDLValue| match value {
                IDLValue::Nat8(byte) => Ok(*byte),
                _ => Err(refused()),
            };
            values.iter().map(byte).collect()
        }
        _ => Err(refused()),
    }
}

fn rest(strategy: &IDLValue) -> Result<Rest, MessageError> {
    let refused = || MessageError::Field("streaming_strategy");
    let IDLValue::Variant(variant) = strategy else { return Err(refused()) };
    if variant.0.id.get_id() != idl_hash("Callback") {
        return Err(refused());
    }
    let fields = record(&variant.0.val).ok_or_else(refused)?;
    let Some(IDLValue::Func(canister, method)) = field(fields, "callback") else {
        return Err(refused());
    };
    let token = field(fields, "token").ok_or_else(refused)?.clone();
    Ok(Rest { canister: CanisterId(*canister), method: method.clone(), token })
}

#[cfg(test)]
mod tests;
