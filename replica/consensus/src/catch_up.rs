//! Combined signatures that this node lacks, and those that others lack.
//!
//! Messages get lost and nodes are away. Nothing is sent twice by itself: who lacks a tape or a
//! certification asks. A member answers with combined signatures, or with its own share where it
//! has none. A node that is a little behind asks everyone, since it may need the shares of a
//! quorum; one that is far behind asks one member at a time for what is long since combined.

use std::collections::BTreeSet;

use types::{Height, NodeId, Time};

use crate::bounds::{
    ASK_AFTER_MS, CERTIFICATION_SEARCH_MAX, FAR_BEHIND, SHARES_PER_ANSWER_MAX, TAPES_PER_ANSWER_MAX,
};
use crate::certification::Outcome;
use crate::effect::Effect;
use crate::machine::{Consensus, Phase, Running};
use crate::message::Message;
use crate::traits::{Certification, Tape};

/// What has been asked for, and when something came last.
#[derive(Default)]
pub(crate) struct CatchUp {
    tape_came: Time,
    certification_came: Time,
    asked_at: Option<Time>,
    /// Who owes us an answer.
    asked: BTreeSet<NodeId>,
    turn: usize,
}

impl CatchUp {
    pub(crate) fn tape_came(&mut self, now: Time) {
        self.tape_came = now;
    }

    pub(crate) fn certification_came(&mut self, now: Time) {
        self.certification_came = now;
    }
}

/// What this node lacks.
struct Lacking {
    tapes_from: Option<Height>,
    certification_from: Option<Height>,
    /// So much that the others must have combined it already.
    is_far: bool,
}

impl Consensus {
    /// Asks for what has been lacking for too long.
    pub(crate) fn ask_if_due(&mut self, now: Time) -> Vec<Effect> {
        let Some(lacking) = self.lacking() else { return Vec::new() };
        let catch_up = &mut self.catch_up;
        // What is not lacking is not late.
        if lacking.tapes_from.is_none() {
            catch_up.tape_came = now;
        }
        if lacking.certification_from.is_none() {
            catch_up.certification_came = now;
        }
        let late = |since: Time| now.ms_since(since) >= ASK_AFTER_MS;
        let is_late = late(catch_up.tape_came) || late(catch_up.certification_came);
        let asked_lately = catch_up.asked_at.is_some_and(|asked| !late(asked));
        if asked_lately || !(is_late || lacking.is_far) {
            return Vec::new();
        }
        let all: Vec<NodeId> = self.peers.ids().collect();
        if !lacking.is_far {
            return self.ask(all, &lacking, now);
        }
        let turn = self.catch_up.turn;
        self.catch_up.turn = turn.wrapping_add(1);
        let wanted = lacking.tapes_from.or(lacking.certification_from).unwrap_or_default();
        self.ask(self.peers.holder_of(wanted, turn).into_iter().collect(), &lacking, now)
    }

    fn ask(&mut self, whom: Vec<NodeId>, lacking: &Lacking, now: Time) -> Vec<Effect> {
        let Lacking { tapes_from, certification_from, .. } = *lacking;
        let message = Message::ArtifactsWanted { tapes_from, certification_from }.encode();
        self.catch_up.asked_at = Some(now);
        self.catch_up.asked.extend(&whom);
        whom.into_iter().map(|to| Effect::Send { to, message: message.clone() }).collect()
    }

    fn lacking(&self) -> Option<Lacking> {
        let Phase::Running(running) = &self.phase else { return None };
        let Running { tapes, certifier, .. } = &**running;
        let executed = certifier.executed();
        Some(Lacking {
            tapes_from: tapes.missing(),
            certification_from: certifier.missing(),
            // Who sees another root must hear several members about it.
            is_far: !certifier.is_disputed()
                && (tapes.missing_count() > FAR_BEHIND
                    || self.peers.certified_by_some().0 > executed.0 + FAR_BEHIND),
        })
    }

