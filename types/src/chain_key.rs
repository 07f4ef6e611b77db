//! The public outcome of a distributed key generation.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::NodeId;

/// The public part of a subnet's threshold BLS12-381 key: the same for all members, and enough to
/// check a share of any member and to combine shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The group key: a compressed point of G2, 96 bytes.
    #[serde(with = "serde_bytes")]
    pub public_key: Vec<u8>,
    /// How many shares make a signature: n - f.
    pub threshold: u32,
    /// One entry for each member, in ascending order of node id.
    pub members: Vec<TranscriptMember>,
}

/// One member's place in a [`Transcript`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptMember {
    /// The member.
    pub node_id: NodeId,
    /// Where the sharing polynomial is evaluated for this member: a scalar, 32 bytes big-endian,
    /// not zero, distinct for each member.
    pub point: [u8; 32],
    /// The member's public share: a compressed point of G2, 96 bytes.
    #[serde(with = "serde_bytes")]
    pub public_share: Vec<u8>,
}

/// Why a [`Transcript`] cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TranscriptError {
    /// The threshold is zero or above the number of members.
    #[error("the transcript wants {threshold} shares of {members} members")]
    Threshold {
        /// Shares wanted.
        threshold: u32,
        /// Members present.
        members: usize,
    },
    /// Members are not in strictly ascending order of node id.
    #[error("the transcript's members are not in ascending order, or one is there twice")]
    Order,
    /// A key or a share has not the length of a G2 point.
    #[error("the transcript holds a key of {0} bytes; a G2 point has 96")]
    KeyLength(usize),
    /// Two members share an evaluation point, or one has the point zero.
    #[error("the transcript gives {0} an evaluation point that is zero or taken")]
    Point(NodeId),
}

impl Transcript {
    /// Checks the form (not the points on the curve).
    pub fn check_form(&self) -> Result<(), TranscriptError> {
        let threshold = usize::try_from(self.threshold).unwrap_or(usize::MAX);
        if threshold == 0 || threshold > self.members.len() {
            let (threshold, members) = (self.threshold, self.members.len());
            return Err(TranscriptError::Threshold { threshold, members });
        }
        if !self.members.is_sorted_by(|a, b| a.node_id < b.node_id) {
            return Err(TranscriptError::Order);
        }
        let keys = self.members.iter().map(|member| &member.public_share);
        if let Some(key) = keys.chain([&self.public_key]).find(|key| key.len() != 96) {
            return Err(TranscriptError::KeyLength(key.len()));
        }
        let mut seen = std::collections::BTreeSet::from([[0u8; 32]]);
        match self.members.iter().find(|member| !seen.insert(member.point)) {
            Some(member) => Err(TranscriptError::Point(member.node_id)),
            None => Ok(()),
        }
    }

    /// The entry of `node`, if it is a member.
    pub fn member(&self, node: &NodeId) -> Option<&TranscriptMember> {
        let at = self.members.binary_search_by_key(node, |member| member.node_id).ok()?;
        self.members.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Principal;

    fn transcript() -> Transcript {
        let member = |n: u8| TranscriptMember {
            node_id: NodeId(Principal::from_slice(&[n])),
            point: [n; 32],
            public_share: vec![n; 96],
        };
        Transcript { public_key: vec![0; 96], threshold: 2, members: vec![member(1), member(2)] }
    }

    fn check(change: impl Fn(&mut Transcript), expected: Result<(), TranscriptError>) {
        let mut transcript = transcript();
        change(&mut transcript);
        assert_eq!(transcript.check_form(), expected);
    }

    #[test]
    fn form() {
        check(|_| {}, Ok(()));
        check(|t| t.threshold = 0, Err(TranscriptError::Threshold { threshold: 0, members: 2 }));
        check(|t| t.threshold = 3, Err(TranscriptError::Threshold { threshold: 3, members: 2 }));
        check(|t| t.members.swap(0, 1), Err(TranscriptError::Order));
        check(|t| t.public_key.truncate(48), Err(TranscriptError::KeyLength(48)));
        let second = transcript().members[1].node_id;
        check(|t| t.members[1].point = t.members[0].point, Err(TranscriptError::Point(second)));
        check(|t| t.members[1].point = [0; 32], Err(TranscriptError::Point(second)));
    }
}
