use std::net::SocketAddr;

use commonware_codec::{Copying, DecodeExt as _, Read as _};
use commonware_cryptography::bls12381::primitives::group::{
    G1, G2, Private, Scalar, ScalarReadCfg,
};
use commonware_cryptography::bls12381::primitives::ops;
use commonware_math::algebra::{Additive as _, CryptoGroup as _, Field as _, Ring as _};
use types::Transcript;

use super::*;

const DST: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
const SESSION: [u8; 32] = [3; 32];

/// A set of members that hold a ceremony in memory.
struct Group {
    secrets: BTreeMap<NodeId, NodeSecret>,
    members: Vec<Member>,
}

impl Group {
    fn new(size: u8) -> Self {
        let secrets = (0..size).map(|at| NodeSecret::new([at + 1; 32]));
        let keyed = secrets.map(|secret| {
            let public_key = crate::public_key(&secret);
            let address = SocketAddr::from(([127, 0, 0, 1], 1));
            let node_id = NodeId::from_public_key(&public_key);
            (node_id, (secret, Member { node_id, public_key, address }))
        });
        let keyed: BTreeMap<_, _> = keyed.collect();
        let members = keyed.values().map(|(_, member)| member.clone()).collect();
        Self { secrets: keyed.into_iter().map(|(id, (secret, _))| (id, secret)).collect(), members }
    }

    fn ids(&self) -> Vec<NodeId> {
        self.members.iter().map(|member| member.node_id).collect()
    }

    fn ceremony(&self, node: &NodeId) -> Ceremony {
        Ceremony::new(*node, &self.secrets[node], &self.members, SESSION).unwrap()
    }

    fn ceremonies(&self) -> BTreeMap<NodeId, Ceremony> {
        self.ids().into_iter().map(|id| (id, self.ceremony(&id))).collect()
    }
}

/// Sends the dealing of `dealer` to `player` and the acknowledgement back.
fn deal(ceremonies: &mut BTreeMap<NodeId, Ceremony>, dealer: &NodeId, player: &NodeId) {
    let Some(dealing) = ceremonies[dealer].dealing(player) else { return };
    let to = ceremonies.get_mut(player).unwrap();
    let acknowledgement = to.take_dealing(dealer, &dealing).unwrap();
    // A repeated dealing gets the same answer.
    assert_eq!(to.take_dealing(dealer, &dealing).unwrap(), acknowledgement);
    let from = ceremonies.get_mut(dealer).unwrap();
    from.take_acknowledgement(player, &acknowledgement).unwrap();
}

fn deal_all(ceremonies: &mut BTreeMap<NodeId, Ceremony>, ids: &[NodeId]) {
    for dealer in ids {
        ids.iter().for_each(|player| deal(ceremonies, dealer, player));
    }
}

fn logs_of(ceremonies: &mut BTreeMap<NodeId, Ceremony>, ids: &[NodeId]) -> BTreeMap<NodeId, Bytes> {
    ids.iter().map(|id| (*id, ceremonies.get_mut(id).unwrap().dealer_log())).collect()
}

fn scalar(bytes: &[u8]) -> Scalar {
    Scalar::read_cfg(&mut Copying(bytes), &ScalarReadCfg::RejectZero).unwrap()
}

/// Signs a root with each of these shares and combines by Lagrange over the exported points.
fn combined_signature(shares: &[([u8; 32], Zeroizing<[u8; 32]>)], message: &[u8]) -> G1 {
    let points: Vec<_> = shares.iter().map(|(point, _)| scalar(point)).collect();
    let mut sum = G1::zero();
    for (at, (_, share)) in shares.iter().enumerate() {
        let mut weight = Scalar::one();
        for (other, point) in points.iter().enumerate() {
            if other != at {
                let mut difference = point.clone();
                difference -= &points[at];
                weight *= &(point.clone() * &difference.inv());
            }
        }
        let private = Private::new(scalar(&share[..]));
        sum += &(ops::sign::<MinSig>(&private, DST, message) * &weight);
    }
    sum
}

