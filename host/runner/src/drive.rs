//! One execution from the first frame to the reaped process: who decides the end, and when.
//!
//! The parent keeps the time, the credit, the disk and the kill; the child is only asked. Every await here is on one
//! list, in [`Drive::talk`].

pub(crate) mod claim;
mod inlet;
mod outlet;

use crate::bounds::{CREDIT_BYTES, EXIT_WAIT_MAX, START_WAIT_MAX, STOP_GRACE};
use crate::conversation::{Conversation, Progress};
use crate::disk::DiskWatch;
use crate::frame::Kind;
use crate::job::{Job, StdinMode};
use crate::message::{self, Ended, Load, LoadPreopen};
use crate::process::{Exit, Process, Usage};
use crate::runner::{
    Claimed, Command, Measured, Report, RunnerEvent, StartError, Stop, not_spawned,
};
use crate::spawn::{Pending, SpawnError};
use inlet::{Inlet, Supply};
use mutual_protocol::limits::FRAME_BYTES_MAX;
use mutual_protocol::outcome::Outcome;
use outlet::{Excess, Outlet, Stream};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// One execution.
#[derive(Debug)]
pub(crate) struct Drive {
    conversation: Conversation,
    spawning: oneshot::Receiver<Result<Process, SpawnError>>,
    process: Option<Result<Process, SpawnError>>,
    outlet: Outlet,
    inlet: Inlet,
    stop: watch::Receiver<Option<Stop>>,
    disk: DiskWatch,
    times: Times,
    /// The end that the parent decided.
    decided: Option<Outcome>,
}

/// When what happened, and when what must happen.
#[derive(Debug)]
struct Times {
    wall: Option<Duration>,
    started: Option<Instant>,
    ended: Option<Instant>,
    start_by: Option<Instant>,
    wall_end: Option<Instant>,
    kill_at: Option<Instant>,
}

/// Why talking to the child ended.
#[derive(Debug)]
enum Told {
    /// The child gave its report.
    Report(Ended),
    /// The socket closed without one.
    Nothing,
    /// The child broke the protocol.
    Nonsense(String),
    /// The child did not end in time, or must not go on.
    Overdue,
}

/// What became of the process.
#[derive(Debug)]
enum End {
    /// It was killed, and is not reaped yet.
    Killed(Usage, Process),
    /// It ended by itself.
    Reaped(Exit),
}

impl Drive {
    pub(crate) fn new(
        pending: Pending,
        job: Job,
        events: mpsc::Sender<RunnerEvent>,
        (commands, stop): (mpsc::Receiver<Command>, watch::Receiver<Option<Stop>>),
    ) -> Result<Self, StartError> {
        let limits = job.limits;
        let disk = DiskWatch::new(&job);
        let (code, load) = split(job);
        let body = message::encode(&load);
        if body.len() >= FRAME_BYTES_MAX {
            return Err(StartError::TooLarge { bytes: body.len() });
        }
        let conversation =
            Conversation::open(pending.socket, (Kind::Load, &body), &[code.as_fd()])?;
        Ok(Self {
            conversation,
            spawning: pending.process,
            process: None,
            outlet: Outlet::new(events, limits.stdio_bytes_max),
            inlet: Inlet::new(commands),
            stop,
            disk,
            times: Times::new(limits.wall_ms_max.map(Duration::from_millis)),
            decided: None,
        })
    }

    pub(crate) async fn run(mut self) {
        let told = self.talk().await;
        self.times.ended = Some(Instant::now());
        self.outlet.hand_over_now();
        let end = self.end_process(&told).await;
        let report = self.report(told, &end);
        let reap = async {
            if let Ok(end) = end {
                end.reap().await;
            }
        };
        tokio::join!(self.outlet.finish(RunnerEvent::Ended(report)), reap);
    }

    /// Everything that can wake us while the child lives.
    async fn talk(&mut self) -> Told {
        loop {
            let reading = self.outlet.has_room();
            tokio::select! {
                biased;
                Ok(()) = self.stop.changed() => self.handle_stop(),
                process = &mut self.spawning, if self.process.is_none() => self.handle_spawned(process),
                () = self.times.passed() => {
                    if let Some(told) = self.handle_time() {
                        return told;
                    }
                }
                () = self.disk.exceeded() => self.decide(Outcome::DiskLimit, Duration::ZERO),
                handed = self.outlet.hand_over() => match handed {
                    Ok(Some(credit)) => self.conversation.queue(Kind::Credit, &credit.to_le_bytes()),
                    Ok(None) => {}
                    Err(()) => return Told::Overdue,
                },
                supply = self.inlet.given() => self.handle_supply(supply),
                progress = self.conversation.progress(reading) => {
                    if let Some(told) = self.handle_progress(progress) {
                        return told;
                    }
                }
            }
        }
    }

