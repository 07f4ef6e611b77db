//! The second tier: what machines will measure is what the manifest says, and every artifact is inside of those
//! that hold it. Each artifact is read strictly: it is what our writers write, to the last byte of padding.

use super::{Audit, AuditError, Check, Finding, Tier, check, disk, truth};
use crate::compare;
use crate::payload::{CHUNK_BYTES, Index};
use crate::pe::Pe;
use crate::place::{Format, Place};
use crate::release::{self, chain};
use crate::tree::{Content, Node, Tree};
use crate::verity::{self, Salt};
use crate::{cpio, erofs, fat, measure};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::BufReader;
use types::release::Image;

const TIER: Tier = Tier::Measure;

/// What a check found, or why it could not be made, which is a finding as well.
pub(super) type Found = Result<Vec<Finding>, Box<dyn std::error::Error>>;

/// All checks of this tier.
pub fn checks(audit: &mut Audit<'_>) -> Result<Vec<Check>, AuditError> {
    let release = audit.release;
    let mut checks = Vec::new();
    for (name, image) in &release.images {
        (audit.progress)(&format!("reading every artifact of {name}, unpacking its disk"));
        let one = One { audit, name, image };
        checks.push(one.check("root.erofs", "it is a file system as we write it", One::root));
        checks.push(one.check(
            "root.verity",
            "it is the hash tree of the root, and has the root hash of the manifest",
            One::verity,
        ));
        if one.has("boot.cpio") {
            checks.push(one.check(
                "boot.cpio",
                "it is an archive as we write it, with the command line of the manifest",
                One::boot,
            ));
        }
        if one.has("efi") {
            checks.push(one.check(
                "efi",
                "it has the command line and the kernel of the manifest",
                One::unified,
            ));
            checks.push(one.check(
                "esp",
                "it is a volume as we write it, and its programs are the unified kernel image",
                One::esp,
            ));
        }
        if one.has("carried.erofs") {
            checks.push(one.check(
                "carried.erofs",
                "it is a file system as we write it, of files of this release, with its hash on the \
                 command line",
                One::carried,
            ));
        }
        checks.push(one.check("payload", "its parts are the artifacts", One::payload));
        if one.has("disk.zst") {
            checks.push(one.check(
                "disk.zst",
                "its partitions are the artifacts, and all else is empty",
                |one| disk::check(one.audit, one.name),
            ));
        }
        checks.push(
            one.check_image("what machines measure is what the manifest says", One::measured),
        );
    }
    Ok(checks)
}

/// One image of the release.
struct One<'a, 'b> {
    audit: &'a Audit<'b>,
    name: &'a str,
    image: &'a Image,
}

impl One<'_, '_> {
    fn has(&self, ending: &str) -> bool {
        self.image.artifacts.contains_key(&format!("{}.{ending}", self.name))
    }

    fn content(&self, ending: &str) -> std::io::Result<Content> {
        Content::file(&self.audit.path(&format!("{}.{ending}", self.name)))
    }

    fn check(&self, ending: &str, claim: &str, of: impl Fn(&Self) -> Found) -> Check {
        let subject = format!("{}.{ending}", self.name);
        check(TIER, subject, claim, found(of(self)))
    }

    fn check_image(&self, claim: &str, of: impl Fn(&Self) -> Found) -> Check {
        check(TIER, self.name, claim, found(of(self)))
    }

    fn root(&self) -> Found {
        erofs::read(&self.content("root.erofs")?)?;
        Ok(vec![])
    }

