//! The one event loop of an attached run: waits for everything at once, and decides what follows.

mod record;
mod screen;

use super::attempt::{Attempt, Done};
use super::progress::Progress;
use super::roles::{Decision, Fact, Roles};
use super::server::{self, Asked, Reply};
use super::{Attached, Event, Phase, RunCommand, RunEnd, RunError, RunEvent, Shared, Source};
use crate::clock::{Clock as _, SystemClock};
use crate::control::{self, Request, Status};
use crate::logs::Stream;
use crate::outputs::Collected;
use crate::prepare::Prepared;
use crate::tasks::TaskGroup;
use mutual_protocol::JobId;
use mutual_protocol::outcome::Outcome;
use mutual_runner::{Report, RunnerEvent};
use record::{Facts, Record};
use screen::Screen;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often the guest's progress is looked at.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// How long a stopped guest's last output is waited for.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Answers of other threads that wait for the loop: an attempt gives at most three.
const DONE_MAX: usize = 4;
/// Questions of other terminals that wait for the loop.
const ASKED_MAX: usize = 8;

/// State of an attached run.
#[derive(Debug)]
pub(super) struct Loop {
    shared: Arc<Shared>,
    tasks: TaskGroup,
    connections: TaskGroup,
    roles: Roles,
    attempt: Option<Attempt>,
    screen: Screen,
    inbox: Inbox,
    record: Record,
    stdin: Option<Source>,
    stop: Option<Stop>,
    decision: Option<Decision>,
    ended: Option<Ended>,
    next_progress: Instant,
}

/// What comes from outside the loop.
struct Inbox {
    commands: mpsc::Receiver<RunCommand>,
    asked: mpsc::Receiver<Asked>,
    done: mpsc::Receiver<Done>,
    done_tx: mpsc::Sender<Done>,
    asked_tx: mpsc::Sender<Asked>,
    socket: PathBuf,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let _was_never_made = std::fs::remove_file(&self.socket);
    }
}

/// How the deciding attempt ended.
#[derive(Debug)]
struct Ended {
    outcome: Outcome,
    /// The sandbox's words about it.
    message: Option<String>,
    collected: Option<Collected>,
}

/// The person ended the run.
#[derive(Clone, Copy, Debug)]
struct Stop {
    interrupted: bool,
}

impl Loop {
    pub(super) fn new(
        node: Attached,
        prepared: Prepared,
        stdin: Source,
        (events, commands): (mpsc::Sender<RunEvent>, mpsc::Receiver<RunCommand>),
        (tasks, connections): (TaskGroup, TaskGroup),
    ) -> Result<Self, RunError> {
        let record = Record::new(node.runs, (node.command, node.name, node.build), &prepared);
        let socket = control::socket_path(&node.runtime, &prepared.spec.job());
        let roles = Roles::new(&prepared.spec, node.owner, node.witness);
        let shared = Shared {
            prepared,
            blocks: node.blocks,
            staging: node.staging,
            cache: node.cache,
            spawner: node.spawner,
            code: Mutex::new(node.code),
            spare: Mutex::new(node.spare),
        };
        let (done_tx, done) = mpsc::channel(DONE_MAX);
        let (asked_tx, asked) = mpsc::channel(ASKED_MAX);
        Ok(Self {
            shared: Arc::new(shared),
            tasks,
            connections,
            roles,
            attempt: None,
            screen: Screen::new(events),
            inbox: Inbox {
                commands,
                asked,
                done,
                done_tx,
                asked_tx,
                socket,
            },
            record,
            stdin: Some(stdin),
            stop: None,
            decision: None,
            ended: None,
            next_progress: Instant::now() + PROGRESS_EVERY,
        })
    }

    /// Puts the run on record and opens its socket.
    pub(super) fn register(&mut self, registered: impl FnOnce(&JobId)) -> Result<(), RunError> {
        match control::listen(&self.inbox.socket) {
            Ok(listener) => {
                let serve = server::serve(
                    listener,
                    self.inbox.asked_tx.clone(),
                    self.connections.clone(),
                );
                self.tasks.spawn("control socket", serve);
            }
            // Other terminals cannot reach this run then; the run itself needs nobody.
            Err(e) => tracing::warn!("{}: {e}", self.inbox.socket.display()),
        }
        self.record.write()?;
        let job = self.shared.prepared.spec.job();
        registered(&job);
        self.screen.show(RunEvent::Registered(job));
        Ok(())
    }

    /// Until the job is decided.
    pub(super) async fn serve(&mut self) -> Result<(), RunError> {
        self.roles.open(SystemClock.boot())?;
        loop {
            while let Some(fact) = self.roles.next_fact() {
                self.handle_fact(fact)?;
            }
            if self.decision.is_some() {
                return Ok(());
            }
            let event = self.next_event().await;
            self.handle(event)?;
        }
    }

