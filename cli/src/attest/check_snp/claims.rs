//! The claims of an HCL report: the key of the virtual TPM in them, against the key of a quote.

use attestation::checks::Checks;
use attestation::crypto::{PublicKey, RsaPublicKey};
use attestation::tpm::{Public, public_key_from_file};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::Deserialize;

/// How the claims name the key that quotes are signed by.
const AK: &str = "HCLAkPub";
const CHECK: (&str, &str) =
    ("snp.claims.ak", "The claims have the given key as that of the virtual TPM's quotes.");

/// What is read of the claims; there is more in them.
#[derive(Deserialize)]
struct Claims {
    keys: Vec<Key>,
}

/// A JSON Web Key (RFC 7517), of which these members tell an RSA key.
#[derive(Deserialize)]
struct Key {
    kid: String,
    kty: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

/// Checks that `key`, a file, is the key of the claims. That the claims are the paravisor's is another check.
pub fn check_key(checks: &mut Checks, claims: &[u8], key: &[u8]) -> bool {
    let same = claimed(claims).and_then(|claimed| match given(key)? == claimed {
        true => Ok(()),
        false => Err("the given key is another".to_owned()),
    });
    checks.record_result(CHECK, "claims", same).is_some()
}

fn claimed(claims: &[u8]) -> Result<PublicKey, String> {
    let claims: Claims = serde_json::from_slice(claims)
        .map_err(|error| format!("the claims are not the JSON that is known: {error}"))?;
    let named: Vec<&Key> = claims.keys.iter().filter(|key| key.kid == AK).collect();
    let [Key { kty, n, e, .. }] = named[..] else {
        return Err(format!("the claims have {} keys named {AK}, and not one", named.len()));
    };
    if kty != "RSA" {
        return Err(format!("{AK} is of type {kty}, and not RSA"));
    }
    let number = |text: &str| {
        Base64UrlUnpadded::decode_vec(text)
            .map_err(|_| format!("a number of {AK} is not in base64url"))
    };
    let (modulus, exponent) = (number(n)?, number(e)?);
    // Four bytes have room for each exponent that is accepted.
    let missing = 4usize.checked_sub(exponent.len()).ok_or(format!("{AK} has a long exponent"))?;
    let mut padded = [0; 4];
    padded[missing..].copy_from_slice(&exponent);
    RsaPublicKey::new(&modulus, u32::from_be_bytes(padded))
        .map(PublicKey::Rsa)
        .map_err(|error| format!("{AK}: {error}"))
}

fn given(file: &[u8]) -> Result<PublicKey, String> {
    match public_key_from_file(file) {
        Some(der) => PublicKey::from_spki(&der).map_err(|error| format!("the given key: {error}")),
        None => Public::parse(file)
            .map(|public| public.key().clone())
            .map_err(|error| format!("the given key: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../attestation/vectors");

    fn verdict(claims: &str, key: &[u8]) -> Result<(), String> {
        let mut checks = Checks::new();
        let is_same = check_key(&mut checks, claims.as_bytes(), key);
        let made = checks.iter().next().expect("one check").clone();
        assert_eq!((made.id, made.passed), (CHECK.0, is_same));
        if is_same { Ok(()) } else { Err(made.detail) }
    }

    #[test]
    fn one_key_of_that_name_and_no_other() {
        let container =
            std::fs::read(format!("{VECTORS}/snp-real/azure_milan_v2.hcl.bin")).unwrap();
        let container = attestation::snp::HclReport::from_bytes(&container).unwrap();
        let claims = std::str::from_utf8(container.claims()).unwrap();
        // Written by `openssl asn1parse -genconf` out of the numbers of the claims.
        let key = std::fs::read(format!("{VECTORS}/snp-real/azure_milan_v2.ak.pem")).unwrap();
        assert_eq!(verdict(claims, &key), Ok(()));
        let other = std::fs::read(format!("{VECTORS}/tpm-real/azure_vtpm.ak.pem")).unwrap();
        let refused = |claims: &str, key: &[u8], why: &str| {
            let detail = verdict(claims, key).expect_err(why);
            assert!(detail.contains(why), "{detail}");
        };
        refused(claims, &other, "another");
        refused(claims, b"no key", "the given key");
        refused(&claims.replace("AQAB", "AQAA"), &key, "exponent");
        refused(&claims.replace("AQAB", "AQABAQAB"), &key, "exponent");
        refused(&claims.replace("AQAB", "A+AB"), &key, "base64url");
        refused(&claims.replace("\"tYVB", "\"uYVB"), &key, "another");
        refused(&claims.replace("\"RSA\"", "\"EC\""), &key, "type EC");
        refused(&claims.replace(AK, "HCLEkPub"), &key, "0 keys");
        refused("{", &key, "JSON");
        let (start, end) = (claims.find("{\"kid").unwrap(), claims.find("}]").unwrap() + 1);
        let twice = format!("{},{}", &claims[..end], &claims[start..]);
        refused(&twice, &key, "2 keys");
        let member_twice = claims.replace("\"kty\"", "\"kty\":\"EC\",\"kty\"");
        refused(&member_twice, &key, "duplicate");
    }
}
