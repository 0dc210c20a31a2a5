//! The parent's view of one execution: what to call, what comes back.

use crate::bounds::{COMMANDS_MAX, EVENTS_MAX};
use crate::drive::Drive;
use crate::job::Job;
use crate::spawn::{Pending, SpawnError};
use mutual_protocol::outcome::Outcome;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A runner that was ordered and has no job yet: generic, with its engine made while it waits.
///
/// Dropped, its process ends by itself.
#[derive(Debug)]
pub struct Spare {
    pending: Pending,
}

/// Why a job was not handed to a runner. Nothing has run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Arguments, environment and preopens together do not fit a frame.
    #[error("the job's description takes {bytes} bytes")]
    TooLarge {
        /// Bytes needed.
        bytes: usize,
    },
    /// The socket does not work, or there is no tokio runtime with I/O around.
    #[error("the runner's socket")]
    Io(#[from] std::io::Error),
}

impl Spare {
    pub(crate) const fn new(pending: Pending) -> Self {
        Self { pending }
    }

    /// Hands the job over; the runner takes it as soon as it is up. Needs a tokio runtime with I/O and time.
    ///
    /// Nothing happens further until [`Driver::run`] is polled.
    ///
    /// # Errors
    /// When the job cannot be described or the socket does not work. Whatever goes wrong later is an outcome.
    pub fn start(self, job: Job) -> Result<Running, StartError> {
        let (events_tx, events) = mpsc::channel(EVENTS_MAX);
        let (commands, commands_rx) = mpsc::channel(COMMANDS_MAX);
        let (stop, stop_rx) = watch::channel(None);
        let drive = Drive::new(self.pending, job, events_tx, (commands_rx, stop_rx))?;
        Ok(Running {
            control: Control { commands, stop },
            events: Events { events },
            driver: Driver { drive },
        })
    }
}

/// One execution: three handles, so that each can live where it is used.
#[derive(Debug)]
pub struct Running {
    /// Input and stop.
    pub control: Control,
    /// What happens.
    pub events: Events,
    /// The work itself.
    pub driver: Driver,
}

/// Does everything: reads, writes, keeps the time, looks at the disk, ends the process.
#[derive(Debug)]
pub struct Driver {
    drive: Drive,
}

impl Driver {
    /// Runs until the process is reaped and [`RunnerEvent::Ended`] was taken. Spawn it as a task.
    ///
    /// Only when it has returned are the guest's folders certain to be left alone: wait for it before removing them.
    ///
    /// Dropping the future kills the process.
    pub async fn run(self) {
        self.drive.run().await;
    }
}

/// What happens, in order. While nobody takes events, output waits in the guest, and time limits go on.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<RunnerEvent>,
}

impl Events {
    /// The next event; `None` after [`RunnerEvent::Ended`], or when the driver was dropped. Dropping the future is safe.
    ///
    /// Dropping `Events` stops the guest.
    pub async fn next(&mut self) -> Option<RunnerEvent> {
        self.events.recv().await
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunnerEvent {
    /// The guest's first instruction comes next.
    Started,
    /// Bytes of standard output, as soon as the guest wrote them; writes that were waiting together come together.
    Stdout(Vec<u8>),
    /// Bytes of standard error.
    Stderr(Vec<u8>),
    /// The guest waits for standard input. Comes once for each time that it found none.
    StdinWanted {
        /// More than so many bytes at once are kept back until the guest wants them.
        bytes_max: usize,
    },
    /// The end: the process is killed, and its memory comes back meanwhile. The last event.
    Ended(Report),
}

/// How an execution ended, and what it used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The trap in words and a backtrace, for people; comes from the child.
    pub message: Option<String>,
    /// What the parent and the kernel measured.
    pub measured: Measured,
    /// What the child says.
    pub claimed: Claimed,
    /// Output that was passed on.
    pub stdio: StdioBytes,
}

/// What the parent and the kernel measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// From the guest's first instruction to its end; zero when it never started.
    pub wall: Duration,
    /// CPU time of the process, its own start included.
    pub cpu: Duration,
    /// Peak resident memory of the process in bytes.
    pub resident_bytes_peak: u64,
}

/// What the child says. The cap of both is enforced by the child alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Fuel; 0 when the job did not bound it.
    pub fuel: u64,
    /// Largest size of the guest's linear memories together, bytes.
    pub memory_bytes_peak: u64,
}

/// Output that was passed on, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StdioBytes {
    /// Standard output.
    pub stdout: u64,
    /// Standard error.
    pub stderr: u64,
}

/// The execution has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program has ended")]
pub struct EndedError;

/// Input and stop, from any task.
#[derive(Clone, Debug)]
pub struct Control {
    commands: mpsc::Sender<Command>,
    stop: watch::Sender<Option<Stop>>,
}

/// What a [`Control`] asks of the driver, in order.
#[derive(Debug)]
pub(crate) enum Command {
    Input(Vec<u8>),
    CloseInput,
}

/// An end that the parent decided.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) outcome: Outcome,
    pub(crate) grace: Duration,
}

impl Control {
    /// Gives bytes of standard input; waits while the guest wants none. Dropping the future gives nothing.
    ///
    /// May be called without waiting for [`RunnerEvent::StdinWanted`], for a source that may be read ahead.
    ///
    /// # Errors
    /// When the execution has ended.
    pub async fn send_stdin(&self, bytes: Vec<u8>) -> Result<(), EndedError> {
        self.commands
            .send(Command::Input(bytes))
            .await
            .map_err(|_closed| EndedError)
    }

    /// Ends standard input after what was given so far.
    ///
    /// # Errors
    /// When the execution has ended.
    pub async fn close_stdin(&self) -> Result<(), EndedError> {
        self.commands
            .send(Command::CloseInput)
            .await
            .map_err(|_closed| EndedError)
    }

    /// Ends the guest with `outcome`, whatever it does: asked at once, killed after `grace`
    /// ([`crate::bounds::STOP_GRACE`] is what a healthy child needs; zero kills at once). Never waits.
    ///
    /// The first stop decides the outcome; a later one can only shorten the grace.
    pub fn stop(&self, outcome: Outcome, grace: Duration) {
        self.stop.send_modify(|stop| match stop {
            Some(earlier) => earlier.grace = earlier.grace.min(grace),
            None => *stop = Some(Stop { outcome, grace }),
        });
    }
}

/// A child could not be made: an outcome like any other failure of the sandbox.
pub(crate) fn not_spawned(error: &SpawnError) -> Outcome {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Outcome::RunnerFailed {
        detail: format!("{error}{}", cause.unwrap_or_default()),
    }
}
