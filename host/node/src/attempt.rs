//! One attempt at a job under one lease: prepare, run, collect. Each step tells the loop when it is done.
//!
//! The same for an attached run on its owner's machine and for a host that runs for others.

mod assignment;
mod progress;
mod sandbox;
mod stdin;

pub use assignment::Tools;
pub(crate) use assignment::{Assignment, Shared};
pub(crate) use progress::{Progress, Watch};
pub use sandbox::GUEST_FOLDERS;
pub use stdin::Source;

use crate::outputs::Collected;
use crate::tasks::TaskGroup;
use mutual_protocol::FencingToken;
use mutual_protocol::message;
use mutual_protocol::outcome::Outcome;
use mutual_runner::{CompiledProgram, Control, Events, Report, RunnerEvent};
use sandbox::Root;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Where an attempt stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a lease.
    Claiming,
    /// Bringing program and inputs to the host.
    Fetching,
    /// Making machine code of the program.
    Compiling,
    /// Laying out inputs.
    Staging,
    /// The guest runs.
    Running,
    /// Taking outputs.
    Collecting,
    /// Waiting for the decision.
    Deciding,
}

impl Phase {
    /// One word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claiming => "claiming",
            Self::Fetching => "fetching",
            Self::Compiling => "compiling",
            Self::Staging => "staging",
            Self::Running => "running",
            Self::Collecting => "collecting",
            Self::Deciding => "deciding",
        }
    }

    /// As hosts tell it; none before there is a lease, since both sides know.
    pub(crate) const fn on_the_wire(self) -> Option<message::Phase> {
        match self {
            Self::Claiming => None,
            Self::Fetching => Some(message::Phase::Fetching),
            Self::Compiling => Some(message::Phase::Compiling),
            Self::Staging => Some(message::Phase::Staging),
            Self::Running => Some(message::Phase::Running),
            Self::Collecting => Some(message::Phase::Collecting),
            Self::Deciding => Some(message::Phase::Deciding),
        }
    }
}

impl From<message::Phase> for Phase {
    fn from(phase: message::Phase) -> Self {
        match phase {
            message::Phase::Fetching => Self::Fetching,
            message::Phase::Compiling => Self::Compiling,
            message::Phase::Staging => Self::Staging,
            message::Phase::Running => Self::Running,
            message::Phase::Collecting => Self::Collecting,
            message::Phase::Deciding => Self::Deciding,
        }
    }
}

/// Code and root of an attempt that can be launched.
pub(crate) type Ready = (CompiledProgram, Root);

/// Work on another thread that is done.
#[derive(Debug)]
pub(crate) enum Done {
    /// The program is not in the cache and is being compiled.
    Compiling,
    /// Code and root are there, or the attempt has ended with this outcome.
    Ready(Result<Ready, Outcome>),
    /// Outputs were taken, or the attempt has ended with this outcome.
    Collected(Result<Collected, Outcome>),
}

/// An attempt, from the lease to its outputs.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) token: FencingToken,
    pub(crate) phase: Phase,
    pub(crate) watch: Option<Watch>,
    pub(crate) report: Option<Report>,
    pub(crate) collected: Option<Collected>,
    /// An end that was decided before the guest started, or instead of its own.
    pub(crate) stopped: Option<Outcome>,
    root: Option<Root>,
    control: Option<Control>,
    events: Option<Events>,
    wanted: Arc<Notify>,
}

