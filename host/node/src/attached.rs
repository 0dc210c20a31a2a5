//! An attached run: this process is owner and only witness of one job, and shows it to a person. The job's host is this
//! process as well, or others of a pool.
//!
//! No shortcut past the protocol: what runs here is a leased attempt with a result certificate and a receipt, made by
//! the same state machines as between machines. [`run`] is the one event loop; everything that can wake it is an
//! `Event`. It never waits for the guest, the person or another terminal: it waits for all of them at once.

mod event_loop;
mod pool;
mod roles;
mod server;

pub use crate::attempt::{GUEST_FOLDERS, Phase, Source};
pub use pool::{Considered, PoolPlace, Why};

use crate::attempt::Done;
use crate::clock::{Clock, random};
use crate::control::Door;
use crate::logs::Stream;
use crate::prepare::Prepared;
use crate::record::{Blamed, RunRecord};
use crate::tasks::TaskGroup;
use event_loop::Loop;
use mutual_protocol::manifest::Manifest;
use mutual_protocol::outcome::Outcome;
use mutual_protocol::receipt::Build;
use mutual_protocol::spec::ProgramRef;
use mutual_protocol::{JobId, SigningKey};
use mutual_runner::{
    CompileCache, CompiledProgram, Metering, ProgramKey, RunnerEvent, Spare, Spawner,
};
use mutual_store::{BlockStore, FileError, RunStore, Skipped, StagingArea};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long other terminals may take for the last of the log.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// What an attached run works with.
#[derive(Debug)]
pub struct Attached {
    /// Content.
    pub blocks: BlockStore,
    /// Records.
    pub runs: RunStore,
    /// Roots of guests.
    pub staging: StagingArea,
    /// Folder of control sockets.
    pub runtime: PathBuf,
    /// Compiled programs; without it each run compiles.
    pub cache: Option<CompileCache>,
    /// The program's compiled code, when it was found already.
    pub code: Option<CompiledProgram>,
    /// How this machine compiles, for receipts.
    pub build: Build,
    /// Makes sandbox processes.
    pub spawner: Spawner,
    /// A sandbox process that is starting up already.
    pub spare: Option<Spare>,
    /// Where the job runs.
    pub place: Place,
    /// What all roles go by.
    pub clock: Arc<dyn Clock>,
    /// Signs as owner and, of a job on this machine, as host.
    pub owner: SigningKey,
    /// Signs as witness; made for this run.
    pub witness: SigningKey,
    /// What was typed, for people.
    pub command: Vec<String>,
    /// The run's name.
    pub name: Option<String>,
}

/// Where the job runs.
#[derive(Debug)]
pub enum Place {
    /// On this machine.
    Here,
    /// On another host. The spec is made for its pool (see [`crate::prepare::ForPool`]).
    Pool(PoolPlace),
}

/// What the person is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEvent {
    /// The run is on record and answers on its socket.
    Registered(JobId),
    /// A new phase.
    Phase(Phase),
    /// The guest's standard output.
    Stdout(Vec<u8>),
    /// The guest's standard error.
    Stderr(Vec<u8>),
    /// A later attempt writes something else than was shown: what follows belongs to it.
    Diverged {
        /// Which output.
        stream: Stream,
        /// The first byte that may be another one.
        at: u64,
    },
    /// Progress told by the guest.
    Progress {
        /// Steps done.
        done: u64,
        /// Steps in all.
        total: u64,
        /// What the guest says about it; untrusted.
        text: String,
    },
}

/// What the person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunCommand {
    /// End the job; `now` does not wait for its last output.
    Stop {
        /// Whether to kill.
        now: bool,
    },
    /// As `Stop`, by Ctrl-C.
    Interrupt {
        /// Whether to kill.
        now: bool,
    },
}

