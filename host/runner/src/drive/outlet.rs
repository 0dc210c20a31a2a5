//! Output on its way to the consumer: bounded by credit, merged while it waits, counted.

use crate::bounds::{CHUNK_BYTES_MAX, CREDIT_BYTES, EVENTS_MAX};
use crate::runner::{RunnerEvent, StdioBytes};
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Credit goes back in portions: a frame for each chunk would double the system calls.
const CREDIT_PORTION: u64 = CREDIT_BYTES / 4;

/// Which output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// Why output ends the execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// More than the child had credit for: it does not keep the protocol.
    Credit,
    /// More than the job allows. What was allowed is passed on.
    Limit,
}

/// Events that wait for the consumer.
#[derive(Debug)]
pub(super) struct Outlet {
    events: mpsc::Sender<RunnerEvent>,
    waiting: VecDeque<RunnerEvent>,
    /// Bytes that the child may still send.
    credit: u64,
    /// Bytes handed over and not yet given back as credit.
    returned: u64,
    /// Bytes of both streams that the job still allows.
    allowed: u64,
    passed: StdioBytes,
}

impl Outlet {
    pub(super) fn new(events: mpsc::Sender<RunnerEvent>, stdio_bytes_max: u64) -> Self {
        Self {
            events,
            waiting: VecDeque::new(),
            credit: CREDIT_BYTES,
            returned: 0,
            allowed: stdio_bytes_max,
            passed: StdioBytes::default(),
        }
    }

    /// Whether the child may be read from: what waits is bounded.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < EVENTS_MAX
    }

    pub(super) const fn passed(&self) -> StdioBytes {
        self.passed
    }

    /// Takes an event that carries no output.
    pub(super) fn push(&mut self, event: RunnerEvent) {
        self.waiting.push_back(event);
    }

    /// Takes output of the child.
    pub(super) fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Excess> {
        let count = bytes.len() as u64;
        self.credit = self.credit.checked_sub(count).ok_or(Excess::Credit)?;
        let kept = count.min(self.allowed);
        self.allowed -= kept;
        let counter = match stream {
            Stream::Stdout => &mut self.passed.stdout,
            Stream::Stderr => &mut self.passed.stderr,
        };
        *counter = counter.saturating_add(kept);
        let bytes = usize::try_from(kept)
            .ok()
            .and_then(|kept| bytes.get(..kept))
            .unwrap_or(bytes);
        self.append(stream, bytes);
        if kept < count {
            Err(Excess::Limit)
        } else {
            Ok(())
        }
    }

    fn append(&mut self, stream: Stream, bytes: &[u8]) {
        match (stream, self.waiting.back_mut()) {
            (Stream::Stdout, Some(RunnerEvent::Stdout(last)))
            | (Stream::Stderr, Some(RunnerEvent::Stderr(last)))
                if last.len() + bytes.len() <= CHUNK_BYTES_MAX =>
            {
                last.extend_from_slice(bytes);
            }
            _ if bytes.is_empty() => {}
            (Stream::Stdout, _) => self.push(RunnerEvent::Stdout(bytes.to_vec())),
            (Stream::Stderr, _) => self.push(RunnerEvent::Stderr(bytes.to_vec())),
        }
    }

    /// Hands the first event over when the consumer has room; waits for ever when there is none. Gives the credit
    /// that goes back to the child, if it is time. Dropping the future is safe.
    ///
    /// # Errors
    /// When the consumer is gone.
    pub(super) async fn hand_over(&mut self) -> Result<Option<u64>, ()> {
        if self.waiting.is_empty() {
            self.events.closed().await;
            return Err(());
        }
        let permit = self.events.reserve().await.map_err(|_closed| ())?;
        if let Some(event) = self.waiting.pop_front() {
            if let RunnerEvent::Stdout(bytes) | RunnerEvent::Stderr(bytes) = &event {
                self.returned += bytes.len() as u64;
            }
            permit.send(event);
        }
        if self.returned < CREDIT_PORTION {
            return Ok(None);
        }
        self.credit += self.returned;
        Ok(Some(std::mem::take(&mut self.returned)))
    }

    /// Hands over what the consumer has room for now.
    pub(super) fn hand_over_now(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.waiting.push_front(event);
                return;
            }
        }
    }

    /// Hands everything over and the last event after it; waits for the consumer as long as there is one.
    pub(super) async fn finish(self, last: RunnerEvent) {
        for event in self.waiting.into_iter().chain([last]) {
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlet(stdio_bytes_max: u64) -> (Outlet, mpsc::Receiver<RunnerEvent>) {
        let (tx, rx) = mpsc::channel(EVENTS_MAX);
        (Outlet::new(tx, stdio_bytes_max), rx)
    }

    #[test]
    fn writes_that_wait_together_come_together_and_streams_keep_their_order() {
        let (mut outlet, mut rx) = outlet(100);
        for (stream, text) in [
            (Stream::Stdout, "a"),
            (Stream::Stdout, "b"),
            (Stream::Stderr, "c"),
            (Stream::Stdout, "d"),
        ] {
            outlet.output(stream, text.as_bytes()).unwrap();
        }
        outlet.hand_over_now();
        assert_eq!(rx.try_recv().unwrap(), RunnerEvent::Stdout(b"ab".to_vec()));
        assert_eq!(rx.try_recv().unwrap(), RunnerEvent::Stderr(b"c".to_vec()));
        assert_eq!(rx.try_recv().unwrap(), RunnerEvent::Stdout(b"d".to_vec()));
        assert_eq!(
            outlet.passed(),
            StdioBytes {
                stdout: 3,
                stderr: 1
            }
        );
    }

    #[test]
    fn output_above_the_limit_is_cut_there() {
        let (mut outlet, mut rx) = outlet(4);
        assert_eq!(outlet.output(Stream::Stdout, b"abc"), Ok(()));
        assert_eq!(outlet.output(Stream::Stderr, b"def"), Err(Excess::Limit));
        outlet.hand_over_now();
        assert_eq!(rx.try_recv().unwrap(), RunnerEvent::Stdout(b"abc".to_vec()));
        assert_eq!(rx.try_recv().unwrap(), RunnerEvent::Stderr(b"d".to_vec()));
    }

    #[tokio::test]
    async fn credit_is_used_up_and_comes_back_with_handing_over() {
        let (mut outlet, mut rx) = outlet(u64::MAX);
        let chunk = vec![0; CHUNK_BYTES_MAX];
        for _ in 0..CREDIT_BYTES / chunk.len() as u64 {
            outlet.output(Stream::Stdout, &chunk).unwrap();
        }
        assert_eq!(outlet.output(Stream::Stdout, b"x"), Err(Excess::Credit));
        let (mut outlet, _) = (outlet, rx.try_recv());
        assert_eq!(outlet.hand_over().await, Ok(Some(CREDIT_PORTION)));
        outlet.output(Stream::Stdout, &chunk).unwrap();
        assert_eq!(outlet.output(Stream::Stdout, b"x"), Err(Excess::Credit));
    }
}
