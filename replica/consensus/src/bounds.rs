//! Every bound of this part, with its reason.

/// Bytes of one block payload: what the ordering engine carries, and the IC's limit of a block.
pub const PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a payload that are not ingress: its frame, and five bytes of length for each message.
pub(crate) const PAYLOAD_FRAME_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one peer message: what the ordering engine carries.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How far a block's time may run ahead of a validator's clock, in milliseconds: well above what
/// synchronised clocks differ, well below what a user notices.
pub const BLOCK_TIME_DRIFT_MS_MAX: u64 = 5_000;

/// The least time between two blocks, in milliseconds: each block costs every member some
/// milliseconds of threshold signatures, so under load bigger blocks beat more blocks.
pub(crate) const BLOCK_INTERVAL_MS_MIN: u64 = 30;

/// Milliseconds between blocks while the chain key is being generated.
pub(crate) const KEY_GENERATION_BLOCK_INTERVAL_MS: u64 = 100;

/// Finalized heights ahead of execution by a quorum above which a leader holds its block back for
/// up to the idle interval and then leaves it empty: some heights are always under way.
pub const FINALIZED_GAP_SOFT: u64 = 12;

/// Finalized heights ahead of execution by a quorum above which no block is proposed: more blocks
/// would only grow the backlog. Needs no block to recover. Certification is not counted: while it
/// alone stops, blocks go on, and what waits for it is bounded by `OWN_ROOTS_MAX`.
pub const FINALIZED_GAP_HARD: u64 = 96;

/// Batches handed to the executor and not yet executed: enough to keep it busy.
pub(crate) const BATCHES_UNDER_WAY_MAX: usize = 16;

/// Finalized blocks that wait for their tape or for the executor, by number and bytes, above which
/// the engine is asked to hold back more.
pub(crate) const BLOCKS_WAITING_MAX: usize = 256;
/// See [`BLOCKS_WAITING_MAX`].
pub(crate) const BLOCKS_WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Heights above our own for which shares of other members are kept: what a member may be ahead
/// of us without being asked again.
pub(crate) const SHARE_WINDOW: u64 = 64;

/// Own state roots kept while no certification comes.
pub(crate) const OWN_ROOTS_MAX: usize = 1_024;

/// Ids of final blocks remembered so that they are not proposed again: what five minutes bring at
/// 3,000 messages a second, in about 150 MB. Beyond that those that expire next are forgotten: to
/// order a message twice is a waste and no harm, since the state takes it once.
pub(crate) const ORDERED_IDS_MAX: usize = 1_000_000;

/// Ingress messages in the pool, all sources together; each member has an equal part, so that one
/// cannot crowd out the others.
pub(crate) const POOL_COUNT_MAX: usize = 20_000;
/// Bytes of ingress in the pool, all sources together on subnets of up to 16 members; above, each
/// part has [`POOL_PART_BYTES_MIN`].
pub(crate) const POOL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The least part of one source: two messages of the largest size, also on a large subnet.
pub(crate) const POOL_PART_BYTES_MIN: usize = 4 * 1024 * 1024;

/// Bytes above which ingress is offered by id and fetched by those who lack it: below, asking
/// costs more than sending.
pub(crate) const INGRESS_PUSH_BYTES_MAX: usize = 64 * 1024;
/// Bytes of ingress collected into one push.
pub(crate) const INGRESS_PUSH_BATCH_BYTES: usize = 256 * 1024;
/// Ingress messages or ids in one peer message.
pub(crate) const INGRESS_PER_MESSAGE_MAX: u64 = 512;
/// Milliseconds in which pushes are collected while messages come in quickly; the first after a
/// pause goes out at once.
pub(crate) const INGRESS_PUSH_INTERVAL_MS: u64 = 5;
/// Offered ids under way at once; more are ignored, since their own node can propose them.
pub(crate) const INGRESS_WANTED_MAX: usize = 1_024;
/// Milliseconds after which an offered message may be asked for again.
pub(crate) const INGRESS_WANTED_RETRY_MS: u64 = 1_000;

/// Work that checking gossiped ingress of all other members may cost in one second, in the units of
/// [`types::INGRESS_SIGNATURE_COST_MAX`]: half of one processor. Each member has an equal part;
/// what exceeds it is dropped, since the member can propose it itself.
pub(crate) const GOSSIP_COST_PER_SECOND: u64 = 10_000;
/// Ingress messages that did not fit into a full block and were looked at for smaller ones.
pub(crate) const UNFIT_LOOKED_AT_MAX: usize = 64;

/// Wrong signatures that a member may send before its shares are not looked at any more; it gets
/// one more try each second. A check of a wrong share takes about 0.7 ms.
pub(crate) const WRONG_SIGNATURES_MAX: u64 = 32;

/// Milliseconds without progress after which missing tapes and certifications are asked for.
pub(crate) const ASK_AFTER_MS: u64 = 150;
/// Missing heights above which one peer is asked for combined signatures, instead of all peers
/// for their shares.
pub(crate) const FAR_BEHIND: u64 = 8;
/// Tapes in one answer: what can be verified in some 25 ms between two votes.
pub(crate) const TAPES_PER_ANSWER_MAX: u64 = 32;
/// Own shares in one answer when there is no combined signature yet.
pub(crate) const SHARES_PER_ANSWER_MAX: u64 = 16;
/// Heights looked through for a certification at or above the wanted one.
pub(crate) const CERTIFICATION_SEARCH_MAX: u64 = 32;
/// Answers to one peer in one second.
pub(crate) const ANSWERS_PER_SECOND_MAX: u32 = 100;

/// Milliseconds between two reports of our heights to all peers.
pub(crate) const STATUS_INTERVAL_MS: u64 = 500;

/// Milliseconds between two sendings of a dealing that is not acknowledged.
pub(crate) const DEALING_RESEND_MS: u64 = 300;
/// Milliseconds that a dealer waits for the acknowledgements of all before it reveals the shares
/// of those who did not answer: a node that starts late should still get a secret share.
pub(crate) const DEALER_LOG_WAIT_MS: u64 = 10_000;
/// Milliseconds between two sendings of the own dealer log to all, until it is in the chain.
pub(crate) const DEALER_LOG_RESEND_MS: u64 = 500;
/// Blocks from the one that makes a quorum of dealer logs to the end of the key generation, for
/// the logs of slower dealers. With the logs of all it ends at once.
pub(crate) const KEY_GENERATION_GRACE_BLOCKS: u64 = 50;
/// Bytes of one dealing, acknowledgement or dealer log: 40 members make about 7 kB.
pub(crate) const DKG_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Dealer logs in one block.
pub(crate) const DEALER_LOGS_PER_BLOCK_MAX: u64 = 32;
