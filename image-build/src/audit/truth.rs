//! What a wrong file should be: made again, or taken out of, the files that are right. It is believed only if
//! it has the hash of the manifest; then the first wrong byte is known.

use super::{Audit, AuditError, Finding};
use crate::build::Contents;
use crate::compare::{self, Cause};
use crate::payload::{self, Payload};
use crate::place::{Format, Place, partition_at};
use crate::release;
use crate::tree::Content;
use crate::verity::{HashTree, Salt};
use crate::{disk, gpt};
use os_kit_disk_layout::Kind;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use tempfile::NamedTempFile;
use types::release::FileDigest;

/// A file of the release that has another hash than the manifest says: the first wrong byte, and where it
/// lies, if the rest of the release tells what the file should be.
pub fn locate(
    audit: &Audit<'_>,
    name: &str,
    expected: &FileDigest,
    problem: String,
) -> Result<Finding, AuditError> {
    let mut finding = Finding::new(problem);
    let path = audit.path(name);
    if !path.is_file() {
        return Ok(finding);
    }
    let failed = |source| AuditError::Scratch { folder: audit.options.scratch.clone(), source };
    let Some(truth) = truth(audit, name, expected)? else {
        finding.problem +=
            "; no other file of the release has its bytes, so only a rebuild can tell where";
        return Ok(finding);
    };
    let (right, found) =
        (Content::file(truth.path()).map_err(failed)?, Content::file(&path).map_err(failed)?);
    let Some(byte) = compare::first_difference(&right, &found).map_err(failed)? else {
        return Ok(finding);
    };
    finding.byte = Some(byte);
    finding.place = Some(match Format::of(name) {
        Format::Disk => on_disk(audit, name, &right, byte).map_err(failed)?,
        format => format.place(&right, byte),
    });
    let (cause, detail) = compare::of_bytes(&right, &found, byte).map_err(failed)?;
    // Between a good file and a wrong one, a guess at what a build did would mislead.
    finding.cause = match compare::differs_in_one_byte(&right, &found, byte).map_err(failed)? {
        true => Some(Cause::Damage),
        false => Some(cause).filter(|cause| *cause == Cause::Length),
    };
    finding.problem += &format!("; first other byte: {detail}");
    Ok(finding)
}

/// The bytes that the file should have, if they can be had.
fn truth(
    audit: &Audit<'_>,
    name: &str,
    expected: &FileDigest,
) -> Result<Option<NamedTempFile>, AuditError> {
    let image = audit.release.images.iter().find(|(_, image)| image.artifacts.contains_key(name));
    let mut ways: Vec<Way> = Vec::new();
    if let Some((image, _)) = image {
        let ending = &name[image.len() + 1..];
        let in_payload = PAYLOAD_PARTS.into_iter().find(|(_, file)| *file == ending);
        if let Some((part, _)) = in_payload {
            ways.push(Way::Payload(part));
        }
        if let Some((kind, _)) = PARTITIONS.into_iter().find(|(_, file)| *file == ending) {
            ways.push(Way::Partition(kind));
        }
        match ending {
            "root.verity" => ways.push(Way::HashTree),
            "payload" => ways.push(Way::MakePayload),
            "disk.zst" => ways.push(Way::MakeDisk),
            "json" => ways.push(Way::Description),
            _ => {}
        }
        for way in ways {
            let mut file = audit.scratch_file()?;
            // What cannot be had this way may be had another.
            let made = way.make(audit, image, &mut file).is_ok_and(|made| made);
            if made && release::digest_of(file.path())? == *expected {
                return Ok(Some(file));
            }
        }
    }
    Ok(None)
}

/// Parts of payloads and the files that they are.
pub const PAYLOAD_PARTS: [(&str, &str); 5] = [
    ("boot", "boot.cpio"),
    ("uki", "efi"),
    ("root", "root.erofs"),
    ("verity", "root.verity"),
    ("carried", "carried.erofs"),
];

/// Partitions and the files that they hold.
const PARTITIONS: [(Kind, &str); 5] = [
    (Kind::Esp, "esp"),
    (Kind::Boot, "boot.cpio"),
    (Kind::Root, "root.erofs"),
    (Kind::Verity, "root.verity"),
    (Kind::Payload, "carried.erofs"),
];

