//! Who owns tokens.

use candid::{CandidType, Principal};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha224};

/// The length of a subaccount.
pub const SUBACCOUNT_BYTES: usize = 32;

/// The name of an account in the book, in bytes.
pub type Key = Vec<u8>;

/// An account of the standard ICRC-1.
#[derive(Clone, Debug, CandidType, Serialize, Deserialize)]
pub struct Account {
    /// Who may use it.
    pub owner: Principal,
    /// Which of the owner's; the default one if it is missing or all zeros.
    pub subaccount: Option<ByteBuf>,
}

/// A subaccount of a length other than 32.
#[derive(Clone, Copy, Debug)]
pub struct BadAccount;

impl Account {
    /// The account of a caller.
    pub fn of(owner: Principal, subaccount: Option<ByteBuf>) -> Self {
        Self { owner, subaccount }
    }

    /// The subaccount in its full form.
    pub fn full_subaccount(&self) -> Result<[u8; SUBACCOUNT_BYTES], BadAccount> {
        let bytes =
            self.subaccount.as_ref().map(|bytes| <[u8; SUBACCOUNT_BYTES]>::try_from(&bytes[..]));
        bytes.unwrap_or(Ok([0; SUBACCOUNT_BYTES])).map_err(|_| BadAccount)
    }

    /// The key under which a ledger of ICRC accounts keeps it: the subaccount, then the owner.
    pub fn key(&self) -> Result<Key, BadAccount> {
        let mut key = self.full_subaccount()?.to_vec();
        key.extend_from_slice(self.owner.as_slice());
        Ok(key)
    }

    /// The identifier under which the ICP ledger keeps it.
    pub fn identifier(&self) -> Result<AccountIdentifier, BadAccount> {
        let mut hash = Sha224::new();
        hash.update(b"\x0Aaccount-id");
        hash.update(self.owner.as_slice());
        hash.update(self.full_subaccount()?);
        let hash = hash.finalize();
        let mut identifier = [0; AccountIdentifier::BYTES];
        identifier[..4].copy_from_slice(&crc32fast::hash(&hash).to_be_bytes());
        identifier[4..].copy_from_slice(&hash);
        Ok(AccountIdentifier(identifier))
    }
}

/// An account of the ICP ledger: four bytes of checksum and a hash of owner and subaccount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountIdentifier(pub [u8; Self::BYTES]);

impl AccountIdentifier {
    /// Its length.
    pub const BYTES: usize = 32;

    /// From an argument, with its checksum; or without, as the ledger also takes it.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadAccount> {
        let hash = match bytes.len() {
            Self::BYTES => &bytes[4..],
            28 => bytes,
            _ => return Err(BadAccount),
        };
        let checksum = crc32fast::hash(hash).to_be_bytes();
        if bytes.len() == Self::BYTES && bytes[..4] != checksum {
            return Err(BadAccount);
        }
        let mut identifier = [0; Self::BYTES];
        identifier[..4].copy_from_slice(&checksum);
        identifier[4..].copy_from_slice(hash);
        Ok(Self(identifier))
    }

    /// From an argument in hexadecimal digits.
    pub fn parse_text(text: &str) -> Result<Self, BadAccount> {
        let digit =
            |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        Self::parse(&bytes.ok_or(BadAccount)?)
    }

    /// As a key of the book.
    pub fn key(&self) -> Key {
        self.0.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_of_an_account_is_the_public_one() {
        // As other tools print it for the anonymous principal.
        let text = "1c7a48ba6a562aa9eaa2481a9049cdf0433b9738c992d698c31d8abf89cadc79";
        let identifier = Account::of(Principal::anonymous(), None).identifier().unwrap();
        assert_eq!(AccountIdentifier::parse_text(text).unwrap(), identifier);
        assert_eq!(AccountIdentifier::parse(&identifier.0).unwrap(), identifier);
        assert_eq!(AccountIdentifier::parse(&identifier.0[4..]).unwrap(), identifier);
        let mut broken = identifier.0;
        broken[31] ^= 1;
        assert!(AccountIdentifier::parse(&broken).is_err(), "the checksum is another's");
        for text in ["", "1", "1c7a", "no digits"] {
            assert!(AccountIdentifier::parse_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_default_subaccount_has_two_forms_and_one_key() {
        let owner = Principal::anonymous();
        let missing = Account::of(owner, None);
        let zeros = Account::of(owner, Some(ByteBuf::from(vec![0; 32])));
        assert_eq!(missing.key().unwrap(), zeros.key().unwrap());
        assert!(Account::of(owner, Some(ByteBuf::from(vec![0; 31]))).key().is_err());
    }
}