/// Checks the shares of `signers` against the transcript and, combined, against the group key.
fn check_key(transcript: &Transcript, shares: &BTreeMap<NodeId, Zeroizing<[u8; 32]>>) {
    transcript.check_form().unwrap();
    for (node, share) in shares {
        let public = G2::generator() * &scalar(&share[..]);
        assert_eq!(public.encode().to_vec(), transcript.member(node).unwrap().public_share);
    }
    let message = [b"\x0Dic-state-root".as_slice(), &[5; 32]].concat();
    let chosen: Vec<_> = shares
        .iter()
        .rev()
        .take(transcript.threshold as usize)
        .map(|(node, share)| (transcript.member(node).unwrap().point, share.clone()))
        .collect();
    let signature = combined_signature(&chosen, &message);
    let key = G2::decode(Copying(&transcript.public_key)).unwrap();
    ops::verify::<MinSig>(&key, DST, &message, &signature).unwrap();
    let bytes = signature.encode();
    ic_verify_bls_signature::verify_bls_signature(&bytes, &message, &transcript.public_key)
        .unwrap();

    // One share fewer than the threshold makes another signature, which does not verify.
    let short = combined_signature(&chosen[1..], &message);
    assert!(ops::verify::<MinSig>(&key, DST, &message, &short).is_err());
}

fn check_ceremony(size: u8, silent: usize) {
    let group = Group::new(size);
    let ids = group.ids();
    let live = &ids[silent..];
    let mut ceremonies = group.ceremonies();
    deal_all(&mut ceremonies, live);
    let logs = logs_of(&mut ceremonies, live);
    for (dealer, log) in &logs {
        assert_eq!(ceremonies[&ids[0]].log_dealer(log).as_ref(), Ok(dealer));
    }
    let transcript = ceremonies[&ids[0]].outcome(&logs).unwrap();
    let faults = (u32::from(size) - 1) / 3;
    assert_eq!(transcript.threshold, u32::from(size) - faults);
    for ceremony in ceremonies.values() {
        assert_eq!(ceremony.outcome(&logs).as_ref(), Ok(&transcript));
    }
    let shares = live.iter().map(|id| (*id, ceremonies[id].secret_share(&logs).unwrap()));
    check_key(&transcript, &shares.collect());
}

#[test]
fn all_deal() {
    check_ceremony(1, 0);
    check_ceremony(4, 0);
    check_ceremony(7, 0);
}

#[test]
fn silent_members_do_not_stop_the_others() {
    check_ceremony(4, 1);
    check_ceremony(7, 2);
}

#[test]
fn a_silent_member_gets_its_share_from_what_is_revealed() {
    let group = Group::new(4);
    let ids = group.ids();
    let mut ceremonies = group.ceremonies();
    deal_all(&mut ceremonies, &ids[1..]);
    let logs = logs_of(&mut ceremonies, &ids[1..]);
    let transcript = ceremonies[&ids[0]].outcome(&logs).unwrap();
    let shares = ids.iter().map(|id| (*id, ceremonies[id].secret_share(&logs).unwrap()));
    check_key(&transcript, &shares.collect());
}

#[test]
fn too_few_logs_make_no_key() {
    let group = Group::new(4);
    let ids = group.ids();
    let mut ceremonies = group.ceremonies();
    deal_all(&mut ceremonies, &ids);
    let mut logs = logs_of(&mut ceremonies, &ids[..2]);
    assert!(matches!(ceremonies[&ids[0]].outcome(&logs), Err(DkgError::NoOutcome(_))));

    // A dealer that two of four have not acknowledged publishes nothing of use.
    let lonely = group.ceremony(&ids[2]).dealer_log();
    logs.insert(ids[2], lonely);
    assert!(matches!(ceremonies[&ids[0]].outcome(&logs), Err(DkgError::NoOutcome(_))));
}