/// A way to the bytes of a file.
enum Way {
    Payload(&'static str),
    Partition(Kind),
    HashTree,
    MakePayload,
    MakeDisk,
    Description,
}

type Made = Result<bool, Box<dyn std::error::Error>>;

impl Way {
    /// Writes what the file should be; false if the files that it needs are wrong themselves.
    fn make(&self, audit: &Audit<'_>, image: &str, to: &mut NamedTempFile) -> Made {
        let name = |ending: &str| format!("{image}.{ending}");
        match self {
            Self::Payload(part) => {
                let payload = name("payload");
                if !audit.is_good(&payload) {
                    return Ok(false);
                }
                let mut payload = Payload::open(File::open(audit.path(&payload))?, None)?;
                payload.extract(part, to.as_file_mut())?;
                Ok(true)
            }
            Self::Partition(kind) => partition(audit, image, *kind, to),
            Self::HashTree => {
                let root = name("root.erofs");
                if !audit.is_good(&root) {
                    return Ok(false);
                }
                let data = File::open(audit.path(&root))?;
                let salt = Salt::of(&format!("{image}/root"));
                HashTree::of(&data, salt, audit.options.thread_count)?.write(to)?;
                Ok(true)
            }
            Self::MakePayload => {
                let Some(contents) = contents(audit, image) else { return Ok(false) };
                payload::write(&contents.payload(), audit.options.thread_count, to.as_file_mut())?;
                Ok(true)
            }
            Self::MakeDisk => {
                let Some(contents) = contents(audit, image) else { return Ok(false) };
                let by_label = contents.by_label().map_err(|path| path.display().to_string())?;
                let mut writer = BufWriter::new(to.as_file_mut());
                let threads = audit.options.thread_count;
                disk::write_compressed(contents.table, &by_label, None, threads, &mut writer)?;
                writer.flush()?;
                Ok(true)
            }
            Self::Description => {
                let own = &audit.release.images[image];
                to.write_all(&release::description(audit.release, image, own))?;
                Ok(true)
            }
        }
    }
}

/// The files that disk and payload are made of, if all of them are right.
fn contents(audit: &Audit<'_>, image: &str) -> Option<Contents> {
    let is_part =
        |ending: &str| PAYLOAD_PARTS.iter().chain(&[("", "esp")]).any(|(_, file)| *file == ending);
    let artifacts = &audit.release.images[image].artifacts;
    let mut parts = artifacts.keys().filter(|name| is_part(&name[image.len() + 1..]));
    let all_good = parts.all(|name| audit.is_good(name));
    all_good.then(|| Contents::in_folder(&audit.options.folder, image))?
}

/// The content of the first partition of a kind, out of the compressed disk.
fn partition(audit: &Audit<'_>, image: &str, kind: Kind, to: &mut NamedTempFile) -> Made {
    let name = format!("{image}.disk.zst");
    if !audit.is_good(&name) {
        return Ok(false);
    }
    let mut decoder = zstd::Decoder::new(File::open(audit.path(&name))?)?;
    let mut head = vec![0; gpt::HEAD_BYTES];
    decoder.read_exact(&mut head)?;
    let table = gpt::read_head(&head)?;
    let entry = table.entries.iter().find(|entry| entry.type_id == kind.type_id());
    let Some(entry) = entry else { return Ok(false) };
    let (_, start, length) =
        partition_at(&table, entry.first_sector * 512).ok_or("the partition is not there")?;
    io::copy(&mut decoder.by_ref().take(start - head.len() as u64), &mut io::sink())?;
    crate::output::copy_sparse(&mut decoder.take(length), to.as_file_mut(), 0)?;
    to.as_file().set_len(length)?;
    let whole = Content::file(to.path())?;
    let format = Format::of_partition(kind);
    if let Some(filled) = crate::place::content_of_partition(format, &whole) {
        to.as_file().set_len(filled.length())?;
    }
    to.rewind()?;
    Ok(true)
}

/// Where a byte of a compressed disk lies: the frame that it belongs to holds a range of one partition.
fn on_disk(audit: &Audit<'_>, name: &str, right: &Content, byte: u64) -> io::Result<Place> {
    let unknown = Place { steps: Vec::new(), byte };
    let Some(frame) = frame_at(right, byte)? else { return Ok(unknown) };
    let in_frame = byte - frame.at;
    let mut head = vec![0; gpt::HEAD_BYTES];
    let decoded = zstd::Decoder::new(right.reader()?)?.read_exact(&mut head);
    let table = decoded.ok().and_then(|()| gpt::read_head(&head).ok());
    let Some(table) = table else { return Ok(unknown) };
    let last = frame.disk_at + frame.disk_bytes.saturating_sub(1);
    let step = format!("frame of bytes {} to {last} of the disk", frame.disk_at);
    let place = Place::of(step, in_frame);
    let Some((label, start, _)) = partition_at(&table, frame.disk_at) else {
        return Ok(place.within("outside of all partitions"));
    };
    // What is in the partition is a file of the release, which tells what the frame begins and ends with.
    let image = name.trim_end_matches(".disk.zst");
    let file = Contents::in_folder(&audit.options.folder, image).and_then(|contents| {
        let path: PathBuf = contents.by_label().ok()?.get(label.as_str())?.to_path_buf();
        let content = Content::file(&path).ok()?;
        let format = Format::of(&path.to_string_lossy());
        let end = (last - start).min(content.length().saturating_sub(1));
        let [first, last] = [frame.disk_at - start, end].map(|at| format.place(&content, at));
        let (first, last) = (first.steps.last()?, last.steps.last()?);
        Some(if first == last { first.clone() } else { format!("from {first} to {last}") })
    });
    let place = match file {
        Some(file) => place.within(file),
        None => place,
    };
    Ok(place.within(format!("partition {label}")))
}

/// A frame of a compressed disk.
struct Frame {
    at: u64,
    disk_at: u64,
    disk_bytes: u64,
}

/// The frame that has a byte; the frames of our disks say how long they are unpacked.
fn frame_at(compressed: &Content, byte: u64) -> io::Result<Option<Frame>> {
    /// A frame of 4 MiB that cannot be compressed is a little longer than that.
    const FRAME_BYTES_MAX: u64 = 5 << 20;
    let (mut at, mut disk_at) = (0, 0);
    while at < compressed.length() {
        let bytes = compressed.part(at, FRAME_BYTES_MAX).read()?;
        let length = zstd::zstd_safe::find_frame_compressed_size(&bytes).ok();
        let content = zstd::zstd_safe::get_frame_content_size(&bytes).ok().flatten();
        let (Some(length), Some(disk_bytes)) = (length, content) else { return Ok(None) };
        if byte < at + length as u64 {
            return Ok(Some(Frame { at, disk_at, disk_bytes }));
        }
        at += length as u64;
        disk_at += disk_bytes;
    }
    Ok(None)
}
