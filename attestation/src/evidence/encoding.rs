//! Evidence as bytes. docs/evidence.md tells the same to whoever writes another reader.

use super::fields::{Field, Fields, put, put_sized, sized};
use super::statement::TpmIdentity;
use super::{EvidenceError, Role, Statement};
use crate::crypto::Hash;
use crate::cursor::Cursor;
use crate::snp::{REPORT_BYTES, SnpEvidence};
use crate::tpm::{PcrSelection, PcrSet, hash_from_id, hash_id};
use crate::x509::PATH_CERTIFICATES_MAX;

/// The version that is written and read.
pub const VERSION: u16 = 1;

pub(super) const MAGIC: [u8; 8] = *b"PLINTHEV";

/// The longest evidence: a log of the longest kind and certificates beside it. An ingress message of a
/// canister has room for it.
const EVIDENCE_BYTES_MAX: usize = 1 << 20;
/// The longest event log. Real ones have 5 to 200 KiB.
const LOG_BYTES_MAX: usize = 768 << 10;
/// A certificate, as the reader of certificates bounds it.
const CERTIFICATE_BYTES_MAX: usize = 16 << 10;
/// More authorities than any path has.
const ISSUERS_COUNT_MAX: usize = PATH_CERTIFICATES_MAX - 1;
const ISSUERS_BYTES_MAX: usize = ISSUERS_COUNT_MAX * (4 + CERTIFICATE_BYTES_MAX);
/// All registers of all four banks, with their heads.
const PCRS_BYTES_MAX: usize = 4 * 5 + 24 * (20 + 32 + 48 + 64);

const TPM: Field = Field { tag: 6, name: "TPM part", bytes: 1..=EVIDENCE_BYTES_MAX };
const SNP: Field = Field { tag: 7, name: "SNP part", bytes: 1..=EVIDENCE_BYTES_MAX };

const EK_CERTIFICATE: Field =
    Field { tag: 1, name: "EK certificate", bytes: 1..=CERTIFICATE_BYTES_MAX };
const ISSUERS: Field = Field { tag: 2, name: "EK issuers", bytes: 0..=ISSUERS_BYTES_MAX };
const ISSUER: Field = Field { tag: 0, name: "EK issuer", bytes: 1..=CERTIFICATE_BYTES_MAX };
const EK_PUBLIC: Field = Field { tag: 3, name: "EK public area", bytes: 1..=1024 };
const AK_PUBLIC: Field = Field { tag: 4, name: "AK public area", bytes: 1..=1024 };
const CHALLENGE: Field = Field { tag: 5, name: "challenge", bytes: 32..=32 };
const ANSWER: Field = Field { tag: 6, name: "answer", bytes: 32..=32 };
const MESSAGE: Field = Field { tag: 7, name: "quote", bytes: 1..=1024 };
const SIGNATURE: Field = Field { tag: 8, name: "quote signature", bytes: 1..=1024 };
const PCRS: Field = Field { tag: 9, name: "PCR values", bytes: 1..=PCRS_BYTES_MAX };
const LOG: Field = Field { tag: 10, name: "event log", bytes: 1..=LOG_BYTES_MAX };

const REPORT: Field = Field { tag: 1, name: "SNP report", bytes: REPORT_BYTES..=REPORT_BYTES };
const VEK: Field = Field { tag: 2, name: "VEK certificate", bytes: 1..=CERTIFICATE_BYTES_MAX };
const ASK: Field = Field { tag: 3, name: "ASK certificate", bytes: 1..=CERTIFICATE_BYTES_MAX };
const ARK: Field = Field { tag: 4, name: "ARK certificate", bytes: 1..=CERTIFICATE_BYTES_MAX };

/// What the TPM of a machine proves. All of it is foreign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmPart {
    /// The certificate of the endorsement key, in DER, as the TPM stores it.
    pub ek_certificate: Vec<u8>,
    /// Certificates of its issuers that the TPM stores, in DER.
    pub issuers: Vec<Vec<u8>>,
    /// The endorsement key: TPMT_PUBLIC.
    pub ek_public: Vec<u8>,
    /// The attestation key: TPMT_PUBLIC.
    pub ak_public: Vec<u8>,
    /// Which challenge was activated: that both keys are in one TPM.
    pub challenge: [u8; 32],
    /// That the challenge's secret is known to who made the evidence: see [`super::Activation`].
    pub answer: [u8; 32],
    /// The quote: TPMS_ATTEST.
    pub message: Vec<u8>,
    /// Its signature: TPMT_SIGNATURE.
    pub signature: Vec<u8>,
    /// Which registers were quoted. Banks ascend by their number in the TCG's registry.
    pub selection: PcrSelection,
    /// Their values: bank by bank, the lowest register first.
    pub pcrs: Vec<u8>,
    /// The firmware's event log.
    pub log: Vec<u8>,
}

