//! Whether a canister's answer to a browser is certified (HTTP gateway protocol, "response
//! verification", versions 1 and 2).
//!
//! The rules are the ecosystem's own library's. It reads what a canister wrote with recursive
//! parsers that have no bound, in the process of the node; so everything it reads is first read
//! here by decoders that have one, and it gets the header put together anew from what passed.

use std::io::Read as _;

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ic_http_certification::{HttpRequest, HttpResponse};
use ic_response_verification::{ResponseVerificationError, verify_request_response_pair};
use minicbor::Decoder;
use replica_crypto::cbor;
use replica_crypto::certificate::Certificate;
use replica_crypto::hash_tree::HashTree;
use types::{CanisterId, Time};

use super::message::{Answered, Asked};

/// How old a certificate may be, or how far ahead.
const CERTIFICATE_AGE_NS_MAX: u128 = 300_000_000_000;

/// Characters of the header `IC-Certificate`; that of a deep tree has some 20,000.
const CERTIFICATE_CHARS_MAX: usize = 400_000;

/// Characters of the header `IC-CertificateExpression`; one that names many headers has some 1,000.
const EXPRESSION_CHARS_MAX: usize = 8_000;

/// Brackets within brackets in that header; the expressions of the protocol have 6.
const EXPRESSION_DEPTH_MAX: usize = 16;

/// Segments of a certified path.
const PATH_SEGMENTS_MAX: u64 = 200;

/// The least version that is accepted.
const VERSION_MIN: u8 = 1;

/// As canisters write it, with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an answer is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority<'a> {
    pub(crate) canister: CanisterId,
    pub(crate) root_key_der: &'a [u8],
    pub(crate) now: Time,
    /// Bytes that a compressed body may have when it is unpacked.
    pub(crate) body_bytes_max: usize,
}

/// What of an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Certified {
    /// The canister certified that this answer needs no certificate: all of it is passed on.
    Exempt,
    /// Status and body, and these headers (version 2).
    Headers(Vec<(String, String)>),
    /// The body alone (version 1).
    Body,
}

/// Why an answer is not passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerificationError {
    #[error("the answer has no header {0}")]
    Missing(&'static str),
    #[error("the header {header} cannot be read: {problem}")]
    Header { header: &'static str, problem: String },
    #[error("the status {0} is none of HTTP")]
    Status(u16),
    #[error("the certificate does not cover the answer: {0}")]
    NotCovered(String),
    #[error("the status {0} is not certified: redirects need version 2 of the certification")]
    Redirect(u16),
}

const CERTIFICATE: &str = "IC-Certificate";
const EXPRESSION: &str = "IC-CertificateExpression";

/// Checks an answer whose body is whole.
pub(crate) fn verify(
    asked: &Asked,
    answered: &Answered,
    authority: &Authority<'_>,
) -> Result<Certified, VerificationError> {
    let written = answered.header(CERTIFICATE).ok_or(VerificationError::Missing(CERTIFICATE))?;
    let certificate = CertificateHeader::read(written)?;
    if certificate.version == 1 {
        return verify_body(asked, answered, authority, &certificate);
    }
    let expression = answered.header(EXPRESSION).ok_or(VerificationError::Missing(EXPRESSION))?;
    check_expression(expression)?;
    let mut headers = without_certificate(answered);
    headers.push((CERTIFICATE.into(), certificate.rewritten.clone()));
    let verified = library(asked, answered, authority, headers, &answered.body)?;
    Ok(match verified {
        None => Certified::Exempt,
        Some(headers) => Certified::Headers(headers),
    })
}

/// Version 1 certifies a body, as it is sent or as it is unpacked.
fn verify_body(
    asked: &Asked,
    answered: &Answered,
    authority: &Authority<'_>,
    certificate: &CertificateHeader,
) -> Result<Certified, VerificationError> {
    if (300..400).contains(&answered.status) {
        return Err(VerificationError::Redirect(answered.status));
    }
    // Without an encoding, so that the library unpacks nothing: it has no bound on that.
    let headers = || vec![(CERTIFICATE.to_owned(), certificate.rewritten.clone())];
    let as_sent = library(asked, answered, authority, headers(), &answered.body);
    let unpacked = || unpacked(answered, authority.body_bytes_max);
    match (as_sent, answered.header("content-encoding")) {
        (Ok(_), _) => Ok(Certified::Body),
        (Err(_), Some("gzip" | "deflate")) => {
            let body = unpacked()?;
            library(asked, answered, authority, headers(), &body).map(|_| Certified::Body)
        }
        (Err(error), _) => Err(error),
    }
}

fn unpacked(answered: &Answered, bytes_max: usize) -> Result<Vec<u8>, VerificationError> {
    let body = answered.body.as_slice();
    let limit = bytes_max as u64;
    let mut plain = Vec::new();
    let read = match answered.header("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(body).take(limit).read_to_end(&mut plain),
        _ => flate2::read::DeflateDecoder::new(body).take(limit).read_to_end(&mut plain),
    };
    match read {
        Ok(_) => Ok(plain),
        Err(error) => {
            Err(VerificationError::NotCovered(format!("cannot unpack the body: {error}")))
        }
    }
}

/// The library's verdict: the certified headers, or none if the answer needs no certificate.
fn library(
    asked: &Asked,
    answered: &Answered,
    authority: &Authority<'_>,
    headers: Vec<(String, String)>,
    body: &[u8],
) -> Result<Option<Vec<(String, String)>>, VerificationError> {
    let method = Method::from_bytes(asked.method.as_bytes())
        .map_err(|error| VerificationError::NotCovered(error.to_string()))?;
    let request = HttpRequest::builder()
        .with_method(method)
        .with_url(asked.url.as_str())
        .with_headers(asked.headers.clone())
        .with_body(asked.body.as_slice())
        .build();
    let status = StatusCode::from_u16(answered.status)
        .map_err(|_| VerificationError::Status(answered.status))?;
    let response = HttpResponse::builder()
        .with_status_code(status)
        .with_headers(headers)
        .with_body(body)
        .build();
    verify_request_response_pair(
        request,
        response,
        authority.canister.as_slice(),
        u128::from(authority.now.0),
        CERTIFICATE_AGE_NS_MAX,
        authority.root_key_der,
        VERSION_MIN,
    )
    .map(|info| info.response.map(|response| response.headers))
    .map_err(|error: ResponseVerificationError| VerificationError::NotCovered(error.to_string()))
}

fn without_certificate(answered: &Answered) -> Vec<(String, String)> {
    let others =
        answered.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(CERTIFICATE));
    others.cloned().collect()
}

