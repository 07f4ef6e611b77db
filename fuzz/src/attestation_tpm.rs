//! What a TPM and its firmware hand over, and programs: read, replayed, verified.

use attestation::crypto::Hash;
use attestation::event_log::{EventLog, ReplayError};
use attestation::predict::boot::BANKS;
use attestation::predict::pe::Pe;
use attestation::predict::uki::Uki;
use attestation::predict::variable::{read_variable_data, signatures};
use attestation::tpm::nv::NvPublic;
use attestation::tpm::{
    Attest, Attested, Name, PcrSelection, PcrSet, Public, QuoteEvidence, QuotePolicy, Signature,
    SignedBy, pcr_values_from_file, public_key_from_file, quote, signature_with_scheme,
};

/// Event logs of both formats.
pub fn event_log(data: &[u8]) {
    let Ok(log) = EventLog::parse(data) else { return };
    assert!(log.banks().len() <= Hash::ALL.len());
    for bank in Hash::ALL {
        match log.replay(bank) {
            Ok(values) => assert_eq!(values.count(), 24),
            Err(ReplayError::NoBank { .. }) => assert!(!log.banks().contains(&bank)),
            Err(ReplayError::NoDigest { event, .. }) => {
                assert!(log.events()[event].digest(bank).is_none());
            }
        }
    }
    for event in log.events() {
        assert!(event.pcr < 24 || !event.is_extended());
        let _ = event.kind.to_string();
        if let Ok((_, content)) = read_variable_data(event.data) {
            let _ = signatures(content);
        }
    }
}

/// Public areas of keys and of NV indices; files of keys and of PCR values.
pub fn tpm_public(data: &[u8]) {
    let _ = public_key_from_file(data);
    let selection = PcrSelection::of(Hash::Sha256, PcrSet::all());
    let values = pcr_values_from_file(data, &selection);
    assert!(values.len() <= selection.bytes().max(data.len()));
    if let Ok(public) = Public::parse(data) {
        assert!(data.ends_with(public.bytes()));
        let again = Public::parse(public.bytes()).expect("it was read before");
        assert_eq!(again, public);
        let name = public.name();
        assert_eq!(Name::from_bytes(&name.to_bytes()), Some(name));
    }
    if let Ok(index) = NvPublic::parse(data) {
        assert_eq!(index.bytes(), data);
    }
}

/// The key of the seeds.
const KEY: &[u8] = include_bytes!("../../attestation/vectors/tpm-swtpm/ak_ecc.pub");

/// Attestations with signatures: the first two bytes say how long the attestation is. No mutant is
/// signed, so what is accepted is a seed.
pub fn tpm_quote(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some((message, signature)) = rest.split_at_checked(length) else { return };
    let _ = Signature::parse(signature);
    if let Some(named) = signature_with_scheme(signature, KEY, message) {
        Signature::parse(&named).expect("it has the form of a TPM's");
    }
    let Ok(attest) = Attest::parse(message) else { return };
    let Attested::Quote { selection, .. } = &attest.attested else { return };
    let count = selection.bytes();
    let policy = QuotePolicy::plain(&attest.extra_data, selection.clone());
    let pcrs = vec![0; count];
    let signed = SignedBy { key: KEY, message, signature };
    let verdict = quote::verify(&QuoteEvidence { signed, pcrs: &pcrs }, &policy);
    // The values are made up.
    assert!(!verdict.is_accepted());
    assert!(!verdict.checks().failed_ids().contains(&"tpm.quote.selection"));
    let other = PcrSelection::of(Hash::Sha512, PcrSet::all());
    if !other.selects_the_same(selection) {
        let policy = QuotePolicy::plain(&attest.extra_data, other);
        let pcrs = vec![0; 24 * 64];
        let verdict = quote::verify(&QuoteEvidence { signed, pcrs: &pcrs }, &policy);
        assert!(verdict.checks().failed_ids().contains(&"tpm.quote.selection"));
    }
}

/// Programs, and images of kernels.
pub fn uki(data: &[u8]) {
    let Ok(program) = Pe::parse(data) else {
        assert!(Uki::parse(data).is_err());
        return;
    };
    for bank in BANKS {
        let _ = program.authenticode(bank);
    }
    for section in program.sections() {
        assert!(section.raw.len() <= data.len());
        let _ = section.data();
    }
    let Ok(uki) = Uki::parse(data) else { return };
    assert!(uki.section(".linux").is_some());
    let _ = (uki.load_options(), uki.initrd_by_stub());
    for bank in BANKS {
        assert_eq!(uki.stub_measurements(bank).len(), 2 * uki.section_names().count());
    }
}
