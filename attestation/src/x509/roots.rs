//! Which roots are believed. Roots are data: nothing here is built in.

use super::Certificate;

/// What is known of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// SHA-256 of the whole certificate: each of its bytes is vouched for.
    Certificate([u8; 32]),
    /// SHA-256 of its SubjectPublicKeyInfo: the rest is vouched for by its own signature, which is
    /// checked.
    PublicKey([u8; 32]),
}

/// One root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    /// What it is called in checks.
    pub label: String,
    /// By which it is known.
    pub pin: Pin,
}

/// The roots that a verification believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustRoots(Vec<TrustRoot>);

impl TrustRoots {
    /// These roots and no others.
    pub fn new(roots: impl IntoIterator<Item = TrustRoot>) -> Self {
        Self(roots.into_iter().collect())
    }

    /// The root that this certificate is, if it is one.
    pub fn find(&self, certificate: &Certificate) -> Option<&TrustRoot> {
        let (whole, key) = (certificate.sha256(), certificate.spki_sha256());
        self.0.iter().find(|root| match root.pin {
            Pin::Certificate(pin) => pin == whole,
            Pin::PublicKey(pin) => pin == key,
        })
    }

    /// All roots.
    pub fn iter(&self) -> impl Iterator<Item = &TrustRoot> {
        self.0.iter()
    }
}
