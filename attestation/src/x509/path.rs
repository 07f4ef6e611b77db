//! From a certificate to a pinned root (RFC 5280, section 6), every step a check.

use super::extension::oid;
use super::{
    Certificate, KeyUsage, Pin, Quirk, RevocationList, TrustRoot, TrustRoots, UnixTime, revocation,
};
use crate::checks::Checks;
use crate::crypto::{PublicKey, SignatureError};
use crate::der::dotted;

/// The longest path, both ends included. The longest in the field has seven: processors of Intel certify the
/// endorsement keys of their TPMs by a chain of authorities on the die itself.
pub const PATH_CERTIFICATES_MAX: usize = 8;

/// How many signatures one search for a path may check: a pile of certificates that all have one
/// name must not buy time without bound.
const SEARCH_STEPS_MAX: usize = 64;

/// Extensions that every path may have critical: read here, or without meaning for these paths
/// (policies, as any policy will do).
const READ_HERE: [&[u8]; 3] = [oid::BASIC_CONSTRAINTS, oid::KEY_USAGE, oid::CERTIFICATE_POLICIES];

type Rule = (&'static str, &'static str);
const LENGTH: Rule = ("x509.path", "The path has two certificates or more, and not too many.");
const VALIDITY: Rule = ("x509.validity", "The certificate is valid at the given time.");
const KEY: Rule = ("x509.key", "The key is RSA of 2048 bits or more, or on P-256, P-384 or P-521.");
const CRITICAL: Rule = ("x509.critical", "Every critical extension is understood.");
const ISSUER: Rule = ("x509.issuer", "The issuer's name is the name of the next certificate.");
const SIGNATURE: Rule = ("x509.signature", "The next certificate's key signed this one.");
const AUTHORITY: Rule = ("x509.authority", "An issuer is marked as a certificate authority.");
const CERTIFICATE_SIGN: Rule = ("x509.key-usage", "An issuer's key may sign certificates.");
const AUTHORITIES_BELOW: Rule =
    ("x509.path-length", "No more authorities stand below an issuer than it allows.");
const END: Rule = ("x509.end", "The end of the path is not a certificate authority.");
const END_USAGE: Rule = ("x509.end.key-usage", "The key at the end may be used as it is used.");
const ROOT: Rule = ("x509.root", "The path ends at a root that is believed.");
const SELF_SIGNATURE: Rule =
    ("x509.root.signature", "A root that is believed by its key has signed its certificate.");

/// What a caller accepts of a path.
#[derive(Clone, Copy, Debug)]
pub struct PathRules<'a> {
    /// The time at which all certificates must be valid.
    pub at: UnixTime,
    /// The quirks that are accepted. Each that is met is a check either way.
    pub quirks: &'a [Quirk],
    /// Extensions that the caller reads itself, so that they may be critical.
    pub critical: &'a [&'a [u8]],
    /// Uses of which the key at the end must have one, if its certificate limits them.
    pub end_usage: &'a [u8],
    /// Lists of revoked certificates. If there are any, there must be one of the issuer of each certificate that says
    /// where such a list is; those of other issuers are left alone.
    pub revocation: &'a [RevocationList],
}

/// Makes every check of `path`, each certificate with what it is called, from the end to the root.
/// Gives the root if all passed.
pub fn check_path<'r>(
    checks: &mut Checks,
    path: &[(&str, &Certificate)],
    roots: &'r TrustRoots,
    rules: &PathRules<'_>,
) -> Option<&'r TrustRoot> {
    let mut made = Checks::new();
    let length_is_good = (2..=PATH_CERTIFICATES_MAX).contains(&path.len());
    made.record(LENGTH, "path", length_is_good, format!("{} certificates", path.len()));
    let mut root = None;
    if length_is_good {
        for (certificate, depth) in path.iter().zip(0..) {
            check_one(&mut made, *certificate, rules);
            if depth == 0 {
                check_end(&mut made, *certificate, rules);
            } else {
                check_authority(&mut made, *certificate, depth - 1);
            }
        }
        for pair in path.windows(2) {
            check_link(&mut made, pair[0], pair[1].1);
        }
        revocation::check(&mut made, path, rules);
        root = check_root(&mut made, path[path.len() - 1], roots);
    }
    let root = root.filter(|_| made.all_passed());
    checks.append(made);
    root
}

