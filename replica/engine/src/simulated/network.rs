//! The simulated network as one node sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::simulated::{
    self, Config, Link, Network, Oracle, Receiver, Sender, SplitTarget,
};
use commonware_p2p::{LimitedSender, Recipients};
use commonware_runtime::{Quota, Supervisor as _, deterministic::Context};
use commonware_utils::{NZUsize, Probability};

use super::LinkQuality;
use crate::tuning::{QUOTAS, message_bytes_max};
use crate::wiring::{Channels, NodeParts, channel};

pub(super) type Control = simulated::Control<PublicKey, Context>;
pub(super) type NodeChannels = Channels<HalfSender, Receiver<PublicKey>>;
pub(super) type Parts =
    NodeParts<simulated::Manager<PublicKey, Context>, Control, HalfSender, Receiver<PublicKey>>;

/// A sender that reaches only some of the others, if it belongs to a node that plays double.
#[derive(Clone, Debug)]
pub(super) struct HalfSender {
    inner: Sender<PublicKey, Context>,
    reach: Option<Arc<BTreeSet<PublicKey>>>,
}

impl LimitedSender for HalfSender {
    type PublicKey = PublicKey;
    type Checked<'a> = <Sender<PublicKey, Context> as LimitedSender>::Checked<'a>;

    fn check(
        &mut self,
        recipients: Recipients<PublicKey>,
    ) -> Result<Self::Checked<'_>, SystemTime> {
        let recipients = match &self.reach {
            None => recipients,
            Some(reach) => Recipients::Some(within(reach, recipients)),
        };
        self.inner.check(recipients)
    }
}

fn within(reach: &BTreeSet<PublicKey>, recipients: Recipients<PublicKey>) -> Vec<PublicKey> {
    let named = match recipients {
        Recipients::All => return reach.iter().cloned().collect(),
        Recipients::Some(keys) => keys,
        Recipients::One(key) => vec![key],
    };
    named.into_iter().filter(|key| reach.contains(key)).collect()
}

/// The network of a simulation, and its links as they are now.
pub(super) struct Subnet {
    keys: Vec<PublicKey>,
    oracle: Oracle<PublicKey, Context>,
    links: BTreeMap<(usize, usize), LinkQuality>,
}

