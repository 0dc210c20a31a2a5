//! The client's side: brings whole DAGs into a sink, from several providers at once.
//!
//! One loop owns all state. Sessions (one for each provider) move bytes; what hashes or touches the sink runs on
//! threads that may wait. What comes next is decided by `Walk` (which blocks) and `Desk` (whom to ask), which
//! are pure.

mod desk;
mod error;
mod ledger;
mod session;
mod walk;

pub use error::FetchError;
pub use ledger::UNVERIFIED_BYTES_MAX;

use super::wire::{STALL_TIME_MAX, WANTS_MAX};
use desk::Desk;
use error::{Fault, Outcome};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use ledger::{Ledger, Reservation};
use mutual_content::{Block, LinksError, links};
use mutual_protocol::Cid;
use mutual_protocol::ids::Codec;
use session::{Answer, Ended, Event};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use walk::{Step, Visit, Walk};

/// Providers that are asked at once; further ones of a list are left out. More do not make one link faster.
pub const PROVIDERS_MAX: usize = 16;
/// Wants that wait for a provider with room, so that none has to wait for the sink to be looked into.
const QUEUE_MAX: usize = 2 * WANTS_MAX;
/// How often slow providers are looked for.
const TICK: Duration = Duration::from_millis(250);
/// Telling providers that nothing more is wanted may take this long; it is courtesy.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);

/// Where verified blocks go. All of it is called on threads that may wait, several times at once.
pub trait BlockSink: Send + Sync + 'static {
    /// Whether the block is here.
    fn has(&self, cid: Cid) -> bool;

    /// The content of a block that is here; none when it is not, or damaged. It is trusted.
    fn read(&self, cid: Cid) -> Option<Vec<u8>>;

    /// Keeps a block.
    ///
    /// # Errors
    /// When it cannot be kept. This ends the fetch.
    fn put(&self, block: Block<'_>) -> io::Result<()>;
}

/// Somebody who may have the content.
pub trait Provider: Send + Sync {
    /// A stream that speaks `/mutual/blob/1`.
    type Stream: AsyncRead + AsyncWrite + Send;

    /// The name, for errors.
    fn name(&self) -> String;

    /// Opens a stream. Called once for each fetch.
    fn open(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// What a fetch may take.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Bytes of blocks that are fetched; what the sink has does not count. A block is counted before it is accepted.
    pub bytes_max: u64,
    /// Links that are followed, repeated ones included: a DAG of few blocks can have 2^100 ways through it.
    pub links_max: u64,
}

impl FetchLimits {
    /// So many bytes, and 16 million links: enough for 16 TB in leaves of 1 MiB.
    pub const fn of_bytes(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            links_max: 1 << 24,
        }
    }
}

/// What has been done so far, and in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Blocks fetched.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that were here already.
    pub held: u64,
    /// Providers that are connected.
    pub providers: usize,
}

