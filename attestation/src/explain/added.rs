//! What was added beside an image, as systemd-stub and shim measure it.
//!
//! Source: systemd's "TPM2 PCR Measurements"; shim's README.tpm. What stands in the log beside these
//! digests is a description, which nobody measured: it is told as what it is.

use super::seen::Seen;
use std::fmt;

/// Descriptions of systemd-stub and shim: PCR, description, what it is, whether it goes into the initrd.
const DESCRIBED: [(u8, &str, &str, bool); 7] = [
    (12, "Credentials initrd", "a credential for this image", true),
    (12, "Global credentials initrd", "a credential for all images of the machine", true),
    (12, "Configuration extension initrd", "a configuration extension (confext)", true),
    (13, "System extension initrd", "a system extension (sysext)", true),
    (14, "MokList", "machine owner keys of shim (MokList)", false),
    (14, "MokListX", "forbidden machine owner keys of shim (MokListX)", false),
    (14, "MokListTrusted", "the trust that shim gives machine owner keys (MokListTrusted)", false),
];

/// What was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// By its description, one of a known kind.
    Described {
        /// What it is.
        what: &'static str,
        /// Whether it goes into the initrd that the kernel is given.
        is_in_initrd: bool,
    },
    /// A command line that replaces or lengthens the image's.
    CommandLine(String),
    /// Anything else.
    Other(Seen),
}

impl Added {
    pub(super) fn of(pcr: u8, seen: Seen) -> Self {
        match seen {
            Seen::Text(text) if pcr == 12 => Self::CommandLine(text),
            Seen::Claims { text: Some(text), kind } => {
                let mut known = DESCRIBED.iter();
                match known.find(|(of, description, ..)| *of == pcr && *description == text) {
                    Some(&(_, _, what, is_in_initrd)) => Self::Described { what, is_in_initrd },
                    None => Self::Other(Seen::Claims { text: Some(text), kind }),
                }
            }
            seen => Self::Other(seen),
        }
    }
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Described { what, .. } => {
                write!(f, "extended with {what} from beside the image, by its description")
            }
            Self::CommandLine(text) => {
                write!(f, "extended with a command line from beside the image, {text:?}")
            }
            Self::Other(seen) => write!(f, "extended with something beside the image: {seen}"),
        }
    }
}
