//! Chains of delegations: from the sender's key to the key that signs.

use crate::envelope::SignedDelegation;
use replica_crypto::Domain;
use replica_crypto::chain_key::PublicKey as RootKey;
use replica_crypto::signatures::{SignatureError, UserKey, UserKeyError};
use std::collections::BTreeSet;
use types::{CanisterId, Time};

/// The canisters that may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Any canister.
    All,
    /// These, perhaps none.
    Only(BTreeSet<CanisterId>),
}

impl Targets {
    /// Whether this canister may be called.
    pub fn include(&self, canister: &CanisterId) -> bool {
        match self {
            Targets::All => true,
            Targets::Only(canisters) => canisters.contains(canister),
        }
    }

    fn narrow(&mut self, targets: &[CanisterId]) {
        let narrowed = targets.iter().filter(|canister| self.include(canister));
        *self = Targets::Only(narrowed.copied().collect());
    }
}

/// The kinds of request that may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Permission {
    /// None: the chain has a word that is not defined.
    Nothing,
    /// Those that change nothing.
    Queries,
    /// All.
    All,
}

impl Permission {
    fn of(word: Option<&str>) -> Self {
        match word {
            None | Some("all") => Permission::All,
            Some("queries") => Permission::Queries,
            Some(_) => Permission::Nothing,
        }
    }

    pub(super) fn allows(self, request_type: &str) -> bool {
        match self {
            Permission::Nothing => false,
            Permission::Queries => matches!(request_type, "query" | "read_state"),
            Permission::All => true,
        }
    }
}

/// What the last key of a chain may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) targets: Targets,
    pub(super) permission: Permission,
    pub(super) valid_until: Time,
}

/// Why a chain of delegations is not good. Links are counted from 0 at the sender's key.
#[derive(Debug, thiserror::Error)]
pub enum DelegationError {
    /// A delegate's key cannot be read.
    #[error("the key of delegation {index} is not usable")]
    Key {
        /// Which link.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: UserKeyError,
    },
    /// A key appears twice.
    #[error("the key of delegation {index} has appeared in the chain before")]
    Cycle {
        /// Which link.
        index: usize,
    },
    /// A delegation has expired.
    #[error("delegation {index} expired at {expiration} ns; it is {now} ns: get a new delegation")]
    Expired {
        /// Which link.
        index: usize,
        /// Nanoseconds since 1970.
        expiration: u64,
        /// Nanoseconds since 1970.
        now: u64,
    },
    /// A delegation is not signed by the key before it.
    #[error("delegation {index} is not signed by the key before it")]
    Signature {
        /// Which link.
        index: usize,
        /// What is wrong with the signature.
        #[source]
        source: SignatureError,
    },
}

/// Checks all but the signatures of a chain. Gives what the last key may do, and the keys of the
/// links.
pub(super) fn check_form(
    sender_key: &UserKey,
    chain: &[SignedDelegation],
    now: Time,
) -> Result<(Authority, Vec<UserKey>), DelegationError> {
    let mut authority = Authority {
        targets: Targets::All,
        permission: Permission::All,
        valid_until: Time(u64::MAX),
    };
    let mut delegates: Vec<UserKey> = Vec::new();
    for (index, link) in chain.iter().enumerate() {
        let delegation = &link.delegation;
        if delegation.expiration < now {
            let (expiration, now) = (delegation.expiration.0, now.0);
            return Err(DelegationError::Expired { index, expiration, now });
        }
        let key = UserKey::from_der(&delegation.pubkey)
            .map_err(|source| DelegationError::Key { index, source })?;
        if key == *sender_key || delegates.contains(&key) {
            return Err(DelegationError::Cycle { index });
        }
        delegates.push(key);
        if let Some(targets) = &delegation.targets {
            authority.targets.narrow(targets);
        }
        let permission = Permission::of(delegation.permissions.as_deref());
        authority.permission = authority.permission.min(permission);
        authority.valid_until = authority.valid_until.min(delegation.expiration);
    }
    Ok((authority, delegates))
}

/// Checks that each link is signed by the key before it.
pub(super) fn check_signatures(
    sender_key: &UserKey,
    chain: &[SignedDelegation],
    delegates: &[UserKey],
    root_key: &RootKey,
) -> Result<(), DelegationError> {
    let signers = [sender_key].into_iter().chain(delegates);
    for (index, (signer, link)) in signers.zip(chain).enumerate() {
        signer
            .verify(Domain::REQUEST_DELEGATION, &link.delegation.hash(), &link.signature, root_key)
            .map_err(|source| DelegationError::Signature { index, source })?;
    }
    Ok(())
}
