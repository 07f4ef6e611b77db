//! Tests of user keys and node keys.

use super::webauthn::base64url;
use super::*;
use crate::certificate::tests::{Subnet, delegate, root_state};
use crate::hash_tree::HashTree;
use crate::persistent::Tree;
use ed25519_consensus::SigningKey;
use minicbor::Encoder;
use p256::ecdsa::signature::Signer as _;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use types::{CanisterId, MessageId, RejectCode, Time};

const MESSAGE: &[u8] = b"hello";

fn root() -> Subnet {
    Subnet::new(1)
}

fn payload() -> Vec<u8> {
    Domain::REQUEST.payload(MESSAGE)
}

fn ed25519_secret() -> SigningKey {
    SigningKey::from([7; 32])
}

fn ed25519_der() -> Vec<u8> {
    spki::encode(spki::ED25519, ed25519_secret().verification_key().as_bytes())
}

fn p256_secret() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

fn p256_point() -> Vec<u8> {
    p256_secret().verifying_key().to_sec1_point(false).as_bytes().to_vec()
}

fn secp256k1_secret() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

fn secp256k1_point(compressed: bool) -> Vec<u8> {
    secp256k1_secret().verifying_key().to_sec1_point(compressed).as_bytes().to_vec()
}

/// Checks that the signature is good for the message and for nothing near it.
fn check_signature(der: &[u8], signature: &[u8]) {
    let root = root();
    let key = UserKey::from_der(der).unwrap();
    let verify = |domain, message: &[u8], signature: &[u8]| {
        key.verify(domain, message, signature, root.public_key())
    };
    verify(Domain::REQUEST, MESSAGE, signature).unwrap();
    assert!(verify(Domain::REQUEST_DELEGATION, MESSAGE, signature).is_err());
    assert!(verify(Domain::REQUEST, b"hellp", signature).is_err());
    assert!(verify(Domain::REQUEST, MESSAGE, &signature[1..]).is_err());
    assert!(verify(Domain::REQUEST, MESSAGE, &[signature, &[0]].concat()).is_err());
    assert!(verify(Domain::REQUEST, MESSAGE, b"").is_err());
    for at in [0, signature.len() / 2, signature.len() - 1] {
        let mut changed = signature.to_vec();
        changed[at] ^= 1;
        assert!(verify(Domain::REQUEST, MESSAGE, &changed).is_err(), "byte {at}");
    }
}

#[test]
fn ed25519() {
    // The form of RFC 8410.
    assert_eq!(hex::encode(&ed25519_der()[..12]), "302a300506032b6570032100");
    check_signature(&ed25519_der(), &ed25519_secret().sign(&payload()).to_bytes());
}

#[test]
fn ecdsa_p256_with_either_s() {
    let der = spki::encode(spki::P256, &p256_point());
    assert_eq!(der.len(), 91);
    let signature: p256::ecdsa::Signature = p256_secret().sign(&payload());
    check_signature(&der, &signature.to_bytes());
    let other = p256::ecdsa::Signature::from_scalars(signature.r(), -signature.s()).unwrap();
    check_signature(&der, &other.to_bytes());
}

#[test]
fn ecdsa_secp256k1_with_either_s() {
    let der = spki::encode(spki::SECP256K1, &secp256k1_point(false));
    assert_eq!(der.len(), 88);
    let signature: k256::ecdsa::Signature = secp256k1_secret().sign(&payload());
    check_signature(&der, &signature.to_bytes());
    let other = k256::ecdsa::Signature::from_scalars(signature.r(), -signature.s()).unwrap();
    check_signature(&der, &other.to_bytes());
}

/// A signature on one curve is none on the other.
#[test]
fn curves_are_not_mixed() {
    let signature: k256::ecdsa::Signature = secp256k1_secret().sign(&payload());
    let key = UserKey::from_der(&spki::encode(spki::P256, &p256_point())).unwrap();
    let root = root();
    let verified = key.verify(Domain::REQUEST, MESSAGE, &signature.to_bytes(), root.public_key());
    assert!(matches!(verified, Err(SignatureError::Invalid("ECDSA P-256"))));
    assert!(UserKey::from_der(&spki::encode(spki::P256, &secp256k1_point(false))).is_err());
}