/// What holds for each certificate, wherever it stands.
fn check_one(
    checks: &mut Checks,
    (label, certificate): (&str, &Certificate),
    rules: &PathRules<'_>,
) {
    for quirk in certificate.quirks() {
        let is_named = rules.quirks.contains(quirk);
        let detail = if is_named { "named by the rules" } else { "not named by the rules" };
        checks.record(quirk_rule(*quirk), label, is_named, detail);
    }
    let validity = certificate.validity();
    checks.record(
        VALIDITY,
        label,
        validity.contains(rules.at),
        format!("{} is in {} to {}", rules.at, validity.not_before, validity.not_after),
    );
    match certificate.public_key() {
        Ok(key) => checks.record(KEY, label, true, key.kind()),
        Err(error) => checks.record(KEY, label, false, error.to_string()),
    };
    let unknown: Vec<String> = certificate
        .extensions()
        .iter()
        .filter(|extension| {
            let oid = extension.oid.as_slice();
            extension.is_critical && !READ_HERE.contains(&oid) && !rules.critical.contains(&oid)
        })
        .map(|extension| dotted(&extension.oid))
        .collect();
    checks.record(CRITICAL, label, unknown.is_empty(), unknown.join(", "));
}

fn check_end(
    checks: &mut Checks,
    (label, certificate): (&str, &Certificate),
    rules: &PathRules<'_>,
) {
    let is_authority =
        certificate.basic_constraints().is_some_and(|constraints| constraints.is_authority);
    checks.record(END, label, !is_authority, "");
    let is_usable = certificate
        .key_usage()
        .is_none_or(|usage| rules.end_usage.iter().any(|bit| usage.allows(*bit)));
    checks.record(END_USAGE, label, is_usable, "");
}

/// `below`: how many authorities stand between this one and the end.
fn check_authority(checks: &mut Checks, (label, certificate): (&str, &Certificate), below: usize) {
    let constraints = certificate.basic_constraints().unwrap_or_default();
    checks.record(AUTHORITY, label, constraints.is_authority, "");
    let may_sign =
        certificate.key_usage().is_some_and(|usage| usage.allows(KeyUsage::CERTIFICATE_SIGN));
    checks.record(CERTIFICATE_SIGN, label, may_sign, "");
    // Authorities that issued to themselves count too: stricter than RFC 5280, and simpler.
    let limit = constraints.authorities_below_max;
    let is_within = limit.is_none_or(|limit| below <= usize::from(limit));
    let detail = match limit {
        Some(limit) => format!("{below} below, at most {limit}"),
        None => format!("{below} below, no limit"),
    };
    checks.record(AUTHORITIES_BELOW, label, is_within, detail);
}

fn check_link(
    checks: &mut Checks,
    (label, certificate): (&str, &Certificate),
    issuer: &Certificate,
) {
    let is_named = certificate.issuer() == issuer.subject() && !has_no_name(issuer);
    checks.record(ISSUER, label, is_named, issuer.subject_text());
    let signed = signed_by(issuer, |key| certificate.verify_signed_by(key));
    let algorithm = certificate.signature_algorithm().to_string();
    match signed {
        Ok(()) => checks.record(SIGNATURE, label, true, algorithm),
        Err(error) => checks.record(SIGNATURE, label, false, format!("{algorithm}: {error}")),
    };
}

/// Whether a signature holds under an issuer's key, or why not.
pub(super) fn signed_by(
    issuer: &Certificate,
    verify: impl FnOnce(&PublicKey) -> Result<(), SignatureError>,
) -> Result<(), String> {
    let key = issuer.public_key().map_err(|error| error.to_string())?;
    verify(key).map_err(|error| error.to_string())
}

/// An empty sequence is no name for an issuer.
fn has_no_name(certificate: &Certificate) -> bool {
    certificate.subject() == [0x30, 0]
}

fn check_root<'r>(
    checks: &mut Checks,
    (label, certificate): (&str, &Certificate),
    roots: &'r TrustRoots,
) -> Option<&'r TrustRoot> {
    let found = roots.find(certificate);
    let detail = match found {
        Some(root) => root.label.clone(),
        None => format!("{} is not among the roots", certificate.subject_text()),
    };
    checks.record(ROOT, label, found.is_some(), detail);
    if let Some(TrustRoot { pin: Pin::PublicKey(_), .. }) = found {
        let signed = certificate.is_self_issued()
            && certificate.public_key().is_ok_and(|key| certificate.verify_signed_by(key).is_ok());
        checks.record(SELF_SIGNATURE, label, signed, "");
    }
    found
}

