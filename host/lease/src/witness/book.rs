//! All registers of a witness, with the indexes that limits and timers need.

use super::entry::{Entry, Hold};
use super::rules::{Answer, Case, Noted, Others};
use super::subject::Subject;
use super::{PersistId, Record, WitnessEffect, WitnessFact};
use crate::context::BootNanos;
use crate::message::{Reply, VerifiedRequest};
use crate::register::RegisterState;
use mutual_protocol::lease::{Nack, NackReason};
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{
    FencingToken, NodeId, PublicKey, RegisterId, ReplicaIndex, ShardIndex, ShardRange, Slot, limits,
};
use std::collections::{BTreeMap, BTreeSet};

/// The registers. Untouched shards have none.
#[derive(Clone, Debug)]
pub(super) struct Book {
    entries: BTreeMap<RegisterId, Entry>,
    /// When holds end.
    deadlines: BTreeSet<(BootNanos, RegisterId)>,
    /// How many unactivated holds a host has.
    open_holds: BTreeMap<NodeId, usize>,
    /// The latest write.
    written: u64,
}

impl Book {
    pub(super) const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            open_holds: BTreeMap::new(),
            written: 0,
        }
    }

    pub(super) fn state(&self, id: &RegisterId) -> Option<&RegisterState> {
        self.entries.get(id).map(|entry| &entry.state)
    }

    pub(super) fn next_deadline(&self) -> Option<BootNanos> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Takes over a register of an earlier life: its lease, if there is one, is taken to run from now.
    pub(super) fn restore(
        &mut self,
        now: BootNanos,
        spec: &JobSpec,
        id: RegisterId,
        state: RegisterState,
    ) {
        let mut entry = Entry::new(spec.lease_ttl_ms, state);
        if entry.state.promised.is_some() && entry.state.decided.is_none() {
            entry.hold = Hold {
                until: Some(now.plus_ms(u64::from(spec.lease_ttl_ms))),
                activated_at: Some(now),
                renewal: 0,
            };
        }
        self.put(id, entry);
    }

    pub(super) fn write(&mut self, record: Record, out: &mut Vec<WitnessEffect>) -> PersistId {
        self.written += 1;
        let id = PersistId(self.written);
        out.push(WitnessEffect::Persist { id, record });
        id
    }

    /// Ends the holds whose time is over.
    pub(super) fn lapse(&mut self, now: BootNanos, out: &mut Vec<WitnessEffect>) {
        while let Some((at, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            let Some(mut entry) = self.take(&id) else {
                break;
            };
            if let Some(host) = entry.provisional() {
                entry.count_lapse(host, at);
            }
            if let Some((token, _)) = entry.running(id) {
                out.push(WitnessEffect::Fact(WitnessFact::Ended { token }));
            }
            entry.hold.until = None;
            self.put(id, entry);
        }
    }

    /// Applies the rules to one request about a register of a known job.
    pub(super) fn handle(
        &mut self,
        case: &Case<'_>,
        subject: &Subject,
        request: &VerifiedRequest,
        out: &mut Vec<WitnessEffect>,
    ) {
        let id = subject.token.register;
        let known = self.take(&id);
        if known.is_none() && !self.has_room(&id) {
            let nack = nack(subject.token, NackReason::Overlaps, 0, None);
            out.extend(subject.signer.map(|to| send(to, nack, None)));
            return;
        }
        let others = Others {
            open_holds: self.holds_of(subject.host()),
            holds_other_replica: self.holds_other_replica(case, subject),
        };
        let mut entry =
            known.unwrap_or_else(|| Entry::new(case.spec().lease_ttl_ms, RegisterState::default()));
        let running = entry.running(id);
        let mut noted = Noted::default();
        let answer = entry.apply(case, subject, &others, request, &mut noted);
        out.extend(noted.violation.map(WitnessEffect::Violation));
        let reply = match answer {
            Answer::Silent => None,
            Answer::Say(reply) => Some(reply),
            Answer::Refuse(reason, wait_ms) => {
                Some(nack(subject.token, reason, wait_ms, Some(&entry)))
            }
            Answer::Write(reply) => {
                entry.state.sequence += 1;
                let record = Record::Register(id, Box::new(entry.state.clone()));
                entry.written = Some(self.write(record, out));
                reply
            }
        };
        if let Some((to, message)) = subject.signer.zip(reply) {
            out.push(send(to, message, entry.written));
        }
        if let Some((token, host)) = running.filter(|_| entry.running(id) != running) {
            out.push(WitnessEffect::Fact(WitnessFact::Ended { token }));
            if token != subject.token {
                // A refused stale write is told so, and nobody has to wait for it: the late holder stops at once.
                let nack = nack(token, NackReason::StaleToken, 0, Some(&entry));
                out.push(send(host.key(), nack, entry.written));
            }
        }
        out.extend(noted.facts.into_iter().map(WitnessEffect::Fact));
        self.put(id, entry);
    }

    fn take(&mut self, id: &RegisterId) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        if let Some(until) = entry.hold.until {
            self.deadlines.remove(&(until, *id));
        }
        if let Some(host) = entry.provisional()
            && let Some(count) = self.open_holds.get_mut(&host)
        {
            *count -= 1;
            if *count == 0 {
                self.open_holds.remove(&host);
            }
        }
        Some(entry)
    }

    fn put(&mut self, id: RegisterId, entry: Entry) {
        if entry.is_untouched() {
            return;
        }
        if let Some(until) = entry.hold.until {
            self.deadlines.insert((until, id));
        }
        if let Some(host) = entry.provisional() {
            *self.open_holds.entry(host).or_default() += 1;
        }
        self.entries.insert(id, entry);
    }

    fn holds_of(&self, host: Option<NodeId>) -> usize {
        host.and_then(|host| self.open_holds.get(&host))
            .copied()
            .unwrap_or(0)
    }

    /// Whether a new register may be made: there is memory, and no other range holds any of its shards.
    fn has_room(&self, id: &RegisterId) -> bool {
        self.entries.len() < limits::REGISTERS_MAX
            && self
                .up_to_end_of(id)
                .find(|(other, _)| other.slot == id.slot)
                // The ranges of a slot are disjoint and in order, so the last one before the end decides.
                .is_none_or(|(other, _)| !overlaps(other, id))
    }

    fn holds_other_replica(&self, case: &Case<'_>, subject: &Subject) -> bool {
        if case.spec().shape.replicas == 1 {
            return false;
        }
        let id = &subject.token.register;
        self.up_to_end_of(id)
            .filter(|(other, _)| other.slot != id.slot && overlaps(other, id))
            .any(|(_, entry)| entry.promised_host() == subject.host())
    }

    /// Registers of the same job and generation that begin before `id` ends, the last one first.
    fn up_to_end_of(&self, id: &RegisterId) -> impl Iterator<Item = (&RegisterId, &Entry)> {
        let end = RegisterId {
            shards: ShardRange {
                first: ShardIndex(id.shards.first.0.saturating_add(id.shards.count)),
                count: 0,
            },
            slot: Slot::Replica(ReplicaIndex(0)),
            ..*id
        };
        let same = (id.job, id.generation);
        self.entries
            .range(..end)
            .rev()
            .take_while(move |(other, _)| (other.job, other.generation) == same)
    }
}

fn overlaps(a: &RegisterId, b: &RegisterId) -> bool {
    let end = |id: &RegisterId| id.shards.first.0.saturating_add(id.shards.count);
    a.shards.first.0 < end(b) && b.shards.first.0 < end(a)
}

fn send(to: PublicKey, message: Reply, after: Option<PersistId>) -> WitnessEffect {
    WitnessEffect::Send { to, message, after }
}

/// A refusal with everything that the sender should know. A decision is the best reason of all.
fn nack(asked: FencingToken, reason: NackReason, wait_ms: u64, entry: Option<&Entry>) -> Reply {
    let decided = entry.and_then(|entry| entry.state.decided.clone());
    let reason = if decided.is_some() {
        NackReason::Decided
    } else {
        reason
    };
    Reply::from(Nack {
        asked,
        reason,
        promised: entry.and_then(Entry::promised_epoch),
        wait_ms: u32::try_from(wait_ms).unwrap_or(u32::MAX),
        decided,
    })
}
