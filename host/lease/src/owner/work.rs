//! What the owner believes about one register. Only witnesses know.

use super::OwnerEffect;
use crate::context::BootNanos;
use crate::proposer::Proposer;
use mutual_protocol::lease::Value;
use mutual_protocol::receipt::AttemptRecord;
use mutual_protocol::{Epoch, NodeId, RegisterId, Signed};
use std::collections::BTreeMap;

/// Who has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Free,
    Offered {
        until: BootNanos,
    },
    /// No witness renews a lease for longer than this, whatever the owner hears of it.
    Leased {
        until: BootNanos,
    },
}

/// One register that is touched and not decided.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    pub(super) status: Status,
    /// To whom it was offered or leased last.
    pub(super) host: Option<NodeId>,
    /// The highest epoch known.
    pub(super) epoch: Epoch,
    /// Leases so far.
    pub(super) attempts: u32,
    /// Failures by guest or owner, by epoch: an attempt counts once.
    pub(super) failures: BTreeMap<Epoch, Signed<AttemptRecord>>,
    /// The owner's own ballot, and what it is for.
    pub(super) conclusion: Option<(Proposer, Value)>,
}

impl Work {
    /// Whether a host may be offered this.
    pub(super) fn is_free(&self) -> bool {
        self.status == Status::Free && self.conclusion.is_none()
    }

    pub(super) fn next_epoch(&self) -> Epoch {
        Epoch(self.epoch.0.saturating_add(1))
    }

    /// Nobody has it any more. Says so once.
    pub(super) fn set_free(&mut self, register: RegisterId, out: &mut Vec<OwnerEffect>) {
        let was_free = self.status == Status::Free;
        self.status = Status::Free;
        if !was_free && self.is_free() {
            let attempts = self.attempts;
            out.push(OwnerEffect::Wanted { register, attempts });
        }
    }

    /// When the owner stops believing that somebody has it.
    pub(super) const fn until(&self) -> Option<BootNanos> {
        match self.status {
            Status::Offered { until } | Status::Leased { until } => Some(until),
            Status::Free => None,
        }
    }

    pub(super) fn wake_at(&self) -> Option<BootNanos> {
        let proposing = self.conclusion.as_ref().and_then(|(p, _)| p.next_at());
        [self.until(), proposing].into_iter().flatten().min()
    }
}
