//! Secure boot variables, as firmware measures them into PCR 7.
//!
//! Source: "TCG PC Client Platform Firmware Profile", UEFI_VARIABLE_DATA; UEFI specification,
//! EFI_SIGNATURE_LIST.

use crate::cursor::{Cursor, ReadError};
use std::fmt;

/// EFI_GLOBAL_VARIABLE, as it stands in memory.
const GLOBAL: [u8; 16] = [
    0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c,
];
/// EFI_IMAGE_SECURITY_DATABASE_GUID.
const IMAGE_SECURITY: [u8; 16] = [
    0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f,
];
/// EFI_CERT_X509_GUID.
const CERT_X509: [u8; 16] = [
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
];
/// The longest list of signatures that is read: firmware has some 64 KiB for all variables.
const LIST_BYTES_MAX: usize = 1 << 20;
/// The header of an EFI_SIGNATURE_LIST.
const LIST_HEADER_BYTES: usize = 28;
/// The owner before each signature.
const OWNER_BYTES: usize = 16;

/// One of the variables that decide about secure boot, in the order in which they are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecureBootVariable {
    /// Whether it is on.
    SecureBoot,
    /// Who may change the next one.
    PlatformKey,
    /// Who may change the next two.
    KeyExchangeKeys,
    /// What may start.
    Allowed,
    /// What may not, whoever signed it.
    Forbidden,
}

impl SecureBootVariable {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::SecureBoot,
        Self::PlatformKey,
        Self::KeyExchangeKeys,
        Self::Allowed,
        Self::Forbidden,
    ];

    /// Its name in firmware.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecureBoot => "SecureBoot",
            Self::PlatformKey => "PK",
            Self::KeyExchangeKeys => "KEK",
            Self::Allowed => "db",
            Self::Forbidden => "dbx",
        }
    }

    fn guid(self) -> &'static [u8; 16] {
        match self {
            Self::SecureBoot | Self::PlatformKey | Self::KeyExchangeKeys => &GLOBAL,
            Self::Allowed | Self::Forbidden => &IMAGE_SECURITY,
        }
    }
}

impl fmt::Display for SecureBootVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The variables' contents. A variable that does not exist is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecureBoot {
    /// `SecureBoot`: none where firmware does not have it, else whether it is on.
    pub is_on: Option<bool>,
    /// `PK`, an EFI_SIGNATURE_LIST.
    pub platform_key: Vec<u8>,
    /// `KEK`, EFI_SIGNATURE_LISTs.
    pub key_exchange_keys: Vec<u8>,
    /// `db`, EFI_SIGNATURE_LISTs.
    pub allowed: Vec<u8>,
    /// `dbx`, EFI_SIGNATURE_LISTs.
    pub forbidden: Vec<u8>,
}

impl SecureBoot {
    /// The content of a variable.
    pub fn content(&self, variable: SecureBootVariable) -> &[u8] {
        match variable {
            SecureBootVariable::SecureBoot => match self.is_on {
                None => &[],
                Some(false) => &[0],
                Some(true) => &[1],
            },
            SecureBootVariable::PlatformKey => &self.platform_key,
            SecureBootVariable::KeyExchangeKeys => &self.key_exchange_keys,
            SecureBootVariable::Allowed => &self.allowed,
            SecureBootVariable::Forbidden => &self.forbidden,
        }
    }

    /// What is measured of a variable: UEFI_VARIABLE_DATA.
    pub fn measured(&self, variable: SecureBootVariable) -> Vec<u8> {
        variable_data(variable.guid(), variable.name(), self.content(variable))
    }
}

/// What is measured when a certificate of `db` let a program start: its owner and its DER.
pub fn authority_data(signature: &Signature) -> Vec<u8> {
    let content = [&signature.owner[..], signature.data].concat();
    variable_data(&IMAGE_SECURITY, SecureBootVariable::Allowed.name(), &content)
}

