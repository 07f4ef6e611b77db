//! The closed list of functions a canister may import (interface specification 0.66, "Overview of
//! imports"): used to validate modules and to link them.

/// The width of a module's memory addresses; decides the types of the system functions. A module
/// without memory counts as 32-bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// 32-bit memory.
    Bits32,
    /// 64-bit memory.
    Bits64,
}

/// A parameter or result of a system function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A 32-bit number.
    I32,
    /// A 64-bit number.
    I64,
    /// An address, an offset or a size: as wide as the memory's addresses.
    Address,
}

impl Kind {
    /// The wasm type in a module of this width.
    pub fn value_type(self, width: Width) -> wasmparser::ValType {
        match (self, width) {
            (Kind::I32, _) | (Kind::Address, Width::Bits32) => wasmparser::ValType::I32,
            (Kind::I64, _) | (Kind::Address, Width::Bits64) => wasmparser::ValType::I64,
        }
    }
}

/// Which modules may import a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    All,
    Only32,
}

struct Row {
    name: &'static str,
    parameters: &'static [Kind],
    result: Option<Kind>,
    modules: For,
}

macro_rules! ic0 {
    ($($variant:ident = $name:ident ($($parameter:tt)*) $(-> $result:tt)? $(, $only:ident)?;)*) => {
        /// A function of the system interface, without its module name `ic0`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Ic0 {
            $(#[doc = concat!("`ic0.", stringify!($name), "`")] $variant,)*
        }

        impl Ic0 {
            /// Every function, in the order of the specification.
            pub const ALL: &'static [Ic0] = &[$(Ic0::$variant,)*];

            fn row(self) -> &'static Row {
                match self {
                    $(Ic0::$variant => const { &Row {
                        name: stringify!($name),
                        parameters: &[$(ic0!(@kind $parameter),)*],
                        result: ic0!(@result $($result)?),
                        modules: ic0!(@modules $($only)?),
                    } },)*
                }
            }
        }
    };
    (@kind w) => { Kind::I32 };
    (@kind l) => { Kind::I64 };
    (@kind a) => { Kind::Address };
    (@result) => { None };
    (@result $kind:tt) => { Some(ic0!(@kind $kind)) };
    (@modules) => { For::All };
    (@modules only32) => { For::Only32 };
}

