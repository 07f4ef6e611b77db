//! The attestation key, and what it signs. Everything that leaves here for a verifier is bytes, as
//! the TPM made them.

use crate::endorsement::{self, EkKind, ObjectName, bytes_of, name_of};
use crate::error::TpmError;
use crate::esys::values::{Created, checked};
use crate::esys::{Encrypt, Sessions, Tr};
use crate::nv::qualifying_data;
use crate::pcr::{PcrSelection, PcrValues};
use crate::secret::Secret;
use crate::template;
use crate::tpm::{Hierarchy, Tpm};
use tss_esapi::structures::{Attest, AttestInfo, EncryptedSecret, IdObject};
use tss_esapi::traits::UnMarshall;

/// Times that a quote is made again because a register changed between reading and quoting.
const QUOTE_ATTEMPTS: usize = 5;

/// The attestation key: ECDSA on P-256, restricted, derived from the TPM's endorsement seed and a fixed
/// template, so that it is the same after a restart, a new installation and TPM2_Clear
/// (docs/decisions/061-deterministic-attestation-key.md).
pub struct AttestationKey<'t> {
    created: Created<'t>,
    public: Vec<u8>,
    name: ObjectName,
}

impl AttestationKey<'_> {
    /// TPMT_PUBLIC.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Its name.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    pub(crate) fn tr(&self) -> Tr {
        self.created.held.tr()
    }
}

/// What the TPM states, and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// TPMS_ATTEST.
    pub message: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
}

/// A statement about registers, with the values that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The signed statement.
    pub statement: Statement,
    /// The values whose digest is in it.
    pub pcrs: PcrValues,
}

impl Tpm {
    /// Makes the attestation key. It takes a slot of the TPM until it goes out of scope.
    pub fn attestation_key(&self) -> Result<AttestationKey<'_>, TpmError> {
        let sessions = self.session(Encrypt::Nothing)?;
        let template = template::attestation_key()?;
        let hierarchy = Hierarchy::Endorsement.tr();
        let created = self.esys().create_primary(hierarchy, sessions, &template)?;
        let (public, name) = (bytes_of(&created.public)?, name_of(&created.public)?);
        Ok(AttestationKey { created, public, name })
    }

    /// Opens a credential that was made for the endorsement key and the name of the attestation key:
    /// proves that both are in this TPM. `credential` and `secret` are the contents of TPM2B_ID_OBJECT
    /// and TPM2B_ENCRYPTED_SECRET.
    pub fn activate_credential(
        &self,
        key: &AttestationKey<'_>,
        endorsement: EkKind,
        credential: &[u8],
        secret: &[u8],
    ) -> Result<Secret, TpmError> {
        let malformed = |_| TpmError::bad_input("the credential does not have the form of one");
        let credential = IdObject::try_from(credential).map_err(malformed)?;
        let secret = EncryptedSecret::try_from(secret).map_err(malformed)?;
        let activated = endorsement::with_key(self, endorsement, |endorsement_key| {
            let policy = endorsement::authorize(self, endorsement)?;
            let sessions = self.session_and(policy.tr(), Encrypt::Response)?;
            let esys = self.esys();
            esys.activate_credential(key.tr(), endorsement_key, sessions, &credential, &secret)
        })?;
        Secret::new(activated.value().to_vec())
    }

    /// Quotes registers over up to 32 bytes of the verifier's, and reads their values.
    pub fn quote(
        &self,
        key: &AttestationKey<'_>,
        selection: &PcrSelection,
        qualifying: &[u8],
    ) -> Result<Quote, TpmError> {
        if selection.is_empty() {
            return Err(TpmError::bad_input("a quote wants at least one PCR"));
        }
        let qualifying = qualifying_data(qualifying)?;
        for _ in 0..QUOTE_ATTEMPTS {
            let pcrs = self.read_pcrs(selection)?;
            let sessions: Sessions = self.session(Encrypt::Nothing)?;
            let signed = self.esys().quote(key.tr(), sessions, &qualifying, selection)?;
            let statement = Statement { message: signed.message, signature: signed.signature };
            if quoted_digest(&statement.message)? == pcrs.digest() {
                return Ok(Quote { statement, pcrs });
            }
        }
        Err(TpmError::nonsense("Quote", "registers that never stand still"))
    }
}

/// The digest of registers that a quote states.
fn quoted_digest(message: &[u8]) -> Result<Vec<u8>, TpmError> {
    let attest = checked("Quote", Attest::unmarshall(message))?;
    match attest.attested() {
        AttestInfo::Quote { info } => Ok(info.pcr_digest().value().to_vec()),
        _ => Err(TpmError::nonsense("Quote", "a statement of another kind")),
    }
}
