//! The section on the TPM's part.

use super::text::{AnyOr, Entries, Hex, Index};
use super::{Accepted, PolicyError, TpmRules};
use crate::crypto::{Digest, Hash};
use crate::tpm::ek::EkQuirk;
use crate::tpm::{PcrSelection, PcrSet};
use crate::x509::Quirk;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

type Registers = Entries<Hash, Vec<u8>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TpmText {
    selection: Registers,
    releases: Vec<AcceptedText>,
    platforms: Vec<AcceptedText>,
    unjudged: Registers,
    explained_by_log: Vec<u8>,
    firmware_versions: AnyOr<u64>,
    x509_quirks: Vec<Quirk>,
    ek_quirks: Vec<EkQuirk>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedText {
    name: String,
    pcrs: Entries<Hash, Entries<Index<u8>, BTreeSet<Hex>>>,
}

impl TryFrom<TpmText> for TpmRules {
    type Error = PolicyError;

    fn try_from(text: TpmText) -> Result<Self, PolicyError> {
        let rules = Self {
            selection: selection(&text.selection)?,
            releases: accepted(text.releases, "releases")?,
            platforms: accepted(text.platforms, "platforms")?,
            explained_by_log: set(&text.explained_by_log)?,
            firmware: text
                .firmware_versions
                .list("firmware-versions")?
                .map(|versions| versions.into_iter().collect()),
            x509_quirks: text.x509_quirks,
            ek_quirks: text.ek_quirks,
        };
        if rules.releases.is_empty() {
            return Err(PolicyError::Empty("releases"));
        }
        if rules.explained_by_log.is_empty() {
            return Err(PolicyError::Empty("explained-by-log"));
        }
        check_registers(&rules, &selection_or_none(&text.unjudged)?)?;
        Ok(rules)
    }
}

fn selection(registers: &Registers) -> Result<PcrSelection, PolicyError> {
    if registers.0.is_empty() {
        return Err(PolicyError::Empty("selection"));
    }
    let selection = selection_or_none(registers)?;
    let is_empty = |(bank, set): &(Hash, PcrSet)| {
        if *bank == Hash::Sha1 { Err(PolicyError::Sha1) } else { Ok(set.is_empty()) }
    };
    for bank in &selection.0 {
        if is_empty(bank)? {
            return Err(PolicyError::Empty("selection"));
        }
    }
    Ok(selection)
}

fn selection_or_none(registers: &Registers) -> Result<PcrSelection, PolicyError> {
    let banks = registers.0.iter().map(|(bank, indices)| Ok((*bank, set(indices)?)));
    Ok(PcrSelection(banks.collect::<Result<_, PolicyError>>()?))
}

fn set(indices: &[u8]) -> Result<PcrSet, PolicyError> {
    PcrSet::new(indices)
        .ok_or_else(|| PolicyError::Pcr(indices.iter().copied().max().unwrap_or_default()))
}

fn accepted(entries: Vec<AcceptedText>, list: &'static str) -> Result<Vec<Accepted>, PolicyError> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for AcceptedText { name, pcrs } in entries {
        if !names.insert(name.clone()) {
            return Err(PolicyError::Name(name));
        }
        let mut values = BTreeMap::new();
        for (bank, registers) in pcrs.0 {
            for (Index(pcr), digests) in registers.0 {
                set(&[pcr])?;
                values.insert((bank, pcr), digests_of(bank, pcr, &digests)?);
            }
        }
        if values.is_empty() {
            return Err(PolicyError::Empty(list));
        }
        all.push(Accepted { name, pcrs: values });
    }
    Ok(all)
}

fn digests_of(
    bank: Hash,
    pcr: u8,
    digests: &BTreeSet<Hex>,
) -> Result<BTreeSet<Digest>, PolicyError> {
    if digests.is_empty() {
        return Err(PolicyError::Empty("pcrs"));
    }
    let wrong = |hex: &Hex| PolicyError::Length {
        what: format!("a value of PCR {pcr} {bank}"),
        bytes: hex.0.len(),
        wanted: bank.bytes(),
    };
    digests.iter().map(|hex| Digest::from_bytes(bank, &hex.0).ok_or_else(|| wrong(hex))).collect()
}

/// Each selected register is judged by all releases, by all platforms, or named as not judged; and no
/// other is named.
fn check_registers(rules: &TpmRules, unjudged: &PcrSelection) -> Result<(), PolicyError> {
    for (list, entries) in [("releases", &rules.releases), ("platforms", &rules.platforms)] {
        let keys = entries.iter().flat_map(|entry| entry.pcrs.keys());
        for &(bank, pcr) in keys {
            if !rules.selection.set(bank).contains(pcr) {
                return Err(PolicyError::NotSelected { pcr, bank: bank.to_string(), list });
            }
        }
    }
    for (bank, set) in &unjudged.0 {
        if let Some(pcr) = set.indices().find(|pcr| !rules.selection.set(*bank).contains(*pcr)) {
            let list = "unjudged";
            return Err(PolicyError::NotSelected { pcr, bank: bank.to_string(), list });
        }
    }
    for (bank, set) in &rules.selection.0 {
        if let Some(pcr) = rules.explained_by_log.indices().find(|pcr| !set.contains(*pcr)) {
            let list = "explained-by-log";
            return Err(PolicyError::NotSelected { pcr, bank: bank.to_string(), list });
        }
        for pcr in set.indices() {
            check_register(rules, unjudged, *bank, pcr)?;
        }
    }
    Ok(())
}

fn check_register(
    rules: &TpmRules,
    unjudged: &PcrSelection,
    bank: Hash,
    pcr: u8,
) -> Result<(), PolicyError> {
    let judged = |entries: &[Accepted]| {
        let has = |entry: &Accepted| entry.pcrs.contains_key(&(bank, pcr));
        let lacking = entries.iter().find(|entry| !has(entry)).map(|entry| entry.name.clone());
        (entries.iter().any(has), lacking)
    };
    let (by_releases, release_lacks) = judged(&rules.releases);
    let (by_platforms, platform_lacks) = judged(&rules.platforms);
    let not_judged = unjudged.set(bank).contains(pcr);
    let bank = bank.to_string();
    match u8::from(by_releases) + u8::from(by_platforms) + u8::from(not_judged) {
        0 => {
            let name = release_lacks.unwrap_or_default();
            Err(PolicyError::Unjudged { pcr, bank, list: "releases", name })
        }
        1 => match (by_releases, release_lacks, by_platforms, platform_lacks) {
            (true, Some(name), ..) => {
                Err(PolicyError::Unjudged { pcr, bank, list: "releases", name })
            }
            (_, _, true, Some(name)) => {
                Err(PolicyError::Unjudged { pcr, bank, list: "platforms", name })
            }
            _ => Ok(()),
        },
        _ => Err(PolicyError::Twice { pcr, bank }),
    }
}