    fn handle_stop(&mut self) {
        let stop = self.stop.borrow_and_update().clone();
        if let Some(Stop { outcome, grace }) = stop {
            self.decide(outcome, grace);
        }
    }

    /// The first decision is the outcome; a later one can only shorten the grace.
    fn decide(&mut self, outcome: Outcome, grace: Duration) {
        let kill_at = Instant::now() + grace;
        self.times.kill_at = Some(
            self.times
                .kill_at
                .map_or(kill_at, |earlier| earlier.min(kill_at)),
        );
        if self.decided.is_none() {
            self.decided = Some(outcome);
            self.conversation.queue(Kind::Stop, &[]);
            if let Some(Ok(process)) = &self.process {
                process.interrupt();
            }
        }
    }

    fn handle_spawned(
        &mut self,
        process: Result<Result<Process, SpawnError>, oneshot::error::RecvError>,
    ) {
        let process = process.unwrap_or(Err(SpawnError::Gone));
        if let Ok(process) = &process {
            self.disk.set_process(process.pid());
            if self.decided.is_some() {
                process.interrupt();
            }
        }
        self.process = Some(process);
    }

    fn handle_time(&mut self) -> Option<Told> {
        let now = Instant::now();
        let passed = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        if passed(self.times.kill_at) {
            return Some(Told::Overdue);
        }
        if passed(self.times.start_by) {
            self.times.start_by = None;
            self.decide(
                claim::failed("the sandbox process did not start the program"),
                Duration::ZERO,
            );
        }
        if passed(self.times.wall_end) {
            self.times.wall_end = None;
            self.decide(Outcome::TimeLimit, STOP_GRACE);
        }
        None
    }

    fn handle_supply(&mut self, supply: Supply) {
        match supply {
            Supply::Bytes(bytes) => self.conversation.queue(Kind::Input, &bytes),
            Supply::End => self.conversation.queue(Kind::InputEnd, &[]),
            Supply::Ask(bytes_max) => self.outlet.push(RunnerEvent::StdinWanted { bytes_max }),
        }
    }

    fn handle_progress(&mut self, progress: std::io::Result<Progress>) -> Option<Told> {
        match progress {
            Ok(Progress::Moved) => {}
            Ok(Progress::Closed) => return Some(Told::Nothing),
            Err(error) => return Some(Told::Nonsense(error.to_string())),
        }
        loop {
            match self.handle_frame() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(told) => return Some(told),
            }
        }
    }

    /// Handles one frame; `false` when there is none.
    fn handle_frame(&mut self) -> Result<bool, Told> {
        let frame = self
            .conversation
            .take()
            .map_err(|error| Told::Nonsense(error.to_string()))?;
        let Some((kind, body)) = frame else {
            return Ok(false);
        };
        match kind {
            Kind::Started if self.times.started.is_none() => {
                self.times.start();
                self.disk.start();
                self.outlet.push(RunnerEvent::Started);
            }
            Kind::Stdout | Kind::Stderr if self.times.started.is_some() => {
                let stream = if kind == Kind::Stdout {
                    Stream::Stdout
                } else {
                    Stream::Stderr
                };
                let output = self.outlet.output(stream, body);
                self.handle_output(output)?;
            }
            Kind::InputWanted if self.times.started.is_some() => {
                let bytes_max = <[u8; 4]>::try_from(body).map_or(0, u32::from_le_bytes);
                let supply = self.inlet.want(bytes_max).ok_or_else(|| unexpected(kind))?;
                self.handle_supply(supply);
            }
            Kind::Ended => {
                let report = message::decode_report(body);
                return Err(
                    report.map_or_else(|error| Told::Nonsense(error.to_string()), Told::Report)
                );
            }
            _ => return Err(unexpected(kind)),
        }
        Ok(true)
    }

    fn handle_output(&mut self, output: Result<(), Excess>) -> Result<(), Told> {
        match output {
            Ok(()) => Ok(()),
            Err(Excess::Credit) => Err(Told::Nonsense("output without credit".to_owned())),
            Err(Excess::Limit) => {
                self.decide(Outcome::OutputLimit, Duration::ZERO);
                Err(Told::Overdue)
            }
        }
    }

    /// Measures and kills the process; waits for its end only where that is the only thing it has told.
    async fn end_process(&mut self, told: &Told) -> Result<End, Outcome> {
        let process = match self.process.take() {
            Some(process) => process,
            None => (&mut self.spawning).await.unwrap_or(Err(SpawnError::Gone)),
        };
        let process = process.map_err(|error| not_spawned(&error))?;
        if matches!(told, Told::Nothing) && timeout(EXIT_WAIT_MAX, process.ended()).await.is_ok() {
            return Ok(End::Reaped(process.reap()));
        }
        let usage = process.usage();
        process.kill();
        Ok(End::Killed(usage, process))
    }

    fn report(&mut self, told: Told, end: &Result<End, Outcome>) -> Report {
        let usage = end
            .as_ref()
            .map_or_else(|_not_run| Usage::default(), End::usage);
        let mut report = Report {
            outcome: Outcome::Cancelled,
            message: None,
            measured: Measured {
                wall: self.times.wall_used(),
                cpu: usage.cpu,
                resident_bytes_peak: usage.resident_bytes_peak,
            },
            claimed: Claimed::default(),
            stdio: self.outlet.passed(),
        };
        let seen = match (told, end) {
            (_, Err(not_run)) => Some(not_run.clone()),
            (Told::Report(ended), _) => {
                report.message = ended.message.as_deref().map(claim::message);
                report.claimed = Claimed {
                    fuel: ended.fuel,
                    memory_bytes_peak: ended.memory_bytes_peak,
                };
                Some(claim::outcome(ended.ending))
            }
            (Told::Nonsense(detail), _) => {
                Some(claim::failed(&format!("broke its protocol: {detail}")))
            }
            (Told::Nothing, Ok(end)) => {
                Some(claim::failed(&format!("ended without a report: {end}")))
            }
            (Told::Overdue, _) => None,
        };
        report.outcome = self.decided.take().or(seen).unwrap_or(Outcome::Cancelled);
        report
    }
}

