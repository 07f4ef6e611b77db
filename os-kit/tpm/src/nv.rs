//! Indices of the TPM's persistent memory: what they are, their names, reading and writing them.

use crate::attestation::{AttestationKey, Statement};
use crate::endorsement::handles;
use crate::error::{TpmError, code};
use crate::esys::nv::NvAuth;
use crate::esys::values::{SessionKind, checked};
use crate::esys::{Encrypt, Found, Tr};
use crate::owner::Owner;
use crate::policy::{ALLOWED_BYTES, PolicyDigest, sha256_name};
use crate::tpm::Tpm;
use tss_esapi::constants::tss as constants;
use tss_esapi::structures::{Auth, Data, MaxNvBuffer};
use tss_esapi::tss2_esys as c;

/// The range that belongs to the owner: TCG registry of reserved TPM 2.0 handles, section 2.2.2.
const OWNER_FIRST: u32 = 0x0180_0000;
const OWNER_LAST: u32 = 0x01bf_ffff;

/// Most bytes of an index that is read: certificates are of one to two thousand.
const READ_BYTES_MAX: u16 = 8192;

/// TPMA_NV.
mod attribute {
    pub const OWNER_WRITE: u32 = 1 << 1;
    pub const COUNTER: u32 = 1 << 4;
    /// A write replaces all of the index.
    pub const WRITE_ALL: u32 = 1 << 12;
    pub const OWNER_READ: u32 = 1 << 17;
    /// Reading takes the index's own authorization value, which is empty: anybody may.
    pub const AUTH_READ: u32 = 1 << 18;
    /// Wrong passwords elsewhere do not lock it.
    pub const NO_DA: u32 = 1 << 25;
    pub const WRITTEN: u32 = 1 << 29;
}

/// An index as we define it. Its name, and with it every policy that refers to it, follows from this
/// alone: an index of the same kind at the same handle has the same name on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NvIndex {
    handle: u32,
    attributes: u32,
    bytes: u16,
}

impl NvIndex {
    /// Holds the digest of the allowed policy. The owner writes, anybody reads.
    pub fn allowed_policy(handle: u32) -> Result<Self, TpmError> {
        let bytes = u16::try_from(ALLOWED_BYTES).expect("34");
        Self::new(handle, attribute::WRITE_ALL, bytes)
    }

    /// Counts up by one each time, never down. The owner increments, anybody reads.
    pub fn counter(handle: u32) -> Result<Self, TpmError> {
        Self::new(handle, attribute::COUNTER, 8)
    }

    fn new(handle: u32, kind: u32, bytes: u16) -> Result<Self, TpmError> {
        use attribute::{AUTH_READ, NO_DA, OWNER_READ, OWNER_WRITE};
        if !(OWNER_FIRST..=OWNER_LAST).contains(&handle) {
            return Err(TpmError::bad_input(format!(
                "{handle:#010x} is not an index of the owner: take one from {OWNER_FIRST:#010x} \
                 to {OWNER_LAST:#010x}"
            )));
        }
        let attributes = OWNER_WRITE | OWNER_READ | AUTH_READ | NO_DA | kind;
        Ok(Self { handle, attributes, bytes })
    }

    /// Its handle.
    pub fn handle(&self) -> u32 {
        self.handle
    }

    /// Its name since it was first written, as policies refer to it.
    pub fn name(&self) -> Vec<u8> {
        self.name_with(self.attributes | attribute::WRITTEN)
    }

    fn unwritten_name(&self) -> Vec<u8> {
        self.name_with(self.attributes)
    }

    /// The hash of TPMS_NV_PUBLIC: handle, name algorithm, attributes, no policy, size.
    fn name_with(&self, attributes: u32) -> Vec<u8> {
        let mut bytes = self.handle.to_be_bytes().to_vec();
        bytes.extend(constants::TPM2_ALG_SHA256.to_be_bytes());
        bytes.extend(attributes.to_be_bytes());
        bytes.extend(0u16.to_be_bytes());
        bytes.extend(self.bytes.to_be_bytes());
        sha256_name(&bytes)
    }

    fn public(&self) -> c::TPM2B_NV_PUBLIC {
        c::TPM2B_NV_PUBLIC {
            size: 0, // The library computes it.
            nvPublic: c::TPMS_NV_PUBLIC {
                nvIndex: self.handle,
                nameAlg: constants::TPM2_ALG_SHA256,
                attributes: self.attributes,
                authPolicy: c::TPM2B_DIGEST::default(),
                dataSize: self.bytes,
            },
        }
    }
}