/// A path from `end` to a root, through certificates of `pool`, or none: one that can pass these rules if
/// there is one, and else one that shows what is wrong. It is not believed: [`check_path`] decides.
///
/// An authority that was renewed is in the pool twice under one name, often with one key as well, and the
/// ended certificate may come first. So what an issuer must be is asked while searching, by the same checks.
pub fn find_path<'c>(
    end: &'c Certificate,
    pool: &'c [Certificate],
    roots: &TrustRoots,
    rules: &PathRules<'_>,
) -> Option<Vec<&'c Certificate>> {
    let is_good = |step: &Step<'_>, is_root: bool| {
        let mut checks = Checks::new();
        let named = ("", step.certificate);
        check_one(&mut checks, named, rules);
        check_authority(&mut checks, named, step.depth - 1);
        if is_root {
            check_root(&mut checks, named, roots);
        }
        checks.all_passed()
    };
    search(end, pool, roots, is_good).or_else(|| search(end, pool, roots, |_, _| true))
}

/// A certificate that was reached, and the one below it.
struct Step<'c> {
    certificate: &'c Certificate,
    /// How many stand below it.
    depth: usize,
    /// The place of the one below among all that were reached; the end's own is never asked for.
    below: usize,
}

/// The shortest path through certificates that `is_good` takes, which is told whether it would be the root.
/// Each certificate is reached once at most, and by the fewest steps: so there are no more paths than
/// certificates, and each authority has as few below it as it can have.
fn search<'c>(
    end: &'c Certificate,
    pool: &'c [Certificate],
    roots: &TrustRoots,
    is_good: impl Fn(&Step<'c>, bool) -> bool,
) -> Option<Vec<&'c Certificate>> {
    let mut reached = vec![Step { certificate: end, depth: 0, below: 0 }];
    let mut signatures = 0;
    let mut at = 0;
    while let Some(&Step { certificate: below, depth, .. }) = reached.get(at) {
        let may_go_on = depth + 1 < PATH_CERTIFICATES_MAX;
        let named = pool.iter().filter(|issuer| may_go_on && issuer.subject() == below.issuer());
        for certificate in named {
            let is_new = reached.iter().all(|known| known.certificate != certificate);
            let step = Step { certificate, depth: depth + 1, below: at };
            let is_root = roots.find(certificate).is_some();
            if !is_new || !is_good(&step, is_root) {
                continue;
            }
            if signatures == SEARCH_STEPS_MAX {
                return None;
            }
            signatures += 1;
            if certificate.public_key().is_ok_and(|key| below.verify_signed_by(key).is_ok()) {
                reached.push(step);
                if is_root {
                    return Some(path_to(&reached));
                }
            }
        }
        at += 1;
    }
    None
}

/// From the end to the certificate that was reached last.
fn path_to<'c>(reached: &[Step<'c>]) -> Vec<&'c Certificate> {
    let mut path = Vec::new();
    let mut step = reached.last();
    while let Some(Step { certificate, depth, below }) = step {
        path.push(*certificate);
        step = if *depth == 0 { None } else { reached.get(*below) };
    }
    path.reverse();
    path
}

/// The check that logs a quirk.
pub(super) fn quirk_rule(quirk: Quirk) -> Rule {
    match quirk {
        Quirk::SerialNotPositive => (
            "x509.quirk.serial-not-positive",
            "A serial that is not positive is named by the rules.",
        ),
        Quirk::SerialNotMinimal => {
            ("x509.quirk.serial-not-minimal", "A serial with idle bytes is named by the rules.")
        }
        Quirk::SerialTooLong => {
            ("x509.quirk.serial-too-long", "A serial above 20 bytes is named by the rules.")
        }
        Quirk::DefaultWritten => {
            ("x509.quirk.default-written", "A written default is named by the rules.")
        }
        Quirk::BooleanForm => {
            ("x509.quirk.boolean-form", "A true that is not 0xff is named by the rules.")
        }
        Quirk::BitListForm => {
            ("x509.quirk.bit-list-form", "A list of bits with idle ones is named by the rules.")
        }
        Quirk::DateForm => {
            ("x509.quirk.date-form", "An early date in the long form is named by the rules.")
        }
        Quirk::OaepKey => ("x509.quirk.oaep-key", "A key for OAEP alone is named by the rules."),
        Quirk::Padding => ("x509.quirk.padding", "Padding after it is named by the rules."),
        Quirk::Sha1Signature => {
            ("x509.quirk.sha1-signature", "A signature over SHA-1 is named by the rules.")
        }
    }
}

#[cfg(test)]
mod tests;