fn cose(fields: &[(i64, CoseField<'_>)]) -> Vec<u8> {
    let mut to = Encoder::new(Vec::new());
    to.map(fields.len() as u64).unwrap();
    for (label, value) in fields {
        to.i64(*label).unwrap();
        match value {
            CoseField::Int(number) => drop(to.i64(*number).unwrap()),
            CoseField::Bytes(bytes) => drop(to.bytes(bytes).unwrap()),
        }
    }
    to.into_writer()
}

enum CoseField<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}
use CoseField::{Bytes as B, Int as I};

fn p256_cose() -> Vec<u8> {
    let point = p256_point();
    cose(&[(1, I(2)), (3, I(-7)), (-1, I(1)), (-2, B(&point[1..33])), (-3, B(&point[33..]))])
}

fn client_data(r#type: &str, challenge: &str) -> String {
    format!(
        r#"{{"type":"{type}","challenge":"{challenge}","origin":"https://example.org","crossOrigin":false}}"#
    )
}

const AUTHENTICATOR_DATA: [u8; 37] = [0; 37];

fn assertion(client_data: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let signed = [&AUTHENTICATOR_DATA[..], &Sha256::digest(client_data)].concat();
    let mut to = Encoder::new(Vec::new());
    to.tag(minicbor::data::Tag::new(55799)).unwrap().map(3).unwrap();
    to.str("authenticator_data").unwrap().bytes(&AUTHENTICATOR_DATA).unwrap();
    to.str("client_data_json").unwrap().str(client_data).unwrap();
    to.str("signature").unwrap().bytes(&sign(&signed)).unwrap();
    to.into_writer()
}

fn sign_p256_der(signed: &[u8]) -> Vec<u8> {
    let signature: p256::ecdsa::Signature = p256_secret().sign(signed);
    let raw = signature.to_bytes();
    let number = |raw: &[u8]| {
        let digits: Vec<u8> = raw.iter().copied().skip_while(|byte| *byte == 0).collect();
        let zero = if digits[0] >= 0x80 { &[0u8][..] } else { &[] };
        [&[2, (digits.len() + zero.len()) as u8], zero, &digits].concat()
    };
    let numbers = [number(&raw[..32]), number(&raw[32..])].concat();
    [&[0x30, numbers.len() as u8], &numbers[..]].concat()
}

#[test]
fn webauthn_with_p256() {
    let der = spki::encode(spki::COSE, &p256_cose());
    check_signature(
        &der,
        &assertion(&client_data("webauthn.get", &base64url(&payload())), sign_p256_der),
    );
}

#[test]
fn webauthn_with_ed25519() {
    let secret = ed25519_secret();
    let key =
        cose(&[(1, I(1)), (3, I(-8)), (-1, I(6)), (-2, B(secret.verification_key().as_bytes()))]);
    let client_data = client_data("webauthn.get", &base64url(&payload()));
    let signature = assertion(&client_data, |signed| secret.sign(signed).to_bytes().to_vec());
    check_signature(&spki::encode(spki::COSE, &key), &signature);
}

/// A key of 2048 bits and its signature, made with another implementation.
const RSA_MODULUS: &str = concat!(
    "e2229e97658cccc1946012afe46154f1c88386ca5341d3822d786ddd99374341122f55f04b2c062eec062014",
    "a330d2decefe3a3d1c868da75092e79641d2fa4d9ab83758e25d1601cad7513cc51d603346f20a9b8a3946b5",
    "36ced8c5302ce4a63a3e2cf3d11c1dd7beca623b94ef40e9c3544b3e202c59f6159500d5df2de65da43c4348",
    "2562d782693fdde1431bcdb707b31162fd3b1a69c64a5d32bf491b909a310a48bb462aa44e0bb31e34893a89",
    "03509cae48fe5a86317d7098c0b71929a7e189ebcb896d1c1355fb1870a6c9b103578eabb4be51c1b51e418d",
    "b7b1504e91bee5f6e4c56f83b71f8501a9db08d248288b5722bac71e5e19cb76799d9e71",
);
const RSA_SIGNATURE: &str = concat!(
    "99905876a2cd5788be75ae8527dbc769af5c7a031eedc6595ca8c65bd6066469bb93faa73b7618ce063b270e",
    "5bb9736cd30bd59b46acfaab350272a471160dfdd52e54e95f8e36d0fdf4a091aa7d28ff65893855d6d557c5",
    "5b16ed53e852d32bf09e1950d5652cbfc429354df9c2d2ce6d9179c508347dc9860acdfa4c0babe5c9c836bf",
    "3a2b88bc99826d1b0925aaccd9af11e1420807f05966e7c8e5d7786ad52a55bc25dcdda4be5b6a07878de996",
    "62185003949f12bf9a0b50864557820f14d8a96d6ee0d3e8c93bdfdab7fa04415bdff40fc808ce67148b71ca",
    "a937aa3b07ebb780469bf88395c6e29fb93b0206d6b4f59a310f0f5aba829e71f8aca6ce",
);

#[test]
fn webauthn_with_rsa() {
    let modulus = hex::decode(RSA_MODULUS).unwrap();
    let key = cose(&[(1, I(3)), (3, I(-257)), (-1, B(&modulus)), (-2, B(&[1, 0, 1]))]);
    let client_data = client_data("webauthn.get", &base64url(&payload()));
    let signature = assertion(&client_data, |_| hex::decode(RSA_SIGNATURE).unwrap());
    check_signature(&spki::encode(spki::COSE, &key), &signature);
    for (modulus, exponent) in [
        (&modulus[128..], &[1, 0, 1][..]),
        (&modulus[..], &[1]),
        (&modulus[..], &[1, 0, 0]),
        (&modulus[..], &[1, 0, 0, 0, 1]),
        (&[], &[1, 0, 1]),
    ] {
        let key = cose(&[(1, I(3)), (3, I(-257)), (-1, B(modulus)), (-2, B(exponent))]);
        assert!(UserKey::from_der(&spki::encode(spki::COSE, &key)).is_err());
    }
}

#[test]
fn webauthn_assertions_of_another_kind_are_refused() {
    let root = root();
    let key = UserKey::from_der(&spki::encode(spki::COSE, &p256_cose())).unwrap();
    let check = |client_data: &str, expected: fn(&WebAuthnError) -> bool| {
        let signature = assertion(client_data, sign_p256_der);
        let error = key.verify(Domain::REQUEST, MESSAGE, &signature, root.public_key());
        match error.unwrap_err() {
            SignatureError::WebAuthn(error) => assert!(expected(&error), "{error:?}"),
            error => panic!("{error:?}"),
        }
    };
    let challenge = base64url(&payload());
    check(&client_data("webauthn.create", &challenge), |e| matches!(e, WebAuthnError::Type(_)));
    check(&client_data("webauthn.get", "AAAA"), |e| matches!(e, WebAuthnError::Challenge));
    check(&client_data("webauthn.get", &format!("{challenge}=")), |e| {
        matches!(e, WebAuthnError::Challenge)
    });
    check("{}", |e| matches!(e, WebAuthnError::ClientData(_)));
    check("", |e| matches!(e, WebAuthnError::ClientData(_)));
}

#[test]
fn base64url_of_the_rfc() {
    for (bytes, expected) in [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg"),
        ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64url(bytes.as_bytes()), expected);
    }
    assert_eq!(base64url(&[0xfb, 0xff, 0xfe]), "-__-");
}

