//! The first tier: the files are those of the manifest, and what they say of each other agrees.

use super::{Audit, AuditError, Check, Finding, Options, Tier, bills, check, problem, truth};
use crate::lock::Lock;
use crate::payload::{Payload, PayloadError};
use crate::place::Place;
use crate::release::{self, LOCK_FILE};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use types::release::{FileDigest, HexBytes, RELEASE_FILE, Release, ReleaseError};

const TIER: Tier = Tier::Manifest;
/// More threads than any machine that audits has use for.
const THREAD_COUNT_MAX: usize = 64;

/// The manifest itself.
pub fn own(
    parsed: &Result<Release, ReleaseError>,
    digest: HexBytes<32>,
    options: &Options,
) -> Check {
    let mut findings = Vec::new();
    if let Err(error) = parsed {
        let mut finding = Finding::new(problem(error));
        if let ReleaseError::NotCanonical { at } = error {
            finding.byte = Some(*at as u64);
        }
        if let ReleaseError::Format(error) = error {
            let column = error.column().saturating_sub(1) as u64;
            finding.place = Some(Place::of(format!("line {}", error.line()), column));
        }
        findings.push(finding);
    }
    if let Some(expected) = options.digest.filter(|expected| *expected != digest) {
        findings.push(Finding::new(format!("its digest is {digest}, and must be {expected}")));
    }
    let claim = match options.digest {
        Some(_) => "it is in its one form, and has the digest that was given",
        None => "it is in its one form (no digest was given to hold it against)",
    };
    check(TIER, RELEASE_FILE, claim, findings)
}

/// All checks of this tier.
pub fn checks(audit: &mut Audit<'_>) -> Result<Vec<Check>, AuditError> {
    let mut checks = vec![folder(audit)?];
    (audit.progress)("hashing all files");
    checks.extend(files(audit)?);
    let lock = match audit.is_good(LOCK_FILE) {
        true => lock(audit),
        false => (None, Vec::new()),
    };
    checks.extend(lock.1);
    let images: Vec<String> = audit.release.images.keys().cloned().collect();
    for image in &images {
        checks.push(description(audit, image));
        if let Some(lock) = &lock.0 {
            (audit.progress)(&format!("bills of materials of {image}"));
            checks.push(bills::check(audit, image, lock));
        }
    }
    (audit.progress)("unpacking all chunks of the payloads");
    checks.extend(payloads(audit, &images));
    Ok(checks)
}

/// That nothing else lies in the folder: an auditor would not have looked at it.
fn folder(audit: &Audit<'_>) -> Result<Check, AuditError> {
    let known: BTreeSet<&str> = audit.release.all_files().map(|(name, _)| name).collect();
    let no_release = |error: io::Error| AuditError::NoRelease {
        folder: audit.options.folder.clone(),
        problem: error.to_string(),
    };
    let mut findings = Vec::new();
    for entry in fs::read_dir(&audit.options.folder).map_err(no_release)? {
        let name = entry.map_err(no_release)?.file_name();
        let name = name.to_string_lossy();
        // Notes of a builder begin with a dot.
        if !known.contains(&*name) && name != RELEASE_FILE && !name.starts_with('.') {
            findings.push(Finding::new(format!("{name} is not in the manifest; remove it")));
        }
    }
    findings.sort_by(|a, b| a.problem.cmp(&b.problem));
    let claim = "the folder has no other files than those of the manifest";
    Ok(check(TIER, RELEASE_FILE, claim, findings))
}

/// Every file by length and hash; of one that is wrong, where.
fn files(audit: &mut Audit<'_>) -> Result<Vec<Check>, AuditError> {
    let mut files: Vec<(String, FileDigest)> =
        audit.release.all_files().map(|(name, file)| (name.to_owned(), *file)).collect();
    let folder = audit.options.folder.clone();
    let problem_of = |(name, expected): &(String, FileDigest)| {
        let path = folder.join(name);
        if !path.exists() {
            return Some("it is missing; fetch it".to_owned());
        }
        match release::digest_of(&path) {
            Err(error) => Some(release::chain(&error)),
            Ok(found) if found == *expected => None,
            Ok(found) if found.bytes != expected.bytes => {
                Some(format!("it has {} bytes, and must have {}", found.bytes, expected.bytes))
            }
            Ok(found) => {
                Some(format!("its hash is {}, and must be {}", found.sha256, expected.sha256))
            }
        }
    };
    let problems = in_threads(&files, audit.options.thread_count, problem_of);
    let wrong = files.iter().zip(&problems).filter(|(_, problem)| problem.is_some());
    audit.wrong = wrong.map(|((name, _), _)| name.clone()).collect();
    let mut checks = Vec::new();
    for ((name, expected), problem) in files.drain(..).zip(problems) {
        let mut findings = Vec::new();
        if let Some(problem) = problem {
            (audit.progress)(&format!("{name} is wrong; looking for the place"));
            findings.push(truth::locate(audit, &name, &expected, problem)?);
        }
        checks.push(check(TIER, name, "it is the file of the manifest", findings));
    }
    Ok(checks)
}

