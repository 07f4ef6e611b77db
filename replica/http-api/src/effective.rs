//! The id in the URL: what a request is routed by.

use types::{CanisterId, Principal, SubnetConfig, SubnetId};

use crate::Refusal;

/// The effective destination of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effective {
    /// `/canister/<id>/`
    Canister(CanisterId),
    /// `/subnet/<id>/`
    Subnet(SubnetId),
}

impl Effective {
    /// Of a URL `/canister/<text>/`.
    pub(crate) fn canister(text: &str) -> Result<Self, Refusal> {
        principal(text).map(|id| Self::Canister(CanisterId(id)))
    }

    /// Of a URL `/subnet/<text>/`, which must be this subnet's.
    pub(crate) fn subnet(text: &str, own: SubnetId) -> Result<Self, Refusal> {
        match principal(text)? {
            asked if asked == own.0 => Ok(Self::Subnet(own)),
            asked => Err(Refusal::OtherSubnet { asked, own }),
        }
    }

    /// Refuses a canister that another subnet has, or none.
    pub(crate) fn check_range(&self, config: &SubnetConfig) -> Result<(), Refusal> {
        let Self::Canister(id) = self else { return Ok(()) };
        let (first, last) = config.canister_index_range;
        let inside = id.index().is_some_and(|index| (first..=last).contains(&index));
        match inside {
            true => Ok(()),
            false => Err(Refusal::CanisterOutOfRange { id: id.0 }),
        }
    }
}

fn principal(text: &str) -> Result<Principal, Refusal> {
    const SHOWN: usize = 80;
    let refused = || Refusal::UrlId(text.chars().take(SHOWN).collect());
    Principal::from_text(text).map_err(|_| refused())
}
