//! The policy as it is written.

use super::snp::SnpText;
use super::tpm::TpmText;
use super::{Policy, PolicyError, check_sections};
use crate::evidence::Role;
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

/// The version of policies that is read.
const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolicyText {
    version: u32,
    roles: BTreeSet<Role>,
    age_heights_max: u64,
    #[serde(deserialize_with = "present")]
    tpm: Option<TpmText>,
    #[serde(deserialize_with = "present")]
    snp: Option<SnpText>,
}

impl TryFrom<PolicyText> for Policy {
    type Error = PolicyError;

    fn try_from(text: PolicyText) -> Result<Self, PolicyError> {
        if text.version != VERSION {
            return Err(PolicyError::Version(text.version));
        }
        let policy = Self {
            roles: text.roles,
            age_heights_max: text.age_heights_max,
            tpm: text.tpm.map(TryInto::try_into).transpose()?,
            snp: text.snp.map(TryInto::try_into).transpose()?,
        };
        check_sections(&policy)?;
        Ok(policy)
    }
}

/// A field that may be null and may not be missing. serde takes a missing one for null by itself.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// Bytes in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex(pub Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Hex {
    /// Exactly so many bytes.
    pub fn array<const N: usize>(&self, what: &str) -> Result<[u8; N], PolicyError> {
        let wrong =
            || PolicyError::Length { what: what.to_owned(), bytes: self.0.len(), wanted: N };
        self.0.as_slice().try_into().map_err(|_| wrong())
    }
}

/// A map in which each key comes once. serde's own lets the last of two win, and who reads the file may see
/// the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries<K, V>(pub BTreeMap<K, V>);

impl<'de, K, V> Deserialize<'de> for Entries<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<K, V>(PhantomData<(K, V)>);
        impl<'de, K, V> serde::de::Visitor<'de> for Visitor<K, V>
        where
            K: Deserialize<'de> + Ord + fmt::Display,
            V: Deserialize<'de>,
        {
            type Value = Entries<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(key) = access.next_key::<K>()? {
                    if entries.contains_key(&key) {
                        let twice = format!("`{key}` is there twice: leave one of both out");
                        return Err(serde::de::Error::custom(twice));
                    }
                    entries.insert(key, access.next_value()?);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

/// A number that is the key of a map: JSON writes it as text, YAML as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index<T>(pub T);

impl<T: fmt::Display> fmt::Display for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de, T: TryFrom<u64>> Deserialize<'de> for Index<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<T: TryFrom<u64>> serde::de::Visitor<'_> for Visitor<T> {
            type Value = Index<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                let fits = T::try_from(number);
                fits.map(Index).map_err(|_| E::custom(format!("{number} is too large")))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let number: u64 =
                    text.parse().map_err(|_| E::custom(format!("`{text}` is no number")))?;
                // Each number in one form, so that none is there twice.
                if number.to_string() != text {
                    return Err(E::custom(format!("write `{text}` as {number}")));
                }
                self.visit_u64(number)
            }
        }
        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

/// The word `any`, or a list of what is accepted.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum AnyOr<T> {
    /// Must be the word `any`.
    Word(String),
    /// These.
    List(Vec<T>),
}

impl<T> AnyOr<T> {
    /// The list; none for `any`.
    pub fn list(self, what: &'static str) -> Result<Option<Vec<T>>, PolicyError> {
        match self {
            Self::Word(word) if word == "any" => Ok(None),
            Self::Word(word) => Err(PolicyError::Word { word, what: "`any` and no list" }),
            Self::List(list) if list.is_empty() => Err(PolicyError::Empty(what)),
            Self::List(list) => Ok(Some(list)),
        }
    }
}
