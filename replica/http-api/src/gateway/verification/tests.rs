//! The bounds in front of the library; what holds and what does not is tested with whole answers
//! in `tests/gateway.rs`.

use super::*;
use replica_crypto::chain_key::Signature;
use replica_crypto::hash_tree::TREE_DEPTH_MAX;

fn certificate(delegation: Option<Vec<u8>>) -> Vec<u8> {
    let delegation = delegation.map(|certificate| replica_crypto::certificate::Delegation {
        subnet_id: bytes::Bytes::from_static(&[1; 29]),
        certificate: certificate.into(),
    });
    let signature = Signature::from_slice(&[0x80; 48]).expect("48 bytes");
    Certificate { tree: HashTree::leaf(&b"x"[..]), signature, delegation }.to_cbor()
}

fn header(certificate: &[u8], tree: &[u8], more: &str) -> String {
    let (certificate, tree) = (BASE64.encode(certificate), BASE64.encode(tree));
    format!("certificate=:{certificate}:, tree=:{tree}:{more}")
}

fn check(text: &str, expected: Result<u8, &str>) {
    match (CertificateHeader::read(text), expected) {
        (Ok(header), Ok(version)) => {
            assert_eq!(header.version, version, "{text}");
            let again = CertificateHeader::read(&header.rewritten).expect("what was written");
            assert_eq!(again.rewritten, header.rewritten);
        }
        (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{error}, not {word}"),
        (outcome, expected) => panic!("{outcome:?}, expected {expected:?}"),
    }
}

#[test]
fn a_header_is_read_within_bounds() {
    let (good, leaf) = (certificate(None), HashTree::leaf(&b"x"[..]).to_cbor());
    check(&header(&good, &leaf, ""), Ok(1));
    // CBOR: a list of two texts.
    let path = BASE64.encode([0x82, 0x61, b'a', 0x61, b'b']);
    check(&header(&good, &leaf, &format!(", version=2, expr_path=:{path}:")), Ok(2));
    check(&header(&certificate(Some(good.clone())), &leaf, ""), Ok(1));
    check("", Err("no certificate"));
    check(&header(&good, &leaf, ", version=300"), Err("version"));
    check(&header(b"\xff", &leaf, ""), Err("certificate"));
    check(&header(&certificate(Some(vec![0x81; 9])), &leaf, ""), Err("certificate"));
    check(&header(&good, b"", ""), Err("tree"));
    check("certificate=:????:, tree=::", Err("base64"));
    for path in [&[0x81; 50_000][..], &[0x9f, 0xff], &[0x81, 1], &[0x80, 0], &[0x99, 0x10, 0]] {
        let path = format!(", expr_path=:{}:", BASE64.encode(path));
        check(&header(&good, &leaf, &path), Err("expr_path"));
    }
    check(&"x".repeat(CERTIFICATE_CHARS_MAX + 1), Err("characters"));
}

/// The library would go as deep as the bytes do, and end the process with its stack.
#[test]
fn deep_trees_are_refused() {
    // A fork of an empty tree and of the next fork, written without the bound of the encoder.
    let deep = |levels: usize| [vec![[0x83, 1, 0x81, 0]; levels].concat(), vec![0x81, 0]].concat();
    let good = certificate(None);
    check(&header(&good, &deep(TREE_DEPTH_MAX as usize - 1), ""), Ok(1));
    check(&header(&good, &deep(TREE_DEPTH_MAX as usize), ""), Err("tree"));
    check(&header(&good, &deep(60_000), ""), Err("tree"));
}

#[test]
fn deep_expressions_are_refused() {
    let ok = "default_certification(ValidationArgs{certification:Certification{\
              no_request_certification:Empty{},response_certification:ResponseCertification{\
              certified_response_headers:ResponseHeaderList{headers:[\"a\"]}}}})";
    assert!(check_expression(ok).is_ok());
    assert!(check_expression(&"a(".repeat(EXPRESSION_DEPTH_MAX + 1)).is_err());
    assert!(check_expression(&"a".repeat(EXPRESSION_CHARS_MAX + 1)).is_err());
}

#[test]
fn bodies_are_unpacked_within_a_bound() {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&[0; 1 << 20]).expect("a vector");
    let answered = Answered {
        status: 200,
        headers: vec![("Content-Encoding".into(), "gzip".into())],
        body: packer.finish().expect("a vector"),
        upgrade: false,
        rest: None,
    };
    assert_eq!(unpacked(&answered, 2 << 20).expect("packed").len(), 1 << 20);
    assert_eq!(unpacked(&answered, 1000).expect("packed").len(), 1000);
}