/// Brings everything below and with `roots` into `sink`.
///
/// Every block is verified before the sink sees it. What the sink has is not fetched, but its links are followed, so
/// a fetch that was cut off goes on where it was. Memory does not grow with the DAG. `progress` is called after each
/// block; it must not wait. Dropping the future is safe: blocks that are already verified may still be put.
///
/// # Errors
/// When a block is to be had from none of the providers, a limit is passed, or the sink fails. What was put stays.
pub async fn fetch<P: Provider>(
    providers: &[P],
    roots: &[Cid],
    sink: Arc<dyn BlockSink>,
    limits: FetchLimits,
    progress: impl FnMut(&Fetched) + Send,
) -> Result<Fetched, FetchError> {
    let ledger = Arc::new(Ledger::new(limits.bytes_max));
    let (events, mut happened) = mpsc::channel(PROVIDERS_MAX);
    let mut sessions = FuturesUnordered::new();
    let mut desk = Desk::default();
    for (index, provider) in providers.iter().take(PROVIDERS_MAX).enumerate() {
        let (asks, asked) = mpsc::channel(WANTS_MAX);
        desk.add(provider.name(), asks, Instant::now());
        let events = events.clone();
        sessions.push(session::run(
            provider,
            index,
            asked,
            events,
            Arc::clone(&ledger),
        ));
    }
    let mut fetch = Fetch {
        sink,
        walk: Walk::new(roots, limits.links_max),
        desk,
        jobs: FuturesUnordered::new(),
        is_looking: false,
        done: Fetched::default(),
        progress,
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let result = loop {
        match fetch.go_on() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(*error),
        }
        tokio::select! {
            biased;
            Some(event) = happened.recv() => fetch.handle_event(event),
            Some(job) = fetch.jobs.next() => {
                if let Err(error) = fetch.handle_job(job) {
                    break Err(*error);
                }
            }
            Some(ended) = sessions.next() => {
                // What it brought before its end may still be in the queue.
                while let Ok(event) = happened.try_recv() {
                    fetch.handle_event(event);
                }
                fetch.handle_end(ended);
            }
            _ = ticks.tick() => fetch.desk.ask_again(Instant::now()),
        }
    };
    // The sink is left alone once this returns.
    while fetch.jobs.next().await.is_some() {}
    let done = fetch.done;
    // Ends the sessions: each shuts its stream down, so that the other side sees a regular end.
    drop(fetch);
    drop(happened);
    let farewell = async { while sessions.next().await.is_some() {} };
    let _late = timeout(FAREWELL_TIME_MAX, farewell).await;
    result.map(|()| done)
}

struct Fetch<F> {
    sink: Arc<dyn BlockSink>,
    walk: Walk,
    desk: Desk,
    jobs: FuturesUnordered<JoinHandle<Job>>,
    is_looking: bool,
    done: Fetched,
    progress: F,
}

/// What came out of work on a thread that may wait.
enum Job {
    /// Blocks were looked for in the sink.
    Looked(Vec<(Visit, Look)>),
    /// A node was read again, for more of its links.
    Reloaded(Cid, Look),
    /// A block came from a provider.
    Checked(Checked),
}

enum Look {
    Absent,
    Held(Vec<Cid>),
    Malformed(LinksError),
}

struct Checked {
    provider: usize,
    cid: Cid,
    bytes: u64,
    reservation: Reservation,
    result: Result<Vec<Cid>, CheckError>,
}

enum CheckError {
    Wrong,
    Sink(io::Error),
    Malformed(LinksError),
}

impl<F: FnMut(&Fetched)> Fetch<F> {
    /// Starts everything that can be started. Whether there is something to wait for.
    fn go_on(&mut self) -> Outcome<bool> {
        if !self.is_looking && self.desk.queued() < QUEUE_MAX {
            self.look()?;
        }
        self.desk.ask(Instant::now())?;
        Ok(!self.jobs.is_empty() || !self.desk.is_empty())
    }

    /// Looks for the next blocks of the walk in the sink: leaves together, and at most one node, whose links may be
    /// many.
    fn look(&mut self) -> Outcome<()> {
        let mut visits = Vec::new();
        while visits.len() < WANTS_MAX {
            match self.walk.step()? {
                Step::Visit(visit) if self.desk.wants(visit.cid) => {}
                Step::Visit(visit) => {
                    visits.push(visit);
                    if visit.cid.codec() != Codec::Raw {
                        break;
                    }
                }
                Step::Reload(_) | Step::End if !visits.is_empty() => break,
                Step::End => return Ok(()),
                Step::Reload(node) => {
                    self.begin_look(move |sink| Job::Reloaded(node, look(sink, node)));
                    return Ok(());
                }
            }
        }
        self.begin_look(move |sink| {
            let looked = visits
                .into_iter()
                .map(|visit| (visit, look(sink, visit.cid)));
            Job::Looked(looked.collect())
        });
        Ok(())
    }

    fn begin_look(&mut self, work: impl FnOnce(&dyn BlockSink) -> Job + Send + 'static) {
        self.is_looking = true;
        self.begin(work);
    }