// w: 32 bits, l: 64 bits, a: an address, offset or size.
ic0! {
    MsgArgDataSize = msg_arg_data_size() -> a;
    MsgArgDataCopy = msg_arg_data_copy(a a a);
    MsgCallerSize = msg_caller_size() -> a;
    MsgCallerCopy = msg_caller_copy(a a a);
    MsgCallerInfoDataSize = msg_caller_info_data_size() -> a;
    MsgCallerInfoDataCopy = msg_caller_info_data_copy(a a a);
    MsgCallerInfoSignerSize = msg_caller_info_signer_size() -> a;
    MsgCallerInfoSignerCopy = msg_caller_info_signer_copy(a a a);
    MsgRejectCode = msg_reject_code() -> w;
    MsgRejectMsgSize = msg_reject_msg_size() -> a;
    MsgRejectMsgCopy = msg_reject_msg_copy(a a a);
    MsgDeadline = msg_deadline() -> l;

    MsgReplyDataAppend = msg_reply_data_append(a a);
    MsgReply = msg_reply();
    MsgReject = msg_reject(a a);

    MsgCyclesAvailable = msg_cycles_available() -> l, only32;
    MsgCyclesAvailable128 = msg_cycles_available128(a);
    MsgCyclesRefunded = msg_cycles_refunded() -> l, only32;
    MsgCyclesRefunded128 = msg_cycles_refunded128(a);
    MsgCyclesAccept = msg_cycles_accept(l) -> l, only32;
    MsgCyclesAccept128 = msg_cycles_accept128(l l a);
    CyclesBurn128 = cycles_burn128(l l a);

    CanisterSelfSize = canister_self_size() -> a;
    CanisterSelfCopy = canister_self_copy(a a a);
    CanisterCycleBalance = canister_cycle_balance() -> l, only32;
    CanisterCycleBalance128 = canister_cycle_balance128(a);
    CanisterLiquidCycleBalance128 = canister_liquid_cycle_balance128(a);
    CanisterStatus = canister_status() -> w;
    CanisterVersion = canister_version() -> l;

    SubnetSelfSize = subnet_self_size() -> a;
    SubnetSelfCopy = subnet_self_copy(a a a);
    SubnetSelfNodeCount = subnet_self_node_count() -> w;

    MsgMethodNameSize = msg_method_name_size() -> a;
    MsgMethodNameCopy = msg_method_name_copy(a a a);
    AcceptMessage = accept_message();

    CallNew = call_new(a a a a a a a a);
    CallOnCleanup = call_on_cleanup(a a);
    CallDataAppend = call_data_append(a a);
    CallWithBestEffortResponse = call_with_best_effort_response(w);
    CallCyclesAdd = call_cycles_add(l), only32;
    CallCyclesAdd128 = call_cycles_add128(l l);
    CallPerform = call_perform() -> w;

    StableSize = stable_size() -> w, only32;
    StableGrow = stable_grow(w) -> w, only32;
    StableWrite = stable_write(w w w), only32;
    StableRead = stable_read(w w w), only32;
    Stable64Size = stable64_size() -> l;
    Stable64Grow = stable64_grow(l) -> l;
    Stable64Write = stable64_write(l l l);
    Stable64Read = stable64_read(l l l);

    RootKeySize = root_key_size() -> a;
    RootKeyCopy = root_key_copy(a a a);
    CertifiedDataSet = certified_data_set(a a);
    DataCertificatePresent = data_certificate_present() -> w;
    DataCertificateSize = data_certificate_size() -> a;
    DataCertificateCopy = data_certificate_copy(a a a);

    Time = time() -> l;
    GlobalTimerSet = global_timer_set(l) -> l;
    PerformanceCounter = performance_counter(w) -> l;
    IsController = is_controller(a a) -> w;
    InReplicatedExecution = in_replicated_execution() -> w;

    CostCall = cost_call(l l a);
    CostCreateCanister = cost_create_canister(a);
    CostHttpRequest = cost_http_request(l l a);
    CostHttpRequestV2 = cost_http_request_v2(a a a);
    CostSignWithEcdsa = cost_sign_with_ecdsa(a a w a) -> w;
    CostSignWithSchnorr = cost_sign_with_schnorr(a a w a) -> w;
    CostVetkdDeriveKey = cost_vetkd_derive_key(a a w a) -> w;

    EnvVarCount = env_var_count() -> a;
    EnvVarNameSize = env_var_name_size(a) -> a;
    EnvVarNameCopy = env_var_name_copy(a a a a);
    EnvVarNameExists = env_var_name_exists(a a) -> w;
    EnvVarValueSize = env_var_value_size(a a) -> a;
    EnvVarValueCopy = env_var_value_copy(a a a a a);

    DebugPrint = debug_print(a a);
    Trap = trap(a a);

    // Not in the specification, but imported by modules in use: for the cycles minting canister
    // alone, a trap elsewhere.
    MintCycles = mint_cycles(l) -> l, only32;
    MintCycles128 = mint_cycles128(l l a);
}

impl Ic0 {
    /// The function of this name in modules of this width.
    pub fn find(name: &str, width: Width) -> Option<Ic0> {
        let found = Ic0::ALL.iter().copied().find(|function| function.name() == name)?;
        found.exists_in(width).then_some(found)
    }

    /// The name that modules import, in the module `ic0`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether modules of this width may import the function.
    pub fn exists_in(self, width: Width) -> bool {
        width == Width::Bits32 || self.row().modules == For::All
    }

    /// The parameters.
    pub fn parameters(self) -> &'static [Kind] {
        self.row().parameters
    }

    /// The result, if there is one.
    pub fn result(self) -> Option<Kind> {
        self.row().result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_again() {
        for &function in Ic0::ALL {
            assert_eq!(Ic0::find(function.name(), Width::Bits32), Some(function));
        }
        assert_eq!(Ic0::find("no_such_function", Width::Bits32), None);
    }

    #[test]
    fn some_functions_exist_for_32_bits_only() {
        assert_eq!(Ic0::find("stable_read", Width::Bits64), None);
        assert_eq!(Ic0::find("stable64_read", Width::Bits64), Some(Ic0::Stable64Read));
        let both = Ic0::ALL.iter().filter(|function| function.exists_in(Width::Bits64)).count();
        assert_eq!(Ic0::ALL.len() - both, 10);
    }
}
