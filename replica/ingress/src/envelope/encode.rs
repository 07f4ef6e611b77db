//! Writing envelopes: for the command line, simulations and tests.

use super::{Content, Envelope};
use bytes::Bytes;
use minicbor::Encoder;
use replica_crypto::cbor;
use replica_crypto::request_id::Value;

impl<C: Content> Envelope<C> {
    /// An envelope of the anonymous sender.
    pub fn anonymous(content: C) -> Self {
        Self { content, sender_pubkey: None, sender_delegation: None, sender_sig: None }
    }

    /// The CBOR form, with the self-describing tag.
    pub fn to_cbor(&self) -> Bytes {
        let mut fields = vec![("content", Value::Map(self.content.fields()))];
        fields.extend(self.sender_pubkey.as_ref().map(|key| ("sender_pubkey", Value::Bytes(key))));
        fields.extend(self.sender_sig.as_ref().map(|sig| ("sender_sig", Value::Bytes(sig))));
        fields.extend(self.sender_delegation.as_ref().map(|chain| {
            let links = chain.iter().map(|link| {
                Value::Map(vec![
                    ("delegation", Value::Map(link.delegation.fields())),
                    ("signature", Value::Bytes(&link.signature)),
                ])
            });
            ("sender_delegation", Value::Array(links.collect()))
        }));
        let mut to = Encoder::new(Vec::new());
        cbor::put_self_describing_tag(&mut to);
        put_map(&mut to, &fields);
        to.into_writer().into()
    }
}

fn put(to: &mut Encoder<Vec<u8>>, value: &Value<'_>) {
    match value {
        Value::Bytes(bytes) => cbor::put_bytes(to, bytes),
        Value::Text(text) => cbor::put_text(to, text),
        Value::Nat(number) => cbor::put_u64(to, *number),
        Value::Int(number) => cbor::put_i64(to, *number),
        Value::Array(elements) => {
            cbor::put_array(to, elements.len() as u64);
            elements.iter().for_each(|element| put(to, element));
        }
        Value::Map(fields) => put_map(to, fields),
    }
}

fn put_map(to: &mut Encoder<Vec<u8>>, fields: &[(&str, Value<'_>)]) {
    cbor::put_map(to, fields.len() as u64);
    for (key, value) in fields {
        cbor::put_text(to, key);
        put(to, value);
    }
}