impl TpmPart {
    /// What of it is bound by the nonce of its quote.
    pub fn identity(&self) -> TpmIdentity<'_> {
        TpmIdentity {
            ek_certificate: &self.ek_certificate,
            issuers: &self.issuers,
            ek_public: &self.ek_public,
            ak_public: &self.ak_public,
            challenge: &self.challenge,
            log: &self.log,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, &EK_CERTIFICATE, &self.ek_certificate);
        let mut issuers = Vec::new();
        self.issuers.iter().for_each(|issuer| put_sized(&mut issuers, issuer));
        put(&mut bytes, &ISSUERS, &issuers);
        put(&mut bytes, &EK_PUBLIC, &self.ek_public);
        put(&mut bytes, &AK_PUBLIC, &self.ak_public);
        put(&mut bytes, &CHALLENGE, &self.challenge);
        put(&mut bytes, &ANSWER, &self.answer);
        put(&mut bytes, &MESSAGE, &self.message);
        put(&mut bytes, &SIGNATURE, &self.signature);
        put(&mut bytes, &PCRS, &encode_pcrs(&self.selection, &self.pcrs));
        put(&mut bytes, &LOG, &self.log);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let mut fields = Fields::new("TPM part", Cursor::new(bytes));
        let ek_certificate = fields.take(&EK_CERTIFICATE)?.to_vec();
        let issuers = decode_issuers(fields.take(&ISSUERS)?)?;
        let ek_public = fields.take(&EK_PUBLIC)?.to_vec();
        let ak_public = fields.take(&AK_PUBLIC)?.to_vec();
        let challenge = fields.take_array(&CHALLENGE)?;
        let answer = fields.take_array(&ANSWER)?;
        let message = fields.take(&MESSAGE)?.to_vec();
        let signature = fields.take(&SIGNATURE)?.to_vec();
        let (selection, pcrs) = decode_pcrs(fields.take(&PCRS)?)?;
        let log = fields.take(&LOG)?.to_vec();
        fields.finish()?;
        Ok(Self {
            ek_certificate,
            issuers,
            ek_public,
            ak_public,
            challenge,
            answer,
            message,
            signature,
            selection,
            pcrs,
            log,
        })
    }
}

fn decode_issuers(bytes: &[u8]) -> Result<Vec<Vec<u8>>, EvidenceError> {
    let mut cursor = Cursor::new(bytes);
    let mut issuers = Vec::new();
    while !cursor.rest().is_empty() {
        if issuers.len() == ISSUERS_COUNT_MAX {
            return Err(EvidenceError::Certificates { count_max: ISSUERS_COUNT_MAX });
        }
        issuers.push(sized(&mut cursor, &ISSUER)?.to_vec());
    }
    Ok(issuers)
}

/// Bank by bank, ascending by number: number (two bytes), bitmap (three), values.
fn encode_pcrs(selection: &PcrSelection, values: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = values;
    for (bank, set) in &selection.0 {
        bytes.extend(hash_id(*bank).to_be_bytes());
        bytes.extend(bitmap(*set));
        let (own, others) = rest.split_at(rest.len().min(bank.bytes() * set.count()));
        bytes.extend(own);
        rest = others;
    }
    // What no bank selects is no value, and refused by whoever reads it.
    bytes.extend(rest);
    bytes
}

fn bitmap(set: PcrSet) -> [u8; 3] {
    let mut bitmap = [0; 3];
    for index in set.indices() {
        bitmap[usize::from(index / 8)] |= 1 << (index % 8);
    }
    bitmap
}

fn decode_pcrs(bytes: &[u8]) -> Result<(PcrSelection, Vec<u8>), EvidenceError> {
    let mut cursor = Cursor::new(bytes);
    let (mut selection, mut values) = (PcrSelection::default(), Vec::new());
    while !cursor.rest().is_empty() {
        let id = cursor.u16_be("bank")?;
        let bank: Hash = hash_from_id(id).ok_or(EvidenceError::Pcrs("a bank is unknown"))?;
        if selection.0.last().is_some_and(|(last, _)| hash_id(*last) >= id) {
            return Err(EvidenceError::Pcrs("banks must ascend, each once"));
        }
        let set = PcrSet::from_bitmap(cursor.take(3, "bitmap")?)
            .filter(|set| !set.is_empty())
            .ok_or(EvidenceError::Pcrs("a bank has no register"))?;
        values.extend(cursor.take(bank.bytes() * set.count(), "values")?);
        selection.0.push((bank, set));
    }
    Ok((selection, values))
}