#[test]
fn a_restarted_node_deals_the_same_and_needs_its_received_dealings() {
    let group = Group::new(4);
    let ids = group.ids();
    let mut ceremonies = group.ceremonies();
    let kept: Vec<_> =
        ids[1..].iter().map(|id| (*id, ceremonies[id].dealing(&ids[0]).unwrap())).collect();
    deal_all(&mut ceremonies, &ids);
    let logs = logs_of(&mut ceremonies, &ids);
    let share = ceremonies[&ids[0]].secret_share(&logs).unwrap();

    let mut again = group.ceremony(&ids[0]);
    for id in &ids[1..] {
        assert_eq!(again.dealing(id), ceremonies[&ids[0]].dealing(id));
    }
    assert!(matches!(again.secret_share(&logs), Err(DkgError::NoShare(_))));
    for (dealer, dealing) in &kept {
        again.take_dealing(dealer, dealing).unwrap();
    }
    assert_eq!(*again.secret_share(&logs).unwrap(), *share);
}

#[test]
fn sessions_and_member_sets_deal_differently() {
    let group = Group::new(4);
    let [me, other] = [group.members[0].node_id, group.members[1].node_id];
    let secret = &group.secrets[&me];
    let first = group.ceremony(&me).dealing(&other);
    let session = Ceremony::new(me, secret, &group.members, [4; 32]).unwrap().dealing(&other);
    let fewer = Ceremony::new(me, secret, &group.members[..3], SESSION).unwrap().dealing(&other);
    assert!(first != session && first != fewer && session != fewer);
}

#[test]
fn foreign_bytes_are_errors() {
    let group = Group::new(4);
    let ids = group.ids();
    let mut ceremonies = group.ceremonies();
    let dealing = ceremonies[&ids[1]].dealing(&ids[0]).unwrap();
    let mut node = group.ceremony(&ids[0]);
    for cut in 0..dealing.len() {
        assert!(node.take_dealing(&ids[1], &dealing[..cut]).is_err());
    }
    for at in 0..dealing.len() {
        let mut bad = dealing.to_vec();
        bad[at] ^= 1;
        assert!(node.take_dealing(&ids[1], &bad).is_err(), "flipped byte {at}");
    }
    // The dealing for one member is no dealing for another.
    let for_other = ceremonies[&ids[1]].dealing(&ids[2]).unwrap();
    assert!(matches!(node.take_dealing(&ids[1], &for_other), Err(DkgError::Dealing { .. })));

    let acknowledgement = node.take_dealing(&ids[1], &dealing).unwrap();
    let dealer = ceremonies.get_mut(&ids[1]).unwrap();
    assert!(dealer.take_acknowledgement(&ids[0], &acknowledgement[1..]).is_err());
    assert_eq!(
        dealer.take_acknowledgement(&ids[2], &acknowledgement),
        Err(DkgError::Acknowledgement(ids[2]))
    );
    let stranger = Group::new(5).ids().into_iter().find(|id| !ids.contains(id)).unwrap();
    assert_eq!(
        dealer.take_acknowledgement(&stranger, &acknowledgement),
        Err(DkgError::Stranger(stranger))
    );

    let log = dealer.dealer_log();
    assert_eq!(dealer.dealer_log(), log);
    assert_eq!(
        dealer.take_acknowledgement(&ids[0], &acknowledgement),
        Err(DkgError::Sealed(ids[0]))
    );
    for at in 0..log.len() {
        let mut bad = log.to_vec();
        bad[at] ^= 1;
        assert!(node.log_dealer(&bad).is_err(), "flipped byte {at}");
    }
    assert!(node.log_dealer(&log[1..]).is_err());
    let misnamed = BTreeMap::from([(ids[0], log)]);
    assert!(matches!(node.outcome(&misnamed), Err(DkgError::LogDealer { .. })));
}
