//! A relay between a client and a TPM, as on a bus: it listens, and it may change what passes.

use os_kit_tpm::TpmAddress;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    ToTpm,
    FromTpm,
}

/// A running relay. Its thread ends with the process; its connections end with their client.
pub struct Relay {
    socket: PathBuf,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    /// A relay that records all bytes.
    pub fn listening(tpm: PathBuf) -> Self {
        Self::changing(tpm, |_, _| {})
    }

    /// A relay that records all bytes, and passes each message through `change`. A message that is
    /// emptied ends the connection.
    pub fn changing(
        tpm: PathBuf,
        mut change: impl FnMut(Way, &mut Vec<u8>) + Send + 'static,
    ) -> Self {
        let socket = tpm.with_extension("relay");
        let _ = std::fs::remove_file(&socket); // Of an earlier relay.
        let listener = UnixListener::bind(&socket).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let recorded = heard.clone();
        thread::spawn(move || {
            while let Ok((mut client, _)) = listener.accept() {
                let Ok(mut tpm) = UnixStream::connect(&tpm) else { return };
                let mut pass = |way, from: &mut UnixStream, to: &mut UnixStream| {
                    let mut message = message(from)?;
                    recorded.lock().unwrap().extend(&message);
                    change(way, &mut message);
                    if message.is_empty() {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    to.write_all(&message)
                };
                while pass(Way::ToTpm, &mut client, &mut tpm).is_ok()
                    && pass(Way::FromTpm, &mut tpm, &mut client).is_ok()
                {}
            }
        });
        Self { socket, heard }
    }

    pub fn address(&self) -> TpmAddress {
        TpmAddress::unix(&self.socket).unwrap()
    }

    /// All bytes so far, both ways.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }

    /// Whether these bytes passed.
    pub fn heard_bytes(&self, bytes: &[u8]) -> bool {
        self.heard().windows(bytes.len()).any(|window| window == bytes)
    }
}

/// One whole command or response: its length is in bytes 2 to 5.
pub fn message(from: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 6];
    from.read_exact(&mut message)?;
    let length = u32::from_be_bytes(message[2..6].try_into().unwrap());
    message.resize(usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut message[6..])?;
    Ok(message)
}
