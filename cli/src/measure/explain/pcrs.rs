//! Quoted PCR values out of a file: JSON by bank and index, or the text of tpm2_pcrread.

use std::collections::BTreeMap;
use std::path::Path;

use attestation::crypto::Digest;
use attestation::tpm::{PCR_COUNT, PcrValues, hash_from_name};
use serde::Deserialize;

use crate::error::Error;

/// Values by bank and index.
type Values = BTreeMap<String, BTreeMap<String, String>>;

/// JSON that has the values in it, such as that of `plinth attest replay`.
#[derive(Deserialize)]
struct Wrapped {
    pcrs: Values,
}

/// Reads the values; each must be as long as its bank's, and of a PCR that there is.
pub fn parse(bytes: &[u8], path: &Path) -> Result<PcrValues, Error> {
    let unusable = |problem: String| Error::Unusable(format!("{}: {problem}", path.display()));
    let text = std::str::from_utf8(bytes)
        .map_err(|_| unusable("PCR values are text; see --help for its form".to_owned()))?;
    let values = match text.trim_start().starts_with('{') {
        true => serde_json::from_str::<Wrapped>(text)
            .map(|wrapped| wrapped.pcrs)
            .or_else(|_| serde_json::from_str(text))
            .map_err(|error| unusable(format!("no PCR values by bank and index: {error}")))?,
        false => of_lines(text).map_err(unusable)?,
    };
    let mut all = PcrValues::default();
    for (bank, values) in &values {
        let hash = hash_from_name(bank).ok_or_else(|| unusable(format!("no bank {bank:?}")))?;
        for (index, value) in values {
            let read = || {
                let index = index.parse().ok().filter(|index| *index < PCR_COUNT)?;
                let digits = value.trim_start_matches("0x");
                Some((index, Digest::from_bytes(hash, &hex::decode(digits).ok()?)?))
            };
            let (index, value) = read()
                .ok_or_else(|| unusable(format!("{bank} {index:?} is no PCR with its value")))?;
            all.set(index, value);
        }
    }
    match all.count() {
        0 => Err(unusable("there are no PCR values".to_owned())),
        _ => Ok(all),
    }
}

/// As tpm2_pcrread prints them: a line for each bank, then one for each PCR.
fn of_lines(text: &str) -> Result<Values, String> {
    let mut values = Values::new();
    let mut bank: Option<String> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) =
            line.split_once(':').ok_or_else(|| format!("no PCR value: {line:?}"))?;
        match (value.trim(), &bank) {
            ("", _) => bank = Some(name.trim().to_owned()),
            (value, Some(bank)) => {
                let known = values.entry(bank.clone()).or_default();
                known.insert(name.trim().to_owned(), value.to_owned());
            }
            (_, None) => return Err(format!("no bank stands before {line:?}")),
        }
    }
    Ok(values)
}
