//! A witness's disk: what was synced survives a power cut, what was not does not.

use mutual_lease::{PersistId, Record, Reply, WitnessFact};
use mutual_protocol::PublicKey;

/// What leaves a witness when its writes are durable.
pub(crate) enum Leaving {
    Reply(PublicKey, Reply),
    Fact(WitnessFact),
}

#[derive(Default)]
pub(crate) struct Disk {
    /// Synced, oldest first.
    synced: Vec<Record>,
    /// Written in this life, not synced.
    unsynced: Vec<(PersistId, Record)>,
    durable: Option<PersistId>,
    waiting: Vec<Leaving>,
}

impl Disk {
    pub(crate) fn write(&mut self, id: PersistId, record: Record) {
        assert!(self.unsynced.last().is_none_or(|(last, _)| *last < id));
        self.unsynced.push((id, record));
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.unsynced.is_empty()
    }

    /// What waits for this write, if it may leave now; kept otherwise.
    pub(crate) fn hold_back(&mut self, after: Option<PersistId>, what: Leaving) -> Option<Leaving> {
        if after <= self.durable {
            return Some(what);
        }
        self.waiting.push(what);
        None
    }

    /// The latest write of this life.
    pub(crate) fn latest(&self) -> Option<PersistId> {
        self.unsynced.last().map(|(id, _)| *id).or(self.durable)
    }

    /// Makes everything durable; gives what waited for it.
    pub(crate) fn sync(&mut self) -> Vec<Leaving> {
        for (id, record) in self.unsynced.drain(..) {
            self.durable = Some(id);
            self.synced.push(record);
        }
        std::mem::take(&mut self.waiting)
    }

    /// The power is cut.
    pub(crate) fn cut(&mut self) {
        self.unsynced.clear();
        self.waiting.clear();
        self.durable = None;
    }

    /// What the next life reads: the newest record of each kind, less the last `forgotten` writes.
    pub(crate) fn records(&self, forgotten: usize) -> Vec<Record> {
        let keep = self.synced.len().saturating_sub(forgotten).max(1);
        self.synced[..keep].to_vec()
    }
}
