//! The way to a TPM: one command out, one response in, within a time limit.
//!
//! A device and a socket are the same here, a file that is written, polled and read. Once a command
//! has failed on the way, the link is broken for good: nobody knows what the TPM did with it.
//!
//! On a device the command is carried out within the write, and the kernel's driver has time limits of
//! its own; an error of the driver is [`Break::Io`].

use crate::address::{Kind, TpmAddress};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The longest command and response of any TPM: what the kernel's own buffer holds.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Tag, size and code.
const HEADER_BYTES: usize = 10;

/// Why nothing more comes over a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// The other end is gone, or the operating system reports an error.
    Io(Errno),
    /// The TPM closed the connection.
    Closed,
    /// No whole response within the time limit.
    TimedOut,
    /// What came is no response of a TPM.
    Garbled,
}

/// An open connection to a TPM.
pub struct Link {
    file: File,
    time_limit: Duration,
    broken: Option<Break>,
}

impl Link {
    /// Opens the device, or connects to the socket.
    pub fn connect(address: &TpmAddress, time_limit: Duration) -> io::Result<Self> {
        let file = match address.kind() {
            Kind::Device(path) => OpenOptions::new().read(true).write(true).open(path)?,
            Kind::Unix(path) => File::from(OwnedFd::from(UnixStream::connect(path)?)),
            Kind::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, time_limit)?;
                stream.set_nodelay(true)?;
                File::from(OwnedFd::from(stream))
            }
        };
        Ok(Self { file, time_limit, broken: None })
    }

    /// Why the link is broken, if it is.
    pub fn broken(&self) -> Option<&Break> {
        self.broken.as_ref()
    }

    /// Sends one command. The device wants it in one piece.
    pub fn send(&mut self, command: &[u8]) -> Result<(), Break> {
        if let Some(reason) = &self.broken {
            return Err(reason.clone());
        }
        self.file.write_all(command).map_err(|error| self.broke(from_io(&error)))
    }

    /// Waits for the whole response to the last command.
    pub fn receive(&mut self) -> Result<Vec<u8>, Break> {
        if let Some(reason) = &self.broken {
            return Err(reason.clone());
        }
        self.read_response().map_err(|reason| self.broke(reason))
    }

    fn broke(&mut self, reason: Break) -> Break {
        self.broken = Some(reason.clone());
        reason
    }

    fn read_response(&mut self) -> Result<Vec<u8>, Break> {
        let deadline = Instant::now() + self.time_limit;
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let mut filled = 0;
        loop {
            self.wait_until(deadline)?;
            // The device gives a response to one read only: the buffer has room for any.
            match self.file.read(&mut buffer[filled..]) {
                Ok(0) => return Err(Break::Closed),
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(from_io(&error)),
            }
            if response_bytes(&buffer[..filled])? == Some(filled) {
                return Ok(buffer[..filled].to_vec());
            }
        }
    }

    fn wait_until(&self, deadline: Instant) -> Result<(), Break> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Break::TimedOut);
            }
            let millis = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
            let mut polled = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            match poll(&mut polled, PollTimeout::from(millis)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(Break::Io(errno)),
            }
        }
    }
}

/// The length that the header of a response names; `None` when the header is not whole yet.
fn response_bytes(received: &[u8]) -> Result<Option<usize>, Break> {
    let Some(size) = received.get(2..6).and_then(|bytes| bytes.try_into().ok()) else {
        return Ok(None);
    };
    let size = usize::try_from(u32::from_be_bytes(size)).map_err(|_| Break::Garbled)?;
    if !(HEADER_BYTES..=MESSAGE_BYTES_MAX).contains(&size) || received.len() > size {
        return Err(Break::Garbled);
    }
    Ok(Some(size))
}

fn from_io(error: &io::Error) -> Break {
    match error.raw_os_error() {
        Some(code) => Break::Io(Errno::from_raw(code)),
        None => Break::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a link makes of these bytes from the other end, which then closes.
    fn received(chunks: &[&[u8]]) -> Result<Vec<u8>, Break> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        for chunk in chunks {
            theirs.write_all(chunk).unwrap();
        }
        drop(theirs);
        let file = File::from(OwnedFd::from(ours));
        Link { file, time_limit: Duration::from_secs(5), broken: None }.receive()
    }

    #[test]
    fn reads_one_response_and_refuses_what_is_none() {
        let good = [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 7, 7];
        assert_eq!(received(&[&good]).unwrap(), good);
        assert_eq!(received(&[&good[..3], &good[3..]]).unwrap(), good);
        assert_eq!(received(&[&good[..11]]), Err(Break::Closed));
        assert_eq!(received(&[]), Err(Break::Closed));
        assert_eq!(received(&[&good, &[0]]), Err(Break::Garbled), "a byte too many");
        assert_eq!(received(&[&[0x80, 1, 0, 0, 0, 9, 0, 0, 0]]), Err(Break::Garbled));
        assert_eq!(received(&[&[0x80, 1, 0xff, 0, 0, 9, 0, 0, 0, 0]]), Err(Break::Garbled));
    }

    #[test]
    fn silence_ends_at_the_time_limit_and_breaks_the_link() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let file = File::from(OwnedFd::from(ours));
        let mut link = Link { file, time_limit: Duration::from_millis(20), broken: None };
        assert_eq!(link.receive(), Err(Break::TimedOut));
        assert_eq!(link.send(b"x"), Err(Break::TimedOut), "a broken link stays broken");
    }
}