/// Whether an index was written since it was defined. A definition alone leaves nothing to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Yes,
    No,
}

impl Tpm {
    /// Defines an index, unless it is there already as it should be.
    pub fn define(&self, index: &NvIndex, owner: Owner<'_>) -> Result<(), TpmError> {
        if !handles(self.esys(), index.handle, index.handle)?.is_empty() {
            return self.with_index(index, |_, _| Ok(()));
        }
        self.as_owner(owner, Encrypt::Nothing, |sessions| {
            self.esys().nv_define(sessions, &Auth::default(), index.public())
        })
    }

    /// Removes an index.
    pub fn undefine(&self, index: &NvIndex, owner: Owner<'_>) -> Result<(), TpmError> {
        let found = self.find_index(index.handle)?;
        self.as_owner(owner, Encrypt::Nothing, |sessions| {
            self.esys().nv_undefine(found.tr(), sessions)
        })
    }

    /// What the allowed policy is; `None` before the first one was written.
    pub fn allowed_policy(&self, index: &NvIndex) -> Result<Option<PolicyDigest>, TpmError> {
        let Some(bytes) = self.read_index(index)? else { return Ok(None) };
        let digest = PolicyDigest::from_nv(&bytes);
        digest.map(Some).ok_or_else(|| TpmError::nonsense("NV_Read", "no SHA-256 policy digest"))
    }

    /// Replaces the allowed policy, in one write.
    pub fn allow_policy(
        &self,
        index: &NvIndex,
        policy: PolicyDigest,
        owner: Owner<'_>,
    ) -> Result<(), TpmError> {
        let data = checked("NV_Write", MaxNvBuffer::try_from(policy.to_nv().as_slice()))?;
        self.with_index(index, |tr, _| {
            self.as_owner(owner, Encrypt::Command, |sessions| {
                self.esys().nv_write(tr, NvAuth::Owner, sessions, &data)
            })
        })
    }

    /// The value of a counter; `None` before its first increment.
    pub fn counter(&self, counter: &NvIndex) -> Result<Option<u64>, TpmError> {
        let Some(bytes) = self.read_index(counter)? else { return Ok(None) };
        let number = bytes.as_slice().try_into().map(u64::from_be_bytes);
        number.map(Some).map_err(|_| TpmError::nonsense("NV_Read", "a counter not of 8 bytes"))
    }

    /// Increments a counter, and returns its new value.
    pub fn increment(&self, counter: &NvIndex, owner: Owner<'_>) -> Result<u64, TpmError> {
        self.with_index(counter, |tr, _| {
            self.as_owner(owner, Encrypt::Nothing, |sessions| {
                self.esys().nv_increment(tr, sessions)
            })
        })?;
        let value = self.counter(counter)?;
        value.ok_or_else(|| TpmError::nonsense("NV_Increment", "a counter without a value"))
    }

    /// A statement by the TPM of what an index holds, signed by the attestation key over up to 32 bytes
    /// of the verifier's.
    pub fn certify(
        &self,
        key: &AttestationKey<'_>,
        index: &NvIndex,
        qualifying: &[u8],
    ) -> Result<Statement, TpmError> {
        let qualifying = qualifying_data(qualifying)?;
        self.with_index(index, |tr, written| {
            if written == Written::No {
                return Err(unwritten(index));
            }
            let second = self.esys().start_session(None, SessionKind::Hmac)?;
            let sessions = self.session_and(second.tr(), Encrypt::Nothing)?;
            let signed =
                self.esys().nv_certify(key.tr(), tr, sessions, &qualifying, index.bytes)?;
            Ok(Statement { message: signed.message, signature: signed.signature })
        })
    }

    /// All bytes of an index; `None` before it was first written.
    fn read_index(&self, index: &NvIndex) -> Result<Option<Vec<u8>>, TpmError> {
        self.with_index(index, |tr, written| match written {
            Written::No => Ok(None),
            Written::Yes => {
                let sessions = self.session(Encrypt::Response)?;
                let data = self.esys().nv_read(tr, NvAuth::Index, sessions, 0, index.bytes)?;
                Ok(Some(data.value().to_vec()))
            }
        })
    }

