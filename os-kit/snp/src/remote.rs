//! A processor behind a socket.

use crate::attributes::check_report;
use crate::error::SnpError;
use crate::guest::{DerivedKey, KeyRequest, SignedReport, SnpGuest};
use crate::wire::{Answer, Request, receive, send};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A simulated processor answers at once.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// A guest of a processor that answers on a Unix socket. Which guest it is, is the socket's matter.
pub struct Remote {
    path: PathBuf,
}

impl Remote {
    /// The processor at this socket.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn ask(&self, request: &Request) -> Result<Answer, SnpError> {
        let failed = |action| {
            move |source: io::Error| SnpError::Socket { action, path: self.path.clone(), source }
        };
        let mut stream = UnixStream::connect(&self.path).map_err(failed("reach"))?;
        for set in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
            set(&stream, Some(TIME_LIMIT)).map_err(failed("reach"))?;
        }
        send(&mut stream, &request.encode()).map_err(failed("ask"))?;
        let content = receive(&mut stream).map_err(failed("hear"))?;
        Answer::decode(&content)
            .map_err(|error| SnpError::nonsense("the answer", error.to_string()))
    }
}

impl SnpGuest for Remote {
    fn report(&self, data: &[u8; 64], vmpl: u32) -> Result<SignedReport, SnpError> {
        match self.ask(&Request::Report { data: *data, vmpl })? {
            Answer::Report { report, certificates } => {
                check_report(&report, data, vmpl)?;
                Ok(SignedReport { report, certificates: Some(certificates) })
            }
            Answer::Refused(reason) => Err(SnpError::Refused { what: "a report", reason }),
            Answer::Key(_) => Err(SnpError::nonsense("the answer", "it is a key and no report")),
        }
    }

    fn derived_key(&self, request: &KeyRequest) -> Result<DerivedKey, SnpError> {
        match self.ask(&Request::Key(*request))? {
            Answer::Key(key) => Ok(DerivedKey::new(key)),
            Answer::Refused(reason) => Err(SnpError::Refused { what: "a derived key", reason }),
            Answer::Report { .. } => {
                Err(SnpError::nonsense("the answer", "it is a report and no key"))
            }
        }
    }

    fn mixes_mitigations(&self) -> bool {
        true
    }
}
