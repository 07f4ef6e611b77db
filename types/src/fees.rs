//! The fee table of a subnet: configuration agreed by all nodes.

use serde::{Deserialize, Serialize};

use crate::Cycles;

/// What operations cost, in cycles, on a subnet of `reference_size` nodes; charges scale with the
/// real size. Source: the published cycle costs of the Internet Computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// The number of nodes that the other figures are for.
    pub reference_size: u64,
    /// Creating a canister.
    pub canister_creation: Cycles,
    /// One percent of compute allocation for one second.
    pub compute_percent_per_second: Cycles,
    /// Executing one update message, besides its instructions.
    pub update_message: Cycles,
    /// Ten instructions of a module with 32-bit memory.
    pub ten_instructions: Cycles,
    /// How much more an instruction of a module with 64-bit memory costs.
    pub wasm64_factor: u64,
    /// One call to another canister.
    pub call: Cycles,
    /// One byte of a call or its reply.
    pub call_byte: Cycles,
    /// Receiving one ingress message.
    pub ingress_message: Cycles,
    /// One byte of an ingress message.
    pub ingress_byte: Cycles,
    /// One GiB stored for one second.
    pub gib_per_second: Cycles,
    /// Whether nothing is charged at all (a development subnet, a system subnet).
    pub free: bool,
}

impl Default for Fees {
    fn default() -> Self {
        Self {
            reference_size: 13,
            canister_creation: Cycles(500_000_000_000),
            compute_percent_per_second: Cycles(10_000_000),
            update_message: Cycles(5_000_000),
            ten_instructions: Cycles(10),
            wasm64_factor: 2,
            call: Cycles(260_000),
            call_byte: Cycles(1_000),
            ingress_message: Cycles(1_200_000),
            ingress_byte: Cycles(2_000),
            gib_per_second: Cycles(127_000),
            free: false,
        }
    }
}

impl Fees {
    /// `fee` of the reference size, scaled to a subnet of `nodes` nodes; zero on a free subnet.
    pub fn scaled(&self, fee: Cycles, nodes: u64) -> Cycles {
        if self.free {
            return Cycles::ZERO;
        }
        let reference = u128::from(self.reference_size.max(1));
        Cycles(fee.times(u128::from(nodes)).0 / reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_scale_with_the_subnet_and_vanish_where_it_is_free() {
        let fees = Fees::default();
        assert_eq!(fees.scaled(fees.canister_creation, 13), Cycles(500_000_000_000));
        assert_eq!(fees.scaled(Cycles(1_300), 4), Cycles(400));
        let free = Fees { free: true, ..fees };
        assert_eq!(free.scaled(Cycles(1_300), 4), Cycles::ZERO);
    }
}
