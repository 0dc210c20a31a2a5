//! The server's side of a stream: wants in, blocks out, in the order asked.
//!
//! Three stages run side by side, so that the disk works while the stream is written to: requests are read, one ahead
//! of what is looked up; blocks are read from the source, up to `READ_AHEAD_BYTES_MAX`; answers are written.

mod pace;

use super::wire::{self, STALL_TIME_MAX, Status, WANTS_MAX, WireError, block_bytes_max, in_time};
use mutual_protocol::Cid;
use mutual_protocol::limits::MANIFEST_BYTES_MAX;
use pace::Pace;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufWriter};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// A stream on which nothing is asked for so long is ended: asking anew costs a client one round trip.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);
/// Bytes that are read before they can be sent, for each stream: the largest block, or eight of a file's.
const READ_AHEAD_BYTES_MAX: usize = MANIFEST_BYTES_MAX;
/// Heads and small blocks that leave in one write.
const BUFFER_BYTES: usize = 16 << 10;

/// What a source has for a want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sourced {
    /// The content.
    Block(Vec<u8>),
    /// It is not here.
    Missing,
    /// It is not given away.
    Refused,
}

/// Decides what a client may have, and reads it.
pub trait BlockSource: Send + Sync + 'static {
    /// The block `cid`. Called on a thread that may wait, several times at once.
    fn read(&self, cid: Cid) -> Sourced;
}

/// What one client may take.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Wants on one stream; then it is ended.
    pub wants_max: u64,
    /// Bytes of blocks on one stream; then wants are answered with *busy*.
    pub bytes_max: u64,
    /// Wants in a second, over all streams of a budget.
    pub wants_per_second: u64,
    /// Bytes in a second, over all streams of a budget.
    pub bytes_per_second: u64,
}

impl Default for ServeLimits {
    /// For a peer that one has no reason to hold back: 1 TiB a stream, as many wants of 1 MiB, 10,000 small files and
    /// 4 GiB (more than a loopback carries) in a second.
    fn default() -> Self {
        Self {
            wants_max: 1 << 20,
            bytes_max: 1 << 40,
            wants_per_second: 10_000,
            bytes_per_second: 4 << 30,
        }
    }
}

/// What one client may take, and what it has taken: its clones share the rates. One for each peer.
#[derive(Clone, Debug)]
pub struct ServeBudget {
    limits: ServeLimits,
    wants: Arc<Mutex<Pace>>,
    bytes: Arc<Mutex<Pace>>,
}

impl ServeBudget {
    /// Nothing has been taken yet.
    pub fn new(limits: ServeLimits) -> Self {
        Self {
            limits,
            wants: Arc::new(Mutex::new(Pace::new(limits.wants_per_second))),
            bytes: Arc::new(Mutex::new(Pace::new(limits.bytes_per_second))),
        }
    }
}

impl Default for ServeBudget {
    fn default() -> Self {
        Self::new(ServeLimits::default())
    }
}

/// What was done on one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Wants answered, in whatever way.
    pub wants: u64,
    /// Blocks given.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why a stream was ended before the client had closed it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The client reads too slowly, or has stopped in the middle of a request.
    #[error("the client stands still")]
    Stalled,
    /// The client has asked for nothing for a minute.
    #[error("the client asks for nothing")]
    Idle,
    /// Not a request of this protocol.
    #[error("the client does not keep to the protocol")]
    Malformed,
    /// More wants than one stream may have.
    #[error("the client asks for more than {max} blocks")]
    TooMany {
        /// The limit.
        max: u64,
    },
    /// The stream is gone.
    #[error("the stream is gone")]
    Closed(#[source] io::Error),
}

impl From<WireError> for ServeError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Closed(source) => Self::Closed(source),
            WireError::Stalled => Self::Stalled,
            WireError::Malformed => Self::Malformed,
        }
    }
}

/// Answers wants from `source` until the client closes its side. Dropping it is safe; reads that have begun end by
/// themselves.
///
/// # Errors
/// When the client stands still, passes a limit or breaks the protocol, or the stream is gone.
pub async fn serve<S: AsyncRead + AsyncWrite + Send>(
    stream: S,
    source: Arc<dyn BlockSource>,
    budget: &ServeBudget,
) -> Result<Served, ServeError> {
    let (read, write) = tokio::io::split(stream);
    let (requests, requested) = mpsc::channel(1);
    // What is in this queue is bounded by the bytes that may be read ahead; small answers need no room of their own.
    let (readings, reading) = mpsc::channel(WANTS_MAX);
    let open = AtomicUsize::new(0);
    let (_, (), served) = tokio::try_join!(
        take_requests(read, requests, &open, budget.limits.wants_max),
        read_blocks(requested, readings, source, budget),
        answer(write, reading, &open, budget),
    )?;
    Ok(served)
}