    fn verity(&self) -> Found {
        let open = |ending: &str| File::open(self.audit.path(&format!("{}.{ending}", self.name)));
        let (root, tree) = (open("root.erofs")?, open("root.verity")?);
        let salt = Salt::of(&format!("{}/root", self.name));
        let threads = self.audit.options.thread_count;
        let mut findings = Vec::new();
        match verity::check(&root, &tree, salt, &self.image.root_hash.0, threads)? {
            None => {}
            Some(verity::Finding::Data { block }) => {
                let byte = block * verity::BLOCK_BYTES;
                let place = Format::Erofs.place(&self.content("root.erofs")?, byte);
                findings.push(Finding {
                    place: Some(place.within(format!("root, block {block}"))),
                    ..Finding::new("a block of the root is not the one that was hashed")
                });
            }
            Some(verity::Finding::Tree { byte }) => {
                let place = Format::Verity.place(&self.content("root.verity")?, byte);
                findings.push(Finding {
                    byte: Some(byte),
                    place: Some(place),
                    ..Finding::new("the hash tree is not that of the root")
                });
            }
            Some(verity::Finding::Root { found }) => {
                findings.push(Finding::new(format!(
                    "root and tree have the root hash {}, the manifest has {}",
                    hex::encode(found),
                    self.image.root_hash
                )));
            }
        }
        let (length, expected) =
            (tree.metadata()?.len(), verity::length_bytes(&self.content("root.verity")?));
        if Some(length) != expected {
            findings.push(Finding::new("the hash tree does not end where its file ends"));
        }
        Ok(findings)
    }

    fn boot(&self) -> Found {
        cpio::read(&self.content("boot.cpio")?)?;
        let bytes = self.content("boot.cpio")?.read()?;
        let archive = measure::boot_archive::BootArchive::parse(&bytes)?;
        Ok(self.command_line(archive.command_line))
    }

