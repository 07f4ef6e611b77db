//! The engine's sizes and times, each with its reason.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use commonware_consensus::{
    BoundedBlock as _, marshal, marshal::standard::Standard, simplex, types::ViewDelta,
};
use commonware_cryptography::sha256::Digest;
use commonware_runtime::Quota;
use commonware_utils::{NZU16, NZU32, NZU64, NZUsize};

use crate::application::MESSAGE_BYTES_MAX;
use crate::block::OrderedBlock;
use crate::wiring::Scheme;

/// Time for a leader beyond the idle interval: the proposal's way to all members (about 20 ms in
/// a data centre, 300 ms over the longest wide-area path), building and checking a full block, and
/// a busy machine. A dead leader costs this and the idle interval once; see [`Timeouts::skip`].
const LEADER_SLACK_MS: u64 = 700;
/// From the proposal to the certificate: two more message delays and the checks of a full block.
const CERTIFICATION_SLACK_MS: u64 = 1_000;
/// How often a stuck view repeats its vote to skip; only matters after message loss.
const RETRY_MS: u64 = 1_000;
/// How long a member must have been silent, beyond the normal end of a view, before its turns are
/// skipped at once.
const SILENCE_SLACK_MS: u64 = 1_000;

/// When the engine gives up on a view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) leader: Duration,
    pub(crate) certification: Duration,
    pub(crate) retry: Duration,
    pub(crate) skip: Duration,
    pub(crate) fetch: Duration,
    pub(crate) fetch_retry: Duration,
}

impl Timeouts {
    pub(crate) fn new(idle_interval_ms: u64) -> Self {
        let leader = idle_interval_ms.saturating_add(LEADER_SLACK_MS);
        let certification = leader.saturating_add(CERTIFICATION_SLACK_MS);
        Self {
            leader: Duration::from_millis(leader),
            certification: Duration::from_millis(certification),
            retry: Duration::from_millis(RETRY_MS),
            skip: Duration::from_millis(certification.saturating_add(SILENCE_SLACK_MS)),
            // A response of 4 MiB over 50 Mbit/s takes 0.7 s.
            fetch: Duration::from_millis(2_000),
            fetch_retry: Duration::from_millis(100),
        }
    }
}

/// Views below the finalized tip whose votes and blocks are still at hand for members slightly
/// behind; those further behind use the archive of final blocks. The vote journal keeps an open
/// file for each of these views.
pub(crate) const VIEW_RETENTION: ViewDelta = ViewDelta::new(64);

/// Queued messages inside one of the engine's actors before its overflow rule applies. Some hundred
/// cover a burst of votes of 40 members for several views.
pub(crate) const MAILBOX: NonZeroUsize = NZUsize!(512);

/// Final blocks handed to the application's task and not taken yet. The engine holds at most twice
/// as many in memory: 64 MiB if all are full.
pub(crate) const PENDING_BLOCKS: NonZeroUsize = NZUsize!(8);

/// Missing heights fetched at a time: enough to hide a 100 ms round trip, few enough that the
/// responses, if all are full blocks, stay at 64 MiB.
pub(crate) const REPAIR: NonZeroUsize = NZUsize!(16);

/// Broadcast blocks kept of each sender. A member leads every n-th view, so even two are rarely
/// needed at a time; each may be 4 MiB.
pub(crate) const BLOCKS_PER_SENDER: usize = 4;

/// Most blocks between the last final block and a parent that the application is asked about. A
/// node further behind waits until its delivery has come closer.
pub(crate) const ANCESTORS_MAX: u64 = 32;

/// Page cache of all journals and archives: 4 MiB, since votes and blocks are written once and read
/// only to serve members that are behind.
pub(crate) const CACHE_PAGE_BYTES: NonZeroU16 = NZU16!(4_084);
pub(crate) const CACHE_PAGES: NonZeroUsize = NZUsize!(1_024);

/// Buffers for writing to a journal and for replaying one at the start.
pub(crate) const WRITE_BUFFER_BYTES: NonZeroUsize = NZUsize!(64 * 1024);
pub(crate) const REPLAY_BUFFER_BYTES: NonZeroUsize = NZUsize!(256 * 1024);

/// Heights in one file of the archive. History is dropped file by file, and each file is an open
/// descriptor: 100 000 blocks are 25 files of each of the four kinds.
pub(crate) const ARCHIVE_SECTION: NonZeroU64 = NZU64!(4_096);

/// Views in one file of the cache of recent blocks, which is dropped file by file too.
pub(crate) const CACHE_SECTION: NonZeroU64 = NZU64!(64);

/// Heights between two orders to drop history: a fraction of a section, as more often is useless.
pub(crate) const PRUNE_STEP: u64 = 512;

/// How many messages a member may send on a channel each second, and so how many of one member can
/// wait. What comes faster is delayed at the receiver and dropped at the sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotas {
    /// Votes: three for each view, and views can pass at 100 a second.
    pub(crate) votes: Quota,
    /// Certificates: two or three for each view.
    pub(crate) certificates: Quota,
    /// Requests for certificates of missed views.
    pub(crate) resolver: Quota,
    /// Whole blocks, of the leader or forwarded.
    pub(crate) broadcast: Quota,
    /// Requests for final blocks and the responses: this bounds the speed of catching up.
    pub(crate) backfill: Quota,
    /// Messages of the application: shares of each height, gossip. What waits of them is bounded
    /// by bytes too, see [`crate::inbox`].
    pub(crate) application: Quota,
}

pub(crate) const QUOTAS: Quotas = Quotas {
    votes: Quota::per_second(NZU32!(512)),
    certificates: Quota::per_second(NZU32!(512)),
    resolver: Quota::per_second(NZU32!(256)),
    broadcast: Quota::per_second(NZU32!(128)),
    backfill: Quota::per_second(NZU32!(512)),
    application: Quota::per_second(NZU32!(1_024)),
};

/// The largest message of any channel for so many members.
pub(crate) fn message_bytes_max(members: NonZeroU32) -> u32 {
    let marshal = marshal::max_payload_size::<Standard<OrderedBlock>, Scheme>(members.get(), &());
    let simplex = simplex::max_payload_size::<Scheme, Digest>(members.get());
    let block = OrderedBlock::max_encode_size(&());
    let largest = marshal.max(simplex).max(block).max(MESSAGE_BYTES_MAX);
    u32::try_from(largest).expect("blocks, messages and certificates are a few MiB at most")
}
