//! The keys of the simulated security processor are public: whoever has the source can sign with
//! them. So no program that is published may know them, nor their root as one to believe.

use attestation::crypto::PublicKey;
use attestation::snp::Product;
use attestation::x509::Certificate;
use attestation_simulator::Vendor;
use system_tests::provided::program;

/// Bytes that tell one RSA key from all others: the end of its modulus.
const TAIL_BYTES: usize = 64;

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    // The first byte is searched for by itself, as the programs have some hundred MiB.
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// What would give the root away: its public key, and the pin by which a verifier would believe it.
fn traces() -> Vec<(String, Vec<u8>)> {
    Product::ALL
        .into_iter()
        .flat_map(|product| {
            let vendor = Vendor::new(product);
            [vendor.ark().to_vec(), vendor.ask().to_vec()].map(|der| (product, der))
        })
        .flat_map(|(product, der)| {
            let certificate = Certificate::from_der(&der).expect("the simulator made it");
            let pin = certificate.spki_sha256();
            let Ok(PublicKey::Rsa(key)) = certificate.public_key() else {
                panic!("the simulator's authorities have RSA keys")
            };
            let modulus = key.modulus();
            let tail = modulus[modulus.len() - TAIL_BYTES..].to_vec();
            [
                (format!("key of {product}"), tail),
                (format!("pin of {product}"), pin.to_vec()),
                (format!("pin of {product} in hex"), hex::encode(pin).into_bytes()),
            ]
        })
        .collect()
}

#[test]
fn programs_do_not_know_the_simulated_root() {
    let traces = traces();
    // This very test knows the keys: the search would find them.
    let test = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(traces.iter().any(|(_, bytes)| contains(&test, bytes)), "the search finds nothing");
    for name in ["plinth", "orchestrator", "replica"] {
        let bytes = std::fs::read(program(name)).unwrap();
        for (what, trace) in &traces {
            assert!(!contains(&bytes, trace), "{name} has the {what}");
        }
    }
}
