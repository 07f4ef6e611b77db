//! The roots of AMD, as data.

use super::Product;
use crate::x509::{Pin, RevocationList, TrustRoot, TrustRoots};

/// One root, and the generation whose chips it vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpRoot {
    /// The root and how it is known.
    pub root: TrustRoot,
    /// The generation.
    pub product: Product,
}

/// The roots that a verification believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpRoots {
    roots: TrustRoots,
    products: Vec<Product>,
    revocation: Vec<RevocationList>,
}

/// SHA-256 of the public keys of AMD's root certificates, which are in `roots/amd`.
const AMD: [(&str, Product, &str); 3] = [
    ("ARK-Milan", Product::Milan, MILAN),
    ("ARK-Genoa", Product::Genoa, GENOA),
    ("ARK-Turin", Product::Turin, TURIN),
];
const MILAN: &str = "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9";
const GENOA: &str = "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831";
const TURIN: &str = "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08";

impl SnpRoots {
    /// AMD's own.
    pub fn amd() -> Self {
        Self::new(AMD.map(|(label, product, sha256)| {
            let mut pin = [0; 32];
            hex::decode_to_slice(sha256, &mut pin).expect("the constants are 32 bytes in hex");
            SnpRoot {
                root: TrustRoot { label: label.to_owned(), pin: Pin::PublicKey(pin) },
                product,
            }
        }))
    }

    /// These roots and no others.
    pub fn new(roots: impl IntoIterator<Item = SnpRoot>) -> Self {
        let (roots, products): (Vec<TrustRoot>, Vec<Product>) =
            roots.into_iter().map(|root| (root.root, root.product)).unzip();
        Self { roots: TrustRoots::new(roots), products, revocation: Vec::new() }
    }

    /// These roots and one more.
    #[must_use]
    pub fn and(self, one: SnpRoot) -> Self {
        let products = self.products.into_iter();
        let known = self.roots.iter().cloned().zip(products);
        let all = known.map(|(root, product)| SnpRoot { root, product }).chain([one]);
        Self { revocation: self.revocation, ..Self::new(all) }
    }

    /// These roots, and what their makers no longer stand by (decision 083).
    #[must_use]
    pub fn with_revocation_lists(
        mut self,
        lists: impl IntoIterator<Item = RevocationList>,
    ) -> Self {
        self.revocation.extend(lists);
        self
    }

    pub(super) fn revocation(&self) -> &[RevocationList] {
        &self.revocation
    }

    pub(super) fn roots(&self) -> &TrustRoots {
        &self.roots
    }

    /// The generation of a root that is among these.
    pub(super) fn product_of(&self, root: &TrustRoot) -> Option<Product> {
        let found = self.roots.iter().zip(&self.products).find(|(known, _)| *known == root);
        found.map(|(_, product)| *product)
    }
}
