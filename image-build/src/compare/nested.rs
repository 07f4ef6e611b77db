//! Artifacts inside of artifacts: an initrd in an archive or in a unified kernel image, partitions of a
//! disk.

use super::{Inside, cause, first_difference, first_difference_of, inside};
use crate::gpt;
use crate::pe::Pe;
use crate::place::{Format, Place, content_of_partition, partition_at};
use crate::tree::{Content, ContentReader};
use os_kit_disk_layout::DISKS;
use std::io::{self, BufReader, Read};

/// The first bytes of a frame of zstd.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes of an unpacked initrd, which a machine holds in memory.
const INITRD_BYTES_MAX: u64 = 1 << 30;

/// What differs inside of two initrds: archives, compressed or not. None if they are no archives, or are
/// equal once unpacked.
pub fn archive(one: &Content, two: &Content) -> io::Result<Option<Inside>> {
    let (Some(a), Some(b)) = (unpacked(one)?, unpacked(two)?) else { return Ok(None) };
    let starts = |content: &Content| Ok::<_, io::Error>(content.part(0, 6).read()? == b"070701");
    if !(starts(&a)? && starts(&b)?) || first_difference(&a, &b)?.is_none() {
        return Ok(None);
    }
    let inside = inside(Format::Cpio, &a, &b)?;
    Ok(inside.map(|inside| Inside { place: inside.place.within("unpacked"), ..inside }))
}

/// The bytes in a frame of zstd, or the bytes themselves; none if the frame is damaged or too large.
fn unpacked(content: &Content) -> io::Result<Option<Content>> {
    if content.part(0, 4).read()? != ZSTD {
        return Ok(Some(content.clone()));
    }
    let mut bytes = Vec::new();
    let decoder = zstd::Decoder::new(content.reader()?)?;
    let read = decoder.take(INITRD_BYTES_MAX + 1).read_to_end(&mut bytes);
    Ok(match read {
        Ok(_) if bytes.len() as u64 <= INITRD_BYTES_MAX => Some(Content::bytes(bytes)),
        _ => None,
    })
}

/// The first section of two unified kernel images that differs.
pub fn sections(one: &Content, two: &Content) -> io::Result<Option<Inside>> {
    let (a, b) = (one.read()?, two.read()?);
    let (Ok(first), Ok(second)) = (Pe::parse(&a), Pe::parse(&b)) else { return Ok(None) };
    for section in &first.sections {
        let step = format!("section {}", section.name);
        let Some(other) = second.section(&section.name) else {
            let (place, detail) = (Place::of(step, 0), "only the first one has it".into());
            return Ok(Some(Inside { place, cause: super::Cause::Names, detail }));
        };
        let part = |content: &Content, data: &std::ops::Range<usize>| {
            content.part(data.start as u64, data.len() as u64)
        };
        let (a, b) = (part(one, &section.data), part(two, &other.data));
        let Some(byte) = first_difference(&a, &b)? else { continue };
        if let Some(inside) = archive(&a, &b)? {
            return Ok(Some(Inside { place: inside.place.within(step), ..inside }));
        }
        let (cause, detail) = cause::of_bytes(&a, &b, byte)?;
        return Ok(Some(Inside { place: Place::of(step, byte), cause, detail }));
    }
    Ok(None)
}

/// The first partition of two compressed disks that differs. They are unpacked as streams, then what differs
/// is unpacked again; a disk is never whole on this machine.
pub fn disks(one: &Content, two: &Content) -> io::Result<Option<Inside>> {
    let byte = match first_difference_of(&mut decoder(one)?, &mut decoder(two)?) {
        Ok(Some(byte)) => byte,
        // The same disks, compressed otherwise; or one that is no zstd.
        Ok(None) | Err(_) => return Ok(None),
    };
    let Some(table) = table_of(&mut decoder(one)?)? else { return Ok(None) };
    let Some((label, start, length)) = partition_at(&table, byte) else {
        let place = Place::of("outside of all partitions", byte);
        let detail = "the partition tables differ, or what should be empty is not".into();
        return Ok(Some(Inside { place, cause: super::Cause::Content, detail }));
    };
    let kind = DISKS.into_iter().filter(|disk| disk.id() == table.id);
    let kind = kind.into_iter().find_map(|disk| disk.partition(&label)).map(|found| found.kind);
    let format = kind.map_or(Format::Opaque, Format::of_partition);
    let step = format!("partition {label}");
    let (a, b) = (
        partition(&mut decoder(one)?, start, length)?,
        partition(&mut decoder(two)?, start, length)?,
    );
    let filled =
        |file: &Content| content_of_partition(format, file).unwrap_or_else(|| file.clone());
    let (a, b) = (filled(&a.1), filled(&b.1));
    let found = match inside(format, &a, &b)? {
        Some(found) => found,
        None => {
            let (cause, detail) = cause::of_bytes(&a, &b, byte - start)?;
            Inside { place: format.place(&a, byte - start), cause, detail }
        }
    };
    Ok(Some(Inside { place: found.place.within(step), ..found }))
}

fn decoder(content: &Content) -> io::Result<zstd::Decoder<'static, BufReader<ContentReader<'_>>>> {
    zstd::Decoder::new(content.reader()?)
}

/// The partition table at the beginning of a disk; none if it is damaged.
fn table_of(disk: &mut impl Read) -> io::Result<Option<gpt::Table>> {
    let mut head = vec![0; gpt::HEAD_BYTES];
    let length = crate::output::read_full(disk, &mut head)?;
    Ok(gpt::read_head(&head[..length]).ok())
}

/// The bytes of a partition, in a temporary file that goes with them.
fn partition(
    disk: &mut impl Read,
    start: u64,
    length: u64,
) -> io::Result<(tempfile::NamedTempFile, Content)> {
    io::copy(&mut disk.take(start), &mut io::sink())?;
    let mut file = tempfile::NamedTempFile::new()?;
    crate::output::copy_sparse(&mut disk.take(length), file.as_file_mut(), 0)?;
    file.as_file().set_len(length)?;
    let content = Content::file(file.path())?;
    Ok((file, content))
}
