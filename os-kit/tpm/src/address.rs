//! Where a TPM is: a device of the kernel, or the socket of a software TPM.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The kernel's device with a resource manager, on every real machine.
pub const DEVICE: &str = "/dev/tpmrm0";

/// The kernel's bound for the path of a unix socket, `sun_path` without its final zero.
const UNIX_PATH_BYTES_MAX: usize = 107;

/// The address of a TPM, checked. Written as one of
/// - `device:/dev/tpmrm0`
/// - `swtpm:unix:/run/swtpm/socket`
/// - `swtpm:tcp:127.0.0.1:2321` (loopback only: the commands of a TPM have no transport security)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmAddress(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Device(PathBuf),
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// Why a text is no address of a TPM.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// Not one of the three forms.
    #[error(
        "`{0}` is no TPM address: write device:/dev/tpmrm0, swtpm:unix:PATH or swtpm:tcp:127.0.0.1:PORT"
    )]
    Form(String),
    /// A device without the kernel's resource manager, or no TPM device at all.
    #[error(
        "`{0}` is not a TPM device with a resource manager: use /dev/tpmrm0 (/dev/tpm0 has none)"
    )]
    Device(PathBuf),
    /// A path that a unix socket cannot have.
    #[error("`{0}` cannot be the path of a socket: give an absolute path of at most 107 bytes")]
    Path(PathBuf),
    /// A TPM on another machine.
    #[error("{0} is not on this machine: swtpm must listen on a loopback address")]
    NotLoopback(SocketAddr),
}

impl TpmAddress {
    /// The first TPM of a real machine.
    pub fn device() -> Self {
        Self(Kind::Device(DEVICE.into()))
    }

    /// The data socket of a software TPM.
    pub fn unix(path: impl Into<PathBuf>) -> Result<Self, AddressError> {
        let path = path.into();
        let fits = path.as_os_str().len() <= UNIX_PATH_BYTES_MAX;
        if !path.is_absolute() || !fits {
            return Err(AddressError::Path(path));
        }
        Ok(Self(Kind::Unix(path)))
    }

    /// The data port of a software TPM on this machine.
    pub fn tcp(address: SocketAddr) -> Result<Self, AddressError> {
        if !address.ip().is_loopback() {
            return Err(AddressError::NotLoopback(address));
        }
        Ok(Self(Kind::Tcp(address)))
    }

    fn device_at(path: &str) -> Result<Self, AddressError> {
        let number = path.strip_prefix("/dev/tpmrm").unwrap_or_default();
        if number.is_empty() || number.len() > 5 || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AddressError::Device(Path::new(path).into()));
        }
        Ok(Self(Kind::Device(path.into())))
    }

    /// Whether it is a software TPM, which serves one connection at a time.
    pub(crate) fn is_software(&self) -> bool {
        !matches!(self.0, Kind::Device(_))
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl FromStr for TpmAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let unknown = || AddressError::Form(text.chars().take(200).collect());
        if let Some(path) = text.strip_prefix("device:") {
            Self::device_at(path)
        } else if let Some(path) = text.strip_prefix("swtpm:unix:") {
            Self::unix(path)
        } else if let Some(address) = text.strip_prefix("swtpm:tcp:") {
            Self::tcp(address.parse().map_err(|_| unknown())?)
        } else {
            Err(unknown())
        }
    }
}

impl fmt::Display for TpmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Device(path) => write!(f, "device:{}", path.display()),
            Kind::Unix(path) => write!(f, "swtpm:unix:{}", path.display()),
            Kind::Tcp(address) => write!(f, "swtpm:tcp:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        match (text.parse::<TpmAddress>(), expected) {
            (Ok(address), Ok(())) => assert_eq!(address.to_string(), text),
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{text}: {error}");
            }
            (found, _) => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn reads_each_form_and_refuses_the_rest() {
        check("device:/dev/tpmrm0", Ok(()));
        check("device:/dev/tpmrm12", Ok(()));
        check("swtpm:unix:/run/swtpm/socket", Ok(()));
        check("swtpm:tcp:127.0.0.1:2321", Ok(()));
        check("swtpm:tcp:[::1]:2321", Ok(()));
        check("device:/dev/tpm0", Err("/dev/tpm0 has none"));
        check("device:/dev/tpmrm", Err("resource manager"));
        check("device:/dev/tpmrm0/../sda", Err("resource manager"));
        check("swtpm:tcp:10.0.0.1:2321", Err("not on this machine"));
        check("swtpm:tcp:localhost:2321", Err("is no TPM address"));
        check("swtpm:unix:relative", Err("absolute path"));
        check(&format!("swtpm:unix:/{}", "x".repeat(107)), Err("107 bytes"));
        check("/dev/tpmrm0", Err("is no TPM address"));
        check("", Err("is no TPM address"));
    }
}
