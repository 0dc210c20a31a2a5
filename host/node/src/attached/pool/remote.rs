//! One attempt on another host, as its owner hears of it.

use super::input::Given;
use crate::attached::roles::Breach;
use crate::attempt::Phase;
use crate::outputs::Collected;
use mutual_protocol::message::{self, Stream};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::{FencingToken, NodeId};
use tokio::time::Instant;

/// Bytes of output that a host may send before any was taken: what hosts count on from the start.
const CREDIT_BYTES: u32 = 256 << 10;
/// Output that was taken is told in portions: a chunk still fits in what is left.
const CREDIT_PORTION: u32 = CREDIT_BYTES / 4;
/// Phases that one attempt enters: there are six.
const PHASES_MAX: u8 = 16;

/// An attempt elsewhere.
#[derive(Debug)]
pub(in super::super) struct Remote {
    pub(in super::super) token: FencingToken,
    pub(in super::super) host: NodeId,
    /// The connection that it speaks on, or spoke on last.
    pub(in super::super) connection: NodeId,
    pub(in super::super) link: Link,
    pub(in super::super) phase: Phase,
    pub(in super::super) input: Given,
    pub(in super::super) ending: Option<Ending>,
    /// Who is to blame when it ends without a result, by the host's own word.
    pub(in super::super) blame: Option<Blame>,
    /// How often its connection broke.
    pub(in super::super) breaks: u8,
    /// When the host must have brought its ending to a decision.
    pub(in super::super) decide_until: Option<Instant>,
    phases: u8,
    received: [u64; 2],
    /// Bytes that it may send.
    credit: u32,
    /// Bytes that it sent and the person took, and it does not know yet.
    taken: u32,
}

/// How the host of an attempt is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Link {
    /// It is.
    Up,
    /// The connection broke and is tried again.
    Broken,
    /// It is connected again, and has to speak of the attempt until then.
    Back {
        /// Until when.
        until: Instant,
    },
}

/// How it ended, by its host.
#[derive(Debug)]
pub(in super::super) struct Ending {
    pub(in super::super) outcome: Outcome,
    pub(in super::super) message: Option<String>,
    pub(in super::super) collected: Option<Collected>,
}

impl Remote {
    pub(in super::super) fn new(token: FencingToken, host: NodeId, connection: NodeId) -> Self {
        Self {
            token,
            host,
            connection,
            link: Link::Up,
            phase: Phase::Claiming,
            input: Given::default(),
            ending: None,
            blame: None,
            breaks: 0,
            decide_until: None,
            phases: 0,
            received: [0; 2],
            credit: CREDIT_BYTES,
            taken: 0,
        }
    }

    /// The host says that it entered a phase.
    pub(in super::super) fn enter(&mut self, phase: message::Phase) -> Result<Phase, Breach> {
        self.phases = self.phases.saturating_add(1);
        if self.phases > PHASES_MAX {
            let what = "more phases than an attempt has";
            return Err(Breach::Turn { what });
        }
        self.phase = phase.into();
        Ok(self.phase)
    }

    /// Output came: whether it is what comes next, and within what was granted.
    pub(in super::super) fn receive(
        &mut self,
        stream: Stream,
        offset: u64,
        bytes: usize,
    ) -> Result<(), Breach> {
        let [stdout, stderr] = &mut self.received;
        let received = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        let expected = *received;
        if offset != expected {
            return Err(Breach::Offset { offset, expected });
        }
        if self.ending.is_some() {
            let what = "output after the end";
            return Err(Breach::Turn { what });
        }
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.credit = self.credit.checked_sub(count).ok_or(Breach::Credit)?;
        self.taken = self.taken.saturating_add(count);
        *received = expected.saturating_add(u64::from(count));
        Ok(())
    }

    /// What the host is granted, when the person has taken enough for it.
    pub(in super::super) fn grant(&mut self) -> Option<u32> {
        if self.taken < CREDIT_PORTION || self.ending.is_some() {
            return None;
        }
        let bytes = std::mem::take(&mut self.taken);
        self.credit = self.credit.saturating_add(bytes);
        Some(bytes)
    }

    /// What the host is granted after a broken connection, on which grants may have been lost.
    pub(in super::super) fn grant_anew(&mut self) -> u32 {
        self.taken = 0;
        self.credit = self.credit.saturating_add(CREDIT_BYTES);
        CREDIT_BYTES
    }
}
