//! Endorsement keys: who the TPM is. TCG EK Credential Profile 2.5, sections 2.2 and B.3-B.4.

use crate::error::{TpmError, code};
use crate::esys::values::{Created, SessionKind, checked};
use crate::esys::{Encrypt, Esys, Held, NULL_HIERARCHY, Tr};
use crate::nv;
use crate::template::{storage_key, without_key};
use crate::tpm::{Expect, Hierarchy, Tpm};
use sha2::{Digest as _, Sha256, Sha384};
use tss_esapi::abstraction::{AsymmetricAlgorithmSelection, ek};
use tss_esapi::constants::tss as constants;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::key_bits::RsaKeyBits;
use tss_esapi::structures::{
    CapabilityData, Digest, DigestList, EccParameter, EccPoint, Public, PublicKeyRsa,
};
use tss_esapi::traits::{Marshall, UnMarshall};

/// Handles of persistent endorsement keys.
const PERSISTENT_FIRST: u32 = 0x8101_0000;
const PERSISTENT_LAST: u32 = 0x8101_ffff;

/// Certificates of the issuers, the nearest last or first as the vendor likes.
const CHAIN_FIRST: u32 = 0x01c0_0100;
const CHAIN_LAST: u32 = 0x01c0_01ff;

/// The policy of newer templates is PolicyOR of two: the endorsement hierarchy's authorization, or what
/// an index of the vendor allows (PolicyA and PolicyC of the profile, section B.6, for SHA-384).
const BY_HIERARCHY_SHA384: [u8; 48] = [
    0x8b, 0xbf, 0x22, 0x66, 0x53, 0x7c, 0x17, 0x1c, 0xb5, 0x6e, 0x40, 0x3c, 0x4d, 0xc1, 0xd4, 0xb6,
    0x4f, 0x43, 0x26, 0x11, 0xdc, 0x38, 0x6e, 0x6f, 0x53, 0x20, 0x50, 0xc3, 0x27, 0x8c, 0x93, 0x0e,
    0x14, 0x3e, 0x8b, 0xb1, 0x13, 0x38, 0x24, 0xcc, 0xb4, 0x31, 0x05, 0x38, 0x71, 0xc6, 0xdb, 0x53,
];
const BY_VENDORS_INDEX_SHA384: [u8; 48] = [
    0xd6, 0x03, 0x2c, 0xe6, 0x1f, 0x2f, 0xb3, 0xc2, 0x40, 0xeb, 0x3c, 0xf6, 0xa3, 0x32, 0x37, 0xef,
    0x2b, 0x6a, 0x16, 0xf4, 0x29, 0x3c, 0x22, 0xb4, 0x55, 0xe2, 0x61, 0xcf, 0xfd, 0x21, 0x7a, 0xd5,
    0xb4, 0x94, 0x7c, 0x2d, 0x73, 0xe6, 0x30, 0x05, 0xee, 0xd2, 0xdc, 0x2b, 0x35, 0x93, 0xd1, 0x65,
];

/// Endorsement keys by algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EkKind {
    /// RSA with 2048 bits.
    Rsa2048,
    /// ECC on P-256.
    P256,
    /// ECC on P-384.
    P384,
}

impl EkKind {
    /// All kinds, in the order in which we like to use them: making and using an RSA key is slow.
    pub const ALL: [Self; 3] = [Self::P384, Self::P256, Self::Rsa2048];

    /// The index that holds the key's certificate.
    pub fn certificate_index(self) -> u32 {
        match self {
            Self::Rsa2048 => 0x01c0_0002,
            Self::P256 => 0x01c0_000a,
            Self::P384 => 0x01c0_0016,
        }
    }

    /// The index that holds a template of the vendor's own, TPMT_PUBLIC, where there is one.
    fn template_index(self) -> u32 {
        match self {
            Self::Rsa2048 => 0x01c0_0004,
            Self::P256 => 0x01c0_000c,
            Self::P384 => 0x01c0_0017,
        }
    }

    /// The index that holds a number for the usual template, where there is one.
    fn nonce_index(self) -> Option<u32> {
        match self {
            Self::Rsa2048 => Some(0x01c0_0003),
            Self::P256 => Some(0x01c0_000b),
            Self::P384 => None,
        }
    }

    /// The hash of the key's name and policy.
    fn hash(self) -> u16 {
        match self {
            Self::Rsa2048 | Self::P256 => constants::TPM2_ALG_SHA256,
            Self::P384 => constants::TPM2_ALG_SHA384,
        }
    }

    /// The usual template.
    fn template(self) -> Result<Public, TpmError> {
        let algorithm = match self {
            Self::Rsa2048 => AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048),
            Self::P256 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256),
            Self::P384 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP384),
        };
        checked("CreatePrimary", ek::create_ek_public_from_default_template_2(algorithm, None))
    }

    /// The kind of a key, by all of its public area but the key itself.
    fn of(public: &Public) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| {
            kind.template().is_ok_and(|template| without_key(&template) == without_key(public))
        })
    }
}