    /// Runs something with an index, which must be as it was defined.
    fn with_index<T>(
        &self,
        index: &NvIndex,
        run: impl FnOnce(Tr, Written) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let found = self.find_index(index.handle)?;
        let name = self.esys().name(found.tr())?;
        if name.value() == index.name() {
            run(found.tr(), Written::Yes)
        } else if name.value() == index.unwritten_name() {
            run(found.tr(), Written::No)
        } else {
            Err(TpmError::Foreign { handle: index.handle, what: "the index that we defined" })
        }
    }

    /// Runs something with a written index, as a step of a policy.
    pub(crate) fn with_written<T>(
        &self,
        index: &NvIndex,
        run: impl FnOnce(Tr) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        self.with_index(index, |tr, written| match written {
            Written::Yes => run(tr),
            Written::No => Err(unwritten(index)),
        })
    }

    fn find_index(&self, handle: u32) -> Result<Found<'_>, TpmError> {
        self.esys().find(handle).map_err(|error| {
            if error.is_code(code::HANDLE) {
                TpmError::Missing { handle, what: "an index" }
            } else {
                error
            }
        })
    }
}

fn unwritten(index: &NvIndex) -> TpmError {
    TpmError::Missing { handle: index.handle, what: "a value in the index" }
}

pub(crate) fn qualifying_data(bytes: &[u8]) -> Result<Data, TpmError> {
    /// TPM2B_DATA has room for the greatest hash that the TPM knows: every one knows SHA-256.
    const QUALIFYING_BYTES_MAX: usize = 32;
    if bytes.len() > QUALIFYING_BYTES_MAX {
        return Err(TpmError::bad_input("qualifying data has at most 32 bytes: give a hash of it"));
    }
    checked("Quote", Data::try_from(bytes))
}

/// Reads an index of the vendor, in pieces that fit into a response; `None` when there is none.
pub(crate) fn read_if_there(tpm: &Tpm, handle: u32) -> Result<Option<Vec<u8>>, TpmError> {
    let esys = tpm.esys();
    if handles(esys, handle, handle)?.is_empty() {
        return Ok(None);
    }
    let index = tpm.find_index(handle)?;
    match read_vendors(tpm, index.tr()) {
        Err(TpmError::Refused { code: code::NV_UNINITIALIZED, .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn read_vendors(tpm: &Tpm, tr: Tr) -> Result<Vec<u8>, TpmError> {
    let public = tpm.esys().nv_read_public(tr)?;
    let size = u16::try_from(public.data_size()).unwrap_or(u16::MAX);
    if size > READ_BYTES_MAX {
        return Err(TpmError::nonsense("NV_ReadPublic", format!("an index of {size} bytes")));
    }
    let by_index = public.attributes().auth_read();
    let auth = if by_index { NvAuth::Index } else { NvAuth::Owner };
    let piece = u16::try_from(tpm.property(constants::TPM2_PT_NV_BUFFER_MAX)?).unwrap_or(u16::MAX);
    let piece = piece.clamp(1, 512);
    let mut bytes = Vec::new();
    while bytes.len() < usize::from(size) {
        let at = u16::try_from(bytes.len()).expect("less than the size");
        let wanted = piece.min(size - at);
        let sessions = tpm.session(Encrypt::Nothing)?;
        let data = tpm.esys().nv_read(tr, auth, sessions, at, wanted)?;
        if data.value().len() != usize::from(wanted) {
            return Err(TpmError::nonsense("NV_Read", "a piece of another length"));
        }
        bytes.extend(data.value());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_the_owners() {
        for handle in [0, 0x017f_ffff, 0x01c0_0000, 0x8100_0001, u32::MAX] {
            let error = NvIndex::counter(handle).unwrap_err().to_string();
            assert!(error.contains("not an index of the owner"), "{error}");
        }
        assert!(NvIndex::allowed_policy(0x01bf_ffff).is_ok());
    }

    /// Policies refer to names.
    #[test]
    fn names_do_not_change() {
        let allowed = NvIndex::allowed_policy(0x0180_504c).unwrap();
        let counter = NvIndex::counter(0x0180_504d).unwrap();
        let found = [allowed.name(), counter.name()].map(hex::encode);
        let expected = [
            "000b88db82a6a9020d8fd4f6d851a855aa35609814b8165b947efcb25341a522346f",
            "000b454829369aa52a55f178b13f0f1de87c4cbdfeee6fe810a9eff34e8f705f4d0b",
        ];
        assert_eq!(found, expected);
    }
}
