//! Formats frozen by hash: what a wire or a disk carries is read by nodes of other versions, so a
//! change of its bytes must be a decision. Tests of the crates that define formats include this
//! file by its path, list their formats, and call [`check`].

use sha2::{Digest as _, Sha256};

/// A format: encodings of a fixed set of values that covers every variant, and the hash of them.
pub struct Format {
    /// What it is, and where its version stands.
    pub name: &'static str,
    /// The encodings.
    pub encodings: Vec<Vec<u8>>,
    /// SHA-256 over all of them, each after its length (eight bytes big-endian).
    pub hash: &'static str,
}

/// Compares every format with its hash; names all that changed, with the new hashes.
///
/// # Panics
/// When one changed.
pub fn check(formats: &[Format]) {
    let changed: Vec<String> = formats.iter().filter_map(change).collect();
    assert!(changed.is_empty(), "\n{}", changed.join("\n"));
}

fn change(format: &Format) -> Option<String> {
    let Format { name, encodings, hash } = format;
    assert!(!encodings.is_empty(), "the format {name} has no samples");
    let mut all = Sha256::new();
    for encoding in encodings {
        all.update((encoding.len() as u64).to_be_bytes());
        all.update(encoding);
    }
    let found: String = all.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    (found != *hash).then(|| {
        format!(
            "the format \"{name}\" changed: nodes of the old version cannot read it, or come to \
             another result. If that is intended, raise its version, provide for nodes of the \
             old version, and replace the hash by {found}"
        )
    })
}
