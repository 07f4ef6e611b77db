//! Guests that answer, in the process or on sockets.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use attestation::snp::TcbVersion;
use os_kit_snp::wire::{Answer, Request, receive, send};
use os_kit_snp::{Certificates, DerivedKey, SignedReport, SnpError, SnpGuest};

use crate::guest::{Guest, KeyRequest};

impl SnpGuest for Guest {
    fn report(&self, data: &[u8; 64], vmpl: u32) -> Result<SignedReport, SnpError> {
        let refused = |reason: String| SnpError::Refused { what: "a report", reason };
        let report = Guest::report(self, data, vmpl).map_err(|error| refused(error.to_string()))?;
        Ok(SignedReport { report, certificates: Some(certificates(self)) })
    }

    fn derived_key(&self, request: &os_kit_snp::KeyRequest) -> Result<DerivedKey, SnpError> {
        let product = self.chip().product();
        let request = KeyRequest {
            fields: request.fields,
            vmpl: request.vmpl,
            guest_svn: request.guest_svn,
            tcb: TcbVersion::from_raw(request.tcb, product),
            launch_mitigations: request.launch_mitigations,
        };
        let key = Guest::derived_key(self, &request).map_err(|error| SnpError::Refused {
            what: "a derived key",
            reason: error.to_string(),
        })?;
        Ok(DerivedKey::new(key))
    }

    fn mixes_mitigations(&self) -> bool {
        true
    }
}

fn certificates(guest: &Guest) -> Certificates {
    let vendor = guest.chip().vendor();
    Certificates {
        vek: guest.chip().vcek(),
        ask: vendor.ask().to_vec(),
        ark: vendor.ark().to_vec(),
    }
}

/// A guest that answers on a socket, for as long as this value lives. Other guests of its chip have sockets of
/// their own.
pub struct Service {
    path: PathBuf,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Answers at this path, which must be free.
    pub fn start(guest: &Guest, path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (guest, has_stopped) = (guest.clone(), Arc::clone(&stopped));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if has_stopped.load(Ordering::Acquire) {
                    return;
                }
                // One who asks nonsense, or is gone, gets nothing.
                let _ = answer(&guest, stream);
            }
        });
        Ok(Self { path: path.to_owned(), stopped, thread: Some(thread) })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // The thread waits for a connection: here is one.
        let woken = UnixStream::connect(&self.path);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

fn answer(guest: &Guest, mut stream: UnixStream) -> io::Result<()> {
    let content = receive(&mut stream)?;
    let refused = |error: SnpError| {
        Answer::Refused(match error {
            SnpError::Refused { reason, .. } => reason,
            other => other.to_string(),
        })
    };
    let answer = match Request::decode(&content) {
        Ok(Request::Report { data, vmpl }) => match SnpGuest::report(guest, &data, vmpl) {
            Ok(SignedReport { report, .. }) => {
                Answer::Report { report, certificates: certificates(guest) }
            }
            Err(error) => refused(error),
        },
        Ok(Request::Key(request)) => match SnpGuest::derived_key(guest, &request) {
            Ok(key) => Answer::Key(*key.expose()),
            Err(error) => refused(error),
        },
        Err(error) => Answer::Refused(error.to_string()),
    };
    send(&mut stream, &answer.encode())
}