    fn begin(&mut self, work: impl FnOnce(&dyn BlockSink) -> Job + Send + 'static) {
        let sink = Arc::clone(&self.sink);
        self.jobs
            .push(tokio::task::spawn_blocking(move || work(&*sink)));
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Opened { provider } => {
                self.desk.handle_opened(provider, Instant::now());
                self.tell();
            }
            Event::Answered {
                provider,
                cid,
                answer,
            } => {
                self.desk
                    .handle_answer(provider, cid, &answer, Instant::now());
                if let Answer::Block { bytes, reservation } = *answer
                    && self.desk.wants(cid)
                {
                    self.begin(move |sink| {
                        Job::Checked(check(sink, provider, cid, bytes, reservation))
                    });
                }
            }
        }
    }

    fn handle_end(&mut self, ended: Ended) {
        self.desk.handle_end(ended.provider, ended.fault, ended.cid);
        self.tell();
    }

    fn handle_job(&mut self, job: Result<Job, tokio::task::JoinError>) -> Outcome<()> {
        let job = job.map_err(|panic| {
            Box::new(FetchError::Sink {
                cid: None,
                source: io::Error::other(panic),
            })
        })?;
        match job {
            Job::Checked(checked) => return self.handle_checked(checked),
            Job::Reloaded(node, Look::Held(links)) => self.walk.handle_reload(node, links),
            Job::Reloaded(node, Look::Absent) => {
                return Err(Box::new(FetchError::Sink {
                    cid: Some(node),
                    source: io::ErrorKind::NotFound.into(),
                }));
            }
            Job::Reloaded(_, Look::Malformed(source)) => return Err(malformed(source)),
            Job::Looked(looked) => {
                for (visit, look) in looked {
                    self.handle_look(visit, look)?;
                }
            }
        }
        self.is_looking = false;
        Ok(())
    }

    fn handle_look(&mut self, visit: Visit, look: Look) -> Outcome<()> {
        match look {
            Look::Absent => self.desk.want(visit.cid, visit.depth),
            Look::Malformed(source) => return Err(malformed(source)),
            Look::Held(links) => {
                self.done.held += 1;
                self.tell();
                self.walk.enter(visit.cid, visit.depth, links)?;
            }
        }
        Ok(())
    }

    fn handle_checked(&mut self, checked: Checked) -> Outcome<()> {
        let (provider, cid) = (checked.provider, checked.cid);
        let links = match checked.result {
            Ok(links) => links,
            Err(CheckError::Wrong) => {
                self.desk.handle_end(provider, Fault::Wrong, Some(cid));
                self.tell();
                return Ok(());
            }
            Err(CheckError::Malformed(source)) => return Err(malformed(source)),
            Err(CheckError::Sink(source)) => {
                return Err(Box::new(FetchError::Sink {
                    cid: Some(cid),
                    source,
                }));
            }
        };
        // A second copy of the same block counts for nothing.
        let Some(depth) = self.desk.handle_stored(cid) else {
            return Ok(());
        };
        checked.reservation.settle();
        self.done.blocks += 1;
        self.done.bytes += checked.bytes;
        self.tell();
        self.walk.enter(cid, depth, links)
    }

    fn tell(&mut self) {
        self.done.providers = self.desk.open();
        (self.progress)(&self.done);
    }
}

fn malformed(source: LinksError) -> Box<FetchError> {
    Box::new(FetchError::Malformed { source })
}

fn look(sink: &dyn BlockSink, cid: Cid) -> Look {
    if !sink.has(cid) {
        return Look::Absent;
    }
    if cid.codec() == Codec::Raw {
        return Look::Held(Vec::new());
    }
    match sink.read(cid).map(|block| links(cid, &block)) {
        None => Look::Absent,
        Some(Ok(links)) => Look::Held(links),
        Some(Err(error)) => Look::Malformed(error),
    }
}

fn check(
    sink: &dyn BlockSink,
    provider: usize,
    cid: Cid,
    bytes: Vec<u8>,
    reservation: Reservation,
) -> Checked {
    let result = Block::verify(cid, &bytes)
        .map_err(|_wrong| CheckError::Wrong)
        .and_then(|block| {
            let links = links(cid, block.bytes()).map_err(CheckError::Malformed)?;
            sink.put(block).map_err(CheckError::Sink)?;
            Ok(links)
        });
    Checked {
        provider,
        cid,
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        reservation,
        result,
    }
}

const _: () = assert!(TICK.as_millis() < STALL_TIME_MAX.as_millis());
