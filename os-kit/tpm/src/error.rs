//! What can go wrong with a TPM, each with what a person can do about it.

use crate::address::{AddressError, TpmAddress};
use crate::link::Break;
use nix::errno::Errno;

/// An operation on a TPM failed. `during` is the TPM command.
#[derive(Debug, thiserror::Error)]
pub enum TpmError {
    /// The text of an address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no TPM at the address.
    #[error(
        "no TPM answers at {address}: enable the TPM 2.0 in the machine's firmware, \
         and check that the service may open the device"
    )]
    Absent {
        /// Where it was looked for.
        address: TpmAddress,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The connection ended in the middle of a command.
    #[error(
        "the TPM vanished during {during}: connect again; if that fails, power-cycle the machine"
    )]
    Vanished {
        /// The TPM command.
        during: &'static str,
        /// What the operating system says, where it says something.
        #[source]
        source: Option<Errno>,
    },
    /// No answer within the time limit.
    #[error(
        "the TPM did not answer {during} within the time limit: connect again; \
         if that fails, power-cycle the machine"
    )]
    TimedOut {
        /// The TPM command.
        during: &'static str,
    },
    /// The answer is not what the TPM specification allows.
    #[error("the TPM answered {during} with {what}: do not trust it, replace it or its firmware")]
    Nonsense {
        /// The TPM command.
        during: &'static str,
        /// What is wrong with the answer.
        what: String,
    },
    /// The firmware has not started the TPM.
    #[error("the TPM is not started ({during}): the machine's firmware does that; power-cycle it")]
    NotStarted {
        /// The TPM command.
        during: &'static str,
    },
    /// The TPM's self-test failed.
    #[error(
        "the TPM is in failure mode ({during}): power-cycle the machine; if it stays, replace it"
    )]
    Failed {
        /// The TPM command.
        during: &'static str,
    },
    /// A hierarchy of keys is switched off.
    #[error(
        "the firmware has switched off a part of the TPM that {during} needs: \
         enable the storage and the endorsement hierarchy in the firmware's TPM settings"
    )]
    HierarchyOff {
        /// The TPM command.
        during: &'static str,
    },
    /// The TPM has something else to do, or saves its persistent memory from wear.
    #[error("the TPM was busy at {during}: try again in a minute")]
    Busy {
        /// The TPM command.
        during: &'static str,
    },
    /// The TPM does not know a key or session of this connection any more.
    #[error(
        "the TPM has lost what this connection keeps in it ({during}), by a sleep of the machine or \
         by another program: connect again"
    )]
    Forgotten {
        /// The TPM command.
        during: &'static str,
    },
    /// No room for one more loaded key or session.
    #[error(
        "the TPM has no free slot for {during}: another program holds its keys or sessions; \
         use /dev/tpmrm0 everywhere, or stop that program"
    )]
    SlotsFull {
        /// The TPM command.
        during: &'static str,
    },
    /// No room in the TPM's persistent memory.
    #[error(
        "the TPM's persistent memory is full ({during}): remove what earlier systems left there, \
         or clear the TPM in the machine's firmware"
    )]
    NvFull {
        /// The TPM command.
        during: &'static str,
    },
    /// Too many wrong passwords: the TPM refuses protected objects for a while.
    #[error(
        "the TPM is locked after too many failed authorizations ({during}): \
         it recovers by itself with time, or by a lockout reset"
    )]
    LockedOut {
        /// The TPM command.
        during: &'static str,
    },
    /// An authorization value is wrong or missing.
    #[error(
        "the TPM refused the authorization for {during}: another system has set a password; \
         clear the TPM in the machine's firmware to take it over"
    )]
    WrongAuth {
        /// The TPM command.
        during: &'static str,
    },
    /// The TPM has an owner already, and it is not (yet) known to be us.
    #[error(
        "the TPM has an owner already: if this machine was being set up, boot the installed release, \
         which confirms its ownership; otherwise clear the TPM in the machine's firmware"
    )]
    Taken,
    /// What the policy demands does not hold.
    #[error(
        "the TPM refused the policy at {during}: the machine was not booted into an approved release, \
         or the release was retired"
    )]
    PolicyRefused {
        /// The TPM command.
        during: &'static str,
    },
    /// There is nothing at a handle.
    #[error("the TPM has nothing at handle {handle:#010x} ({what}): provision the machine again")]
    Missing {
        /// The handle of the object or index.
        handle: u32,
        /// What should be there.
        what: &'static str,
    },
    /// What is at a handle is not what we put there.
    #[error(
        "what the TPM holds at {handle:#010x} is not {what}: it was redefined; \
         do not rely on it, provision the machine again"
    )]
    Foreign {
        /// The handle of the object or index.
        handle: u32,
        /// What should be there.
        what: &'static str,
    },
    /// The TPM is not the machine's own.
    #[error("the TPM's endorsement key is not the expected one: the TPM or the bus was exchanged")]
    OtherTpm,
    /// The caller's value does not fit the TPM.
    #[error("{what}")]
    BadInput {
        /// What is wrong and what would be right.
        what: String,
    },
    /// Any other answer.
    #[error("the TPM refused {during} with code {code:#x}")]
    Refused {
        /// The TPM command.
        during: &'static str,
        /// The response code.
        code: u32,
    },
}

