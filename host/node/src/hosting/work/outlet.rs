//! What leaves this host on behalf of an attempt: only while its lease allows it, and only as much as its owner takes.

use super::super::site::{Inbox, Site, Step};
use crate::tasks::TaskGroup;
use mutual_protocol::message::{AttemptEvent, Chunk, NodeMessage, Stream};
use mutual_protocol::{FencingToken, NodeId, RegisterId};
use mutual_runner::{Events, RunnerEvent};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bytes of output that may be on their way before the owner has taken any: a second of fast output on a slow line.
pub(crate) const CREDIT_BYTES: u32 = 256 << 10;
/// What an owner may ever have granted: beyond it, it counts wrong.
const CREDIT_BYTES_MAX: usize = 64 << 20;
/// Messages that wait for the lease. Credit bounds the output among them; the rest is a handful.
const HELD_MAX: usize = 8192;

/// The way out.
#[derive(Debug)]
pub(super) struct Outlet {
    credit: Arc<Semaphore>,
    /// Nothing may leave before the lease is active, and after its own end.
    held: Option<VecDeque<NodeMessage>>,
    written: [u64; 2],
}

impl Default for Outlet {
    fn default() -> Self {
        Self {
            credit: Arc::new(Semaphore::new(CREDIT_BYTES as usize)),
            held: Some(VecDeque::new()),
            written: [0; 2],
        }
    }
}

impl Outlet {
    /// Takes the sandbox's events, its output only as fast as the owner does.
    pub(super) fn pump(
        &self,
        events: Option<Events>,
        inbox: Inbox,
        register: RegisterId,
        tasks: &TaskGroup,
    ) {
        let Some(mut events) = events else { return };
        let credit = self.credit.clone();
        tasks.spawn("output of an attempt", async move {
            while let Some(event) = events.next().await {
                let is_last = matches!(event, RunnerEvent::Ended(_));
                if let RunnerEvent::Stdout(bytes) | RunnerEvent::Stderr(bytes) = &event {
                    // A write larger than all credit goes when all of it is there.
                    let bytes = u32::try_from(bytes.len()).unwrap_or(CREDIT_BYTES);
                    match credit.acquire_many(bytes.min(CREDIT_BYTES)).await {
                        Ok(permit) => permit.forget(),
                        // Nobody takes output any more, but its end is waited for.
                        Err(_closed) => continue,
                    }
                }
                let sent = inbox.send((register, Step::Runner(event))).await;
                if sent.is_err() || is_last {
                    return;
                }
            }
            let _loop_is_gone = inbox.send((register, Step::RunnerGone)).await;
        });
    }

    /// The owner has taken so many bytes more.
    pub(super) fn credit(&self, bytes: u32) {
        let bytes = usize::try_from(bytes).unwrap_or(0);
        let left = CREDIT_BYTES_MAX.saturating_sub(self.credit.available_permits());
        self.credit.add_permits(bytes.min(left));
    }

    /// Nobody takes output any more.
    pub(super) fn close(&self) {
        self.credit.close();
    }

    /// The guest wrote.
    pub(super) fn output(
        &mut self,
        site: &mut Site,
        peer: NodeId,
        token: FencingToken,
        (stream, bytes): (Stream, &[u8]),
    ) {
        for chunk in Chunk::split(bytes) {
            let [stdout, stderr] = &mut self.written;
            let written = match stream {
                Stream::Stdout => stdout,
                Stream::Stderr => stderr,
            };
            let offset = *written;
            *written = offset.saturating_add(chunk.as_slice().len() as u64);
            let event = AttemptEvent::Output {
                stream,
                offset,
                bytes: chunk,
            };
            self.say(site, peer, token, event);
        }
    }

    /// Bytes that the guest wrote.
    pub(super) fn written(&self) -> u64 {
        self.written.iter().sum()
    }

    /// Says something about the attempt, as soon as the lease allows it.
    pub(super) fn say(
        &mut self,
        site: &mut Site,
        peer: NodeId,
        token: FencingToken,
        event: AttemptEvent,
    ) {
        let message = NodeMessage::Attempt { token, event };
        match &mut self.held {
            Some(held) if held.len() < HELD_MAX => held.push_back(message),
            // The owner finds the gap, and has the job run elsewhere.
            Some(_) => {}
            None => site.send(peer, message),
        }
    }

    /// The lease may be over: nothing leaves from now on.
    pub(super) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// The lease is active: what waited leaves.
    pub(super) fn let_out(&mut self, site: &mut Site, peer: NodeId) {
        for message in self.held.take().into_iter().flatten() {
            site.send(peer, message);
        }
    }
}