/// The TPM's name for a public area: the number of a hash algorithm and the hash. Who knows the name
/// knows the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName(pub Vec<u8>);

/// An endorsement key with all that proves it, as bytes for a verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorsementKey {
    /// Its kind.
    pub kind: EkKind,
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
    /// Its name.
    pub name: ObjectName,
    /// Where the TPM keeps the key itself, when it does.
    pub persistent: Option<u32>,
    /// The certificate (DER) as it stands in the index, when the vendor put one there.
    pub certificate: Option<Vec<u8>>,
    /// What the indices for issuers' certificates hold, joined in their order; empty when there are
    /// none.
    pub issuers: Vec<u8>,
}

/// The endorsement keys that the TPM keeps, as they were when the connection was opened.
pub struct KeptKeys(Vec<(u32, EkKind, Public)>);

impl KeptKeys {
    /// Looks at all persistent keys in the range for endorsement keys.
    pub fn read(esys: &Esys) -> Result<Self, TpmError> {
        let mut keys = Vec::new();
        for handle in handles(esys, PERSISTENT_FIRST, PERSISTENT_LAST)? {
            match esys.find(handle).and_then(|key| esys.read_public(key.tr())) {
                Ok(public) => keys.extend(EkKind::of(&public).map(|kind| (handle, kind, public))),
                // A key of a kind that the library does not know is none of ours.
                Err(TpmError::Nonsense { .. }) => {}
                // It is listed, but its hierarchy is switched off.
                Err(error) if error.is_code(code::HANDLE) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(keys))
    }

    fn get(&self, wanted: EkKind) -> Option<(u32, &Public)> {
        let found = self.0.iter().find(|(_, kind, _)| *kind == wanted);
        found.map(|(handle, _, public)| (*handle, public))
    }
}

/// Makes the key from its template, compares it with the persistent one, and reads its certificates.
pub fn read(tpm: &Tpm, kind: EkKind) -> Result<EndorsementKey, TpmError> {
    let made = make(tpm, kind)?.public;
    let persistent = tpm.kept_keys().get(kind);
    if let Some((handle, public)) = persistent
        && *public != made
    {
        return Err(TpmError::Foreign { handle, what: "the TPM's endorsement key" });
    }
    Ok(EndorsementKey {
        kind,
        public: bytes_of(&made)?,
        name: name_of(&made)?,
        persistent: persistent.map(|(handle, _)| handle),
        certificate: nv::read_if_there(tpm, kind.certificate_index())?,
        issuers: issuers(tpm)?,
    })
}

/// Makes the key from the template that the vendor's indices say, or the usual one.
fn make(tpm: &Tpm, kind: EkKind) -> Result<Created<'_>, TpmError> {
    let template = template_in(tpm, kind)?;
    let sessions = tpm.session(Encrypt::Nothing)?;
    tpm.esys().create_primary(Hierarchy::Endorsement.tr(), sessions, &template)
}

/// Section 2.2.1 of the profile: a whole template, or a number that stands in the place of the key in
/// the usual one, filled up with zeros.
fn template_in(tpm: &Tpm, kind: EkKind) -> Result<Public, TpmError> {
    let index = kind.template_index();
    if let Some(template) = nv::read_if_there(tpm, index)? {
        return Public::unmarshall(&template)
            .map_err(|_| TpmError::Foreign { handle: index, what: "a template (TPMT_PUBLIC)" });
    }
    let mut template = kind.template()?;
    let Some(index) = kind.nonce_index() else { return Ok(template) };
    let Some(nonce) = nv::read_if_there(tpm, index)? else { return Ok(template) };
    let too_long = |_| TpmError::Foreign { handle: index, what: "a number for a template" };
    match &mut template {
        Public::Rsa { unique, .. } => {
            *unique = PublicKeyRsa::try_from(filled_up(nonce, 256)).map_err(too_long)?;
        }
        Public::Ecc { unique, .. } => {
            let x = EccParameter::try_from(filled_up(nonce, 32)).map_err(too_long)?;
            *unique = EccPoint::new(x, unique.y().clone());
        }
        Public::KeyedHash { .. } | Public::SymCipher { .. } => {}
    }
    Ok(template)
}

fn filled_up(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.resize(bytes.len().max(length), 0);
    bytes
}

/// Runs something with an endorsement key loaded: the persistent one where there is one.
pub fn with_key<T>(
    tpm: &Tpm,
    kind: EkKind,
    run: impl FnOnce(Tr) -> Result<T, TpmError>,
) -> Result<T, TpmError> {
    if let Some((handle, _)) = tpm.kept_keys().get(kind) {
        return run(tpm.esys().find(handle)?.tr());
    }
    run(make(tpm, kind)?.held.tr())
}

