//! Bills of materials against the lock: every package that the lock gives an image is in its bills, with its
//! hash, and nothing else is.

use super::{Audit, Check, Finding, Tier};
use crate::lock::Lock;
use crate::release::{self, CRATES_FILE};
use crate::sbom::{self, crates::Crate};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// Address and hash of everything.
type Listed = BTreeMap<String, String>;

/// The two bills of an image.
pub fn check(audit: &Audit<'_>, image: &str, lock: &Lock) -> Check {
    let claim =
        "its bills of materials have exactly the packages of the lock, and crates of the list";
    let mut findings = Vec::new();
    let names = [format!("{image}.spdx.json"), format!("{image}.cdx.json")];
    let readers: [fn(&Value) -> Option<Listed>; 2] = [spdx, cyclonedx];
    let mut listed = Vec::new();
    for (name, read) in names.iter().zip(readers) {
        if !audit.is_good(name) {
            continue;
        }
        match read_bill(audit, name, read) {
            Ok(found) => listed.push((name, found)),
            Err(problem) => findings.push(Finding::new(format!("{name} {problem}"))),
        }
    }
    let expected = packages(lock, image);
    if expected.is_empty() {
        findings.push(Finding::new("the lock does not have this image"));
    }
    let crates = match crates(audit) {
        Ok(crates) => crates,
        Err(problem) => {
            findings.push(Finding::new(problem));
            BTreeMap::new()
        }
    };
    for (name, found) in &listed {
        findings.extend(differences(name, found, &expected, &crates));
    }
    if let [(_, one), (_, two)] = listed.as_slice()
        && one != two
    {
        findings.push(Finding::new("the two bills do not list the same"));
    }
    super::check(Tier::Manifest, image, claim, findings)
}

fn differences(name: &str, found: &Listed, expected: &Listed, crates: &Listed) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |text: String| findings.push(Finding::new(format!("{name} {text}")));
    for (purl, sha256) in expected {
        match found.get(purl) {
            None => say(format!("lacks {purl}, which the lock has")),
            Some(other) if other != sha256 => {
                say(format!("has {purl} with the hash {other}, the lock has {sha256}"));
            }
            Some(_) => {}
        }
    }
    for (purl, sha256) in found {
        let known = expected.get(purl).or_else(|| crates.get(purl));
        if known.is_none() {
            say(format!("has {purl}, which no lock has"));
        } else if known != Some(sha256) {
            say(format!("has {purl} with another hash than its lock"));
        }
    }
    findings
}

fn read_bill(
    audit: &Audit<'_>,
    name: &str,
    read: fn(&Value) -> Option<Listed>,
) -> Result<Listed, String> {
    let bytes = fs::read(audit.path(name)).map_err(|error| error.to_string())?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("cannot be read ({error})"))?;
    read(&value).ok_or_else(|| "is no bill of ours".to_owned())
}

/// The packages that the lock gives an image.
fn packages(lock: &Lock, image: &str) -> Listed {
    let Some(locked) = lock.images.get(image) else { return Listed::new() };
    let names = locked.install.iter().chain([&locked.kernel]).chain(&locked.inputs);
    names
        .filter_map(|name| lock.package(name))
        .map(|package| (sbom::debian_purl(package), package.sha256.clone()))
        .collect()
}

fn crates(audit: &Audit<'_>) -> Result<Listed, String> {
    if !audit.is_good(CRATES_FILE) {
        return Err(format!("{CRATES_FILE} is missing or wrong, so crates were not compared"));
    }
    let text = fs::read_to_string(audit.path(CRATES_FILE)).map_err(|error| error.to_string())?;
    let crates: Vec<Crate> = sbom::crates::parse(&text).map_err(|error| release::chain(&error))?;
    Ok(crates.iter().map(|found| (sbom::crate_purl(found), found.sha256.clone())).collect())
}

fn spdx(document: &Value) -> Option<Listed> {
    let mut listed = Listed::new();
    for package in document["packages"].as_array()? {
        // The image itself has no hash.
        if package["SPDXID"] == "SPDXRef-Image" {
            continue;
        }
        let purl = package["externalRefs"][0]["referenceLocator"].as_str()?;
        let sha256 = package["checksums"][0]["checksumValue"].as_str()?;
        listed.insert(purl.to_owned(), sha256.to_owned());
    }
    Some(listed)
}

fn cyclonedx(document: &Value) -> Option<Listed> {
    let mut listed = Listed::new();
    for component in document["components"].as_array()? {
        let purl = component["purl"].as_str()?;
        let sha256 = component["hashes"][0]["content"].as_str()?;
        listed.insert(purl.to_owned(), sha256.to_owned());
    }
    Some(listed)
}
