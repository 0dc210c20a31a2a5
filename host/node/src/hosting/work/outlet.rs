//! What leaves this host on behalf of an attempt: only while its lease allows it, and only as much as its owner takes.

use crate::hosting::site::{Inbox, Site, Step, WorkId};
use crate::tasks::TaskGroup;
use mutual_protocol::message::{AttemptEvent, Chunk, NodeMessage, Stream};
use mutual_protocol::{FencingToken, NodeId};
use mutual_runner::{Events, RunnerEvent};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{AcquireError, Semaphore};

/// Bytes of output that may be on their way before the owner has taken any: a second of fast output on a slow line.
pub(crate) const CREDIT_BYTES: u32 = 256 << 10;
/// Unused credit at most, whatever the owner grants: what is held back for it is this host's memory.
const CREDIT_BYTES_MAX: usize = 4 * CREDIT_BYTES as usize;
/// Pieces of output that are held back at most: a guest that writes byte by byte waits.
const PIECES_MAX: usize = 1024;

/// The way out.
#[derive(Debug)]
pub(super) struct Outlet {
    peer: NodeId,
    credit: Arc<Semaphore>,
    /// A permit for each piece of output that may still come here.
    room: Arc<Semaphore>,
    gate: Gate,
    written: [u64; 2],
}

/// Whether something may leave.
#[derive(Debug)]
enum Gate {
    /// Not now: before the lease is active, past its deadline, or because the owner is not connected.
    Held(VecDeque<NodeMessage>),
    Open,
    /// Never again.
    Shut,
}

impl Outlet {
    /// The way to `peer`, which nothing may go yet.
    pub(super) fn new(peer: NodeId) -> Self {
        Self {
            peer,
            credit: Arc::new(Semaphore::new(CREDIT_BYTES as usize)),
            room: Arc::new(Semaphore::new(PIECES_MAX)),
            gate: Gate::Held(VecDeque::new()),
            written: [0; 2],
        }
    }

    /// Takes the sandbox's events, its output only as fast as the owner does.
    pub(super) fn pump(&self, events: Option<Events>, inbox: Inbox, id: WorkId, tasks: &TaskGroup) {
        let Some(mut events) = events else { return };
        let (credit, room) = (self.credit.clone(), self.room.clone());
        tasks.spawn("output of an attempt", async move {
            while let Some(event) = events.next().await {
                let is_last = matches!(event, RunnerEvent::Ended(_));
                if let RunnerEvent::Stdout(bytes) | RunnerEvent::Stderr(bytes) = &event
                    && take(&credit, &room, bytes).await.is_err()
                {
                    // Nobody takes output any more, but its end is waited for.
                    continue;
                }
                let sent = inbox.send((id, Step::Runner(event))).await;
                if sent.is_err() || is_last {
                    return;
                }
            }
            let _loop_is_gone = inbox.send((id, Step::RunnerGone)).await;
        });
    }

    /// The owner has taken so many bytes more.
    pub(super) fn credit(&self, bytes: u32) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let left = CREDIT_BYTES_MAX.saturating_sub(self.credit.available_permits());
        self.credit.add_permits(bytes.min(left));
    }

    /// Nobody takes output any more.
    pub(super) fn close(&self) {
        self.credit.close();
        self.room.close();
    }

    /// Cuts what the guest wrote into pieces, each with the bytes of its stream before it.
    pub(super) fn cut(&mut self, stream: Stream, bytes: &[u8]) -> Vec<(u64, Chunk)> {
        let [stdout, stderr] = &mut self.written;
        let written = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        let pieces = Chunk::split(bytes).map(|piece| {
            let offset = *written;
            *written = offset.saturating_add(piece.as_slice().len() as u64);
            (offset, piece)
        });
        pieces.collect()
    }

    /// Bytes that the guest wrote.
    pub(super) fn written(&self) -> u64 {
        self.written.iter().sum()
    }

    /// Says something about the attempt, as soon as it may leave.
    pub(super) fn say(&mut self, site: &mut Site, token: FencingToken, event: AttemptEvent) {
        let message = NodeMessage::Attempt { token, event };
        match &mut self.gate {
            Gate::Held(held) => hold_back(held, message),
            Gate::Open => self.send(site, message),
            Gate::Shut => {}
        }
    }

    /// Nothing leaves for now.
    pub(super) fn hold(&mut self) {
        if matches!(self.gate, Gate::Open) {
            self.gate = Gate::Held(VecDeque::new());
        }
    }

    /// This was on its way, and did not get anywhere. What comes after it waits too.
    pub(super) fn keep(&mut self, message: NodeMessage) {
        self.hold();
        if let Gate::Held(held) = &mut self.gate {
            if is_output(&message)
                && let Ok(room) = self.room.try_acquire()
            {
                room.forget();
            }
            hold_back(held, message);
        }
    }

    /// What waited leaves, and what comes after it.
    pub(super) fn let_out(&mut self, site: &mut Site) {
        if let Gate::Held(held) = &mut self.gate {
            let held = std::mem::take(held);
            self.gate = Gate::Open;
            for message in held {
                self.send(site, message);
            }
        }
    }

    /// Nothing leaves any more.
    pub(super) fn shut(&mut self) {
        self.gate = Gate::Shut;
        self.close();
    }

    fn send(&self, site: &mut Site, message: NodeMessage) {
        if is_output(&message) {
            self.room.add_permits(1);
        }
        site.send(self.peer, message);
    }
}

/// Waits until `bytes` may come, as one piece. A write larger than all credit goes when all of it is there.
async fn take(credit: &Semaphore, room: &Semaphore, bytes: &[u8]) -> Result<(), AcquireError> {
    let bytes = u32::try_from(bytes.len()).unwrap_or(CREDIT_BYTES);
    let credit = credit.acquire_many(bytes.min(CREDIT_BYTES)).await?;
    room.acquire().await?.forget();
    credit.forget();
    Ok(())
}

/// Output is bounded by its permits, and of progress only the newest counts; the rest comes a few times in a life.
fn hold_back(held: &mut VecDeque<NodeMessage>, message: NodeMessage) {
    if is_progress(&message) {
        held.retain(|earlier| !is_progress(earlier));
    }
    held.push_back(message);
}

const fn is_output(message: &NodeMessage) -> bool {
    let NodeMessage::Attempt { event, .. } = message else {
        return false;
    };
    matches!(event, AttemptEvent::Output { .. })
}

const fn is_progress(message: &NodeMessage) -> bool {
    let NodeMessage::Attempt { event, .. } = message else {
        return false;
    };
    matches!(event, AttemptEvent::Progress { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_owner_can_grant_more_than_a_host_keeps() {
        let outlet = Outlet::new(NodeId::from_bytes([1; 32]));
        for _ in 0..3 {
            outlet.credit(u32::MAX);
            assert_eq!(outlet.credit.available_permits(), CREDIT_BYTES_MAX);
        }
    }
}
