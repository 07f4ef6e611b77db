//! TPMS_ATTEST: what a TPM says under a signature.
//!
//! Source: "TPM 2.0 Library, Part 2: Structures", TPMS_ATTEST and what it is made of.

use super::algorithm::hash_from_id;
use super::name;
use super::pcr::{PcrSelection, PcrSet};
use crate::cursor::{Cursor, ReadError};

/// TPM_GENERATED_VALUE: "\xffTCG". A restricted key signs nothing else that begins like this.
pub const MAGIC: u32 = 0xff54_4347;
/// The longest qualifying data: TPM2B_DATA holds a hash with its algorithm.
const EXTRA_BYTES_MAX: usize = 2 + 64;
/// The most banks of a selection: HASH_COUNT of the largest implementations.
const SELECTION_COUNT_MAX: u32 = 16;
/// The longest bitmap: 24 PCRs need 3 bytes.
const BITMAP_BYTES_MAX: u8 = 4;
/// The longest content of an NV index that is certified at once: MAX_NV_BUFFER_SIZE.
const NV_BYTES_MAX: usize = 2048;

/// Why bytes are not a TPMS_ATTEST that is supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestError {
    /// A field cannot be read.
    #[error("this is no TPMS_ATTEST")]
    Read(#[from] ReadError),
    /// The first four bytes are wrong: no TPM made it, or not by itself.
    #[error("the magic is {0:#010x}, not TPM_GENERATED (0xff544347)")]
    Magic(u32),
    /// It attests something that is not supported.
    #[error(
        "attestations of type {0:#06x} are not supported: \
         quote 0x8018, certify 0x8017, NV 0x8014, creation 0x801a"
    )]
    Type(u16),
    /// A bool is neither 0 nor 1.
    #[error("clockInfo.safe is {0}, neither 0 nor 1")]
    Bool(u8),
    /// A selection of PCRs is wrong.
    #[error("the PCR selection is wrong: {0}")]
    Selection(&'static str),
    /// A bank is not supported.
    #[error("the PCR selection has bank {0:#06x}: sha1, sha256, sha384 and sha512 are supported")]
    Bank(u16),
}

/// TPMS_CLOCK_INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockInfo {
    /// Milliseconds with power since the TPM was last cleared.
    pub clock_ms: u64,
    /// How often the TPM was reset since it was last cleared.
    pub reset_count: u32,
    /// How often it was restarted or resumed since the reset.
    pub restart_count: u32,
    /// Whether no smaller or equal clock was reported earlier. A loss of power makes it unsafe until
    /// the clock has passed all values that it may have had.
    pub safe: bool,
}

/// What is attested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attested {
    /// By TPM2_Quote: which PCRs, and the digest of their values.
    Quote {
        /// The PCRs, in the order of the digest.
        selection: PcrSelection,
        /// Over the values, with the hash of the signature.
        digest: Vec<u8>,
    },
    /// By TPM2_Certify: an object is loaded in the TPM.
    Certify {
        /// The object's name.
        name: Vec<u8>,
        /// Its qualified name.
        qualified_name: Vec<u8>,
    },
    /// By TPM2_NV_Certify: an NV index holds these bytes.
    Nv {
        /// The index's name, which covers its attributes and policy.
        index_name: Vec<u8>,
        /// Where in the index the bytes stand.
        offset: u16,
        /// The bytes.
        contents: Vec<u8>,
    },
    /// By TPM2_CertifyCreation: an object was made here.
    Creation {
        /// The object's name.
        object_name: Vec<u8>,
        /// The hash of the creation data.
        creation_hash: Vec<u8>,
    },
}

/// An attestation that was read. Whether a TPM made it is what its signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attest {
    /// The qualified name of the key that signed.
    pub qualified_signer: Vec<u8>,
    /// What the caller had put in: a nonce.
    pub extra_data: Vec<u8>,
    /// The TPM's clock and counters.
    pub clock: ClockInfo,
    /// The maker's number of the TPM's firmware.
    pub firmware_version: u64,
    /// What is attested.
    pub attested: Attested,
}