impl End {
    const fn usage(&self) -> Usage {
        match self {
            Self::Killed(usage, _) => *usage,
            Self::Reaped(exit) => exit.usage,
        }
    }

    /// Waits until a killed process is gone, and reaps it. One that is stuck in the kernel is left to the spawner.
    async fn reap(self) {
        if let Self::Killed(_, process) = self
            && timeout(EXIT_WAIT_MAX, process.ended()).await.is_ok()
        {
            process.reap();
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Killed(..) => f.write_str("it lived on, and was killed"),
            Self::Reaped(exit) => exit.fmt(f),
        }
    }
}

fn unexpected(kind: Kind) -> Told {
    Told::Nonsense(format!("a frame out of turn: {kind:?}"))
}

/// The code, and what is told about it.
fn split(job: Job) -> (crate::SealedFile, Load) {
    let preopens = job.preopens.into_iter().map(|preopen| LoadPreopen {
        host: preopen.host.into_os_string().into_vec(),
        guest: preopen.guest,
        access: preopen.access,
    });
    let load = Load {
        kind: job.program.kind,
        metering: job.program.metering,
        arguments: job.arguments,
        environment: job.environment,
        preopens: preopens.collect(),
        has_stdin: job.stdin == StdinMode::Pulled,
        memory_bytes_max: job.limits.memory_bytes_max,
        file_bytes_max: job.limits.disk_bytes_max,
        fuel_max: job.limits.fuel_max,
        credit: CREDIT_BYTES,
    };
    (job.program.code, load)
}

impl Times {
    fn new(wall: Option<Duration>) -> Self {
        Self {
            wall,
            started: None,
            ended: None,
            start_by: Some(Instant::now() + START_WAIT_MAX),
            wall_end: None,
            kill_at: None,
        }
    }

    fn start(&mut self) {
        let now = Instant::now();
        self.started = Some(now);
        self.start_by = None;
        // A wall clock of years overflows: it never ends.
        self.wall_end = self.wall.and_then(|wall| now.checked_add(wall));
    }

    /// Waits for the first of the times that are set. Dropping the future is safe.
    async fn passed(&self) {
        let times = [self.start_by, self.wall_end, self.kill_at];
        match times.into_iter().flatten().min() {
            Some(time) => sleep_until(time).await,
            None => std::future::pending().await,
        }
    }

    fn wall_used(&self) -> Duration {
        match (self.started, self.ended) {
            (Some(started), Some(ended)) => ended - started,
            _ => Duration::ZERO,
        }
    }
}
