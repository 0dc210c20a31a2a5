//! What the run shows: to the person in front of it, to other terminals, and to its log.

use super::super::RunEvent;
use crate::attempt::Progress;
use crate::logs::{Frame, Log, Stream};
use mutual_protocol::limits;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc};

/// Frames that a follower may lag behind before it loses some: at 64 KiB each, 16 MiB.
const FOLLOW_FRAMES_MAX: usize = 256;

/// Output for followers.
#[derive(Debug)]
pub(in super::super) struct Followed {
    /// Bytes that the guest wrote before it: a follower sees what it has missed.
    pub(in super::super) before: u64,
    pub(in super::super) frame: Frame,
}

/// Events on their way, and the log.
#[derive(Debug)]
pub(super) struct Screen {
    events: mpsc::Sender<RunEvent>,
    /// Not taken yet. While it is not empty the loop takes nothing from the guest, so it stays short.
    waiting: VecDeque<RunEvent>,
    /// Nobody waits for what is shown any more.
    detached: bool,
    log: Log,
    followers: broadcast::Sender<Arc<Followed>>,
    progress: Option<Progress>,
    written: u64,
}

impl Screen {
    pub(super) fn new(events: mpsc::Sender<RunEvent>) -> Self {
        Self {
            events,
            waiting: VecDeque::new(),
            detached: false,
            log: Log::new(usize::try_from(limits::LOG_BYTES_MAX).unwrap_or(usize::MAX)),
            followers: broadcast::Sender::new(FOLLOW_FRAMES_MAX),
            progress: None,
            written: 0,
        }
    }

    /// Shows nothing from now on: whoever should take it does not.
    pub(super) fn detach(&mut self) {
        self.detached = true;
        self.waiting.clear();
    }

    /// Shows an event as soon as the person's side takes it.
    pub(super) fn show(&mut self, event: RunEvent) {
        if self.detached {
            return;
        }
        if let Some(event) = self.try_now(event) {
            self.waiting.push_back(event);
        }
    }

    /// Gives the event back when it has to wait. A person's side that is gone takes everything.
    fn try_now(&self, event: RunEvent) -> Option<RunEvent> {
        if !self.waiting.is_empty() {
            return Some(event);
        }
        match self.events.try_send(event) {
            Err(mpsc::error::TrySendError::Full(event)) => Some(event),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
        }
    }

    /// The guest wrote.
    pub(super) fn output(&mut self, stream: Stream, bytes: Vec<u8>) {
        self.log.push(stream, &bytes);
        if self.followers.receiver_count() > 0 {
            let frame = Frame::Output {
                stream,
                bytes: bytes.clone(),
            };
            let before = self.written;
            let _nobody_left = self.followers.send(Arc::new(Followed { before, frame }));
        }
        self.written = self
            .written
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
        self.show(match stream {
            Stream::Stdout => RunEvent::Stdout(bytes),
            Stream::Stderr => RunEvent::Stderr(bytes),
        });
    }

    /// The guest told its progress.
    pub(super) fn told(&mut self, progress: Progress) {
        let Progress { done, total, text } = progress.clone();
        self.show(RunEvent::Progress { done, total, text });
        self.progress = Some(progress);
    }

    /// The newest progress.
    pub(super) const fn progress(&self) -> Option<&Progress> {
        self.progress.as_ref()
    }

    /// Whether nothing waits for the person's side.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Passes on what waits, until nothing does. Dropping the future loses nothing.
    pub(super) async fn drain(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(permit) = self.events.reserve().await else {
                self.waiting.clear();
                return;
            };
            if let Some(event) = self.waiting.pop_front() {
                permit.send(event);
            }
        }
    }

    /// The log so far, as frames without a header.
    pub(super) fn encoded_frames(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.log.frames().for_each(|frame| frame.encode(&mut bytes));
        bytes
    }

    /// What comes from now on. The channel ends with the run.
    pub(super) fn follow(&self) -> broadcast::Receiver<Arc<Followed>> {
        self.followers.subscribe()
    }

    /// The whole log, when anything was written.
    pub(super) fn log(&self) -> Option<Vec<u8>> {
        (!self.log.is_empty()).then(|| self.log.encode())
    }

    /// Bytes that the guest wrote.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }
}
