//! One register in a witness's memory: the durable state, and the politeness that a restart forgets.

use super::PersistId;
use crate::context::BootNanos;
use crate::register::{Promised, RegisterState};
use mutual_protocol::lease::Promise;
use mutual_protocol::{Epoch, FencingToken, NodeId, RegisterId, limits};
use std::collections::BTreeMap;

/// How long the witness waits for the holder of the promised token. Safety never looks at it.
#[derive(Clone, Debug, Default)]
pub(super) struct Hold {
    /// No other claim gets through before this.
    pub(super) until: Option<BootNanos>,
    /// When a renewal first showed the lease certificate; before that the hold is provisional.
    pub(super) activated_at: Option<BootNanos>,
    /// Number of the newest renewal.
    pub(super) renewal: u32,
}

/// What a host did to one register.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conduct {
    pub(super) lapses: u8,
    /// It may not claim before this.
    pub(super) barred_until: BootNanos,
}

/// One register.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) state: RegisterState,
    /// T of the job.
    pub(super) ttl_ms: u32,
    pub(super) hold: Hold,
    /// Tokens up to this epoch were released or pre-empted; they are not renewed.
    pub(super) ended: Epoch,
    /// Highest epoch that a lease certificate proved elsewhere: evidence for claims far ahead.
    pub(super) proved: Epoch,
    pub(super) conduct: BTreeMap<NodeId, Conduct>,
    /// The newest write, which every reply about this register waits for.
    pub(super) written: Option<PersistId>,
}

impl Entry {
    /// A register as an earlier life left it, or an untouched one.
    pub(super) fn new(ttl_ms: u32, state: RegisterState) -> Self {
        Self {
            state,
            ttl_ms,
            hold: Hold::default(),
            ended: Epoch(0),
            proved: Epoch(0),
            conduct: BTreeMap::new(),
            written: None,
        }
    }

    /// The epoch promised; 0 before the first.
    pub(super) fn epoch(&self) -> Epoch {
        self.promised_epoch().unwrap_or(Epoch(0))
    }

    pub(super) fn promised_epoch(&self) -> Option<Epoch> {
        self.state.promised.as_ref().map(|p| p.epoch)
    }

    pub(super) fn promised_host(&self) -> Option<NodeId> {
        self.state.promised.as_ref().map(|p| p.host)
    }

    /// The token whose holder is waited for, and the holder.
    pub(super) fn running(&self, register: RegisterId) -> Option<(FencingToken, NodeId)> {
        self.hold.until?;
        let promised = self.state.promised.as_ref()?;
        let epoch = promised.epoch;
        Some((FencingToken { register, epoch }, promised.host))
    }

    /// Whether nothing is worth remembering.
    pub(super) fn is_untouched(&self) -> bool {
        self.state == RegisterState::default() && self.ended == Epoch(0) && self.proved == Epoch(0)
    }

    /// Whether (epoch, host) is what is promised.
    pub(super) fn is_promised(&self, epoch: Epoch, host: NodeId) -> bool {
        let promised = self.state.promised.as_ref();
        promised.is_some_and(|p| (p.epoch, p.host) == (epoch, host))
    }

    /// The stored promise, unless its token was used before. A host that forgot its token in a crash must not start anew
    /// under it: it would count its time from the second claim, and might compute another result.
    pub(super) fn unused_promise(&self) -> Option<&Promise> {
        let promised = self.state.promised.as_ref()?;
        let voted = self
            .state
            .voted
            .is_some_and(|voted| voted.epoch == promised.epoch);
        let used = voted || self.hold.renewal > 0 || self.ended >= promised.epoch;
        promised.promise.as_ref().filter(|_| !used)
    }

    /// Who has a running hold that no renewal has activated.
    pub(super) fn provisional(&self) -> Option<NodeId> {
        let open = self.hold.until.is_some() && self.hold.activated_at.is_none();
        self.promised_host().filter(|_| open)
    }

    /// Lets a ballot in. `promise` is none when a vote or a commit proves that a quorum did so before.
    pub(super) fn let_in(&mut self, epoch: Epoch, host: NodeId, promise: Option<Promise>) {
        assert!(epoch > self.epoch(), "promised never falls");
        self.state.promised = Some(Promised {
            epoch,
            host,
            promise,
        });
        self.hold = Hold::default();
    }

    /// Counts a hold that ran out before it was activated.
    pub(super) fn count_lapse(&mut self, host: NodeId, at: BootNanos) {
        let conduct = self.conduct_of(host);
        conduct.lapses = conduct.lapses.saturating_add(1);
        if conduct.lapses >= limits::LAPSED_HOLDS_MAX {
            self.bar(host, at);
        }
    }

    /// Keeps a host from claiming for a while; its lapses count from nothing afterwards.
    pub(super) fn bar(&mut self, host: NodeId, from: BootNanos) {
        let barred_until = from.plus_ms(u64::from(self.ttl_ms) * limits::BAR_TTLS);
        *self.conduct_of(host) = Conduct {
            lapses: 0,
            barred_until,
        };
    }

    fn conduct_of(&mut self, host: NodeId) -> &mut Conduct {
        if !self.conduct.contains_key(&host) && self.conduct.len() >= limits::BARRED_HOSTS_MAX {
            let oldest = self.conduct.iter().min_by_key(|(_, c)| c.barred_until);
            if let Some(oldest) = oldest.map(|(host, _)| *host) {
                self.conduct.remove(&oldest);
            }
        }
        self.conduct.entry(host).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_bad_conduct_is_bounded_and_forgets_the_oldest() {
        let mut entry = Entry::new(10_000, RegisterState::default());
        let host = |i: u8| NodeId::from_bytes([i; 32]);
        let hosts = u8::try_from(limits::BARRED_HOSTS_MAX).unwrap() + 3;
        for i in 0..hosts {
            entry.bar(host(i), BootNanos(u64::from(i)));
            entry.bar(host(i), BootNanos(u64::from(i)));
        }
        assert_eq!(entry.conduct.len(), limits::BARRED_HOSTS_MAX);
        assert!(!entry.conduct.contains_key(&host(2)) && entry.conduct.contains_key(&host(3)));
    }
}
