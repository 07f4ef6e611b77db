//! Where a security processor is: behind the kernel, or behind a socket.

use crate::device::SEV_GUEST;
use crate::guest::{Kernel, SnpGuest};
use crate::remote::Remote;
use crate::tsm::TSM_REPORTS;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The address of a processor. Written as `kernel` or `unix:/path/of/socket`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnpAddress {
    /// The one that this machine runs on.
    Kernel,
    /// One that answers on a socket: a simulated one.
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address of a security processor: write `kernel`, or `unix:` and an absolute path"
)]
pub struct AddressError(String);

impl SnpAddress {
    /// The guest there. Whether it answers is seen when it is asked.
    pub fn open(&self) -> Box<dyn SnpGuest> {
        match self {
            Self::Kernel => Box::new(Kernel::new(Path::new(TSM_REPORTS), Path::new(SEV_GUEST))),
            Self::Unix(path) => Box::new(Remote::new(path)),
        }
    }
}

impl FromStr for SnpAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match (text, text.strip_prefix("unix:").map(PathBuf::from)) {
            ("kernel", _) => Ok(Self::Kernel),
            (_, Some(path)) if path.is_absolute() => Ok(Self::Unix(path)),
            _ => Err(AddressError(text.chars().take(200).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!("kernel".parse(), Ok(SnpAddress::Kernel));
        assert_eq!("unix:/run/snp".parse(), Ok(SnpAddress::Unix("/run/snp".into())));
        for wrong in ["", "unix:", "unix:snp", "/run/snp", "Kernel"] {
            assert!(wrong.parse::<SnpAddress>().is_err(), "{wrong}");
        }
    }
}