/// The header `IC-Certificate`, read within bounds.
#[derive(Debug)]
struct CertificateHeader {
    version: u8,
    /// The same, put together anew.
    rewritten: String,
}

impl CertificateHeader {
    fn read(text: &str) -> Result<Self, VerificationError> {
        let refused = |problem: String| VerificationError::Header { header: CERTIFICATE, problem };
        if text.len() > CERTIFICATE_CHARS_MAX {
            let problem = format!("it has more than {CERTIFICATE_CHARS_MAX} characters");
            return Err(refused(problem));
        }
        let bytes = |name| match part(text, name) {
            None => Ok(None),
            Some(value) => BASE64
                .decode(value)
                .map(Some)
                .map_err(|error| refused(format!("{name} is not base64: {error}"))),
        };
        let wanted = |name| bytes(name)?.ok_or_else(|| refused(format!("it has no {name}")));
        let (certificate, tree, path) =
            (wanted("certificate")?, wanted("tree")?, bytes("expr_path")?);
        let version = part(text, "version")
            .map_or(Ok(1), str::parse)
            .map_err(|_| refused("its version is not a small number".into()))?;
        check_certificate(&certificate).map_err(refused)?;
        HashTree::from_cbor(&tree).map_err(|error| refused(format!("tree: {error}")))?;
        path.as_deref().map_or(Ok(()), check_path).map_err(refused)?;
        let again = |bytes: &[u8]| BASE64.encode(bytes);
        let (certificate, tree) = (again(&certificate), again(&tree));
        let mut rewritten =
            format!("certificate=:{certificate}:, tree=:{tree}:, version={version}");
        if let Some(path) = path {
            rewritten += &format!(", expr_path=:{}:", again(&path));
        }
        Ok(Self { version, rewritten })
    }
}

/// The value of the first `name=value` or `name=:value:` among those that commas part.
fn part<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = text.split(',').filter_map(|part| part.trim().split_once('='));
    let (_, value) = parts.find(|(key, _)| key.trim() == name)?;
    let value = value.trim();
    Some(value.strip_prefix(':').and_then(|value| value.strip_suffix(':')).unwrap_or(value))
}

/// Checks the form of a certificate, and of the one within it.
fn check_certificate(bytes: &[u8]) -> Result<(), String> {
    let read = |bytes: &[u8]| {
        Certificate::from_cbor(bytes).map_err(|error| format!("certificate: {error}"))
    };
    match read(bytes)?.delegation {
        Some(delegation) => read(&delegation.certificate).map(drop),
        None => Ok(()),
    }
}

/// Checks that the bytes are a list of texts.
fn check_path(bytes: &[u8]) -> Result<(), String> {
    let refused = |problem: &str| format!("expr_path: {problem}");
    let mut decoder = Decoder::new(bytes);
    cbor::skip_self_describing_tag(&mut decoder).map_err(|error| refused(&error.to_string()))?;
    let count = decoder.array().ok().flatten().ok_or_else(|| refused("it is no list"))?;
    if count > PATH_SEGMENTS_MAX {
        return Err(refused("it has too many segments"));
    }
    (0..count).try_for_each(|_| decoder.str().map(drop)).map_err(|_| refused("it has no texts"))?;
    match decoder.position() == bytes.len() {
        true => Ok(()),
        false => Err(refused("something follows it")),
    }
}

fn check_expression(text: &str) -> Result<(), VerificationError> {
    let refused = |problem: String| Err(VerificationError::Header { header: EXPRESSION, problem });
    if text.len() > EXPRESSION_CHARS_MAX {
        return refused(format!("it has more than {EXPRESSION_CHARS_MAX} characters"));
    }
    let (mut depth, mut deepest) = (0usize, 0usize);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    match deepest > EXPRESSION_DEPTH_MAX {
        true => refused(format!("its brackets are more than {EXPRESSION_DEPTH_MAX} deep")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
