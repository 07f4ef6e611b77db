//! Who vouches for chips.

use std::sync::LazyLock;

use attestation::snp::{Product, SnpRoot, SnpRoots};
use attestation::x509::{Certificate, Pin, TrustRoot};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA384};

use crate::certificate::{
    Subject, authority_extensions, bits, pss_sha384, rsa_spki, sequence, to_be_signed,
};

static ARK: LazyLock<KeyPair> = LazyLock::new(|| key(include_bytes!("../keys/ark.pk8")));
static ASK: LazyLock<KeyPair> = LazyLock::new(|| key(include_bytes!("../keys/ask.pk8")));

fn key(pkcs8: &[u8]) -> KeyPair {
    KeyPair::from_pkcs8(pkcs8).expect("the files are RSA keys")
}

/// The simulated vendor: a root and an intermediate for one generation of chips.
#[derive(Clone, Debug)]
pub struct Vendor {
    product: Product,
    ark: Vec<u8>,
    ask: Vec<u8>,
}

impl Vendor {
    /// The vendor of this generation. The keys are always the same, the signatures have new salts.
    pub fn new(product: Product) -> Self {
        let (root, intermediate) = (format!("ARK-Sim{product}"), intermediate_name(product));
        let ark = sign(
            &ARK,
            &Subject {
                name: &root,
                issuer: &root,
                spki: &rsa_spki(ARK.public_key().as_ref()),
                extensions: &authority_extensions(false),
            },
        );
        let ask = sign(
            &ARK,
            &Subject {
                name: &intermediate,
                issuer: &root,
                spki: &rsa_spki(ASK.public_key().as_ref()),
                extensions: &authority_extensions(true),
            },
        );
        Self { product, ark, ask }
    }

    /// The generation of its chips.
    pub fn product(&self) -> Product {
        self.product
    }

    /// The root certificate in DER.
    pub fn ark(&self) -> &[u8] {
        &self.ark
    }

    /// The intermediate certificate in DER.
    pub fn ask(&self) -> &[u8] {
        &self.ask
    }

    /// Roots for a verifier of a test: this vendor's alone.
    pub fn roots(&self) -> SnpRoots {
        let ark = Certificate::from_der(&self.ark).expect("we made it");
        let pin = Pin::PublicKey(ark.spki_sha256());
        let root = TrustRoot { label: "simulated root".to_owned(), pin };
        SnpRoots::new([SnpRoot { root, product: self.product }])
    }

    /// Certifies a chip's key.
    pub(crate) fn certify(&self, spki: &[u8], extensions: &[u8]) -> Vec<u8> {
        let issuer = intermediate_name(self.product);
        sign(&ASK, &Subject { name: "SEV-VCEK", issuer: &issuer, spki, extensions })
    }
}

fn intermediate_name(product: Product) -> String {
    format!("SEV-Sim{product}")
}

fn sign(key: &KeyPair, subject: &Subject<'_>) -> Vec<u8> {
    let tbs = to_be_signed(subject);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PSS_SHA384, &SystemRandom::new(), &tbs, &mut signature)
        .expect("a key of 4096 bits signs");
    sequence(&[&tbs, &pss_sha384(), &bits(&signature)])
}