/// Reads requests until the client closes its side; `open` counts the wants that are not answered yet.
async fn take_requests(
    mut stream: impl AsyncRead + Unpin,
    requests: mpsc::Sender<Vec<Cid>>,
    open: &AtomicUsize,
    wants_max: u64,
) -> Result<u64, ServeError> {
    let mut count = 0;
    loop {
        let mut first = [0];
        match timeout(IDLE_TIME_MAX, stream.read(&mut first)).await {
            Err(_elapsed) if open.load(Ordering::Relaxed) > 0 => continue,
            Err(_elapsed) => return Err(ServeError::Idle),
            Ok(Err(source)) => return Err(ServeError::Closed(source)),
            Ok(Ok(0)) => return Ok(count),
            Ok(Ok(_)) => {}
        }
        let [first] = first;
        let wants = wire::read_request(&mut stream, first).await?;
        count += u64::try_from(wants.len()).unwrap_or(u64::MAX);
        if count > wants_max {
            return Err(ServeError::TooMany { max: wants_max });
        }
        open.fetch_add(wants.len(), Ordering::Relaxed);
        if requests.send(wants).await.is_err() {
            return Ok(count);
        }
    }
}

/// One want on its way through the source.
struct Reading {
    block: JoinHandle<Sourced>,
    room: OwnedSemaphorePermit,
}

async fn read_blocks(
    mut requested: mpsc::Receiver<Vec<Cid>>,
    readings: mpsc::Sender<Reading>,
    source: Arc<dyn BlockSource>,
    budget: &ServeBudget,
) -> Result<(), ServeError> {
    let room = Arc::new(Semaphore::new(READ_AHEAD_BYTES_MAX));
    while let Some(wants) = requested.recv().await {
        for cid in wants {
            wire::wait_until(when(&budget.wants, 1)).await;
            let bytes = u32::try_from(block_bytes_max(cid.codec())).unwrap_or(u32::MAX);
            let Ok(room) = Arc::clone(&room).acquire_many_owned(bytes).await else {
                return Ok(());
            };
            let source = Arc::clone(&source);
            let block = tokio::task::spawn_blocking(move || read(&*source, cid));
            if readings.send(Reading { block, room }).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// No block leaves that a client would have to refuse.
fn read(source: &dyn BlockSource, cid: Cid) -> Sourced {
    match source.read(cid) {
        Sourced::Block(block) if block.len() > block_bytes_max(cid.codec()) => Sourced::Refused,
        sourced => sourced,
    }
}

async fn answer(
    stream: impl AsyncWrite + Unpin,
    mut readings: mpsc::Receiver<Reading>,
    open: &AtomicUsize,
    budget: &ServeBudget,
) -> Result<Served, ServeError> {
    let mut stream = BufWriter::with_capacity(BUFFER_BYTES, stream);
    let mut served = Served::default();
    while let Some(Reading { mut block, room }) = next(&mut readings, &mut stream).await? {
        if !block.is_finished() {
            in_time(stream.flush()).await?;
        }
        // A source that panics has nothing to give.
        let sourced = (&mut block).await.unwrap_or(Sourced::Missing);
        let (status, block) = judge(sourced, budget.limits.bytes_max - served.bytes);
        let ready = |bytes| when(&budget.bytes, bytes);
        wire::write_answer(&mut stream, status, &block, ready).await?;
        drop(room);
        open.fetch_sub(1, Ordering::Relaxed);
        served.wants += 1;
        if status == Status::Have {
            served.blocks += 1;
            served.bytes += u64::try_from(block.len()).unwrap_or(u64::MAX);
        }
    }
    in_time(stream.shutdown()).await?;
    Ok(served)
}

/// The next want. What is buffered leaves before there is anything to wait for.
async fn next(
    readings: &mut mpsc::Receiver<Reading>,
    stream: &mut (impl AsyncWrite + Unpin),
) -> Result<Option<Reading>, ServeError> {
    match readings.try_recv() {
        Ok(reading) => Ok(Some(reading)),
        Err(TryRecvError::Disconnected) => Ok(None),
        Err(TryRecvError::Empty) => {
            in_time(stream.flush()).await?;
            Ok(readings.recv().await)
        }
    }
}

fn judge(sourced: Sourced, bytes_left: u64) -> (Status, Vec<u8>) {
    match sourced {
        Sourced::Missing => (Status::Missing, Vec::new()),
        Sourced::Refused => (Status::Refused, Vec::new()),
        Sourced::Block(block) if u64::try_from(block.len()).is_ok_and(|len| len <= bytes_left) => {
            (Status::Have, block)
        }
        Sourced::Block(_) => (Status::Busy, Vec::new()),
    }
}

fn when(pace: &Mutex<Pace>, amount: usize) -> Instant {
    let amount = u64::try_from(amount).unwrap_or(u64::MAX);
    let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
    pace.take(amount, Instant::now())
}

const _: () = {
    assert!(READ_AHEAD_BYTES_MAX >= MANIFEST_BYTES_MAX, "one block fits");
    assert!(STALL_TIME_MAX.as_secs() < IDLE_TIME_MAX.as_secs());
};