/// How a run ended.
#[derive(Debug)]
pub struct RunEnd {
    /// The record, as it was written.
    pub record: RunRecord,
    /// How the deciding attempt ended.
    pub outcome: Outcome,
    /// The trap and a backtrace, in words.
    pub message: Option<String>,
    /// Outputs, when the program came to its own end.
    pub manifest: Option<Manifest>,
    /// What is no output.
    pub skipped: Vec<Skipped>,
    /// Whether somebody ended it, or tried to.
    pub was_stopped: bool,
    /// Whether that was by Ctrl-C.
    pub interrupted: bool,
    /// Keep it until the outputs are in their places: others wait for that.
    pub door: Option<Door>,
}

/// Why a run could not be made or kept on record. The guest, if it ran, is gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The record cannot be written.
    #[error("the record of the run")]
    Record(#[source] FileError),
    /// The certificates cannot be kept.
    #[error("the certificates of the run")]
    Proofs(#[source] FileError),
    /// The log cannot be kept.
    #[error("the log of the run")]
    Log(#[source] FileError),
    /// A role refused what another one of this process said: a bug.
    #[error("the roles of this run disagree: {detail}")]
    Protocol {
        /// What was refused.
        detail: String,
    },
    /// No host of the pool took the job, or those that did ended without a result.
    #[error("no host of the pool took the job")]
    NoHost {
        /// Those that could have had it.
        considered: Vec<Considered>,
        /// Attempts that ended without a result.
        lost: Vec<Blamed>,
    },
    /// No randomness.
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
}

/// A key for the witness of one run.
///
/// # Errors
/// When the system gives no randomness.
pub fn witness_key() -> Result<SigningKey, getrandom::Error> {
    Ok(SigningKey::from_seed(&random()?))
}

/// The compiled code that a run of `program` without a fuel limit needs, when it is there.
pub fn compiled(cache: &CompileCache, program: ProgramRef) -> Option<CompiledProgram> {
    let ProgramRef { cid, kind, .. } = program;
    cache.find(&ProgramKey {
        program: cid,
        kind,
        metering: Metering::None,
    })
}

/// Everything that can wake the loop.
#[derive(Debug)]
enum Event {
    /// Work of the attempt on another thread is done.
    Attempt(Done),
    /// The sandbox says something.
    Runner(RunnerEvent),
    /// The sandbox's driver is gone without a last word.
    RunnerGone,
    /// Something of a run in a pool.
    Pool(pool::PoolEvent),
    /// The person wants something.
    Command(RunCommand),
    /// Another terminal asks.
    Asked(server::Asked),
    /// Nobody waits any longer for a run that was stopped.
    PatienceEnds,
    /// A time that a role waits for has come.
    Timer,
    /// Time to look at the guest's progress.
    ProgressTick,
    /// There is room for what the person has not been shown yet.
    Room,
}

/// Runs `prepared` to its decision.
///
/// `registered` is called when the run is on record and answers on its socket. Events wait, at most as many as the
/// channel holds, until somebody takes them; the guest waits with them, and nothing else does.
///
/// # Errors
/// When the run cannot be kept on record. A guest that fails is no error but an outcome.
pub async fn run(
    node: Attached,
    prepared: Prepared,
    stdin: Source,
    channels: (mpsc::Sender<RunEvent>, mpsc::Receiver<RunCommand>),
    registered: impl FnOnce(&JobId),
) -> Result<RunEnd, RunError> {
    let (tasks, connections) = (TaskGroup::new(), TaskGroup::new());
    let groups = (tasks.clone(), connections.clone());
    let mut run = Loop::new(node, prepared, stdin, channels, groups)?;
    let ended = match run.register(registered) {
        Ok(()) => run.serve().await,
        Err(e) => Err(e),
    };
    let ended = match ended {
        Ok(()) => run.conclude().await,
        Err(e) => {
            run.abandon();
            Err(e)
        }
    };
    // Followers see the end of the log when its sender is gone; what is on its way to them still arrives.
    drop(run);
    connections.settle(LAST_WORDS_MAX).await;
    tasks.end().await;
    ended
}