/// The COSE key of the specification's example.
#[test]
fn cose_key_of_the_specification() {
    let der = "305e300c060a2b0601040183b8430101034e00a50102032620012158207ffd83632072fd1bfeaf3fbaa43146e0ef95c3f55e3994a41bbf2b5174d771da22582032497eed0a7f6f000928765b8318162cfd80a94e525a6a368c2363063d04e6ed";
    let key = UserKey::from_der(&hex::decode(der).unwrap()).unwrap();
    assert!(matches!(key.scheme, Scheme::WebAuthn(webauthn::CoseKey::P256(_))));
}

fn canister() -> CanisterKey {
    CanisterKey { canister_id: CanisterId(Principal::from_slice(&[12])), seed: b"seed".to_vec() }
}

/// The tree in which the canister has signed the payload.
fn signature_tree(key: &CanisterKey, payload: &[u8]) -> HashTree {
    let mut signatures = Tree::new();
    let path = [&b"sig"[..], &Sha256::digest(&key.seed), &Sha256::digest(payload)];
    signatures.set(&path, &b""[..]);
    signatures.set(&[&b"sig"[..], &Sha256::digest(b"another seed"), &[1; 32]], &b""[..]);
    signatures.witness(&[path])
}

/// The state tree that reveals the canister's certified data.
fn certified(key: &CanisterKey, data: [u8; 32]) -> HashTree {
    let mut state = Tree::new();
    let path = [&b"canister"[..], key.canister_id.as_slice(), b"certified_data"];
    state.set(&path, data.to_vec());
    state.set(&[&b"time"[..]], vec![1]);
    state.witness(&[path])
}

