//! Which overlay files and blobs are needed: counted, so that what nobody names can go.

use super::record::CanisterRecord;
use std::collections::{BTreeMap, BTreeSet};
use types::CanisterId;

/// The counts over all stored versions of all canisters.
#[derive(Clone, Default)]
pub(super) struct Usage {
    files: BTreeMap<u64, FileUse>,
    blobs: BTreeMap<[u8; 32], u64>,
}

#[derive(Clone, Default)]
struct FileUse {
    /// Versions of canisters that name the file.
    versions: u64,
    /// Pages in use by the latest versions, by canister.
    live: BTreeMap<CanisterId, u64>,
    /// Bytes of the file.
    bytes: u64,
}

/// What nobody names any more.
#[derive(Default)]
pub(super) struct Unused {
    pub files: Vec<u64>,
    pub blobs: Vec<[u8; 32]>,
}

impl Usage {
    /// Counts a version; returns the blobs that were not named before.
    pub(super) fn add_version(&mut self, record: &CanisterRecord) -> Vec<[u8; 32]> {
        for file in record.files() {
            self.files.entry(file).or_default().versions += 1;
        }
        let mut new = Vec::new();
        for blob in record.blobs() {
            let count = self.blobs.entry(blob).or_default();
            *count += 1;
            if *count == 1 {
                new.push(blob);
            }
        }
        new
    }

    /// Counts a version off.
    pub(super) fn remove_version(&mut self, record: &CanisterRecord) {
        for file in record.files() {
            if let Some(usage) = self.files.get_mut(&file) {
                usage.versions -= 1;
            }
        }
        for blob in record.blobs() {
            if let Some(count) = self.blobs.get_mut(&blob) {
                *count -= 1;
            }
        }
    }

    /// Notes what the latest version of a canister uses, instead of what the one before it did.
    pub(super) fn set_live(
        &mut self,
        id: CanisterId,
        before: Option<&CanisterRecord>,
        after: Option<&CanisterRecord>,
    ) {
        for file in before.iter().flat_map(|record| record.files()) {
            if let Some(usage) = self.files.get_mut(&file) {
                usage.live.remove(&id);
            }
        }
        for segment in after.iter().flat_map(|record| record.segments()) {
            let usage = self.files.entry(segment.file).or_default();
            *usage.live.entry(id).or_default() += u64::from(segment.count);
        }
    }

    /// Notes the size of a file.
    pub(super) fn set_bytes(&mut self, file: u64, bytes: u64) {
        self.files.entry(file).or_default().bytes = bytes;
    }

    /// The files in use.
    pub(super) fn files(&self) -> BTreeSet<u64> {
        self.files.keys().copied().collect()
    }

    /// Forgets and returns what nobody names.
    pub(super) fn take_unused(&mut self) -> Unused {
        let files = self.files.iter().filter(|(_, usage)| usage.versions == 0);
        let files: Vec<u64> = files.map(|(file, _)| *file).collect();
        let blobs = self.blobs.iter().filter(|(_, count)| **count == 0);
        let blobs: Vec<[u8; 32]> = blobs.map(|(hash, _)| *hash).collect();
        self.files.retain(|_, usage| usage.versions != 0);
        self.blobs.retain(|_, count| *count != 0);
        Unused { files, blobs }
    }

    /// Files of which less than a quarter is in use, with the canisters that use them: moving what
    /// is in use lets them go. Together at most `pages_max` pages are in use in them.
    pub(super) fn worth_leaving(
        &self,
        page_bytes: u64,
        pages_max: u64,
    ) -> (BTreeSet<u64>, BTreeSet<CanisterId>) {
        let (mut files, mut users, mut pages) = (BTreeSet::new(), BTreeSet::new(), 0);
        for (file, usage) in &self.files {
            let live: u64 = usage.live.values().sum();
            if live == 0 || live.saturating_mul(4 * page_bytes) >= usage.bytes {
                continue;
            }
            pages += live;
            if pages > pages_max {
                break;
            }
            files.insert(*file);
            users.extend(usage.live.keys());
        }
        (files, users)
    }
}