impl Attempt {
    /// Starts to prepare: compiling and staging go on side by side.
    pub(crate) fn start(
        token: FencingToken,
        shared: &Arc<Shared>,
        tasks: &TaskGroup,
        done: &mpsc::Sender<Done>,
    ) -> Self {
        let (staged, root) = oneshot::channel();
        let stager = shared.clone();
        tasks.spawn_blocking(move || {
            // The receiver is gone when the run was stopped meanwhile; the root goes with the value.
            let _loop_is_gone = staged.send(sandbox::stage(&stager));
        });
        let (compiler, done) = (shared.clone(), done.clone());
        tasks.spawn("prepare the attempt", async move {
            let compiling = || {
                let _loop_is_gone = done.try_send(Done::Compiling);
            };
            let code = sandbox::code(&compiler, compiling).await;
            let vanished = || Outcome::RunnerFailed {
                detail: "staging ended without a word".to_owned(),
            };
            let root = root.await.unwrap_or_else(|_| Err(vanished()));
            let ready = code.and_then(|code| root.map(|root| (code, root)));
            let _loop_is_gone = done.send(Done::Ready(ready)).await;
        });
        Self {
            token,
            phase: Phase::Staging,
            watch: None,
            report: None,
            collected: None,
            stopped: None,
            root: None,
            control: None,
            events: None,
            wanted: Arc::new(Notify::new()),
        }
    }

    /// Hands the job to a sandbox process.
    ///
    /// # Errors
    /// How the attempt ends when that is not possible.
    pub(crate) fn launch(
        &mut self,
        shared: &Shared,
        (code, root): Ready,
        input: Option<Source>,
        tasks: &TaskGroup,
    ) -> Result<(), Outcome> {
        let running = sandbox::start(shared, &self.token, code, &root)?;
        self.watch = Some(Watch::new(root.path()));
        self.root = Some(root);
        tasks.spawn("sandbox", running.driver.run());
        if let Some(source) = input {
            tasks.spawn(
                "stdin",
                stdin::pump(source, running.control.clone(), self.wanted.clone()),
            );
        }
        self.control = Some(running.control);
        self.events = Some(running.events);
        Ok(())
    }

    /// Input and events of a launched sandbox, for a loop that has many: what is left here still stops it.
    pub(crate) fn take_streams(&mut self) -> (Option<Control>, Option<Events>) {
        (self.control.clone(), self.events.take())
    }

    /// Whether a sandbox lives, or is on its way.
    pub(crate) const fn has_guest(&self) -> bool {
        self.control.is_some() && self.report.is_none()
    }

    /// What the sandbox says next; waits for ever when there is none.
    pub(crate) async fn next(&mut self) -> Option<RunnerEvent> {
        match &mut self.events {
            Some(events) => events.next().await,
            None => std::future::pending().await,
        }
    }

    /// The guest waits for standard input.
    pub(crate) fn stdin_wanted(&self) {
        self.wanted.notify_one();
    }

    /// Ends the guest with `outcome`; before it has started, the attempt ends when it is ready.
    pub(crate) fn stop(&mut self, outcome: Outcome, grace: Duration) {
        match &self.control {
            Some(control) => control.stop(outcome, grace),
            None => self.stopped = Some(outcome),
        }
    }

    /// The sandbox is gone: nothing more is heard of it.
    pub(crate) fn silence(&mut self) {
        self.events = None;
    }

    /// Takes the outputs of a guest that ended with `outcome`, on another thread.
    pub(crate) fn collect(
        &mut self,
        shared: &Arc<Shared>,
        outcome: Outcome,
        tasks: &TaskGroup,
        done: mpsc::Sender<Done>,
    ) {
        self.phase = Phase::Collecting;
        let Some((path, staged)) = self.root.as_ref().map(|root| (root.path(), root.staged()))
        else {
            return;
        };
        let shared = shared.clone();
        tasks.spawn_blocking(move || {
            let collected = sandbox::collect(&shared, &path, staged, outcome);
            let _loop_is_gone = done.blocking_send(Done::Collected(collected));
        });
    }

    /// Removes the guest's root on another thread. What cannot be removed is left to the next sweep.
    pub(crate) fn clear(&mut self, tasks: &TaskGroup) {
        if let Some(root) = self.root.take() {
            tasks.spawn_blocking(move || {
                if let Err(e) = root.remove() {
                    tracing::debug!("the guest's root stays for the next sweep: {e}");
                }
            });
        }
    }
}
