//! Identifiers. A distinct meaning is a distinct type.

use std::fmt;

use ic_principal::Principal;
use serde::{Deserialize, Serialize};

macro_rules! principal_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Principal);

        impl $name {
            /// The raw bytes of the principal, 0 to 29 of them.
            pub fn as_slice(&self) -> &[u8] {
                self.0.as_slice()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl From<Principal> for $name {
            fn from(principal: Principal) -> Self {
                Self(principal)
            }
        }

        impl From<$name> for Principal {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = ic_principal::PrincipalError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Principal::from_text(text).map(Self)
            }
        }
    };
}

principal_id!(
    /// A node: the self-authenticating principal of its Ed25519 public key in DER.
    NodeId
);
principal_id!(
    /// A subnet: the self-authenticating principal of its chain key in DER.
    SubnetId
);
principal_id!(
    /// A canister.
    CanisterId
);

/// `aaaaa-aa`, the management canister: a name for the subnet itself, not a canister with state.
pub const MANAGEMENT_CANISTER: CanisterId = CanisterId(Principal::management_canister());

impl CanisterId {
    /// The id of the `index`-th canister of the network's id space: eight big-endian bytes of the
    /// index, then the class bytes `01 01` of an opaque principal (interface specification,
    /// "Principals").
    pub fn from_index(index: u64) -> Self {
        let mut bytes = [1u8; 10];
        bytes[..8].copy_from_slice(&index.to_be_bytes());
        Self(Principal::from_slice(&bytes))
    }

    /// The inverse of [`CanisterId::from_index`]; `None` for a principal of another form.
    pub fn index(&self) -> Option<u64> {
        let bytes = self.as_slice();
        if bytes.len() != 10 || bytes[8..] != [1, 1] {
            return None;
        }
        Some(u64::from_be_bytes(bytes[..8].try_into().ok()?))
    }
}

/// The position of a block in the chain; genesis is 0, the first block is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Height(pub u64);

impl Height {
    /// The height above this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Nanoseconds since 1970-01-01 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// A time from whole seconds since 1970.
    pub fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Whole seconds since 1970.
    pub fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// This time plus `ms` milliseconds; stays at the end of time instead of wrapping.
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// This time plus `ns` nanoseconds; stays at the end of time instead of wrapping.
    pub fn plus_ns(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }

    /// Milliseconds from `earlier` to this time; 0 if `earlier` is later.
    pub fn ms_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }
    };
}

digest_id!(
    /// A SHA-256 digest whose meaning the context gives (a block, a module, a page).
    Digest
);
digest_id!(
    /// A request id: the representation-independent hash of a request's content.
    MessageId
);
digest_id!(
    /// The root hash of the canonical state tree at one height: what the chain key certifies.
    StateRoot
);

/// The name of a replica version, as the NNS elects it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplicaVersion(pub String);

impl fmt::Display for ReplicaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canister_ids_have_their_published_text() {
        assert_eq!(CanisterId::from_index(0).to_string(), "rwlgt-iiaaa-aaaaa-aaaaa-cai");
        assert_eq!(CanisterId::from_index(4).to_string(), "rkp4c-7iaaa-aaaaa-aaaca-cai");
    }

    #[test]
    fn canister_index_reads_back_and_refuses_other_principals() {
        assert_eq!(CanisterId::from_index(77).index(), Some(77));
        assert_eq!(MANAGEMENT_CANISTER.index(), None);
        assert_eq!(CanisterId(Principal::anonymous()).index(), None);
    }

    #[test]
    fn time_saturates_instead_of_wrapping() {
        assert_eq!(Time(u64::MAX).plus_ms(1), Time(u64::MAX));
        assert_eq!(Time(5).ms_since(Time(9)), 0);
        assert_eq!(Time::from_secs(3).plus_ms(1).ms_since(Time::from_secs(3)), 1);
    }
}