#[test]
fn canister_signature_on_the_root_subnet() {
    let key = canister();
    let tree = signature_tree(&key, &payload());
    let certificate = root().certify(certified(&key, tree.digest()), None);
    let der = key.to_der();
    assert_eq!(UserKey::from_der(&der).unwrap().as_canister_key(), Some(&key));
    check_signature(&der, &encode_canister_signature(&certificate, &tree));
}

#[test]
fn canister_signature_on_another_subnet() {
    let subnet = Subnet::new(2);
    let check = |canister: u8, subnet_type: Option<&str>, expected: &str| {
        let key = CanisterKey {
            canister_id: CanisterId(Principal::from_slice(&[canister])),
            seed: vec![],
        };
        let tree = signature_tree(&key, &payload());
        let delegation = delegate(&root(), &root_state(&subnet, subnet_type));
        let certificate = subnet.certify(certified(&key, tree.digest()), Some(delegation));
        let signature = encode_canister_signature(&certificate, &tree);
        let verified = UserKey::from_der(&key.to_der()).unwrap().verify(
            Domain::REQUEST,
            MESSAGE,
            &signature,
            root().public_key(),
        );
        let text = match verified {
            Ok(()) => "good".to_owned(),
            Err(SignatureError::Canister(error)) => format!("{error:?}"),
            Err(error) => panic!("{error:?}"),
        };
        assert!(text.starts_with(expected), "{text}");
    };
    check(12, Some("application"), "good");
    check(12, Some("system"), "good");
    check(12, Some("cloud_engine"), "SubnetType(Some");
    check(12, None, "SubnetType(None");
    check(25, Some("application"), "Certificate(CanisterOutOfRange");
}