impl TpmError {
    pub(crate) fn bad_input(what: impl Into<String>) -> Self {
        Self::BadInput { what: what.into() }
    }

    pub(crate) fn nonsense(during: &'static str, what: impl Into<String>) -> Self {
        Self::Nonsense { during, what: what.into() }
    }

    pub(crate) fn from_break(reason: &Break, during: &'static str) -> Self {
        match reason {
            Break::Io(errno) => Self::Vanished { during, source: Some(*errno) },
            Break::Closed => Self::Vanished { during, source: None },
            Break::TimedOut => Self::TimedOut { during },
            Break::Garbled => Self::nonsense(during, "bytes that are no response"),
        }
    }

    /// The meaning of a response code of the TPM, or of the library above it.
    pub(crate) fn from_code(code: u32, during: &'static str) -> Self {
        let from_tpm = matches!(code >> 16, TPM_LAYER | MANAGER_LAYER);
        match code & 0xffff {
            _ if !from_tpm => Self::Refused { during, code },
            code::INITIALIZE => Self::NotStarted { during },
            code::FAILURE => Self::Failed { during },
            code::OBJECT_MEMORY
            | code::SESSION_MEMORY
            | code::MEMORY
            | code::SESSION_HANDLES
            | code::OBJECT_HANDLES => Self::SlotsFull { during },
            code::YIELDED | code::TESTING | code::NV_RATE | code::RETRY | code::NV_UNAVAILABLE => {
                Self::Busy { during }
            }
            code::REFERENCE_FIRST..=code::REFERENCE_LAST => Self::Forgotten { during },
            code::NV_SPACE => Self::NvFull { during },
            code::LOCKOUT => Self::LockedOut { during },
            code::POLICY | code::PCR_CHANGED => Self::PolicyRefused { during },
            code::AUTH_UNAVAILABLE | code::NV_AUTHORIZATION => Self::WrongAuth { during },
            response => match format_one(response) {
                Some(code::AUTH_FAIL | code::BAD_AUTH) => Self::WrongAuth { during },
                Some(code::POLICY_FAIL) => Self::PolicyRefused { during },
                Some(code::HIERARCHY) => Self::HierarchyOff { during },
                _ => Self::Refused { during, code },
            },
        }
    }

    /// The response code without the number of the parameter, handle or session that it blames.
    pub(crate) fn is_code(&self, wanted: u32) -> bool {
        matches!(self, Self::Refused { code, .. }
            if *code == wanted || format_one(*code) == Some(wanted))
    }
}

/// Responses of the TPM itself have layer 0; those that the kernel's resource manager makes, 11.
const TPM_LAYER: u32 = 0;
const MANAGER_LAYER: u32 = 11;

/// The error number of a response that blames a parameter, handle or session (bit 7 is set).
fn format_one(code: u32) -> Option<u32> {
    const FORMAT_ONE: u32 = 0x080;
    const ERROR: u32 = 0x03f;
    (code >> 16 == 0 && code & FORMAT_ONE != 0).then_some(code & (FORMAT_ONE | ERROR))
}

