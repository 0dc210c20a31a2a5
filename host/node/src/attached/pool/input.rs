//! Standard input of a run elsewhere: read when a guest waits for it, and kept so that a later attempt reads the same.

use crate::attached::Source;
use crate::tasks::TaskGroup;
use mutual_protocol::limits::CHUNK_BYTES_MAX;
use mutual_protocol::message::{AttemptOrder, Chunk};
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Bytes that are kept for later attempts. Who reads more has one attempt: it could not be begun anew.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// Input on its way.
#[derive(Debug)]
pub(in super::super) struct Input {
    wanted: mpsc::Sender<()>,
    /// A reading; none at the end of the source.
    chunks: mpsc::Receiver<Option<Vec<u8>>>,
    is_reading: bool,
    is_ended: bool,
    /// Bytes that are not kept any more.
    dropped: u64,
    kept: VecDeque<u8>,
}

/// How much of it an attempt was given.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Given {
    bytes: u64,
    /// The guest waits for so many bytes at most.
    wanted: Option<u32>,
}

impl Given {
    /// The guest waits for input.
    pub(in super::super) fn want(&mut self, bytes_max: u32) {
        self.wanted = Some(bytes_max);
    }

    /// Whether some may be on its way.
    pub(in super::super) const fn any(&self) -> bool {
        self.bytes > 0 || self.wanted.is_some()
    }
}

impl Input {
    /// Input from `source`, read by a task of its own.
    pub(in super::super) fn new(source: Option<Source>, tasks: &TaskGroup) -> Self {
        let (wanted, asked) = mpsc::channel(1);
        let (sender, chunks) = mpsc::channel(1);
        let is_ended = source.is_none();
        if let Some(source) = source {
            tasks.spawn("stdin", read(source, asked, sender));
        }
        Self {
            wanted,
            chunks,
            is_reading: false,
            is_ended,
            dropped: 0,
            kept: VecDeque::new(),
        }
    }

    /// Whether a further attempt can be given all of it.
    pub(in super::super) const fn is_whole(&self) -> bool {
        self.dropped == 0
    }

    /// Waits for what was read. Dropping the future loses nothing.
    pub(in super::super) async fn next(&mut self) -> Option<Vec<u8>> {
        if !self.is_reading {
            return std::future::pending().await;
        }
        self.chunks.recv().await.flatten()
    }

    /// Takes what was read; none is the end.
    pub(in super::super) fn take(&mut self, chunk: Option<Vec<u8>>) {
        self.is_reading = false;
        match chunk {
            Some(bytes) => self.kept.extend(bytes),
            None => self.is_ended = true,
        }
    }

    /// What the guest is given now, if it waits for something; asks the source when there is nothing.
    pub(in super::super) fn serve(&mut self, given: &mut Given) -> Option<AttemptOrder> {
        let bytes_max = usize::try_from(given.wanted?).ok()?.min(CHUNK_BYTES_MAX);
        let from = usize::try_from(given.bytes.checked_sub(self.dropped)?).ok()?;
        let ahead = self.kept.range(from.min(self.kept.len())..);
        let chunk: Vec<u8> = ahead.take(bytes_max).copied().collect();
        if chunk.is_empty() && self.is_ended {
            given.wanted = None;
            return Some(AttemptOrder::InputEnd);
        }
        if chunk.is_empty() {
            self.is_reading |= self.wanted.try_send(()).is_ok();
            return None;
        }
        let offset = given.bytes;
        given.wanted = None;
        given.bytes = offset.saturating_add(chunk.len() as u64);
        self.forget(given);
        let bytes = Chunk::new(chunk)?;
        Some(AttemptOrder::Input { offset, bytes })
    }

    /// Forgets what was given, when it is too much to keep.
    fn forget(&mut self, given: &Given) {
        if self.kept.len() > KEPT_BYTES_MAX {
            let count = given.bytes.saturating_sub(self.dropped);
            let count = usize::try_from(count).map_or(self.kept.len(), |n| n.min(self.kept.len()));
            self.kept.drain(..count);
            self.dropped = given.bytes;
        }
    }
}

/// Reads one chunk for each time that one is wanted.
async fn read(
    mut source: Source,
    mut wanted: mpsc::Receiver<()>,
    chunks: mpsc::Sender<Option<Vec<u8>>>,
) {
    let mut chunk = vec![0; CHUNK_BYTES_MAX];
    while wanted.recv().await.is_some() {
        let read = source.read(&mut chunk).await;
        let bytes = chunk.get(..read).filter(|bytes| !bytes.is_empty());
        if chunks.send(bytes.map(<[u8]>::to_vec)).await.is_err() || read == 0 {
            return;
        }
    }
}