#[test]
fn a_canister_signature_that_does_not_add_up_is_refused() {
    let key = canister();
    let good_tree = signature_tree(&key, &payload());
    let check = |state: HashTree, tree: &HashTree, expected: &str| {
        let certificate = root().certify(state, None);
        let signature = encode_canister_signature(&certificate, tree);
        let verified = key.verify(&payload(), &signature, root().public_key());
        let text = format!("{:?}", verified.unwrap_err());
        assert!(text.starts_with(expected), "{text}");
    };
    check(certified(&key, [9; 32]), &good_tree, "CertifiedData");
    let other = CanisterKey { canister_id: CanisterId::from_index(1), ..key.clone() };
    check(certified(&other, good_tree.digest()), &good_tree, "CertifiedData");
    let elsewhere = signature_tree(&key, b"other payload");
    check(certified(&key, elsewhere.digest()), &elsewhere, "NotSigned");
    let of_other_seed = signature_tree(&CanisterKey { seed: vec![1], ..key.clone() }, &payload());
    check(certified(&key, of_other_seed.digest()), &of_other_seed, "NotSigned");
    let twice = HashTree::fork(good_tree.clone(), good_tree.clone());
    check(certified(&key, twice.digest()), &twice, "TreeForm");
    let stranger = Subnet::new(3).certify(certified(&key, good_tree.digest()), None);
    let signature = encode_canister_signature(&stranger, &good_tree);
    let verified = key.verify(&payload(), &signature, root().public_key());
    assert!(matches!(verified, Err(CanisterSignatureError::Certificate(_))));
}

#[test]
fn wrong_keys_are_refused() {
    let check = |der: &[u8], expected: fn(&UserKeyError) -> bool| {
        let error = UserKey::from_der(der).unwrap_err();
        assert!(expected(&error), "{error:?}");
    };
    check(b"", |e| matches!(e, UserKeyError::Der(_)));
    check(&ed25519_der()[..43], |e| matches!(e, UserKeyError::Der(_)));
    check(&[&ed25519_der()[..], &[0]].concat(), |e| matches!(e, UserKeyError::Der(_)));
    check(&spki::encode(&[6, 1, 1], b"key"), |e| matches!(e, UserKeyError::Algorithm));
    // A hash function may not be named, nor parameters given.
    let with_null = [spki::ED25519, &[5, 0]].concat();
    check(&spki::encode(&with_null, &[1; 32]), |e| matches!(e, UserKeyError::Algorithm));
    let is_key = |e: &UserKeyError| matches!(e, UserKeyError::Key(_));
    check(&spki::encode(spki::ED25519, &[1; 31]), is_key);
    check(&spki::encode(spki::SECP256K1, &secp256k1_point(true)), is_key);
    check(&spki::encode(spki::P256, &[4; 65]), is_key);
    check(&spki::encode(spki::CANISTER, &[3, 1, 2]), is_key);
    check(&spki::encode(spki::CANISTER, &[30; 31]), is_key);
    check(&spki::encode(spki::CANISTER, &[]), is_key);
    let point = p256_point();
    let (x, y) = (&point[1..33], &point[33..]);
    for fields in [
        &[(1, I(2)), (3, I(-7)), (-1, I(1)), (-2, B(x))][..],
        &[(1, I(2)), (3, I(-8)), (-1, I(1)), (-2, B(x)), (-3, B(y))],
        &[(1, I(2)), (3, I(-7)), (-1, I(2)), (-2, B(x)), (-3, B(y))],
        &[(1, I(2)), (3, I(-7)), (-1, I(1)), (-2, B(y)), (-3, B(x))],
        &[(1, I(2)), (3, I(-7)), (-1, I(1)), (-2, B(x)), (-3, B(&y[1..]))],
        &[(1, I(2)), (3, I(-7)), (-1, I(1)), (-2, B(x)), (-3, B(y)), (4, I(1))],
        &[(1, I(2)), (1, I(2)), (3, I(-7)), (-1, I(1)), (-2, B(x)), (-3, B(y))],
    ] {
        check(&spki::encode(spki::COSE, &cose(fields)), is_key);
    }
}

#[test]
fn a_user_is_the_self_authenticating_principal_of_the_key() {
    let key = UserKey::from_der(&ed25519_der()).unwrap();
    assert_eq!(key.principal(), Principal::self_authenticating(ed25519_der()));
    assert_eq!(key.principal().as_slice().last(), Some(&2));
}

