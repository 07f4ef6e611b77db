//! Names of releases.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A version of three numbers, such as `1.4.0`, ordered by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Changes with what older nodes cannot follow.
    pub major: u32,
    /// Changes with each release.
    pub minor: u32,
    /// Changes with each repair of a release.
    pub patch: u32,
}

impl Version {
    /// Reads `1.4.0`: three numbers below 2^32 without leading zeros; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|part| {
            let good = part == "0" || !part.starts_with('0');
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            (good && digits).then(|| part.parse::<u32>().ok())?
        });
        let version =
            Self { major: numbers.next()??, minor: numbers.next()??, patch: numbers.next()?? };
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no version such as 1.4.0")))
    }
}
