//! Keeps a lease alive: when to renew, who acknowledged, and until when the holder may act.

use crate::context::{BootNanos, lease_end};
use mutual_protocol::{PublicKey, limits};
use std::collections::{BTreeMap, VecDeque};

/// Renewals whose sending time is remembered. They go out every third of T, so what answers an older one would not
/// extend anything.
const SENT_MAX: usize = 8;

/// The lease by the holder's own clock.
#[derive(Clone, Debug)]
pub(super) struct Upkeep {
    ttl_ms: u32,
    quorum: usize,
    number: u32,
    sent: VecDeque<(u32, BootNanos)>,
    /// Until when each witness that acknowledged a renewal lets nobody else in.
    ends: BTreeMap<PublicKey, BootNanos>,
    next_at: BootNanos,
    /// Since when nothing may leave the host.
    muted_at: Option<BootNanos>,
}

impl Upkeep {
    /// A lease that was claimed at `claimed_at` and that no renewal has activated. The promises themselves allow nothing
    /// to leave: they may be copies of older ones, whose time is almost over.
    pub(super) const fn new(claimed_at: BootNanos, ttl_ms: u32, quorum: usize) -> Self {
        Self {
            ttl_ms,
            quorum,
            number: 0,
            sent: VecDeque::new(),
            ends: BTreeMap::new(),
            next_at: claimed_at,
            muted_at: Some(claimed_at),
        }
    }

    pub(super) const fn renewals(&self) -> u32 {
        self.number
    }

    pub(super) const fn muted_at(&self) -> Option<BootNanos> {
        self.muted_at
    }

    /// When a quorum of witnesses may let somebody else in, at the earliest.
    pub(super) fn deadline(&self) -> BootNanos {
        let mut ends: Vec<BootNanos> = self.ends.values().copied().collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let last = self.quorum.checked_sub(1).and_then(|i| ends.get(i));
        last.copied().unwrap_or(BootNanos(0))
    }

    pub(super) const fn next_at(&self) -> BootNanos {
        self.next_at
    }

    /// The number of the renewal that is due, if one is.
    pub(super) fn due(&mut self, now: BootNanos) -> Option<u32> {
        if now < self.next_at {
            return None;
        }
        self.number = self.number.saturating_add(1);
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((self.number, now));
        let third = u64::from(self.ttl_ms) / 3;
        self.next_at = now.plus_ms(match self.muted_at {
            None => third,
            Some(_) => third.min(limits::RETRY_MS),
        });
        Some(self.number)
    }

    /// Whether a witness has to be shown the lease certificate.
    pub(super) fn is_unaware(&self, witness: &PublicKey) -> bool {
        !self.ends.contains_key(witness)
    }

    /// A witness extended the lease. True when what was held back may leave again.
    pub(super) fn acked(
        &mut self,
        now: BootNanos,
        witness: PublicKey,
        number: u32,
        ttl_ms: u32,
    ) -> bool {
        let sent = self.sent.iter().find(|(n, _)| *n == number);
        let Some((_, sent)) = sent.copied() else {
            return false;
        };
        let end = lease_end(sent, ttl_ms.min(self.ttl_ms));
        let known = self.ends.entry(witness).or_insert(end);
        *known = end.max(*known);
        if self.muted_at.is_none() || self.deadline() <= now {
            return false;
        }
        self.muted_at = None;
        self.next_at = sent.plus_ms(u64::from(self.ttl_ms) / 3);
        true
    }

    /// True when the deadline has just passed.
    pub(super) fn mute(&mut self, now: BootNanos) -> bool {
        let over = self.muted_at.is_none() && self.deadline() <= now;
        if over {
            self.muted_at = Some(now);
            self.next_at = now; // ask at once: the witnesses may have waited longer than they had to
        }
        over
    }
}
