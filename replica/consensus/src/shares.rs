//! Shares of one message, and the signature that they make.

use std::collections::BTreeMap;

use replica_crypto::Domain;
use replica_crypto::chain_key::{ChainKey, CombineError, Signature};
use types::NodeId;

use crate::peers::Peers;
use crate::traits::Share;

/// At most one share of each member over one message.
#[derive(Clone, Default)]
pub(crate) struct Shares(BTreeMap<NodeId, Share>);

/// The message that shares are over.
#[derive(Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) key: &'a ChainKey,
    pub(crate) domain: Domain,
    pub(crate) message: &'a [u8],
}

impl Shares {
    /// Takes a share; the first of a member counts. A member that once sent a wrong one has each
    /// share checked first, and one that sent many is not listened to.
    pub(crate) fn insert(&mut self, from: NodeId, share: Share, over: Signed, peers: &mut Peers) {
        if self.0.contains_key(&from) {
            return;
        }
        if peers.is_ignored(&from) {
            return;
        }
        if peers.is_suspect(&from)
            && over.key.verify_share(&from, over.domain, over.message, &share).is_err()
        {
            peers.suspect(&from);
            return;
        }
        self.0.insert(from, share);
    }

    pub(crate) fn get(&self, node: &NodeId) -> Option<&Share> {
        self.0.get(node)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The signature, if there are enough good shares. Wrong ones are dropped.
    pub(crate) fn combine(&mut self, over: Signed, peers: &mut Peers) -> Option<Signature> {
        if self.0.len() < over.key.threshold() {
            return None;
        }
        let (signature, bad) = match over.key.combine(over.domain, over.message, &self.0) {
            Ok(combined) => (Some(combined.signature), combined.bad),
            Err(CombineError::NotEnough { bad, .. }) => (None, bad),
            Err(error @ CombineError::InconsistentTranscript) => {
                log::error!(error:% = error; "the chain key's transcript contradicts itself");
                (None, Vec::new())
            }
        };
        for node in bad {
            self.0.remove(&node);
            peers.suspect(&node);
        }
        signature
    }
}
