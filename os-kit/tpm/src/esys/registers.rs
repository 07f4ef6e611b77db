//! Platform configuration registers: reading, extending, and the forms that the library takes.

use super::{Esys, Out, Sessions, call};
use crate::error::TpmError;
use crate::pcr::{Bank, PcrSelection, PcrValues};
use tss_esapi::tss2_esys as c;

impl Esys {
    /// TPM2_PCR_Read: as many of the selected values as fit into one response, and the number of
    /// changes to PCRs so far.
    pub fn pcr_read(&self, selection: &PcrSelection) -> Result<(PcrValues, u32), TpmError> {
        const DURING: &str = "PCR_Read";
        let Sessions(s1, s2, s3) = Sessions::NONE;
        let wanted = pcr_selection(selection);
        let mut changes = 0;
        let (mut read, mut values) = (Out::new(), Out::new());
        call!(
            self,
            "PCR_Read",
            Esys_PCR_Read(s1, s2, s3, &wanted, &mut changes, read.place(), values.place(),)
        )?;
        let read: c::TPML_PCR_SELECTION = read.take(DURING)?;
        let values: c::TPML_DIGEST = values.take(DURING)?;
        Ok((pcr_values(&read, &values)?, changes))
    }

    /// TPM2_PCR_Extend.
    pub fn pcr_extend(
        &self,
        pcr: u8,
        sessions: Sessions,
        digests: &[(Bank, Vec<u8>)],
    ) -> Result<(), TpmError> {
        let Sessions(s1, s2, s3) = sessions;
        let mut list = c::TPML_DIGEST_VALUES::default();
        for ((bank, digest), place) in digests.iter().zip(&mut list.digests) {
            *place = bank_digest(*bank, digest)?;
            list.count += 1;
        }
        call!(self, "PCR_Extend", Esys_PCR_Extend(c::ESYS_TR::from(pcr), s1, s2, s3, &list))
    }
}

pub(super) fn pcr_selection(selection: &PcrSelection) -> c::TPML_PCR_SELECTION {
    let mut list = c::TPML_PCR_SELECTION::default();
    for ((bank, bits), place) in selection.bitmaps().zip(&mut list.pcrSelections) {
        place.hash = bank.id();
        place.sizeofSelect = 3;
        place.pcrSelect[..3].copy_from_slice(&bits);
        list.count += 1;
    }
    list
}

/// Joins the list of what was read with the list of values, which are in the same order.
fn pcr_values(
    read: &c::TPML_PCR_SELECTION,
    values: &c::TPML_DIGEST,
) -> Result<PcrValues, TpmError> {
    let nonsense = |what: &str| TpmError::nonsense("PCR_Read", what);
    let count = usize::try_from(read.count).unwrap_or(usize::MAX);
    let selections = read.pcrSelections.get(..count).ok_or_else(|| nonsense("too many banks"))?;
    let count = usize::try_from(values.count).unwrap_or(usize::MAX);
    let digests = values.digests.get(..count).ok_or_else(|| nonsense("too many values"))?;
    let mut digests = digests.iter();
    let mut found = PcrValues::default();
    for selection in selections {
        let bytes = usize::from(selection.sizeofSelect).min(selection.pcrSelect.len());
        for pcr in (0..24u8).filter(|pcr| {
            let (byte, bit) = (usize::from(pcr / 8), pcr % 8);
            byte < bytes && selection.pcrSelect[byte] >> bit & 1 == 1
        }) {
            let bank = Bank::from_id(selection.hash).ok_or_else(|| nonsense("an unknown bank"))?;
            let digest = digests.next().ok_or_else(|| nonsense("too few values"))?;
            let value = digest.buffer.get(..usize::from(digest.size));
            let value = value.filter(|value| value.len() == bank.digest_bytes());
            let value = value.ok_or_else(|| nonsense("a value of a wrong length"))?;
            found.insert(bank, pcr, value.to_vec());
        }
    }
    match digests.next() {
        None => Ok(found),
        Some(_) => Err(nonsense("more values than PCRs")),
    }
}

fn bank_digest(bank: Bank, digest: &[u8]) -> Result<c::TPMT_HA, TpmError> {
    let wrong = || {
        let (found, wanted) = (digest.len(), bank.digest_bytes());
        TpmError::bad_input(format!("a {bank} digest has {wanted} bytes, not {found}"))
    };
    let digest = match bank {
        Bank::Sha1 => c::TPMU_HA { sha1: digest.try_into().map_err(|_| wrong())? },
        Bank::Sha256 => c::TPMU_HA { sha256: digest.try_into().map_err(|_| wrong())? },
        Bank::Sha384 => c::TPMU_HA { sha384: digest.try_into().map_err(|_| wrong())? },
        Bank::Sha512 => c::TPMU_HA { sha512: digest.try_into().map_err(|_| wrong())? },
    };
    Ok(c::TPMT_HA { hashAlg: bank.id(), digest })
}
