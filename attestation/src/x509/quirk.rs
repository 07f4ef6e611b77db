//! Departures from the rules that certificates in the field have, each with a name.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A departure that is harmless where a caller's rules name it, and a refusal elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quirk {
    /// The serial number is zero or negative (RFC 5280 wants it positive). All of AMD's VCEKs.
    SerialNotPositive,
    /// The serial number has leading bytes that add nothing, or none at all.
    SerialNotMinimal,
    /// The serial number has more than 20 bytes.
    SerialTooLong,
    /// A value equal to its default is written out, which DER forbids. AMD's older certificates.
    DefaultWritten,
    /// A true boolean is another byte than 0xff, as BER allows.
    BooleanForm,
    /// Bits that are named in a list end with zeros, or unused bits are set.
    BitListForm,
    /// A date before 2050 is written in the long form.
    DateForm,
    /// The key is said to be for RSAES-OAEP alone, as in old endorsement keys.
    OaepKey,
    /// The certificate is followed by bytes of 0x00 or 0xff, as TPMs pad what they store.
    Padding,
    /// The signature is over a SHA-1 digest, for which collisions can be made.
    Sha1Signature,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SerialNotPositive,
        Self::SerialNotMinimal,
        Self::SerialTooLong,
        Self::DefaultWritten,
        Self::BooleanForm,
        Self::BitListForm,
        Self::DateForm,
        Self::OaepKey,
        Self::Padding,
        Self::Sha1Signature,
    ];
}

impl fmt::Display for Quirk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SerialNotPositive => "serial-not-positive",
            Self::SerialNotMinimal => "serial-not-minimal",
            Self::SerialTooLong => "serial-too-long",
            Self::DefaultWritten => "default-written",
            Self::BooleanForm => "boolean-form",
            Self::BitListForm => "bit-list-form",
            Self::DateForm => "date-form",
            Self::OaepKey => "oaep-key",
            Self::Padding => "padding",
            Self::Sha1Signature => "sha1-signature",
        })
    }
}