impl Subnet {
    /// Starts a network without links.
    pub(super) async fn start(context: &Context, keys: Vec<PublicKey>) -> Self {
        let members = u32::try_from(keys.len()).ok().and_then(NonZeroU32::new);
        let members = members.expect("a checked simulation has 1 to 255 nodes");
        let size = NonZeroUsize::new(keys.len()).expect("a checked simulation has 1 to 255 nodes");
        let config = Config {
            max_size: message_bytes_max(members),
            max_peers_per_set: size,
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (network, oracle) =
            Network::new_with_peers(context.child("network"), config, keys.clone()).await;
        network.start();
        Self { keys, oracle, links: BTreeMap::new() }
    }

    pub(super) fn control(&self, node: usize) -> Control {
        self.oracle.control(self.keys[node].clone())
    }

    pub(super) fn manager(&self) -> simulated::Manager<PublicKey, Context> {
        self.oracle.manager()
    }

    /// Makes the links what they should be.
    pub(super) async fn set_links(&mut self, links: BTreeMap<(usize, usize), LinkQuality>) {
        for (pair, quality) in &self.links {
            if links.get(pair) != Some(quality) {
                let (from, to) = self.pair(*pair);
                let removed = self.oracle.remove_link(from, to).await;
                removed.expect("the link was added before");
            }
        }
        for (pair, quality) in &links {
            if self.links.get(pair) != Some(quality) {
                let (from, to) = self.pair(*pair);
                let added = self.oracle.add_link(from, to, link(quality)).await;
                added.expect("the link was removed before, and joins two nodes");
            }
        }
        self.links = links;
    }

    fn pair(&self, (from, to): (usize, usize)) -> (PublicKey, PublicKey) {
        (self.keys[from].clone(), self.keys[to].clone())
    }

    /// The channels of a life of a node. They replace those of the life before.
    pub(super) async fn channels(&self, node: usize) -> NodeChannels {
        let raw = self.register(node).await;
        raw.map(|(sender, receiver)| (HalfSender { inner: sender, reach: None }, receiver))
    }

    /// The channels of both engines of a node that plays double: the first talks to the others
    /// with even numbers, the second to those with odd ones.
    pub(super) async fn split_channels(
        &self,
        context: &Context,
        node: usize,
    ) -> (NodeChannels, NodeChannels) {
        let reach = [0, 1].map(|half| {
            let others = self.keys.iter().enumerate();
            let chosen = others.filter(|(at, _)| *at != node && at % 2 == half);
            Arc::new(chosen.map(|(_, key)| key.clone()).collect::<BTreeSet<_>>())
        });
        let raw = self.register(node).await;
        let (even, odd) = raw.split(|(sender, receiver)| {
            let first = reach[0].clone();
            let (a, b) = receiver.split_with(context.child("split"), move |(from, _)| {
                if first.contains(from) { SplitTarget::Primary } else { SplitTarget::Secondary }
            });
            let [x, y] =
                reach.clone().map(|reach| HalfSender { inner: sender.clone(), reach: Some(reach) });
            ((x, a), (y, b))
        });
        (even, odd)
    }

    async fn register(
        &self,
        node: usize,
    ) -> Channels<Sender<PublicKey, Context>, Receiver<PublicKey>> {
        let control = self.control(node);
        let register = async |channel: u64, quota: Quota| {
            let registered = control.register(channel, quota).await;
            registered.expect("the network lives as long as the simulation")
        };
        Channels {
            votes: register(channel::VOTES, QUOTAS.votes).await,
            certificates: register(channel::CERTIFICATES, QUOTAS.certificates).await,
            resolver: register(channel::RESOLVER, QUOTAS.resolver).await,
            broadcast: register(channel::BROADCAST, QUOTAS.broadcast).await,
            backfill: register(channel::BACKFILL, QUOTAS.backfill).await,
            application: register(channel::APPLICATION, QUOTAS.application).await,
        }
    }
}

impl<S, R> Channels<S, R> {
    fn map<T, U>(self, change: impl Fn((S, R)) -> (T, U)) -> Channels<T, U> {
        Channels {
            votes: change(self.votes),
            certificates: change(self.certificates),
            resolver: change(self.resolver),
            broadcast: change(self.broadcast),
            backfill: change(self.backfill),
            application: change(self.application),
        }
    }

    fn split<T, U>(
        self,
        cut: impl Fn((S, R)) -> ((T, U), (T, U)),
    ) -> (Channels<T, U>, Channels<T, U>) {
        let votes = cut(self.votes);
        let certificates = cut(self.certificates);
        let resolver = cut(self.resolver);
        let broadcast = cut(self.broadcast);
        let backfill = cut(self.backfill);
        let application = cut(self.application);
        let first = Channels {
            votes: votes.0,
            certificates: certificates.0,
            resolver: resolver.0,
            broadcast: broadcast.0,
            backfill: backfill.0,
            application: application.0,
        };
        let second = Channels {
            votes: votes.1,
            certificates: certificates.1,
            resolver: resolver.1,
            broadcast: broadcast.1,
            backfill: backfill.1,
            application: application.1,
        };
        (first, second)
    }
}

fn link(quality: &LinkQuality) -> Link {
    let delivered = 1000 - u64::from(quality.loss_per_mille);
    Link {
        latency: Duration::from_millis(quality.delay_ms),
        jitter: Duration::from_millis(quality.jitter_ms),
        success_rate: Probability::new(delivered, 1000)
            .expect("a checked loss is at most a thousand of a thousand"),
    }
}
