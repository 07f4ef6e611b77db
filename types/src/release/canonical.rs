//! The one sequence of bytes for a value: JSON without white space, names sorted (RFC 8785). The values
//! here have neither fractions nor names beyond ASCII, so that sorting by bytes is sorting by UTF-16.

use serde::Serialize;
use serde_json::Value;

/// Encodes a value of ours.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("a manifest has only plain values");
    let mut bytes = Vec::new();
    put(&value, &mut bytes);
    bytes
}

fn put(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            // The order of a map depends on how serde_json is compiled; this one does not.
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            to.push(b'{');
            for (index, (name, value)) in sorted.into_iter().enumerate() {
                separate(index, to);
                put_scalar(&Value::from(name.as_str()), to);
                to.push(b':');
                put(value, to);
            }
            to.push(b'}');
        }
        Value::Array(values) => {
            to.push(b'[');
            for (index, value) in values.iter().enumerate() {
                separate(index, to);
                put(value, to);
            }
            to.push(b']');
        }
        scalar => put_scalar(scalar, to),
    }
}

fn separate(index: usize, to: &mut Vec<u8>) {
    if index > 0 {
        to.push(b',');
    }
}

/// serde_json writes strings, whole numbers and booleans as RFC 8785 does.
fn put_scalar(value: &Value, to: &mut Vec<u8>) {
    serde_json::to_writer(to, value).expect("memory takes all that is written");
}
