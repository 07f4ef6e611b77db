//! From the signing key to a believed root.

use super::super::{SnpRoots, VekClaims};
use super::{SnpEvidence, VerifiedVek};
use crate::checks::Checks;
use crate::crypto::{Curve, PublicKey};
use crate::x509::{
    Certificate, KeyUsage, PathRules, Quirk, RevocationList, UnixTime, Validity, check_path,
};

type Rule = (&'static str, &'static str);
const CERTIFICATE: Rule = ("snp.certificate", "The certificate is well-formed.");
const CLAIMS: Rule = ("snp.vek", "The certificate is that of a VCEK or VLEK.");
const KEY: Rule = ("snp.vek.key", "The signing key is on P-384.");
const PRODUCT: Rule =
    ("snp.product.root", "The certificate is for the generation that its root vouches for.");
const STILL_VALID: Rule = ("snp.chain.validity", "The chain is valid at the given time.");

/// What AMD's certificates have: chips' the serial number zero, intermediates and roots a list of
/// key uses that ends with zeros, older ones a default of the signature's parameters written out.
const QUIRKS: [Quirk; 3] = [Quirk::SerialNotPositive, Quirk::BitListForm, Quirk::DefaultWritten];

/// Makes every check of a chain. What comes back is verified if all checks passed, and is for
/// further checks otherwise.
pub(super) fn check(
    checks: &mut Checks,
    evidence: &SnpEvidence<'_>,
    roots: &SnpRoots,
    at: UnixTime,
) -> Option<VerifiedVek> {
    let mut read = |label: &str, der: &[u8]| {
        checks.record_result(CERTIFICATE, label, Certificate::from_der(der))
    };
    let vek = read("VEK", evidence.vek);
    let ask = read("ASK", evidence.ask);
    let ark = read("ARK", evidence.ark);
    let claims =
        vek.as_ref().and_then(|vek| checks.record_result(CLAIMS, "VEK", VekClaims::of(vek)));
    let (vek, ask, ark) = (vek?, ask?, ark?);

    let path = [("VEK", &vek), ("ASK", &ask), ("ARK", &ark)];
    let rules = PathRules {
        at,
        quirks: &QUIRKS,
        critical: &[],
        end_usage: &[KeyUsage::DIGITAL_SIGNATURE],
        revocation: roots.revocation(),
    };
    let root = check_path(checks, &path, roots.roots(), &rules);

    let key = match vek.public_key() {
        Ok(PublicKey::Ec(key)) if key.curve() == Curve::P384 => Some(key.clone()),
        _ => None,
    };
    checks.record(KEY, "VEK", key.is_some(), "");
    let claims = claims?;
    if let Some(root) = root {
        let product = roots.product_of(root);
        let detail = format!("the certificate is for {}", claims.product);
        checks.record(PRODUCT, "VEK", product == Some(claims.product), detail);
    }
    // A chain that is kept is good for no longer than the lists that it was found in.
    let of_chain = |list: &&RevocationList| [ask.subject(), ark.subject()].contains(&list.issuer());
    let lists = roots.revocation().iter().filter(of_chain).filter_map(RevocationList::validity);
    let validities = [ask.validity(), ark.validity()].into_iter().chain(lists);
    Some(VerifiedVek {
        claims,
        key: key?,
        root: root.map(|root| root.label.clone()).unwrap_or_default(),
        validity: validities.fold(vek.validity(), |whole, part| Validity {
            not_before: whole.not_before.max(part.not_before),
            not_after: whole.not_after.min(part.not_after),
        }),
    })
}

/// Whether a chain that was checked once is valid at another time.
pub(super) fn check_time(checks: &mut Checks, vek: &VerifiedVek, at: UnixTime) {
    let Validity { not_before, not_after } = vek.validity;
    let detail = format!("{at} is in {not_before} to {not_after}");
    checks.record(STILL_VALID, "chain", vek.validity.contains(at), detail);
}
