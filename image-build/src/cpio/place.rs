//! What lies at a byte of an archive.

use super::Archive;
use crate::place::Place;

impl Archive {
    /// What lies at a byte; none if there is no record.
    pub fn place(&self, byte: u64) -> Option<Place> {
        let after = self.records.partition_point(|record| record.at <= byte);
        let record = self.records.get(after.checked_sub(1)?)?;
        let path = &record.path;
        Some(match byte.checked_sub(record.content_at) {
            _ if path.is_root() => Place::of("end of the archive", byte - record.at),
            None => Place::of(format!("head of {path}"), byte - record.at),
            Some(at) if at < record.length_bytes => Place::of(format!("file {path}"), at),
            Some(at) => Place::of(format!("padding after {path}"), at - record.length_bytes),
        })
    }
}
