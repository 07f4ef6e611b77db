//! Reports through configfs-tsm: Documentation/ABI/testing/configfs-tsm-report of the kernel.
//!
//! A folder is a request: what is written to `inblob` is in the report that is read from `outblob`. Each
//! change counts `generation` up, by which one sees that nobody else used the folder meanwhile.

use crate::attributes;
use crate::error::SnpError;
use crate::guest::SignedReport;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the kernel has it.
pub const TSM_REPORTS: &str = "/sys/kernel/config/tsm/report";

/// What the kernel's driver calls itself.
const PROVIDER: &str = "sev_guest";

const HINT: &str = "a guest of SEV-SNP needs CONFIG_SEV_GUEST, configfs mounted, and root";

/// Makes the names of requests different within this process.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

pub struct TsmReports {
    folder: PathBuf,
}

impl TsmReports {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub fn report(&self, data: &[u8; 64], vmpl: u32) -> Result<SignedReport, SnpError> {
        let request = Request::new(&self.folder)?;
        let text = request.read("provider")?;
        let provider = attributes::provider(&text)?;
        if provider != PROVIDER {
            let (path, provider) = (self.folder.clone(), provider.to_owned());
            return Err(SnpError::Provider { path, provider });
        }
        let before = request.generation()?;
        request.write("privlevel", vmpl.to_string().as_bytes())?;
        request.write("inblob", data)?;
        let report = request.read("outblob")?;
        let table = match request.read("auxblob") {
            Ok(table) => table,
            // A kernel that has none, or a host that left none.
            Err(SnpError::Kernel { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                ) =>
            {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        // Two attributes were written, and nothing else.
        if request.generation()? != before.wrapping_add(2) {
            return Err(SnpError::Disturbed(request.folder.clone()));
        }
        attributes::signed_report(report, &table, data, vmpl)
    }
}

/// A folder of our own, removed when it goes out of scope.
struct Request {
    folder: PathBuf,
}

impl Request {
    fn new(reports: &Path) -> Result<Self, SnpError> {
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let folder = reports.join(format!("plinth-{}-{number}", process::id()));
        fs::create_dir(&folder).map_err(failed("make a request in", reports))?;
        Ok(Self { folder })
    }

    fn read(&self, attribute: &str) -> Result<Vec<u8>, SnpError> {
        let path = self.folder.join(attribute);
        fs::read(&path).map_err(failed("read", &path))
    }

    fn generation(&self) -> Result<u64, SnpError> {
        attributes::generation(&self.read("generation")?)
    }

    fn write(&self, attribute: &str, content: &[u8]) -> Result<(), SnpError> {
        let path = self.folder.join(attribute);
        // Attributes exist, and take their content in one write.
        let opened = fs::OpenOptions::new().write(true).open(&path);
        let written = opened.and_then(|mut file| io::Write::write_all(&mut file, content));
        written.map_err(failed("write", &path))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // The attributes go with the folder, where the kernel keeps them. What cannot be removed is empty.
        let _ = fs::remove_dir(&self.folder);
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnpError {
    let path = path.to_owned();
    move |source| SnpError::Kernel { action, path, hint: HINT, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// configfs makes the attributes of a new folder by itself; where nothing does, the error says what to do,
    /// and no folder is left behind.
    #[test]
    fn without_configfs_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = TsmReports::new(folder.path()).report(&[1; 64], 0).unwrap_err();
        assert!(error.to_string().contains("configfs mounted"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let none = TsmReports::new(&folder.path().join("none")).report(&[1; 64], 0).unwrap_err();
        assert!(matches!(none, SnpError::Kernel { action: "make a request in", .. }), "{none}");
    }
}