    /// Another member lacks something.
    pub(crate) fn on_artifacts_wanted(
        &mut self,
        from: NodeId,
        tapes_from: Option<Height>,
        certification_from: Option<Height>,
        now: Time,
    ) -> Vec<Effect> {
        if !self.peers.may_answer(&from, now) {
            return Vec::new();
        }
        let tapes = tapes_from.map(|first| self.kept_tapes(first)).unwrap_or_default();
        let certification = certification_from.and_then(|first| self.kept_certification(first));
        let mut messages = Vec::new();
        if let Some(first) = tapes_from.filter(|_| tapes.is_empty()) {
            messages.extend(self.own_tape_shares(first));
        }
        if let Some(height) = certification_from.filter(|_| certification.is_none()) {
            messages.extend(self.own_root_share(height));
        }
        if !tapes.is_empty() || certification.is_some() {
            messages.push(Message::Artifacts { tapes, certification });
        }
        let send = |message: Message| Effect::Send { to: from, message: message.encode() };
        messages.into_iter().map(send).collect()
    }

    fn kept_tapes(&self, first: Height) -> Vec<Tape> {
        heights(first, self.finalized, TAPES_PER_ANSWER_MAX)
            .map_while(|height| {
                let signature = self.parts.artifacts.tape(height)?;
                Some(Tape { height, signature })
            })
            .collect()
    }

    /// The lowest kept certification at or a little above a height: not every height has one,
    /// since a certification settles all heights below it.
    fn kept_certification(&self, first: Height) -> Option<Certification> {
        heights(first, self.finalized, CERTIFICATION_SEARCH_MAX)
            .find_map(|height| self.parts.artifacts.certification(height))
    }

    fn own_tape_shares(&mut self, first: Height) -> Vec<Message> {
        let wanted = heights(first, self.finalized, SHARES_PER_ANSWER_MAX);
        let Phase::Running(running) = &mut self.phase else { return Vec::new() };
        let Running { keyed, tapes, .. } = &mut **running;
        let shares = wanted.filter_map(|height| {
            let share = tapes.own_share(height, keyed, &mut self.peers)?;
            Some(Message::TapeShare { height, share })
        });
        shares.collect()
    }

    fn own_root_share(&mut self, height: Height) -> Option<Message> {
        let Phase::Running(running) = &mut self.phase else { return None };
        let Running { keyed, certifier, .. } = &mut **running;
        let (root, share) = certifier.own_share(height, keyed, &mut self.peers)?;
        Some(Message::CertificationShare { height, root, share })
    }

    /// The answer of a member.
    pub(crate) fn on_artifacts(
        &mut self,
        from: NodeId,
        tapes: Vec<Tape>,
        certification: Option<Certification>,
        now: Time,
    ) -> Vec<Effect> {
        if !self.catch_up.asked.remove(&from) {
            self.peers.counters.unsolicited += 1;
            return Vec::new();
        }
        let mut effects = self.take_tapes(from, tapes, now);
        let progress = !effects.is_empty();
        if let Some(certification) = certification {
            effects.extend(self.take_certification(from, certification, now));
        }
        effects.extend(self.execute_next());
        let lacking = self.lacking().filter(|lacking| progress && lacking.is_far && !self.halted);
        if let Some(lacking) = lacking {
            effects.extend(self.ask(vec![from], &lacking, now));
        }
        effects
    }

    fn take_tapes(&mut self, from: NodeId, tapes: Vec<Tape>, now: Time) -> Vec<Effect> {
        let Phase::Running(running) = &mut self.phase else { return Vec::new() };
        let Running { keyed, tapes: known, .. } = &mut **running;
        let mut effects = Vec::new();
        for tape in tapes {
            if !known.lacks(tape.height) {
                continue;
            }
            if !known.verify(&tape, keyed) {
                self.peers.suspect(&from);
                break;
            }
            known.add_tape(tape);
            effects.push(Effect::StoreTape(tape));
        }
        if !effects.is_empty() {
            self.catch_up.tape_came(now);
        }
        effects
    }

    fn take_certification(
        &mut self,
        from: NodeId,
        certification: Certification,
        now: Time,
    ) -> Vec<Effect> {
        let Phase::Running(running) = &mut self.phase else { return Vec::new() };
        let Running { keyed, certifier, .. } = &mut **running;
        if !certifier.wants(&from, &certification) {
            return Vec::new();
        }
        let outcome = match certifier.verify(&certification, keyed) {
            true => certifier.vouch(from, certification),
            false => {
                self.peers.suspect(&from);
                Outcome::Kept
            }
        };
        self.settled(outcome, true, now)
    }
}

/// The heights from `first` to `last`, at most `count`.
fn heights(first: Height, last: Height, count: u64) -> impl Iterator<Item = Height> {
    let end = last.0.saturating_add(1).min(first.0.saturating_add(count));
    (first.0..end).map(Height)
}
