//! One certificate: read, and not yet believed.

use super::algorithm::note;
use super::envelope::{Envelope, Signed};
use super::extension::{BasicConstraints, KeyUsage, default_false, oid};
use super::{Quirk, SignatureAlgorithm, UnixTime};
use crate::crypto::{Hash, KeyError, PublicKey, SignatureError};
use crate::der::{DerError, Reader, Value, dotted, only, tag};

/// No certificate of these vendors comes near it.
const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

/// More extensions than this are no certificate of ours.
const EXTENSIONS_MAX: usize = 64;

/// 1.2.840.113549.1.1.7, id-RSAES-OAEP.
const RSAES_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];

/// Why bytes are not a certificate that we read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each one means")]
pub enum CertificateError {
    #[error("the certificate is not well-formed DER: {0}")]
    Der(#[from] DerError),
    #[error("the certificate is longer than {CERTIFICATE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the certificate is not of version 3")]
    Version,
    #[error("the certificate names two signature algorithms")]
    Algorithms,
    #[error("the certificate has a date that is none")]
    Date,
    #[error("the certificate has more than {EXTENSIONS_MAX} extensions")]
    TooManyExtensions,
    #[error("the certificate has the extension {0} twice")]
    Repeated(String),
    #[error("the extension {oid} is malformed: {source}")]
    Extension { oid: String, source: DerError },
}

/// From when to when a certificate holds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: UnixTime,
    /// The last moment.
    pub not_after: UnixTime,
}

impl Validity {
    /// Whether it holds at this time.
    pub fn contains(&self, time: UnixTime) -> bool {
        (self.not_before..=self.not_after).contains(&time)
    }
}

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Object identifier, as the content of its DER.
    pub oid: Vec<u8>,
    /// Whether who does not understand it must refuse the certificate.
    pub is_critical: bool,
    /// What is inside the octet string.
    pub value: Vec<u8>,
}

/// A certificate, parsed strictly and not believed: see [`super::check_path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    signed: Signed,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    serial: Vec<u8>,
    validity: Validity,
    spki: Vec<u8>,
    key: Result<PublicKey, KeyError>,
    extensions: Vec<Extension>,
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    quirks: Vec<Quirk>,
}

impl Certificate {
    /// From DER, and nothing after it.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Self::parse(der, Vec::new())
    }

    /// From DER that may be followed by bytes of 0x00 or 0xff, as TPMs store it.
    pub fn from_padded_der(bytes: &[u8]) -> Result<Self, CertificateError> {
        let der = Reader::new(bytes).any()?.whole;
        let padding = bytes.get(der.len()..).unwrap_or_default();
        let mut quirks = Vec::new();
        if let Some(first) = padding.first() {
            if ![0x00, 0xff].contains(first) || padding.iter().any(|byte| byte != first) {
                return Err(DerError::Trailing.into());
            }
            quirks.push(Quirk::Padding);
        }
        Self::parse(der, quirks)
    }

    fn parse(der: &[u8], mut quirks: Vec<Quirk>) -> Result<Self, CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLong);
        }
        let envelope = Envelope::from_der(der)?;
        let mut fields = envelope.tbs.reader();
        // Versions count from zero; the default is the first.
        let version = fields.optional(tag::context(0))?.map(|version| version.content);
        if version != Some(&[tag::INTEGER, 1, 2]) {
            return Err(CertificateError::Version);
        }
        let serial = serial(&fields.expect(tag::INTEGER)?, &mut quirks);
        let signed = envelope.signed(&mut fields, &mut quirks)?;
        let signed = signed.ok_or(CertificateError::Algorithms)?;
        let issuer = fields.expect(tag::SEQUENCE)?;
        let validity = validity(&fields.expect(tag::SEQUENCE)?, &mut quirks)?;
        let subject = fields.expect(tag::SEQUENCE)?;
        let spki = fields.expect(tag::SEQUENCE)?;
        let key = public_key(&spki, &mut quirks);
        // Unique identifiers, [1] and [2], are in no certificate of these vendors.
        let extensions = extension_list(fields.expect(tag::context(3))?.content, &mut quirks)?;
        fields.end()?;

        let find = |oid: &[u8]| extensions.iter().find(|extension| extension.oid == oid);
        let basic_constraints = find(oid::BASIC_CONSTRAINTS)
            .map(|found| {
                BasicConstraints::from_der(&found.value, &mut quirks).map_err(malformed(found))
            })
            .transpose()?;
        let key_usage = find(oid::KEY_USAGE)
            .map(|found| KeyUsage::from_der(&found.value, &mut quirks).map_err(malformed(found)))
            .transpose()?;
        Ok(Self {
            der: der.to_vec(),
            signed,
            issuer: issuer.whole.to_vec(),
            subject: subject.whole.to_vec(),
            serial,
            validity,
            spki: spki.whole.to_vec(),
            key,
            basic_constraints,
            key_usage,
            extensions,
            quirks,
        })
    }

    /// The subject's key as received: the DER of its SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The certificate as received.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the certificate as received.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.der)
    }

    /// SHA-256 of its SubjectPublicKeyInfo as received.
    pub fn spki_sha256(&self) -> [u8; 32] {
        sha256(&self.spki)
    }

    /// The name of who signed it, in DER.
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Its own name, in DER.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// Its own name, for people.
    pub fn subject_text(&self) -> String {
        name_text(&self.subject)
    }

    /// The serial number, as the content of its DER.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// From when to when it holds.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Its public key, if it is of a kind that we use.
    pub fn public_key(&self) -> Result<&PublicKey, KeyError> {
        self.key.as_ref().map_err(|error| *error)
    }

    /// How it is signed.
    pub fn signature_algorithm(&self) -> &SignatureAlgorithm {
        &self.signed.algorithm
    }

    /// Whether it may issue others, if it says so.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.basic_constraints
    }

    /// What its key may be used for, if it says so.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// All extensions, in its order.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The extension with this object identifier, given as the content of its DER.
    pub fn extension(&self, oid: &[u8]) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// What is not as the rules want it and is read all the same.
    pub fn quirks(&self) -> &[Quirk] {
        &self.quirks
    }

    /// Whether its issuer has its own name.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether this key signed it, over the bytes as received.
    pub fn verify_signed_by(&self, key: &PublicKey) -> Result<(), SignatureError> {
        self.signed.verify(key)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = Hash::Sha256.digest(bytes);
    let mut array = [0; 32];
    array.copy_from_slice(digest.as_bytes());
    array
}