    async fn next_event(&mut self) -> Event {
        let now = SystemClock.boot();
        let timer = self.roles.timer().map(|at| Instant::now() + at.since(now));
        let is_running = self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.phase == Phase::Running);
        let room = self.screen.has_room();
        let attempt = &mut self.attempt;
        let runner = async {
            match attempt {
                // Output that the person has not taken yet holds up the guest, and nothing else.
                Some(attempt) if room => attempt.next().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(command) = self.inbox.commands.recv() => Event::Command(command),
            Some(asked) = self.inbox.asked.recv() => Event::Asked(asked),
            Some(done) = self.inbox.done.recv() => Event::Attempt(done),
            () = self.screen.drain(), if !room => Event::Room,
            event = runner => event.map_or(Event::RunnerGone, Event::Runner),
            () = sleep_until(timer.unwrap_or(self.next_progress)), if timer.is_some() => Event::Timer,
            () = sleep_until(self.next_progress), if is_running => Event::ProgressTick,
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), RunError> {
        match event {
            Event::Attempt(done) => self.handle_done(done)?,
            Event::Runner(event) => self.handle_runner(event)?,
            Event::RunnerGone => {
                let detail = "the sandbox ended without a word".to_owned();
                self.attempt_ended(Outcome::RunnerFailed { detail }, None)?;
            }
            Event::Command(command) => self.handle_command(command)?,
            Event::Asked(asked) => self.handle_asked(asked)?,
            Event::Timer => self.roles.tick(SystemClock.boot())?,
            Event::ProgressTick => self.look_at_progress(),
            Event::Room => {}
        }
        Ok(())
    }

    fn handle_fact(&mut self, fact: Fact) -> Result<(), RunError> {
        match fact {
            Fact::Leased(token) => {
                let attempt = Attempt::start(token, &self.shared, &self.tasks, &self.inbox.done_tx);
                self.attempt = Some(attempt);
                self.enter(Phase::Staging);
            }
            Fact::Lost(token) => {
                let held = self
                    .attempt
                    .as_mut()
                    .filter(|attempt| attempt.token == token);
                if let Some(attempt) = held {
                    attempt.stop(Outcome::Cancelled, Duration::ZERO);
                }
            }
            Fact::Decided(decision) => {
                self.decision = Some(*decision);
            }
        }
        Ok(())
    }

    fn handle_done(&mut self, done: Done) -> Result<(), RunError> {
        match done {
            Done::Compiling => self.enter(Phase::Compiling),
            Done::Ready(Err(outcome)) => return self.attempt_ended(outcome, None),
            Done::Ready(Ok(ready)) => {
                let Some(attempt) = &mut self.attempt else {
                    return Ok(());
                };
                if let Some(outcome) = attempt.stopped.take() {
                    return self.attempt_ended(outcome, None);
                }
                let launched = attempt.launch(&self.shared, ready, self.stdin.take(), &self.tasks);
                if let Err(outcome) = launched {
                    return self.attempt_ended(outcome, None);
                }
            }
            Done::Collected(Ok(collected)) => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.collected = Some(collected);
                }
                return self.report_ended();
            }
            Done::Collected(Err(outcome)) => return self.attempt_ended(outcome, None),
        }
        Ok(())
    }

    fn handle_runner(&mut self, event: RunnerEvent) -> Result<(), RunError> {
        match event {
            RunnerEvent::Started => {
                self.record.started();
                self.enter(Phase::Running);
            }
            RunnerEvent::Stdout(bytes) => self.screen.output(Stream::Stdout, bytes),
            RunnerEvent::Stderr(bytes) => self.screen.output(Stream::Stderr, bytes),
            RunnerEvent::StdinWanted { .. } => {
                if let Some(attempt) = &self.attempt {
                    attempt.stdin_wanted();
                }
            }
            RunnerEvent::Ended(report) => return self.runner_ended(report),
            _ => {}
        }
        Ok(())
    }

    fn runner_ended(&mut self, report: Report) -> Result<(), RunError> {
        self.look_at_progress();
        let Some(attempt) = &mut self.attempt else {
            return Ok(());
        };
        attempt.silence();
        let (outcome, message) = (report.outcome.clone(), report.message.clone());
        attempt.report = Some(report);
        if !outcome.is_finished() {
            return self.attempt_ended(outcome, message);
        }
        attempt.collect(&self.shared, &self.tasks, self.inbox.done_tx.clone());
        self.enter(Phase::Collecting);
        Ok(())
    }

    /// The guest came to its own end and its outputs are taken.
    fn report_ended(&mut self) -> Result<(), RunError> {
        let report = self
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.report.as_ref());
        match report.map(|report| (report.outcome.clone(), report.message.clone())) {
            Some((outcome, message)) => self.attempt_ended(outcome, message),
            None => Ok(()),
        }
    }

    /// The attempt is over: its ending goes to the holder, who brings it to a decision.
    fn attempt_ended(&mut self, outcome: Outcome, message: Option<String>) -> Result<(), RunError> {
        let Some(attempt) = &mut self.attempt else {
            return Ok(());
        };
        attempt.silence();
        attempt.clear(&self.tasks);
        let collected = attempt.collected.take();
        let prepared = &self.shared.prepared;
        let facts = Facts {
            token: attempt.token,
            outcome: &outcome,
            report: attempt.report.as_ref(),
            manifest: collected.as_ref().map(|collected| collected.cid),
            input_bytes: prepared
                .manifest
                .total_bytes()
                .saturating_add(prepared.spec.value().program.size),
            output_bytes: self
                .screen
                .written()
                .saturating_add(collected.as_ref().map_or(0, |c| c.manifest.total_bytes())),
        };
        let receipt = self
            .record
            .receipt(&prepared.spec, self.roles.host(), &facts);
        self.ended = Some(Ended {
            outcome: outcome.clone(),
            message,
            collected,
        });
        self.enter(Phase::Deciding);
        self.roles.finish(SystemClock.boot(), receipt)
    }

    fn handle_command(&mut self, command: RunCommand) -> Result<(), RunError> {
        let (now, interrupted) = match command {
            RunCommand::Stop { now } => (now, false),
            RunCommand::Interrupt { now } => (now, true),
        };
        self.stop_run(now, interrupted)
    }

    fn stop_run(&mut self, now: bool, interrupted: bool) -> Result<(), RunError> {
        let stop = self.stop.get_or_insert(Stop { interrupted });
        stop.interrupted |= interrupted;
        let grace = if now { Duration::ZERO } else { STOP_GRACE };
        match self
            .attempt
            .as_mut()
            .map(|attempt| (attempt.phase, attempt))
        {
            Some((Phase::Staging | Phase::Compiling | Phase::Claiming, _)) | None => {
                // Nothing runs yet; what is being prepared is dropped with its tasks.
                self.attempt_ended(Outcome::Cancelled, None)
            }
            Some((Phase::Running, attempt)) => {
                attempt.stop(Outcome::Cancelled, grace);
                Ok(())
            }
            // The guest has ended: what remains takes no time, and its result counts.
            Some((Phase::Collecting | Phase::Deciding, _)) => Ok(()),
        }
    }

    fn handle_asked(&mut self, asked: Asked) -> Result<(), RunError> {
        let (log, follow) = match asked.request {
            Request::Status => (Vec::new(), None),
            Request::Logs { follow } => (
                self.screen.encoded_frames(),
                follow.then(|| self.screen.follow()),
            ),
            Request::Stop { .. } => (Vec::new(), Some(self.screen.follow())),
        };
        let _asker_left = asked.reply.send(Reply {
            status: self.status(),
            log,
            follow,
        });
        match asked.request {
            Request::Stop { now } => self.stop_run(now, false),
            _ => Ok(()),
        }
    }

    fn status(&self) -> Status {
        let (epoch, renewals) = self.roles.standing();
        let phase = self
            .attempt
            .as_ref()
            .map_or(Phase::Claiming, |attempt| attempt.phase);
        let progress = self
            .screen
            .progress()
            .map(|p: &Progress| (p.done, p.total, p.text.clone()));
        Status {
            phase: phase.name().to_owned(),
            epoch,
            renewals,
            progress,
        }
    }

    fn look_at_progress(&mut self) {
        self.next_progress = Instant::now() + PROGRESS_EVERY;
        let told = self
            .attempt
            .as_mut()
            .and_then(|attempt| attempt.watch.as_mut())
            .and_then(|watch| watch.look());
        if let Some(progress) = told {
            self.screen.told(progress);
        }
    }

    fn enter(&mut self, phase: Phase) {
        if let Some(attempt) = &mut self.attempt {
            attempt.phase = phase;
        }
        self.screen.show(RunEvent::Phase(phase));
    }

    /// Keeps what was decided, and gives the end.
    pub(super) async fn conclude(&mut self) -> Result<RunEnd, RunError> {
        self.screen.drain().await;
        let (Some(decision), Some(ended)) = (self.decision.take(), self.ended.take()) else {
            return Err(RunError::Protocol {
                detail: "a decision without an attempt".to_owned(),
            });
        };
        let Decision {
            lease,
            result,
            receipt,
        } = &decision;
        let (log, prepared) = (self.screen.log(), &self.shared.prepared);
        let decided = (lease, result, receipt);
        let record = self.record.finish(
            &self.shared.blocks,
            &ended.outcome,
            log,
            &prepared.spec,
            decided,
        )?;
        let (manifest, skipped) = ended.collected.map(|c| (c.manifest, c.skipped)).unzip();
        Ok(RunEnd {
            record,
            outcome: ended.outcome,
            message: ended.message,
            manifest,
            skipped: skipped.unwrap_or_default(),
            interrupted: self.stop.is_some_and(|stop| stop.interrupted),
        })
    }
}
