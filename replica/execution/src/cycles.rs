//! What things cost, from the subnet's fee table: one place for all charges.

use types::{Cycles, Fees, Limits};

/// Seconds of a day.
pub(crate) const SECONDS_PER_DAY: u64 = 86_400;
const GIB: u128 = 1 << 30;

/// The cost of one call, split into what is paid at once and what is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallCost {
    /// The call itself and the transmission of its argument.
    pub(crate) request: Cycles,
    /// The transmission of the largest response; what is not used is refunded.
    pub(crate) response: Cycles,
    /// The execution of the callback; what is not used is refunded.
    pub(crate) execution: Cycles,
}

impl CallCost {
    /// All that the caller must have.
    pub(crate) fn total(&self) -> Cycles {
        self.request.plus(self.response).plus(self.execution)
    }
}

/// The fee table applied to a subnet of a certain size.
#[derive(Clone, Debug)]
pub(crate) struct Prices {
    fees: Fees,
    nodes: u64,
    instructions_per_message_max: u64,
    response_bytes_max: u64,
}

impl Prices {
    pub(crate) fn new(fees: &Fees, limits: &Limits, nodes: u64) -> Self {
        Self {
            fees: fees.clone(),
            nodes,
            instructions_per_message_max: limits.instructions_per_message_max,
            response_bytes_max: limits.reply_bytes_max,
        }
    }

    /// Whether nothing is charged.
    pub(crate) fn free(&self) -> bool {
        self.fees.free
    }

    fn scaled(&self, fee: Cycles) -> Cycles {
        self.fees.scaled(fee, self.nodes)
    }

    /// Executing so many instructions, without the fee of a message.
    pub(crate) fn instructions(&self, count: u64, wide: bool) -> Cycles {
        let factor = if wide { u128::from(self.fees.wasm64_factor) } else { 1 };
        let tens = self.fees.ten_instructions.times(u128::from(count)).times(factor);
        self.scaled(Cycles(tens.0 / 10))
    }

    /// Executing one message of so many instructions.
    pub(crate) fn message(&self, instructions: u64, wide: bool) -> Cycles {
        self.scaled(self.fees.update_message).plus(self.instructions(instructions, wide))
    }

    /// Receiving an ingress message of so many bytes.
    pub(crate) fn ingress(&self, bytes: u64) -> Cycles {
        let variable = self.fees.ingress_byte.times(u128::from(bytes));
        self.scaled(self.fees.ingress_message.plus(variable))
    }

    /// Transmitting so many bytes between canisters.
    pub(crate) fn transmission(&self, bytes: u64) -> Cycles {
        self.scaled(self.fees.call_byte.times(u128::from(bytes)))
    }

    /// A call with an argument of so many bytes, the method's name included.
    pub(crate) fn call(&self, bytes: u64, wide: bool) -> CallCost {
        CallCost {
            request: self.scaled(self.fees.call).plus(self.transmission(bytes)),
            response: self.transmission(self.response_bytes_max),
            execution: self.message(self.instructions_per_message_max, wide),
        }
    }

    /// Creating a canister.
    pub(crate) fn creation(&self) -> Cycles {
        self.scaled(self.fees.canister_creation)
    }

    /// Keeping memory and compute allocation for some seconds.
    pub(crate) fn idle(&self, memory_bytes: u64, compute_percent: u64, seconds: u64) -> Cycles {
        let seconds = u128::from(seconds);
        let storage = self.fees.gib_per_second.times(u128::from(memory_bytes)).times(seconds);
        let compute =
            self.fees.compute_percent_per_second.times(u128::from(compute_percent)).times(seconds);
        self.scaled(Cycles(storage.0 / GIB)).plus(self.scaled(compute))
    }

    /// An HTTP outcall by the published formula, for `ic0.cost_http_request`.
    pub(crate) fn http_request(&self, request_bytes: u64, response_bytes_max: u64) -> Cycles {
        if self.free() {
            return Cycles::ZERO;
        }
        let n = u128::from(self.nodes);
        let base = Cycles(3_000_000 + 60_000 * n);
        let bytes = Cycles(400)
            .times(u128::from(request_bytes))
            .plus(Cycles(800).times(u128::from(response_bytes_max)));
        base.plus(bytes).times(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(nodes: u64) -> Prices {
        Prices::new(&Fees::default(), &Limits::default(), nodes)
    }

    #[test]
    fn published_costs_on_thirteen_nodes() {
        let prices = prices(13);
        assert_eq!(prices.creation(), Cycles(500_000_000_000));
        assert_eq!(prices.message(1_000_000, false), Cycles(6_000_000));
        assert_eq!(prices.message(1_000_000, true), Cycles(7_000_000));
        assert_eq!(prices.ingress(100), Cycles(1_400_000));
        assert_eq!(prices.call(1_000, false).request, Cycles(1_260_000));
        assert_eq!(prices.idle(1 << 30, 0, 10), Cycles(1_270_000));
        assert_eq!(prices.idle(0, 1, 1), Cycles(10_000_000));
        assert_eq!(prices.http_request(0, 0), Cycles(49_140_000));
    }

    #[test]
    fn a_free_subnet_charges_nothing() {
        let fees = Fees { free: true, ..Fees::default() };
        let prices = Prices::new(&fees, &Limits::default(), 4);
        assert_eq!(prices.call(1 << 20, true).total(), Cycles::ZERO);
        assert_eq!(prices.idle(1 << 40, 100, 1 << 20), Cycles::ZERO);
        assert_eq!(prices.http_request(1, 1), Cycles::ZERO);
    }
}