/// Digests made by another implementation of the hashing rules.
#[test]
fn query_answers_are_signed() {
    let key = NodeSigningKey::from_seed(&[7; 32]);
    let request_id = MessageId(std::array::from_fn(|n| n as u8));
    let time = Time(1_700_000_000_123_456_789);
    let check = |answer: QueryAnswer<'_>, digest: &str| {
        let signature = key.sign_query_answer(&request_id, time, answer);
        let payload = [&b"\x0Bic-response"[..], &hex::decode(digest).unwrap()].concat();
        let public = VerificationKey::try_from(key.public_key()).unwrap();
        verify_ed25519(&public, &payload, &signature).unwrap();
    };
    check(
        QueryAnswer::Replied(b"DIDL\0\0"),
        "f2cc58cc537b6fc45d58436abdcd2d68dcbae1a1f3e14ee8da26ca695964cc9c",
    );
    let code = RejectCode::CanisterError;
    check(
        QueryAnswer::Rejected { code, message: "no", error_code: Some("IC0503") },
        "1ca8aa7be884d8b9c89dc05d06f82547dec7198adcb89a75f7b4d0f129bd487b",
    );
    check(
        QueryAnswer::Rejected { code, message: "no", error_code: None },
        "8e0cb7f32b451a67534373fe0cd9748710b450b8fdb7900db8345215af5c7cf6",
    );
    assert_eq!(key.node_id().0, Principal::self_authenticating(ed25519_der()));
}

proptest! {
    #[test]
    fn foreign_bytes_do_not_panic(
        bytes: Vec<u8>,
        scheme in 0usize..5,
        signature: Vec<u8>,
    ) {
        let root = root();
        let _ = UserKey::from_der(&bytes);
        let algorithm =
            [spki::ED25519, spki::P256, spki::SECP256K1, spki::COSE, spki::CANISTER][scheme];
        if let Ok(key) = UserKey::from_der(&spki::encode(algorithm, &bytes)) {
            let verified = key.verify(Domain::REQUEST, MESSAGE, &signature, root.public_key());
            prop_assert!(verified.is_err());
        }
        for der in [
            ed25519_der(),
            spki::encode(spki::P256, &p256_point()),
            spki::encode(spki::SECP256K1, &secp256k1_point(false)),
            spki::encode(spki::COSE, &p256_cose()),
            canister().to_der(),
        ] {
            let key = UserKey::from_der(&der).unwrap();
            let verified = key.verify(Domain::REQUEST, MESSAGE, &signature, root.public_key());
            prop_assert!(verified.is_err());
        }
    }
}

/// The 14 encodings of the eight points of small order: y, and the sign of x in the last bit.
fn encodings_of_small_order() -> Vec<[u8; 32]> {
    let ys = [
        // y = 1, y = -1, y = 0 and the two others, below the prime.
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        // y = 0 and y = 1 once more, with the prime added.
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    ys.iter()
        .flat_map(|y| {
            let mut positive = [0; 32];
            hex::decode_to_slice(y, &mut positive).unwrap();
            let mut negative = positive;
            negative[31] |= 0x80;
            [positive, negative]
        })
        .collect()
}

/// The cases in which libraries for Ed25519 differ: with `s = 0` and points of small order, the
/// equation of ZIP-215 holds for every message, whatever the encodings.
#[test]
fn ed25519_follows_zip_215_where_libraries_differ() {
    let encodings = encodings_of_small_order();
    assert_eq!(encodings.len(), 14);
    for public in &encodings {
        let key = super::ed25519_key(public).unwrap();
        let independent = ed25519_consensus::VerificationKey::try_from(*public).unwrap();
        for r in &encodings {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(r);
            super::verify_ed25519(&key, b"any message", &signature).unwrap();
            independent.verify(&signature.into(), b"any message").unwrap();
            // The order of the group in place of 0 is the same number, not reduced: refused.
            signature[32..].copy_from_slice(&GROUP_ORDER);
            assert!(super::verify_ed25519(&key, b"any message", &signature).is_err());
            assert!(independent.verify(&signature.into(), b"any message").is_err());
        }
    }
}

/// 2^252 + 27742317777372353535851937790883648493, little-endian.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
