//! The one event loop of an attached run: waits for everything at once, and decides what follows.

mod ending;
mod here;
mod pool;
mod record;
mod screen;
mod wishes;

pub(super) use screen::Followed;

use super::pool::{Input, Pool};
use super::roles::{Decision, Fact, Roles};
use super::server::{self, Asked};
use super::{Attached, Event, Phase, Place, RunCommand, RunError, RunEvent, Source};
use crate::attempt::{Assignment, Shared, Tools};
use crate::control::{self, Door};
use crate::outputs::Collected;
use crate::prepare::Prepared;
use crate::tasks::TaskGroup;
use here::Here;
use mutual_protocol::JobId;
use mutual_protocol::outcome::Outcome;
use mutual_protocol::spec::Stdin;
use mutual_store::BlockStore;
use record::Record;
use screen::Screen;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Questions of other terminals that wait for the loop.
const ASKED_MAX: usize = 8;

/// State of an attached run.
#[derive(Debug)]
pub(super) struct Loop {
    blocks: BlockStore,
    tasks: TaskGroup,
    connections: TaskGroup,
    roles: Roles,
    work: Work,
    screen: Screen,
    inbox: Inbox,
    record: Record,
    stop: Option<Stop>,
    decision: Option<Decision>,
    ended: Option<Ended>,
}

/// Where the job's attempts are made.
#[derive(Debug)]
enum Work {
    /// On this machine: the one attempt.
    Here(Box<Here>),
    /// On other hosts, one after another.
    Pool(Box<Pool>),
}

/// What comes from outside the loop, wherever the job runs.
struct Inbox {
    commands: mpsc::Receiver<RunCommand>,
    asked: mpsc::Receiver<Asked>,
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
        let mut roles = Roles::new(&prepared.spec, (node.owner, node.witness), node.clock);
        let assignment = Assignment::from(prepared);
        let work = match node.place {
            Place::Here => {
                let tools = Tools {
                    blocks: node.blocks.clone(),
                    staging: Arc::new(node.staging),
                    cache: node.cache.map(Arc::new),
                    spawner: node.spawner,
                };
                let shared = Shared::new(tools, assignment, (node.code, node.spare));
                Work::Here(Box::new(Here::new(shared, stdin)))
            }
            Place::Pool(place) => {
                roles = roles.elsewhere(assignment.bytes());
                let is_attached = roles.spec().value().stdin == Stdin::Attached;
                let input = Input::new(is_attached.then_some(stdin), &tasks);
                Work::Pool(Box::new(Pool::new(place, input)?))
            }
        };
        let (asked_tx, asked) = mpsc::channel(ASKED_MAX);
        Ok(Self {
            blocks: node.blocks,
            tasks,
            connections,
            roles,
            work,
            screen: Screen::new(events),
            inbox: Inbox {
                commands,
                asked,
                asked_tx,
                socket,
                door: None,
            },
            record,
            stop: None,
            decision: None,
            ended: None,
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
        let job = self.roles.spec().job();
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
        self.share();
        self.settle()
    }

    async fn next_event(&mut self) -> Event {
        let timer = self.roles.due_in().map(|left| Instant::now() + left);
        let patience_ends = self.stop.and_then(|stop| stop.patience_ends);
        let room = self.screen.has_room();
        let wake_at = self.wake_at();
        let work = async {
            match &mut self.work {
                Work::Here(here) => here.next(room).await,
                Work::Pool(pool) => Event::Pool(pool.next(wake_at).await),
            }
        };
        let at = |time: Option<Instant>| sleep_until(time.unwrap_or_else(Instant::now));
        tokio::select! {
            biased;
            Some(command) = self.inbox.commands.recv() => Event::Command(command),
            Some(asked) = self.inbox.asked.recv() => Event::Asked(asked),
            () = at(patience_ends), if patience_ends.is_some() => Event::PatienceEnds,
            () = at(timer), if timer.is_some() => Event::Timer,
            () = self.screen.drain(), if !room => Event::Room,
            event = work => event,
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
            Event::ProgressTick => self.look_at_progress(),
            Event::Pool(event) => self.handle_pool(event)?,
            Event::Command(RunCommand::Stop { now }) => self.stop_run(now, false)?,
            Event::Command(RunCommand::Interrupt { now }) => self.stop_run(now, true)?,
            Event::Asked(asked) => self.handle_asked(asked)?,
            Event::Timer => self.roles.tick()?,
            Event::PatienceEnds => self.lose_patience()?,
            Event::Room => {}
        }
        self.settle()
    }

    /// What the roles came to by an event, and what follows from it, until nothing does.
    fn settle(&mut self) -> Result<(), RunError> {
        loop {
            while let Some(fact) = self.roles.next_fact() {
                self.handle_fact(fact)?;
            }
            if !self.settle_pool()? {
                return Ok(());
            }
        }
    }

    fn handle_fact(&mut self, fact: Fact) -> Result<(), RunError> {
        match fact {
            Fact::Leased(token) => self.begin_here(token),
            Fact::Lost(token) => {
                self.kill_here(token);
                self.lost_elsewhere(token);
            }
            Fact::LeasedTo { token, host } => self.begin_elsewhere(token, host)?,
            Fact::Wanted => self.look_for_host(),
            Fact::Decided(decision) => self.decided(*decision),
        }
        Ok(())
    }

    fn decided(&mut self, decision: Decision) {
        self.take_ending(&decision);
        self.decision = Some(decision);
    }

    /// Where the run stands.
    fn phase(&self) -> Phase {
        let phase = match &self.work {
            Work::Here(here) => here.attempt.as_ref().map(|attempt| attempt.phase),
            Work::Pool(pool) => pool.attempt.as_ref().map(|attempt| attempt.phase),
        };
        phase.unwrap_or(Phase::Claiming)
    }

    fn enter(&mut self, phase: Phase) {
        match &mut self.work {
            Work::Here(here) => {
                if let Some(attempt) = &mut here.attempt {
                    attempt.phase = phase;
                }
            }
            Work::Pool(pool) => {
                if let Some(attempt) = &mut pool.attempt {
                    attempt.phase = phase;
                }
            }
        }
        self.screen.show(RunEvent::Phase(phase));
    }
}

#[cfg(test)]
mod tests;