/// Response codes: TPM 2.0 library specification, part 2, section 6.6.
pub(crate) mod code {
    pub const INITIALIZE: u32 = 0x100;
    pub const FAILURE: u32 = 0x101;
    pub const POLICY: u32 = 0x126;
    pub const PCR_CHANGED: u32 = 0x128;
    pub const AUTH_UNAVAILABLE: u32 = 0x12f;
    pub const NV_AUTHORIZATION: u32 = 0x149;
    pub const NV_UNINITIALIZED: u32 = 0x14a;
    pub const NV_SPACE: u32 = 0x14b;
    pub const OBJECT_MEMORY: u32 = 0x902;
    pub const SESSION_MEMORY: u32 = 0x903;
    pub const MEMORY: u32 = 0x904;
    pub const SESSION_HANDLES: u32 = 0x905;
    pub const OBJECT_HANDLES: u32 = 0x906;
    pub const YIELDED: u32 = 0x908;
    pub const TESTING: u32 = 0x90a;
    /// The handle or session with this number in the command is not loaded.
    pub const REFERENCE_FIRST: u32 = 0x910;
    pub const REFERENCE_LAST: u32 = 0x91e;
    pub const NV_RATE: u32 = 0x920;
    pub const LOCKOUT: u32 = 0x921;
    pub const RETRY: u32 = 0x922;
    pub const NV_UNAVAILABLE: u32 = 0x923;
    pub const VALUE: u32 = 0x084;
    pub const CURVE: u32 = 0x0a6;
    pub const HIERARCHY: u32 = 0x085;
    pub const HANDLE: u32 = 0x08b;
    pub const AUTH_FAIL: u32 = 0x08e;
    pub const SIGNATURE: u32 = 0x09b;
    pub const POLICY_FAIL: u32 = 0x09d;
    pub const BAD_AUTH: u32 = 0x0a2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_meaning_whatever_they_blame() {
        let text = |code| TpmError::from_code(code, "Unseal").to_string();
        assert!(text(0x902).contains("no free slot"));
        assert!(text(0xb0902).contains("no free slot"), "from the resource manager");
        assert!(text(0x921).contains("locked"));
        assert!(text(0x14b).contains("full"));
        assert!(text(0x126).contains("policy"));
        assert!(text(0x99d).contains("policy"), "POLICY_FAIL, session 1");
        assert!(text(0x98e).contains("authorization"), "AUTH_FAIL, session 1");
        assert!(text(0x9a2).contains("authorization"), "BAD_AUTH, session 1");
        assert!(text(0x185).contains("switched off"), "HIERARCHY, handle 1");
        assert!(text(0x920).contains("busy"), "NV_RATE");
        assert!(text(0x922).contains("busy"), "RETRY");
        assert!(text(0x910).contains("connect again"), "REFERENCE_H0");
        assert!(text(0x918).contains("connect again"), "REFERENCE_S0");
        assert!(text(0x100).contains("not started"));
        assert!(text(0x101).contains("failure mode"));
        assert!(text(0x1c4).contains("0x1c4"));
        assert!(text(0x7000a).contains("0x7000a"), "a code of the library is not the TPM's");
        assert!(TpmError::from_code(0x1c4, "PolicyPCR").is_code(code::VALUE));
        assert!(TpmError::from_code(0x18b, "NV_ReadPublic").is_code(code::HANDLE));
    }

    /// One error of each kind that a person may see in a log.
    fn one_of_each() -> Vec<TpmError> {
        let address = TpmAddress::device();
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        let (during, handle, what) = ("Unseal", 0x0180_504c, "an index");
        vec![
            TpmError::Absent { address, source },
            TpmError::Vanished { during, source: None },
            TpmError::TimedOut { during },
            TpmError::nonsense(during, "nothing"),
            TpmError::NotStarted { during },
            TpmError::Failed { during },
            TpmError::HierarchyOff { during },
            TpmError::Busy { during },
            TpmError::Forgotten { during },
            TpmError::SlotsFull { during },
            TpmError::NvFull { during },
            TpmError::LockedOut { during },
            TpmError::WrongAuth { during },
            TpmError::Taken,
            TpmError::PolicyRefused { during },
            TpmError::Missing { handle, what },
            TpmError::Foreign { handle, what },
            TpmError::OtherTpm,
            TpmError::Refused { during, code: 0x1c4 },
        ]
    }

    /// Whether a text has the parts of a heading, which stand between ellipses, in order.
    fn fits(heading: &str, text: &str) -> bool {
        let mut rest = text;
        heading.split('…').map(str::trim).all(|part| {
            let found = rest.split_once(part).map(|(_, after)| after);
            rest = found.unwrap_or_default();
            found.is_some()
        })
    }

    #[test]
    fn the_runbook_explains_each_error() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/runbooks/tpm.md");
        let runbook = std::fs::read_to_string(path).unwrap();
        let headings: Vec<&str> = runbook
            .lines()
            .filter_map(|line| line.strip_prefix("**")?.split("**").next())
            .collect();
        for error in one_of_each() {
            let text = error.to_string();
            let found = headings.iter().filter(|heading| fits(heading, &text)).count();
            assert_eq!(found, 1, "headings for: {text}");
        }
    }
}