    fn unified(&self) -> Found {
        let bytes = self.content("efi")?.read()?;
        let pe = Pe::parse(&bytes)?;
        let section = |name: &str| pe.section(name).map(|section| &bytes[section.data.clone()]);
        let text =
            |name: &str| section(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let mut findings = self.command_line(&text(".cmdline").unwrap_or_default());
        let kernel = text(".uname").unwrap_or_default();
        if kernel != self.image.kernel_version {
            let expected = &self.image.kernel_version;
            findings
                .push(Finding::new(format!("its kernel is {kernel}, the manifest has {expected}")));
        }
        Ok(findings)
    }

    /// The command line is that of the manifest, of which reading has checked that it names the root hash.
    fn command_line(&self, found: &str) -> Vec<Finding> {
        let expected = &self.image.command_line;
        if found == expected {
            return vec![];
        }
        let same = found.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
        let place = Place::of("command line", same as u64);
        let problem = format!("its command line is {found:?}, the manifest has {expected:?}");
        vec![Finding { place: Some(place), ..Finding::new(problem) }]
    }

    fn esp(&self) -> Found {
        let volume = fat::read(&self.content("esp")?)?;
        let unified = self.content("efi")?;
        let mut findings = Vec::new();
        let mut count = 0;
        for (path, content) in files(&volume.tree) {
            count += 1;
            if let Some(byte) = compare::first_difference(content, &unified)? {
                findings.push(Finding {
                    place: Some(Place::of(format!("file {path}"), byte)),
                    ..Finding::new(format!("it is not {}.efi", self.name))
                });
            }
        }
        if count == 0 {
            findings.push(Finding::new("it has no program to start"));
        }
        Ok(findings)
    }

    fn carried(&self) -> Found {
        let content = self.content("carried.erofs")?;
        let volume = erofs::read(&content)?;
        let mut findings = Vec::new();
        for (path, found) in files(&volume.tree) {
            let name = String::from_utf8_lossy(path.as_bytes()).into_owned();
            let place = |byte| Some(Place::of(format!("file {path}"), byte));
            if self.audit.release.images.values().all(|image| !image.artifacts.contains_key(&name))
            {
                let problem = "it is no file of this release";
                findings.push(Finding { place: place(0), ..Finding::new(problem) });
                continue;
            }
            let own = Content::file(&self.audit.path(&name))?;
            if let Some(byte) = compare::first_difference(&own, found)? {
                let problem = format!("it is not {name}");
                findings.push(Finding { place: place(byte), ..Finding::new(problem) });
            }
        }
        let sha256 = release::digest_of(&self.audit.path(&format!("{}.carried.erofs", self.name)))?;
        let word = format!("plinth.payload={}", sha256.sha256);
        if !self.image.command_line.split(' ').any(|found| found == word) {
            findings.push(Finding::new(format!("the command line does not have {word}")));
        }
        Ok(findings)
    }

    fn payload(&self) -> Found {
        let path = self.audit.path(&format!("{}.payload", self.name));
        let index = Index::read(&mut BufReader::new(File::open(&path)?))?;
        let mut findings = Vec::new();
        for part in &index.parts {
            let file = truth::PAYLOAD_PARTS.into_iter().find(|(name, _)| *name == part.name);
            let Some((_, ending)) = file.filter(|(_, ending)| self.has(ending)) else {
                findings.push(Finding::new(format!("its part {} is no artifact", part.name)));
                continue;
            };
            let content = self.content(ending)?;
            let place = |byte| Some(Place::of(format!("part {}", part.name), byte));
            if content.length() != part.length_bytes {
                let problem = format!("its part is not as long as {}.{ending}", self.name);
                findings.push(Finding { place: place(0), ..Finding::new(problem) });
                continue;
            }
            let numbers = index.chunks_of(&part.name).expect("the part is one of the index");
            let mut reader = content.reader()?;
            let mut chunk = vec![0; CHUNK_BYTES as usize];
            for (at, number) in numbers.enumerate() {
                let length = crate::output::read_full(&mut reader, &mut chunk)?;
                if Sha256::digest(&chunk[..length])[..] != index.chunks[number].hash {
                    let start = at as u64 * CHUNK_BYTES;
                    let problem =
                        format!("a chunk of its part is not that of {}.{ending}", self.name);
                    findings.push(Finding { place: place(start), ..Finding::new(problem) });
                }
            }
        }
        Ok(findings)
    }

    fn measured(&self) -> Found {
        let found = release::measured(&self.audit.options.folder, self.name)?;
        let mut findings = Vec::new();
        if let (Some(found), Some(expected)) = (&found.measurements, &self.image.measurements)
            && found != expected
        {
            for (a, b) in found.pcrs.iter().zip(&expected.pcrs).filter(|(a, b)| a != b) {
                findings.push(Finding::new(format!(
                    "PCR {} will be {} (SHA-256), the manifest has {}",
                    a.pcr, a.sha256, b.sha256
                )));
            }
            for (a, b) in found.events.iter().zip(&expected.events).filter(|(a, b)| a != b) {
                findings
                    .push(Finding::new(format!("the event {} of PCR {} is {b:?}", a.what, a.pcr)));
            }
            if findings.is_empty() {
                findings.push(Finding::new("the manifest's measurements have another form"));
            }
        }
        if let (Some(found), Some(expected)) = (&found.launch_digests, &self.image.launch_digests)
            && found != expected
        {
            if found.base != expected.base {
                let (a, b) = (found.base, expected.base);
                findings.push(Finding::new(format!(
                    "the launch digest before any processor is {a}, the manifest has {b}"
                )));
            }
            for (a, b) in found.digests.iter().zip(&expected.digests).filter(|(a, b)| a != b) {
                findings.push(Finding::new(format!(
                    "the launch digest for {} processors {} is {}, the manifest has {}",
                    a.count, a.processor, a.digest, b.digest
                )));
            }
            if findings.is_empty() {
                findings.push(Finding::new(
                    "the manifest's launch digests are of other parts or models",
                ));
            }
        }
        let is_missing = found.measurements.is_some() != self.image.measurements.is_some()
            || found.launch_digests.is_some() != self.image.launch_digests.is_some();
        if is_missing {
            findings.push(Finding::new(
                "what is measured of it, or the manifest's part of that, is missing",
            ));
        }
        Ok(findings)
    }
}

fn files(tree: &Tree) -> impl Iterator<Item = (&crate::tree::TreePath, &Content)> {
    tree.walk().filter_map(|(path, _, inode)| match &inode.node {
        Node::File(content) => Some((path, content)),
        _ => None,
    })
}

fn found(result: Found) -> Vec<Finding> {
    result.unwrap_or_else(|error| vec![Finding::new(chain(&*error))])
}