/// A session that authorizes one use of the key. By policy always, although newer templates take an
/// empty password too: a TPM that is locked after wrong passwords takes no password for these keys.
pub fn authorize(tpm: &Tpm, kind: EkKind) -> Result<Held<'_>, TpmError> {
    let esys = tpm.esys();
    let policy = esys.start_session_with(None, SessionKind::Policy, kind.hash())?;
    esys.policy_endorsement(policy.tr(), tpm.session(Encrypt::Nothing)?)?;
    if kind == EkKind::P384 {
        let mut branches = DigestList::new();
        for branch in [BY_HIERARCHY_SHA384, BY_VENDORS_INDEX_SHA384] {
            let branch = checked("PolicyOR", Digest::try_from(branch.as_slice()))?;
            checked("PolicyOR", branches.add(branch))?;
        }
        esys.policy_or(policy.tr(), &branches)?;
    }
    Ok(policy)
}

/// Runs something with the key that salts the channel: the expected endorsement key, or any.
pub fn with_salt_key<T>(
    esys: &Esys,
    kept: &KeptKeys,
    expect: &Expect,
    run: impl FnOnce(Tr) -> Result<T, TpmError>,
) -> Result<T, TpmError> {
    let fits = |name: &[u8]| match expect {
        Expect::AnyTpm => true,
        Expect::Endorsement(expected) => expected.0 == name,
    };
    for kind in EkKind::ALL {
        let Some((handle, _)) = kept.get(kind) else { continue };
        let key = esys.find(handle)?;
        // The library makes this name of the public area to which it will encrypt the salt.
        if fits(esys.name(key.tr())?.value()) {
            return run(key.tr());
        }
    }
    // None is kept: make one. Any key will do for any TPM, and the null hierarchy has no password.
    if *expect == Expect::AnyTpm {
        let template = storage_key()?;
        let key = esys.create_primary(NULL_HIERARCHY, unsalted(esys)?.one(), &template)?;
        return run(key.held.tr());
    }
    for kind in [EkKind::P256, EkKind::P384, EkKind::Rsa2048] {
        let unsalted = unsalted(esys)?;
        let sessions = unsalted.one();
        let made = esys.create_primary(Hierarchy::Endorsement.tr(), sessions, &kind.template()?);
        let key = match made {
            Ok(key) => key,
            Err(error) if error.is_code(code::CURVE) => continue,
            Err(error) => return Err(error),
        };
        drop(unsalted);
        if fits(esys.name(key.held.tr())?.value()) {
            return run(key.held.tr());
        }
    }
    Err(TpmError::OtherTpm)
}

/// A session that carries nothing secret: the hierarchies that it is used with have empty passwords.
fn unsalted(esys: &Esys) -> Result<Held<'_>, TpmError> {
    esys.start_session(None, SessionKind::Hmac)
}

fn issuers(tpm: &Tpm) -> Result<Vec<u8>, TpmError> {
    let mut issuers = Vec::new();
    for index in handles(tpm.esys(), CHAIN_FIRST, CHAIN_LAST)? {
        issuers.extend(nv::read_if_there(tpm, index)?.unwrap_or_default());
    }
    Ok(issuers)
}

/// The handles in use from `first` to `last`. A response holds 254, of which a TPM has fewer.
pub(crate) fn handles(esys: &Esys, first: u32, last: u32) -> Result<Vec<u32>, TpmError> {
    let data = esys.capability(constants::TPM2_CAP_HANDLES, first, 254)?;
    let CapabilityData::Handles(list) = data else {
        return Err(TpmError::nonsense("GetCapability", "another kind of capability"));
    };
    let handles = list.into_inner().into_iter().map(u32::from);
    Ok(handles.filter(|handle| (first..=last).contains(handle)).collect())
}

pub(crate) fn bytes_of(public: &Public) -> Result<Vec<u8>, TpmError> {
    checked("ReadPublic", public.marshall())
}

/// The name of a public area, computed here.
pub(crate) fn name_of(public: &Public) -> Result<ObjectName, TpmError> {
    let bytes = bytes_of(public)?;
    let (algorithm, hash) = match public.name_hashing_algorithm() {
        HashingAlgorithm::Sha256 => (constants::TPM2_ALG_SHA256, Sha256::digest(&bytes).to_vec()),
        HashingAlgorithm::Sha384 => (constants::TPM2_ALG_SHA384, Sha384::digest(&bytes).to_vec()),
        other => return Err(TpmError::nonsense("ReadPublic", format!("a name by {other:?}"))),
    };
    Ok(ObjectName([algorithm.to_be_bytes().as_slice(), &hash].concat()))
}