fn variable_data(guid: &[u8; 16], name: &str, content: &[u8]) -> Vec<u8> {
    let units: Vec<u16> = name.encode_utf16().collect();
    let mut data = guid.to_vec();
    data.extend((units.len() as u64).to_le_bytes());
    data.extend((content.len() as u64).to_le_bytes());
    data.extend(units.into_iter().flat_map(u16::to_le_bytes));
    data.extend(content);
    data
}

/// Why bytes are not lists of signatures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureListError {
    /// A field cannot be read.
    #[error("this is no EFI_SIGNATURE_LIST")]
    Read(#[from] ReadError),
    /// Lengths contradict each other.
    #[error("the lengths in an EFI_SIGNATURE_LIST do not fit: {0}")]
    Lengths(&'static str),
}

/// One entry of a list of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature<'a> {
    /// What kind of entry, a GUID.
    pub kind: [u8; 16],
    /// Who put it in, a GUID.
    pub owner: [u8; 16],
    /// A certificate in DER, or a digest.
    pub data: &'a [u8],
}

impl Signature<'_> {
    /// Whether it is a certificate; else it is most often the digest of a program.
    pub fn is_certificate(&self) -> bool {
        self.kind == CERT_X509
    }
}

/// Reads all entries of concatenated EFI_SIGNATURE_LISTs.
pub fn signatures(bytes: &[u8]) -> Result<Vec<Signature<'_>>, SignatureListError> {
    if bytes.len() > LIST_BYTES_MAX {
        return Err(SignatureListError::Lengths("all together have over 1 MiB"));
    }
    let mut cursor = Cursor::new(bytes);
    let mut all = Vec::new();
    while !cursor.rest().is_empty() {
        let kind = guid(&mut cursor, "SignatureType")?;
        let list_bytes = cursor.u32_le("SignatureListSize")? as usize;
        let header_bytes = cursor.u32_le("SignatureHeaderSize")? as usize;
        let entry_bytes = cursor.u32_le("SignatureSize")? as usize;
        let entries_bytes = list_bytes
            .checked_sub(LIST_HEADER_BYTES)
            .and_then(|rest| rest.checked_sub(header_bytes))
            .ok_or(SignatureListError::Lengths("a list is shorter than its header"))?;
        cursor.take(header_bytes, "SignatureHeader")?;
        let entries = cursor.take(entries_bytes, "Signatures")?;
        if entry_bytes < OWNER_BYTES || entries_bytes % entry_bytes != 0 {
            return Err(SignatureListError::Lengths("entries do not fill their list"));
        }
        for entry in entries.chunks_exact(entry_bytes) {
            let mut entry = Cursor::new(entry);
            let owner = guid(&mut entry, "SignatureOwner")?;
            all.push(Signature { kind, owner, data: entry.rest() });
        }
    }
    Ok(all)
}

fn guid(cursor: &mut Cursor, field: &'static str) -> Result<[u8; 16], ReadError> {
    let mut guid = [0; 16];
    guid.copy_from_slice(cursor.take(16, field)?);
    Ok(guid)
}

/// The parts of measured UEFI_VARIABLE_DATA: name and content. For people: whether these bytes were what
/// was measured is for the caller to know.
pub fn read_variable_data(data: &[u8]) -> Result<(String, &[u8]), ReadError> {
    let mut cursor = Cursor::new(data);
    guid(&mut cursor, "VariableName")?;
    // Where a length has 32 bits, twice as much may be more than any.
    let name_bytes = (cursor.u32_le("UnicodeNameLength")? as usize).saturating_mul(2);
    cursor.u32_le("UnicodeNameLength")?;
    let content_bytes = cursor.u32_le("VariableDataLength")? as usize;
    cursor.u32_le("VariableDataLength")?;
    let name = cursor.take(name_bytes, "UnicodeName")?;
    let units = name.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let name = char::decode_utf16(units).map(|letter| letter.unwrap_or('?')).collect();
    let content = cursor.take(content_bytes, "VariableData")?;
    cursor.finish("UEFI_VARIABLE_DATA")?;
    Ok((name, content))
}

#[cfg(test)]
mod tests;