/// What the security processor proves about a guest. All of it is foreign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpPart {
    /// The report, with its signature.
    pub report: Vec<u8>,
    /// The certificate of the key that signed it, in DER.
    pub vek: Vec<u8>,
    /// The certificate of the intermediate, in DER.
    pub ask: Vec<u8>,
    /// The certificate of the root, in DER.
    pub ark: Vec<u8>,
}

impl SnpPart {
    /// For the verifier of reports.
    pub fn as_evidence(&self) -> SnpEvidence<'_> {
        SnpEvidence { report: &self.report, vek: &self.vek, ask: &self.ask, ark: &self.ark }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, &REPORT, &self.report);
        put(&mut bytes, &VEK, &self.vek);
        put(&mut bytes, &ASK, &self.ask);
        put(&mut bytes, &ARK, &self.ark);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let mut fields = Fields::new("SNP part", Cursor::new(bytes));
        let report = fields.take(&REPORT)?.to_vec();
        let vek = fields.take(&VEK)?.to_vec();
        let ask = fields.take(&ASK)?.to_vec();
        let ark = fields.take(&ARK)?.to_vec();
        fields.finish()?;
        Ok(Self { report, vek, ask, ark })
    }
}

/// Evidence in its one form. Nothing in it is believed: see [`super::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    statement: Statement,
    tpm: Option<TpmPart>,
    snp: Option<SnpPart>,
}

impl Evidence {
    /// Joins the parts, if they are those of the role and within their bounds.
    pub fn new(
        statement: Statement,
        tpm: Option<TpmPart>,
        snp: Option<SnpPart>,
    ) -> Result<Self, EvidenceError> {
        let role = statement.role;
        let parts = |what| Err(EvidenceError::Parts { role: role.name(), what });
        match (role.has_tpm(), tpm.is_some()) {
            (true, false) => return parts("needs the TPM's part"),
            (false, true) => return parts("has no TPM's part"),
            _ => {}
        }
        match (role.has_snp(), snp.is_some()) {
            (true, false) => return parts("needs the SNP part"),
            (false, true) => return parts("has no SNP part"),
            _ => {}
        }
        match (role, &statement.keys.dealing) {
            (Role::Host, Some(_)) => return parts("has no dealing key"),
            (Role::Guest | Role::Machine, None) => return parts("needs a dealing key"),
            _ => {}
        }
        let joined = Self { statement, tpm, snp };
        // What can be read again has all its fields within their bounds.
        Self::decode(&joined.encode())
    }

    /// Reads evidence. Each evidence has one form: these bytes are what [`Self::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            let bytes_max = EVIDENCE_BYTES_MAX;
            return Err(EvidenceError::TooLong { bytes: bytes.len(), bytes_max });
        }
        let mut cursor = Cursor::new(bytes);
        if cursor.take(MAGIC.len(), "magic").ok() != Some(&MAGIC) {
            return Err(EvidenceError::Magic);
        }
        let version = cursor.u16_be("version")?;
        if version != VERSION {
            return Err(EvidenceError::Version(version));
        }
        let mut fields = Fields::new("evidence", cursor);
        let statement = Statement::read(&mut fields)?;
        let (has_tpm, has_snp) = (statement.role.has_tpm(), statement.role.has_snp());
        let tpm = has_tpm.then(|| TpmPart::decode(fields.take(&TPM)?)).transpose()?;
        let snp = has_snp.then(|| SnpPart::decode(fields.take(&SNP)?)).transpose()?;
        fields.finish()?;
        Ok(Self { statement, tpm, snp })
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.statement.encode();
        if let Some(tpm) = &self.tpm {
            put(&mut bytes, &TPM, &tpm.encode());
        }
        if let Some(snp) = &self.snp {
            put(&mut bytes, &SNP, &snp.encode());
        }
        bytes
    }

    /// What it is about.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The TPM's part, which hosts and machines have.
    pub fn tpm(&self) -> Option<&TpmPart> {
        self.tpm.as_ref()
    }

    /// The security processor's part, which guests and machines have.
    pub fn snp(&self) -> Option<&SnpPart> {
        self.snp.as_ref()
    }
}