/// The lock, whose hash the files' check has seen.
fn lock(audit: &Audit<'_>) -> (Option<Lock>, Vec<Check>) {
    let claim = "it is a lock in its one form, and the one that the images were made of";
    let (lock, findings) = match Lock::read(&audit.path(LOCK_FILE)) {
        Err(error) => (None, vec![Finding::new(release::chain(&error))]),
        Ok(lock) => {
            let is_it = lock.sha256() == audit.release.inputs.lock_sha256.to_string();
            let other = "its hash is not that of the manifest's inputs".to_owned();
            (Some(lock), if is_it { vec![] } else { vec![Finding::new(other)] })
        }
    };
    (lock, vec![check(TIER, LOCK_FILE, claim, findings)])
}

/// `IMAGE.json` says the same as the manifest.
fn description(audit: &Audit<'_>, image: &str) -> Check {
    let name = format!("{image}.json");
    let mut findings = Vec::new();
    if audit.is_good(&name) {
        let expected = release::description(audit.release, image, &audit.release.images[image]);
        match fs::read(audit.path(&name)) {
            Ok(found) if found == expected => {}
            Ok(_) => findings.push(Finding::new("it says something else than the manifest")),
            Err(error) => findings.push(Finding::new(error.to_string())),
        }
    } else {
        findings.push(Finding::new("it is not the file of the manifest, so it was not read"));
    }
    check(TIER, name, "it says the same of the image as the manifest", findings)
}

/// Ids of payloads, and every chunk of them.
fn payloads(audit: &Audit<'_>, images: &[String]) -> Vec<Check> {
    let threads = audit.options.thread_count.clamp(1, THREAD_COUNT_MAX);
    images
        .iter()
        .map(|image| {
            let name = format!("{image}.payload");
            let expected = audit.release.images[image].payload_id;
            let findings = match chunks(audit, &name, &expected.0, threads) {
                Ok(findings) => findings,
                Err(error) => vec![Finding::new(release::chain(&error))],
            };
            check(
                TIER,
                name,
                "its id is that of the manifest, and every chunk has its hash",
                findings,
            )
        })
        .collect()
}

fn chunks(
    audit: &Audit<'_>,
    name: &str,
    id: &[u8; 32],
    threads: usize,
) -> Result<Vec<Finding>, PayloadError> {
    let path = audit.path(name);
    let open = || Payload::open(File::open(&path).map_err(PayloadError::Read)?, Some(id));
    let count = open()?.index().chunks.len();
    let share = count.div_ceil(threads).max(1);
    let ranges: Vec<_> =
        (0..count).step_by(share).map(|start| start..count.min(start + share)).collect();
    let results = in_threads(&ranges, threads, |range| {
        let mut payload = open()?;
        let mut findings = Vec::new();
        for number in range.clone() {
            match payload.chunk(number) {
                Ok(_) => {}
                Err(PayloadError::Chunk { part, start_bytes, .. }) => {
                    let place = Place::of(format!("chunk {number}"), 0);
                    let place = place.within(format!("part {part}"));
                    let problem =
                        format!("a chunk of {part} (from byte {start_bytes} of it) is damaged");
                    findings.push(Finding { place: Some(place), ..Finding::new(problem) });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(findings)
    });
    let mut all = Vec::new();
    for result in results {
        all.extend(result?);
    }
    Ok(all)
}

/// Does the same with each of some things; results in their order.
fn in_threads<T: Sync, R: Send>(
    things: &[T],
    thread_count: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = thread_count.clamp(1, THREAD_COUNT_MAX).min(things.len().max(1));
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut own = Vec::new();
                    loop {
                        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(thing) = things.get(at) else { return own };
                        own.push((at, work(thing)));
                    }
                })
            })
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join().expect("checks do not panic"));
        joined.flatten().collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
