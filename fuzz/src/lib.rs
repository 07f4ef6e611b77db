//! One function for each decoder of foreign bytes: it must not panic, and what it accepts must
//! satisfy what is asserted here. `tests/` calls them with seeds and mutants, `coverage/` hands them to libFuzzer;
//! see README.md.

mod attestation_enrolment;
mod attestation_evidence;
mod attestation_snp;
mod attestation_tpm;
mod chain_key;
mod configuration;
mod consensus;
mod delegation;
mod early_boot;
mod image_readers;
mod images;
mod management;
mod measure;
mod packages;
mod snp_guest;

pub use attestation_enrolment::enrolment;
pub use attestation_evidence::{evidence, evidence_rules};
pub use attestation_snp::{revocation_list, snp_report, x509};
pub use attestation_tpm::{event_log, tpm_public, tpm_quote, uki};
pub use chain_key::{shares, transcript};
pub use configuration::subnet_config;
pub use consensus::{consensus, payload, peer_message};
pub use delegation::delegation;
pub use early_boot::early_boot;
pub use image_readers::{cpio_read, erofs_read, fat_read, release_manifest};
pub use images::{gpt, pe, update_payload};
pub use management::management_call;
pub use measure::{boot_archive, measurements, smbios, snp_firmware};
pub use packages::{ar, compressed, crate_archive, deb, deb822, tar};
pub use snp_guest::snp_guest;

use bytes::Bytes;
use replica_crypto::Domain;
use replica_crypto::certificate::Certificate;
use replica_crypto::chain_key::{ChainKey, PublicKey, dealt};
use replica_crypto::hash_tree::{HashTree, Lookup};
use replica_crypto::signatures::UserKey;
use replica_ingress::{
    CallContent, Content, EffectiveId, Envelope, Gate, QueryContent, ReadStateContent,
    decode_included,
};
use std::sync::OnceLock;
use types::{Limits, NodeId, Principal, Time};

/// The time of all admissions.
pub(crate) const NOW: Time = Time(1_700_000_000_000_000_000);

fn root_key() -> &'static PublicKey {
    static KEY: OnceLock<PublicKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let dealt = dealt::deal(1, &[NodeId(Principal::anonymous())], 1);
        *ChainKey::new(&dealt.transcript).expect("the dealer's transcript is good").public_key()
    })
}

pub(crate) fn gate() -> &'static Gate {
    static GATE: OnceLock<Gate> = OnceLock::new();
    GATE.get_or_init(|| Gate::new(*root_key(), &Limits::default()))
}

/// Envelopes of all kinds: read, admitted, routed.
pub fn envelope(data: &[u8]) {
    let raw = Bytes::copy_from_slice(data);
    check_envelope::<CallContent>(&raw);
    check_envelope::<QueryContent>(&raw);
    check_envelope::<ReadStateContent>(&raw);
    if let Ok(included) = decode_included(&raw) {
        let _ = EffectiveId::of_call(&included.content);
        if let Ok(admitted) = gate().admit_call(&raw, NOW) {
            assert_eq!(admitted.message_id(), included.id);
        }
    }
}

fn check_envelope<C: Content + PartialEq + std::fmt::Debug>(raw: &Bytes) {
    let read = Envelope::<C>::from_cbor(raw);
    let admitted = gate().admit::<C>(raw, NOW);
    let Ok(read) = read else {
        assert!(admitted.is_err());
        return;
    };
    let again = Envelope::<C>::from_cbor(&read.to_cbor()).expect("what is written can be read");
    assert_eq!(again.content.message_id(), read.content.message_id());
    assert_eq!(again, read);
    if let Ok(admitted) = admitted {
        assert!(admitted.valid_until() <= admitted.expiry());
        if C::REQUEST_TYPE == CallContent::REQUEST_TYPE {
            assert!(admitted.valid_from() <= NOW && NOW <= admitted.valid_until());
        }
    }
}

/// Hash trees: read, looked up, joined.
pub fn hash_tree(data: &[u8]) {
    let Ok(tree) = HashTree::from_cbor(data) else { return };
    let again = HashTree::from_cbor(&tree.to_cbor()).expect("what is written can be read");
    assert_eq!(again, tree);
    let digest = tree.digest();
    assert_eq!(HashTree::Pruned(digest).merge(tree.clone()).as_ref(), Ok(&tree));
    assert_eq!(tree.clone().merge(HashTree::Pruned(digest)).as_ref(), Ok(&tree));
    let values = tree.lookup_all::<&[u8]>(&[]);
    if tree.is_well_formed()
        && let HashTree::Labeled(label, below) = &tree
        && let HashTree::Leaf(value) = &**below
    {
        assert_eq!(tree.lookup(&[label]), Lookup::Found(value));
        assert_eq!(values, [&value[..]]);
    }
    for path in [&[&b""[..]][..], &[b"a", b"y"], &[b"sig", data]] {
        let _ = tree.lookup(path);
    }
}

/// Certificates: read, verified.
pub fn certificate(data: &[u8]) {
    let Ok(certificate) = Certificate::from_cbor(data) else { return };
    let again =
        Certificate::from_cbor(&certificate.to_cbor()).expect("what is written can be read");
    assert_eq!(again, certificate);
    assert!(certificate.verify_for_canister(root_key(), b"canister").is_err());
}

/// Public keys in DER, with signatures: the first two bytes say how long the key is.
pub fn user_key(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some((der, signature)) = rest.split_at_checked(length) else { return };
    let _ = PublicKey::from_der(der);
    let Ok(key) = UserKey::from_der(der) else { return };
    assert_eq!(key.der(), der);
    assert_eq!(key.principal(), Principal::self_authenticating(der));
    // A signature may hold: there are Ed25519 keys of small order under which many do.
    let _ = key.verify(Domain::REQUEST, b"message", signature, root_key());
}
