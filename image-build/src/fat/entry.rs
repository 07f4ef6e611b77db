//! Entries of directories, 32 bytes each: the long name from its end to its beginning, then the file.

use super::ENTRY_BYTES;
use super::name::{Name, UNITS_PER_ENTRY, checksum};

pub const LABEL: u8 = 0x08;
pub const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
pub const LONG_NAME: u8 = 0x0f;
/// Marks the entry with the end of a long name, which comes first.
const LONG_NAME_END: u8 = 0x40;
/// 1980-01-01 and 2108-01-01: what a date of 16 bits can say.
const TIME_S_MIN: u64 = 315_532_800;
pub const TIME_S_END: u64 = 4_354_819_200;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    File,
    Directory,
}

/// One file of a directory.
#[derive(Debug)]
pub struct DirectoryEntry<'a> {
    pub name: &'a Name,
    pub attributes: Attributes,
    pub first_cluster: u32,
    /// 0 for a directory.
    pub length_bytes: u32,
    pub mtime_s: u64,
}

impl DirectoryEntry<'_> {
    pub fn encode(&self) -> Vec<u8> {
        let mut encoded = self
            .name
            .long
            .as_deref()
            .map_or_else(Vec::new, |units| long_name(units, checksum(&self.name.short)));
        let attributes = match self.attributes {
            Attributes::File => ARCHIVE,
            Attributes::Directory => DIRECTORY,
        };
        let entry = short(
            &self.name.short,
            attributes,
            self.first_cluster,
            self.length_bytes,
            self.mtime_s,
        );
        encoded.extend(entry);
        encoded
    }
}

/// The entry of the root that carries the label of the volume.
pub fn label(label: &str, mtime_s: u64) -> Vec<u8> {
    short(&padded(label), LABEL, 0, 0, mtime_s)
}

/// The entries `.` and `..`.
pub fn dot(name: &str, first_cluster: u32, mtime_s: u64) -> Vec<u8> {
    short(&padded(name), DIRECTORY, first_cluster, 0, mtime_s)
}

fn padded(name: &str) -> [u8; 11] {
    let mut padded = [b' '; 11];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    padded
}

fn short(
    name: &[u8; 11],
    attributes: u8,
    first_cluster: u32,
    length_bytes: u32,
    mtime_s: u64,
) -> Vec<u8> {
    let (date, time) = date_and_time(mtime_s);
    let [low0, low1, high0, high1] = first_cluster.to_le_bytes();
    let mut entry = Vec::with_capacity(ENTRY_BYTES);
    entry.extend(name);
    entry.extend([attributes, 0, 0]);
    entry.extend(time.to_le_bytes()); // Made,
    entry.extend(date.to_le_bytes());
    entry.extend(date.to_le_bytes()); // read,
    entry.extend([high0, high1]);
    entry.extend(time.to_le_bytes()); // and written at one time.
    entry.extend(date.to_le_bytes());
    entry.extend([low0, low1]);
    entry.extend(length_bytes.to_le_bytes());
    entry
}

fn long_name(units: &[u16], checksum: u8) -> Vec<u8> {
    let count = units.len().div_ceil(UNITS_PER_ENTRY);
    let mut encoded = Vec::with_capacity(count * ENTRY_BYTES);
    for (index, part) in units.chunks(UNITS_PER_ENTRY).enumerate().rev() {
        // A name that does not fill its entries ends with a zero, then ones.
        let mut padded = [0xffff_u16; UNITS_PER_ENTRY];
        padded[..part.len()].copy_from_slice(part);
        if let Some(end) = padded.get_mut(part.len()) {
            *end = 0;
        }
        let end_mark = if index + 1 == count { LONG_NAME_END } else { 0 };
        let bytes: Vec<u8> = padded.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        encoded.push((index as u8 + 1) | end_mark);
        encoded.extend(&bytes[..10]);
        encoded.extend([LONG_NAME, 0, checksum]);
        encoded.extend(&bytes[10..22]);
        encoded.extend([0, 0]);
        encoded.extend(&bytes[22..]);
    }
    encoded
}

/// A time in UTC as FAT writes it, in steps of two seconds.
fn date_and_time(time_s: u64) -> (u16, u16) {
    let time_s = time_s.clamp(TIME_S_MIN, TIME_S_END - 1);
    let (year, month, day) = civil((time_s / 86_400) as i64);
    let second = time_s % 86_400;
    let date = ((year - 1980) << 9 | month << 5 | day) as u16;
    let time = (second / 3_600) << 11 | (second / 60 % 60) << 5 | (second % 60 / 2);
    (date, time as u16)
}

/// Year, month and day of a day counted from 1970-01-01, by counting from 1 March of year 0 in eras
/// of 400 years.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day + 2) / 153;
    let day = day - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    (year, month, day)
}

/// The seconds since 1970 of what [`date_and_time`] wrote. A date that is none gives some time, which is
/// then written otherwise.
pub fn time_s(date: u16, time: u16) -> u64 {
    let (year, month, day) =
        (u64::from(1980 + (date >> 9)), u64::from(date >> 5 & 15), u64::from(date & 31));
    let shifted = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day.saturating_sub(1);
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468;
    let (hour, minute, second) =
        (u64::from(time >> 11), u64::from(time >> 5 & 63), u64::from(time & 31) * 2);
    days * 86_400 + hour * 3_600 + minute * 60 + second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_their_borders() {
        let at = |time_s| {
            let (date, time) = date_and_time(time_s);
            let date = (1980 + (date >> 9), date >> 5 & 15, date & 31);
            (date, (time >> 11, time >> 5 & 63, (time & 31) * 2))
        };
        assert_eq!(at(0), ((1980, 1, 1), (0, 0, 0)));
        assert_eq!(at(1_750_000_000), ((2025, 6, 15), (15, 6, 40)));
        assert_eq!(at(951_782_399), ((2000, 2, 28), (23, 59, 58)));
        assert_eq!(at(951_868_799), ((2000, 2, 29), (23, 59, 58)));
        for time in [TIME_S_MIN, 951_868_798, 1_750_000_000, 1_772_323_200, TIME_S_END - 2] {
            let (date, of_day) = date_and_time(time);
            assert_eq!(time_s(date, of_day), time);
        }
        assert_eq!(at(u64::MAX), ((2107, 12, 31), (23, 59, 58)));
    }
}