fn malformed(extension: &Extension) -> impl FnOnce(DerError) -> CertificateError {
    let oid = dotted(&extension.oid);
    move |source| CertificateError::Extension { oid, source }
}

fn serial(value: &Value<'_>, quirks: &mut Vec<Quirk>) -> Vec<u8> {
    match value.content {
        [] => note(quirks, Quirk::SerialNotMinimal),
        [0x00, second, ..] if *second < 0x80 => note(quirks, Quirk::SerialNotMinimal),
        [0xff, second, ..] if *second >= 0x80 => note(quirks, Quirk::SerialNotMinimal),
        _ => {}
    }
    let is_negative = value.content.first().is_some_and(|first| *first >= 0x80);
    if is_negative || value.content.iter().all(|byte| *byte == 0) {
        note(quirks, Quirk::SerialNotPositive);
    }
    if value.content.len() > 20 {
        note(quirks, Quirk::SerialTooLong);
    }
    value.content.to_vec()
}

fn validity(value: &Value<'_>, quirks: &mut Vec<Quirk>) -> Result<Validity, CertificateError> {
    let mut fields = value.reader();
    let mut date = || date(&fields.any()?, quirks).ok_or(CertificateError::Date);
    let (not_before, not_after) = (date()?, date()?);
    fields.end()?;
    Ok(Validity { not_before, not_after })
}

/// A date; one in the long form that has a short one is noted.
pub(super) fn date(value: &Value<'_>, quirks: &mut Vec<Quirk>) -> Option<UnixTime> {
    // RFC 5280, 4.1.2.5: dates through 2049 are in the short form.
    const YEAR_2050: UnixTime = UnixTime(2_524_608_000);
    let time = UnixTime::from_der(value)?;
    if value.tag == tag::GENERALIZED_TIME && time < YEAR_2050 {
        note(quirks, Quirk::DateForm);
    }
    Some(time)
}

/// The key, where one that is said to be for OAEP alone is read as the RSA key that it is.
fn public_key(spki: &Value<'_>, quirks: &mut Vec<Quirk>) -> Result<PublicKey, KeyError> {
    let mut fields = spki.reader();
    let mut algorithm = fields.expect(tag::SEQUENCE)?.reader();
    if algorithm.oid()? != RSAES_OAEP {
        return PublicKey::from_spki(spki.whole);
    }
    note(quirks, Quirk::OaepKey);
    let key = fields.bit_string()?;
    fields.end()?;
    PublicKey::from_rsa_der(key)
}

/// All extensions: the sequence of them, in DER.
pub(super) fn extension_list(
    der: &[u8],
    quirks: &mut Vec<Quirk>,
) -> Result<Vec<Extension>, CertificateError> {
    let mut list = only(der, tag::SEQUENCE)?.reader();
    let mut extensions: Vec<Extension> = Vec::new();
    while !list.is_empty() {
        if extensions.len() == EXTENSIONS_MAX {
            return Err(CertificateError::TooManyExtensions);
        }
        let mut fields = list.expect(tag::SEQUENCE)?.reader();
        let oid = fields.oid()?;
        let is_critical = default_false(&mut fields, quirks)?;
        let content = fields.expect(tag::OCTET_STRING)?.content;
        fields.end()?;
        if extensions.iter().any(|extension| extension.oid == oid) {
            return Err(CertificateError::Repeated(dotted(oid)));
        }
        extensions.push(Extension { oid: oid.to_vec(), is_critical, value: content.to_vec() });
    }
    Ok(extensions)
}

/// The last part of a name that is a text (its common name, with these vendors), or what it has.
fn name_text(name: &[u8]) -> String {
    /// 2.5.4.3, commonName.
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    let read = || -> Result<Option<String>, DerError> {
        let mut sets = only(name, tag::SEQUENCE)?.reader();
        let mut last = None;
        while !sets.is_empty() {
            let mut attributes = sets.expect(tag::SET)?.reader();
            while !attributes.is_empty() {
                let mut attribute = attributes.expect(tag::SEQUENCE)?.reader();
                let oid = attribute.oid()?;
                let text = String::from_utf8_lossy(attribute.any()?.content).into_owned();
                if oid == COMMON_NAME {
                    return Ok(Some(text));
                }
                last = Some(text);
            }
        }
        Ok(last)
    };
    let text = read().ok().flatten().unwrap_or_else(|| "a certificate without name".to_owned());
    // It ends in terminals and logs.
    text.chars().filter(|letter| !letter.is_control()).take(80).collect()
}