impl Attest {
    /// Reads a TPMS_ATTEST, or a TPM2B_ATTEST (with its length before it).
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let mut cursor = Cursor::new(signed_bytes(bytes));
        let magic = cursor.u32_be("magic")?;
        if magic != MAGIC {
            return Err(AttestError::Magic(magic));
        }
        let kind = cursor.u16_be("type")?;
        let qualified_signer = name::read(&mut cursor, "qualifiedSigner")?.to_vec();
        let extra_data = cursor.sized("extraData", EXTRA_BYTES_MAX)?.to_vec();
        let clock = clock(&mut cursor)?;
        let firmware_version = cursor.u64_be("firmwareVersion")?;
        let attested = match kind {
            0x8018 => quote(&mut cursor)?,
            0x8017 => certify(&mut cursor)?,
            0x8014 => nv(&mut cursor)?,
            0x801a => creation(&mut cursor)?,
            other => return Err(AttestError::Type(other)),
        };
        cursor.finish("TPMS_ATTEST")?;
        Ok(Self { qualified_signer, extra_data, clock, firmware_version, attested })
    }
}

/// The TPMS_ATTEST in bytes that may have the length of a TPM2B_ATTEST before it: these are signed.
/// The magic's first two bytes would be a length over any bound.
pub(super) fn signed_bytes(bytes: &[u8]) -> &[u8] {
    match bytes.split_first_chunk() {
        Some((size, rest)) if usize::from(u16::from_be_bytes(*size)) == rest.len() => rest,
        _ => bytes,
    }
}

fn clock(cursor: &mut Cursor) -> Result<ClockInfo, AttestError> {
    Ok(ClockInfo {
        clock_ms: cursor.u64_be("clockInfo.clock")?,
        reset_count: cursor.u32_be("clockInfo.resetCount")?,
        restart_count: cursor.u32_be("clockInfo.restartCount")?,
        safe: match cursor.u8("clockInfo.safe")? {
            0 => false,
            1 => true,
            other => return Err(AttestError::Bool(other)),
        },
    })
}

/// TPMS_QUOTE_INFO.
fn quote(cursor: &mut Cursor) -> Result<Attested, AttestError> {
    let selection = selection(cursor)?;
    let digest = cursor.sized("pcrDigest", 64)?.to_vec();
    Ok(Attested::Quote { selection, digest })
}

/// TPML_PCR_SELECTION. A bank comes once and selects something: then there is one way to select.
fn selection(cursor: &mut Cursor) -> Result<PcrSelection, AttestError> {
    let count = cursor.u32_be("pcrSelect.count")?;
    if count > SELECTION_COUNT_MAX {
        return Err(AttestError::Selection("it has over 16 banks"));
    }
    let mut selection = PcrSelection::default();
    for _ in 0..count {
        let id = cursor.u16_be("pcrSelect.hash")?;
        let bytes = cursor.u8("pcrSelect.sizeofSelect")?;
        if !(1..=BITMAP_BYTES_MAX).contains(&bytes) {
            return Err(AttestError::Selection("a bitmap has none of 1 to 4 bytes"));
        }
        let bitmap = cursor.take(usize::from(bytes), "pcrSelect.pcrSelect")?;
        let bank = hash_from_id(id).ok_or(AttestError::Bank(id))?;
        let set = PcrSet::from_bitmap(bitmap)
            .ok_or(AttestError::Selection("it selects a PCR over 23"))?;
        if set.is_empty() {
            return Err(AttestError::Selection("a bank selects nothing"));
        }
        if selection.0.iter().any(|(other, _)| *other == bank) {
            return Err(AttestError::Selection("a bank comes twice"));
        }
        selection.0.push((bank, set));
    }
    Ok(selection)
}

/// TPMS_CERTIFY_INFO.
fn certify(cursor: &mut Cursor) -> Result<Attested, AttestError> {
    Ok(Attested::Certify {
        name: name::read(cursor, "name")?.to_vec(),
        qualified_name: name::read(cursor, "qualifiedName")?.to_vec(),
    })
}

/// TPMS_NV_CERTIFY_INFO.
fn nv(cursor: &mut Cursor) -> Result<Attested, AttestError> {
    Ok(Attested::Nv {
        index_name: name::read(cursor, "indexName")?.to_vec(),
        offset: cursor.u16_be("offset")?,
        contents: cursor.sized("nvContents", NV_BYTES_MAX)?.to_vec(),
    })
}

/// TPMS_CREATION_INFO.
fn creation(cursor: &mut Cursor) -> Result<Attested, AttestError> {
    Ok(Attested::Creation {
        object_name: name::read(cursor, "objectName")?.to_vec(),
        creation_hash: cursor.sized("creationHash", 64)?.to_vec(),
    })
}
