//! Short contents, as readable as they can be without losing a byte.

use serde::{Deserialize, Serialize};

/// What was hashed. Bytes have one form: the first of these that can hold them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Content {
    /// Text in UTF-8, perhaps with zero bytes at its end.
    Text(String),
    /// Text in UTF-16, little-endian, perhaps with zeros at its end: as UEFI has it.
    Utf16(String),
    /// Anything else, in hex.
    Hex(String),
}

impl Content {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let narrow = String::from_utf8(bytes.to_vec()).ok().filter(|text| is_readable(text));
        if let Some(text) = narrow {
            return Self::Text(text);
        }
        let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let wide = char::decode_utf16(units).collect::<Result<String, _>>().ok();
        match wide.filter(|text| bytes.len().is_multiple_of(2) && is_readable(text)) {
            Some(text) => Self::Utf16(text),
            None => Self::Hex(hex::encode(bytes)),
        }
    }

    /// The bytes; none if they would have been written in another form.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let bytes = match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Utf16(text) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Hex(text) => hex::decode(text).ok()?,
        };
        (Self::of(&bytes) == *self).then_some(bytes)
    }
}

/// Whether a text can be read: lines, and zeros at the end alone.
fn is_readable(text: &str) -> bool {
    let text = text.trim_end_matches('\0');
    !text.is_empty() && text.chars().all(|letter| letter == '\n' || !letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_content_has_one_form() {
        let text = |text: &str| Content::Text(text.to_owned());
        let wide = |text: &str| Content::Utf16(text.to_owned());
        let hex = |text: &str| Content::Hex(text.to_owned());
        let check = |bytes: &[u8], expected: Content| {
            let content = Content::of(bytes);
            assert_eq!(content, expected);
            assert_eq!(content.bytes().as_deref(), Some(bytes));
        };
        check(b"quiet", text("quiet"));
        check(b"ID=plinth\n", text("ID=plinth\n"));
        check(b".linux\0", text(".linux\0"));
        check(b"q\0u\0\0\0", wide("qu\0"));
        check(b"", hex(""));
        check(&[0; 4], hex("00000000"));
        check(&[0xff, 0xfe, 0xfd], hex("fffefd"));
        check(b"a\0b", hex("610062"));
        for other in [hex("71"), hex("FF"), hex("7"), text("\0"), wide("\u{6171}"), text("a\tb")] {
            assert_eq!(other.bytes(), None, "{other:?}");
        }
    }
}
