//! Domain separation: what a signature is for is part of what is signed.

/// The purpose of a signature. The signed bytes are the length of the name in one byte, the name,
/// and the message, so no payload of one purpose is a payload of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(&'static str);

impl Domain {
    /// Certification of a state root by the chain key.
    pub const STATE_ROOT: Domain = Domain::new("ic-state-root");
    /// A user's request.
    pub const REQUEST: Domain = Domain::new("ic-request");
    /// A user's delegation to another key.
    pub const REQUEST_DELEGATION: Domain = Domain::new("ic-request-auth-delegation");
    /// What a canister says about a sender.
    pub const SENDER_INFO: Domain = Domain::new("ic-sender-info");
    /// A node's answer to a query.
    pub const QUERY_RESPONSE: Domain = Domain::new("ic-response");

    /// A purpose by its name of 1 to 127 bytes.
    ///
    /// # Panics
    /// When the name is empty or longer; in a constant that is an error of compilation.
    pub const fn new(name: &'static str) -> Self {
        assert!(!name.is_empty() && name.len() < 128, "a domain name has 1 to 127 bytes");
        Domain(name)
    }

    /// The bytes to sign for `message`.
    pub fn payload(self, message: &[u8]) -> Vec<u8> {
        // `new` bounds the length, so the cast keeps it.
        [&[self.0.len() as u8], self.0.as_bytes(), message].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_begin_as_the_specification_says() {
        assert_eq!(Domain::STATE_ROOT.payload(b"r"), b"\x0Dic-state-rootr");
        assert_eq!(Domain::REQUEST.payload(b""), b"\x0Aic-request");
        assert_eq!(Domain::REQUEST_DELEGATION.payload(b""), b"\x1Aic-request-auth-delegation");
        assert_eq!(Domain::SENDER_INFO.payload(b""), b"\x0Eic-sender-info");
        assert_eq!(Domain::QUERY_RESPONSE.payload(b""), b"\x0Bic-response");
    }
}
