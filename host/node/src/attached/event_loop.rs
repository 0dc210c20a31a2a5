//! The one event loop of an attached run: waits for everything at once, and decides what follows.

mod ending;
mod record;
mod screen;
mod wishes;

pub(super) use screen::Followed;

use super::roles::{Decision, Fact, Roles};
use super::server::{self, Asked};
use super::{Attached, Event, Phase, RunCommand, RunError, RunEvent, Source};
use crate::attempt::{Attempt, Done, Ready, Shared, Tools};
use crate::control::{self, Door};
use crate::logs::Stream;
use crate::outputs::Collected;
use crate::prepare::Prepared;
use crate::tasks::TaskGroup;
use mutual_protocol::JobId;
use mutual_protocol::outcome::Outcome;
use mutual_runner::RunnerEvent;
use mutual_store::BlockStore;
use record::Record;
use screen::Screen;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often the guest's progress is looked at.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// Answers of other threads that wait for the loop: an attempt gives at most three.
const DONE_MAX: usize = 4;
/// Questions of other terminals that wait for the loop.
const ASKED_MAX: usize = 8;

/// State of an attached run.
#[derive(Debug)]
pub(super) struct Loop {
    shared: Arc<Shared>,
    /// Goes on when the attempt's work with the store is cancelled.
    blocks: BlockStore,
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
    door: Option<Door>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
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

/// Somebody ended the run.
#[derive(Clone, Copy, Debug)]
struct Stop {
    /// By Ctrl-C.
    interrupted: bool,
    /// When nothing is waited for any more; none once that has come.
    patience_ends: Option<Instant>,
}

impl Loop {
    pub(super) fn new(
        node: Attached,
        prepared: Prepared,
        stdin: Source,
        (events, commands): (mpsc::Sender<RunEvent>, mpsc::Receiver<RunCommand>),
        (tasks, connections): (TaskGroup, TaskGroup),
    ) -> Result<Self, RunError> {
        let record = Record::new(
            (node.runs, node.clock.clone()),
            (node.command, node.name, node.build),
            &prepared,
        );
        let socket = control::socket_path(&node.runtime, &prepared.spec.job());
        let roles = Roles::new(&prepared.spec, (node.owner, node.witness), node.clock);
        let tools = Tools {
            blocks: node.blocks.clone(),
            staging: Arc::new(node.staging),
            cache: node.cache.map(Arc::new),
            spawner: node.spawner,
        };
        let shared = Shared::new(tools, prepared.into(), (node.code, node.spare));
        let (done_tx, done) = mpsc::channel(DONE_MAX);
        let (asked_tx, asked) = mpsc::channel(ASKED_MAX);
        Ok(Self {
            shared: Arc::new(shared),
            blocks: node.blocks,
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
                door: None,
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
                self.inbox.door = Some(Door::of(&listener, &self.inbox.socket));
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
        let job = self.shared.assignment.spec.job();
        registered(&job);
        self.screen.show(RunEvent::Registered(job));
        Ok(())
    }

    /// Until the job is decided.
    pub(super) async fn serve(&mut self) -> Result<(), RunError> {
        self.open()?;
        while self.decision.is_none() {
            let event = self.next_event().await;
            self.handle(event)?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), RunError> {
        self.roles.open()?;
        self.handle_facts();
        Ok(())
    }

    async fn next_event(&mut self) -> Event {
        let timer = self.roles.due_in().map(|left| Instant::now() + left);
        let patience_ends = self.stop.and_then(|stop| stop.patience_ends);
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
            () = sleep_until(patience_ends.unwrap_or(self.next_progress)), if patience_ends.is_some() => Event::PatienceEnds,
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
            Event::Command(RunCommand::Stop { now }) => self.stop_run(now, false)?,
            Event::Command(RunCommand::Interrupt { now }) => self.stop_run(now, true)?,
            Event::Asked(asked) => self.handle_asked(asked)?,
            Event::Timer => self.roles.tick()?,
            Event::PatienceEnds => self.lose_patience(),
            Event::ProgressTick => self.look_at_progress(),
            Event::Room => {}
        }
        self.handle_facts();
        Ok(())
    }

    /// What the roles came to by an event.
    fn handle_facts(&mut self) {
        while let Some(fact) = self.roles.next_fact() {
            self.handle_fact(fact);
        }
    }

    fn handle_fact(&mut self, fact: Fact) {
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
    }

    fn handle_done(&mut self, done: Done) -> Result<(), RunError> {
        match done {
            Done::Compiling => self.enter(Phase::Compiling),
            Done::Ready(Err(outcome)) => return self.attempt_ended(outcome, None),
            Done::Ready(Ok(ready)) => return self.launch(ready),
            Done::Collected(collected) => return self.handle_collected(collected),
        }
        Ok(())
    }

    fn launch(&mut self, ready: Ready) -> Result<(), RunError> {
        let Some(attempt) = &mut self.attempt else {
            return Ok(());
        };
        let launched = match attempt.stopped.take() {
            Some(outcome) => Err(outcome),
            None => attempt.launch(&self.shared, ready, self.stdin.take(), &self.tasks),
        };
        launched.or_else(|outcome| self.attempt_ended(outcome, None))
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
}

#[cfg(test)]
mod tests;
