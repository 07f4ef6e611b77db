//! Requests and answers on the socket of a simulated processor: one of each for a connection's turn.
//!
//! Each message is its length (4 bytes, big endian) and content; the first byte of a content says what it
//! is. A guest has one connection, and the processor knows by it which guest asks.

use crate::certificates::Certificates;
use crate::guest::{Fields, KeyRequest};
use std::io::{self, Read, Write};

/// The longest message: a report and three certificates.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What a guest asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A report with this data, for this level.
    Report {
        /// The data.
        data: [u8; 64],
        /// The level.
        vmpl: u32,
    },
    /// A derived key.
    Key(KeyRequest),
}

/// What the processor answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// The report and the certificates.
    Report {
        /// The report.
        report: Vec<u8>,
        /// The chain of its key.
        certificates: Certificates,
    },
    /// The key.
    Key([u8; 32]),
    /// Why there is neither.
    Refused(String),
}

/// A message that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message of the security processor is malformed")]
pub struct Malformed;

impl Request {
    /// As content of a message.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Report { data, vmpl } => [&[1], data.as_slice(), &vmpl.to_be_bytes()].concat(),
            Self::Key(request) => [
                &[2],
                request.fields.0.to_be_bytes().as_slice(),
                &request.vmpl.to_be_bytes(),
                &request.guest_svn.to_be_bytes(),
                &request.tcb,
                &request.launch_mitigations.to_be_bytes(),
            ]
            .concat(),
        }
    }

    /// Reads the content of a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut parts = Parts(bytes);
        let request = match parts.array()? {
            [1] => Self::Report { data: parts.array()?, vmpl: u32::from_be_bytes(parts.array()?) },
            [2] => Self::Key(KeyRequest {
                fields: Fields(u64::from_be_bytes(parts.array()?)),
                vmpl: u32::from_be_bytes(parts.array()?),
                guest_svn: u32::from_be_bytes(parts.array()?),
                tcb: parts.array()?,
                launch_mitigations: u64::from_be_bytes(parts.array()?),
            }),
            _ => return Err(Malformed),
        };
        parts.end()?;
        Ok(request)
    }
}

impl Answer {
    /// As content of a message.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Report { report, certificates: Certificates { vek, ask, ark } } => {
                let mut bytes = vec![1];
                for part in [report, vek, ask, ark] {
                    bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
                    bytes.extend(part);
                }
                bytes
            }
            Self::Key(key) => [&[2], key.as_slice()].concat(),
            Self::Refused(reason) => [&[3], reason.as_bytes()].concat(),
        }
    }

    /// Reads the content of a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut parts = Parts(bytes);
        let answer = match parts.array()? {
            [1] => Self::Report {
                report: parts.sized()?,
                certificates: Certificates {
                    vek: parts.sized()?,
                    ask: parts.sized()?,
                    ark: parts.sized()?,
                },
            },
            [2] => Self::Key(parts.array()?),
            [3] => {
                let text = String::from_utf8(std::mem::take(&mut parts.0).to_vec());
                Self::Refused(text.map_err(|_| Malformed)?)
            }
            _ => return Err(Malformed),
        };
        parts.end()?;
        Ok(answer)
    }
}

/// What is left to read.
struct Parts<'a>(&'a [u8]);

impl Parts<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (part, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*part)
    }

    fn sized(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = u32::from_be_bytes(self.array()?) as usize;
        let (part, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(part.to_vec())
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// Writes a message.
pub fn send(stream: &mut impl Write, content: &[u8]) -> io::Result<()> {
    if content.len() > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
    }
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    stream.write_all(&[length.as_slice(), content].concat())
}

/// Reads a message.
pub fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_written_and_cut_ones_are_none() {
        let request = KeyRequest {
            fields: Fields(0x41),
            vmpl: 2,
            guest_svn: 3,
            tcb: [4; 8],
            launch_mitigations: 5,
        };
        for request in [Request::Report { data: [7; 64], vmpl: 1 }, Request::Key(request)] {
            let bytes = request.encode();
            assert_eq!(Request::decode(&bytes), Ok(request));
            for length in 0..bytes.len() {
                assert_eq!(Request::decode(&bytes[..length]), Err(Malformed));
            }
            assert_eq!(Request::decode(&[bytes, vec![0]].concat()), Err(Malformed));
        }
        let certificates = Certificates { vek: vec![1], ask: vec![], ark: vec![2; 300] };
        let report = Answer::Report { report: vec![9; 20], certificates };
        for answer in [report, Answer::Key([8; 32])] {
            let bytes = answer.encode();
            assert!(Answer::decode(&bytes) == Ok(answer));
            for length in 0..bytes.len() {
                assert!(Answer::decode(&bytes[..length]).is_err());
            }
            assert!(Answer::decode(&[bytes, vec![0]].concat()).is_err());
        }
        let refused = Answer::Refused("no".into());
        assert!(Answer::decode(&refused.encode()) == Ok(refused));
        assert!(Answer::decode(&[3, 0xff]).is_err());
        assert!(Answer::decode(&[4]).is_err());
    }

    #[test]
    fn long_messages_are_neither_sent_nor_received() {
        let mut sent = Vec::new();
        assert!(send(&mut sent, &vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
        assert!(sent.is_empty());
        let claims = [0xff_u8; 8];
        assert!(receive(&mut claims.as_slice()).is_err());
        send(&mut sent, b"abc").unwrap();
        assert_eq!(receive(&mut sent.as_slice()).unwrap(), b"abc");
    }
}
