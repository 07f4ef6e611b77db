//! Lists of revoked certificates (CRLs; RFC 5280, section 5).
//!
//! A list is judged with the path that it is for: it counts only if the issuer itself signed it, it is the current one,
//! and everything critical in it is understood. So lists that name another signer, cover a part alone, or only say what
//! changed are refused by their critical extensions.

use super::certificate::{date, extension_list};
use super::envelope::{Envelope, Signed};
use super::extension::oid;
use super::path::{quirk_rule, signed_by};
use super::{
    Certificate, CertificateError, Extension, KeyUsage, PathRules, Quirk, UnixTime, Validity,
};
use crate::checks::Checks;
use crate::crypto::{PublicKey, SignatureError};
use crate::der::{DerError, Reader, dotted, tag};
use std::collections::BTreeMap;

/// Lists of makers have some ten thousand bytes; so much is a quarter of a million entries.
const LIST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Extensions of a list that are read here or mean nothing for these paths: authorityKeyIdentifier (the signature says
/// more) and cRLNumber (the dates say more).
const READ_HERE: [&[u8]; 2] = [&[0x55, 0x1d, 35], &[0x55, 0x1d, 20]];

type Rule = (&'static str, &'static str);
const SIGNATURE: Rule =
    ("x509.crl.signature", "The issuer signed its list of revoked certificates.");
const SIGNER: Rule = ("x509.crl.key-usage", "The issuer's key may sign lists.");
const CURRENT: Rule = ("x509.crl.validity", "The list is the current one at the given time.");
const CRITICAL: Rule = ("x509.crl.critical", "Every critical extension of the list is understood.");
const REVOKED: Rule = ("x509.crl.revoked", "The certificate is not in its issuer's list.");
const THERE: Rule =
    ("x509.crl.there", "Lists are given for each certificate that says where its issuer's is.");

/// Why bytes are not a list that we read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each one means")]
pub enum RevocationListError {
    #[error("the list of revoked certificates is not well-formed DER: {0}")]
    Der(#[from] DerError),
    #[error("the list of revoked certificates is longer than {LIST_BYTES_MAX} bytes")]
    TooLong,
    #[error("the list of revoked certificates is neither of version 1 nor of version 2")]
    Version,
    #[error("the list of revoked certificates names two signature algorithms")]
    Algorithms,
    #[error("the list of revoked certificates has a date that is none")]
    Date,
    #[error("the list of revoked certificates has a serial number twice")]
    Repeated,
    #[error("extensions of the list of revoked certificates: {0}")]
    Extensions(#[source] CertificateError),
}

/// Which certificates an authority no longer stands by: read, and not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    signed: Signed,
    issuer: Vec<u8>,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    /// Serial numbers without idle bytes, and since when.
    revoked: BTreeMap<Vec<u8>, UnixTime>,
    /// Object identifiers of what is critical and not understood, in the list or in an entry.
    not_understood: Vec<String>,
    quirks: Vec<Quirk>,
}

impl RevocationList {
    /// From DER, and nothing after it.
    pub fn from_der(der: &[u8]) -> Result<Self, RevocationListError> {
        if der.len() > LIST_BYTES_MAX {
            return Err(RevocationListError::TooLong);
        }
        let mut quirks = Vec::new();
        let envelope = Envelope::from_der(der)?;
        let mut fields = envelope.tbs.reader();
        // Versions count from zero; the first is not written.
        let version = fields.optional(tag::INTEGER)?.map(|version| version.content);
        if version.is_some_and(|version| version != [1]) {
            return Err(RevocationListError::Version);
        }
        let signed = envelope.signed(&mut fields, &mut quirks)?;
        let signed = signed.ok_or(RevocationListError::Algorithms)?;
        let issuer = fields.expect(tag::SEQUENCE)?;
        let is_date = |found| matches!(found, tag::UTC_TIME | tag::GENERALIZED_TIME);
        let this_update = read_date(&mut fields, &mut quirks)?;
        let next_update = if fields.peek().is_some_and(is_date) {
            Some(read_date(&mut fields, &mut quirks)?)
        } else {
            None
        };
        let mut not_understood = Vec::new();
        let mut revoked = BTreeMap::new();
        if let Some(entries) = fields.optional(tag::SEQUENCE)? {
            let mut entries = entries.reader();
            while !entries.is_empty() {
                let mut entry = entries.expect(tag::SEQUENCE)?.reader();
                let serial = minimal(entry.expect(tag::INTEGER)?.content).to_vec();
                let since = read_date(&mut entry, &mut quirks)?;
                if let Some(found) = entry.optional(tag::SEQUENCE)? {
                    let found = extension_list(found.whole, &mut quirks)
                        .map_err(RevocationListError::Extensions)?;
                    note_critical(&mut not_understood, &found, &[]);
                }
                entry.end()?;
                if revoked.insert(serial, since).is_some() {
                    return Err(RevocationListError::Repeated);
                }
            }
        }
        if let Some(found) = fields.optional(tag::context(0))? {
            if version.is_none() {
                return Err(RevocationListError::Version);
            }
            let found = extension_list(found.content, &mut quirks)
                .map_err(RevocationListError::Extensions)?;
            note_critical(&mut not_understood, &found, &READ_HERE);
        }
        fields.end()?;
        Ok(Self {
            signed,
            issuer: issuer.whole.to_vec(),
            this_update,
            next_update,
            revoked,
            not_understood,
            quirks,
        })
    }

    /// What is signed, as received.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed.tbs
    }

    /// The name of who signed it, in DER.
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// From when to when it is the current one; nothing if it does not say when the next one comes.
    pub fn validity(&self) -> Option<Validity> {
        let not_after = self.next_update?;
        Some(Validity { not_before: self.this_update, not_after })
    }

    /// Since when a certificate of its issuer is revoked, if it is. The list counts from its first day on: who has it
    /// does not believe what was signed before the day in it either, as dates of signatures are those of the signer.
    pub fn revoked_since(&self, certificate: &Certificate) -> Option<UnixTime> {
        self.revoked.get(minimal(certificate.serial())).copied()
    }

    /// How many certificates it revokes.
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// Whether it revokes none.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    /// Whether this key signed it, over the bytes as received.
    pub fn verify_signed_by(&self, key: &PublicKey) -> Result<(), SignatureError> {
        self.signed.verify(key)
    }
}

/// A serial number in its shortest form, as vendors write idle bytes on one side and not on the other.
fn minimal(serial: &[u8]) -> &[u8] {
    let idle = serial.iter().take_while(|byte| **byte == 0).count();
    serial.get(idle..).unwrap_or_default()
}

fn read_date(
    fields: &mut Reader<'_>,
    quirks: &mut Vec<Quirk>,
) -> Result<UnixTime, RevocationListError> {
    date(&fields.any()?, quirks).ok_or(RevocationListError::Date)
}

fn note_critical(found: &mut Vec<String>, extensions: &[Extension], understood: &[&[u8]]) {
    let unknown = extensions.iter().filter(|extension| {
        extension.is_critical && !understood.contains(&extension.oid.as_slice())
    });
    for extension in unknown {
        let name = dotted(&extension.oid);
        if !found.contains(&name) {
            found.push(name);
        }
    }
}

/// Makes every check of the rules' lists against a path. Without lists there is none to make: whoever gives some asks
/// for all that the path's certificates name.
pub(super) fn check(checks: &mut Checks, path: &[(&str, &Certificate)], rules: &PathRules<'_>) {
    if rules.revocation.is_empty() {
        return;
    }
    let mut covered = vec![false; path.len()];
    for (at, (issuer_label, issuer)) in path.iter().enumerate().skip(1) {
        let of_issuer = rules.revocation.iter().filter(|list| list.issuer() == issuer.subject());
        for list in of_issuer {
            check_list(checks, issuer_label, issuer, list, rules);
            // What it issued stands before it in the path; a root issued itself.
            for below in [at - 1, at] {
                let Some((label, certificate)) = path.get(below) else { continue };
                if certificate.issuer() == list.issuer() {
                    let since = list.revoked_since(certificate);
                    let detail = since.map(|since| format!("revoked since {since}"));
                    checks.record(REVOKED, label, since.is_none(), detail.unwrap_or_default());
                    covered[below] = true;
                }
            }
        }
    }
    let is_any = covered.iter().any(|is_covered| *is_covered);
    checks.record(THERE, "path", is_any, "of one of the path's issuers at least");
    for ((label, certificate), is_covered) in path.iter().zip(covered) {
        if certificate.extension(oid::CRL_DISTRIBUTION_POINTS).is_some() {
            let detail = if is_covered { "" } else { "give the list of its issuer too" };
            checks.record(THERE, label, is_covered, detail);
        }
    }
}

fn check_list(
    checks: &mut Checks,
    label: &str,
    issuer: &Certificate,
    list: &RevocationList,
    rules: &PathRules<'_>,
) {
    for quirk in &list.quirks {
        let is_named = rules.quirks.contains(quirk);
        let detail = if is_named { "its list; named by the rules" } else { "its list; not named" };
        checks.record(quirk_rule(*quirk), label, is_named, detail);
    }
    let signed = signed_by(issuer, |key| list.verify_signed_by(key));
    let algorithm = &list.signed.algorithm;
    let detail = match &signed {
        Ok(()) => format!("{algorithm}; {} revoked", list.len()),
        Err(error) => format!("{algorithm}: {error}"),
    };
    checks.record(SIGNATURE, label, signed.is_ok(), detail);
    let may_sign = issuer.key_usage().is_some_and(|usage| usage.allows(KeyUsage::LIST_SIGN));
    checks.record(SIGNER, label, may_sign, "");
    let (is_current, until) = match list.validity() {
        Some(validity) => (validity.contains(rules.at), validity.not_after.to_string()),
        None => (false, "it does not say when".to_owned()),
    };
    let detail = format!("{} is in {} to {until}", rules.at, list.this_update);
    checks.record(CURRENT, label, is_current, detail);
    let unknown = &list.not_understood;
    checks.record(CRITICAL, label, unknown.is_empty(), unknown.join(", "));
}

#[cfg(test)]
mod tests;
