//! A program that speaks to the TPM in plain commands with passwords: what another operating system, an
//! intruder or a careless tool does.

use super::relay::message;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Handles of hierarchies.
pub const OWNER: u32 = 0x4000_0001;
pub const LOCKOUT: u32 = 0x4000_000a;
pub const ENDORSEMENT: u32 = 0x4000_000b;
pub const PLATFORM: u32 = 0x4000_000c;

/// Numbers of commands.
pub const EVICT_CONTROL: u32 = 0x120;
pub const HIERARCHY_CONTROL: u32 = 0x121;
pub const NV_UNDEFINE_SPACE: u32 = 0x122;
pub const CLEAR: u32 = 0x126;
pub const HIERARCHY_CHANGE_AUTH: u32 = 0x129;
pub const NV_DEFINE_SPACE: u32 = 0x12a;
pub const SET_PRIMARY_POLICY: u32 = 0x12e;
pub const CREATE_PRIMARY: u32 = 0x131;
pub const NV_WRITE: u32 = 0x137;
pub const NV_READ: u32 = 0x14e;
pub const CREATE: u32 = 0x153;
pub const LOAD: u32 = 0x157;
pub const UNSEAL: u32 = 0x15e;
pub const READ_PUBLIC: u32 = 0x173;

/// A storage key on P-256, which protects nothing against guessing: TPMT_PUBLIC of its template.
pub const STORAGE_KEY: [u8; 26] = [
    0, 0x23, 0, 0x0b, 0, 3, 4, 0x72, 0, 0, 0, 6, 0, 128, 0, 0x43, 0, 0x10, 0, 3, 0, 0x10, 0, 0, 0,
    0,
];

const RETRY: u32 = 0x922;

pub struct Raw(UnixStream);

impl Raw {
    pub fn connect(socket: &Path) -> Self {
        Self(UnixStream::connect(socket).unwrap())
    }

    /// Sends one command with a password for each authorized handle; returns the response code, and
    /// handle and parameters.
    pub fn command(
        &mut self,
        command: u32,
        handles: &[u32],
        passwords: &[&[u8]],
        parameters: &[u8],
    ) -> (u32, Vec<u8>) {
        let mut authorizations = Vec::new();
        for password in passwords {
            authorizations.extend(0x4000_0009u32.to_be_bytes());
            authorizations.extend([0, 0, 0]);
            authorizations.extend(sized(password));
        }
        let mut bytes = command.to_be_bytes().to_vec();
        bytes.extend(handles.iter().flat_map(|handle| handle.to_be_bytes()));
        bytes.extend(u32::try_from(authorizations.len()).unwrap().to_be_bytes());
        bytes.extend(authorizations);
        bytes.extend(parameters);
        let length = u32::try_from(bytes.len() + 6).unwrap();
        let whole = [&[0x80, 0x02], length.to_be_bytes().as_slice(), &bytes].concat();
        loop {
            self.0.write_all(&whole).unwrap();
            let response = message(&mut self.0).unwrap();
            let code = u32::from_be_bytes(response[6..10].try_into().unwrap());
            // The TPM notes first that passwords are tried since the start, and wants to be asked again.
            if code != RETRY {
                return (code, response[10..].to_vec());
            }
        }
    }

    /// The whole response to TPM2_ReadPublic.
    pub fn read_public(&mut self, handle: u32) -> Vec<u8> {
        let head = [0x80, 0x01, 0, 0, 0, 14];
        let command = [&head, READ_PUBLIC.to_be_bytes().as_slice(), &handle.to_be_bytes()].concat();
        self.0.write_all(&command).unwrap();
        message(&mut self.0).unwrap()
    }

    /// Defines an ordinary index with a password for reading and writing, as its own owner.
    pub fn define(&mut self, index: u32, attributes: u32, bytes: u16, password: &[u8]) -> u32 {
        self.define_by(OWNER, index, attributes, bytes, password)
    }

    pub fn define_by(
        &mut self,
        hierarchy: u32,
        index: u32,
        attributes: u32,
        bytes: u16,
        password: &[u8],
    ) -> u32 {
        let mut public = index.to_be_bytes().to_vec();
        public.extend([0, 0x0b]);
        public.extend(attributes.to_be_bytes());
        public.extend([0, 0]);
        public.extend(bytes.to_be_bytes());
        let parameters = [sized(password), sized(&public)].concat();
        self.command(NV_DEFINE_SPACE, &[hierarchy], &[b""], &parameters).0
    }
}

pub fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [length.to_be_bytes().as_slice(), bytes].concat()
}
