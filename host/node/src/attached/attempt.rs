//! One attempt at the job under one lease: prepare, run, collect. Each step tells the loop when it is done.

use super::sandbox::{self, Root};
use super::stdin::{self, Source};
use super::{Phase, Shared, progress};
use crate::outputs::Collected;
use crate::tasks::TaskGroup;
use mutual_protocol::FencingToken;
use mutual_protocol::outcome::Outcome;
use mutual_runner::{CompiledProgram, Control, Events, Report, RunnerEvent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Work on another thread that is done.
#[derive(Debug)]
pub(super) enum Done {
    /// The program is not in the cache and is being compiled.
    Compiling,
    /// Code and root are there, or the attempt has ended with this outcome.
    Ready(Result<(CompiledProgram, Root), Outcome>),
    /// Outputs were taken, or the attempt has ended with this outcome.
    Collected(Result<Collected, Outcome>),
}

/// An attempt, from the lease to its outputs.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) token: FencingToken,
    pub(super) phase: Phase,
    pub(super) watch: Option<progress::Watch>,
    pub(super) report: Option<Report>,
    pub(super) collected: Option<Collected>,
    /// An end that was decided before the guest started, or instead of its own.
    pub(super) stopped: Option<Outcome>,
    root: Option<Root>,
    control: Option<Control>,
    events: Option<Events>,
    wanted: Arc<Notify>,
}

impl Attempt {
    /// Starts to prepare: compiling and staging go on side by side.
    pub(super) fn start(
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
    pub(super) fn launch(
        &mut self,
        shared: &Shared,
        (code, root): (CompiledProgram, Root),
        input: Option<Source>,
        tasks: &TaskGroup,
    ) -> Result<(), Outcome> {
        let running = sandbox::start(shared, &self.token, code, &root)?;
        self.watch = Some(progress::Watch::new(root.path()));
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

    /// What the sandbox says next; waits for ever when there is none.
    pub(super) async fn next(&mut self) -> Option<RunnerEvent> {
        match &mut self.events {
            Some(events) => events.next().await,
            None => std::future::pending().await,
        }
    }

    /// The guest waits for standard input.
    pub(super) fn stdin_wanted(&self) {
        self.wanted.notify_one();
    }

    /// Ends the guest with `outcome`; before it has started, the attempt ends when it is ready.
    pub(super) fn stop(&mut self, outcome: Outcome, grace: Duration) {
        match &self.control {
            Some(control) => control.stop(outcome, grace),
            None => self.stopped = Some(outcome),
        }
    }

    /// The sandbox is gone: nothing more is heard of it.
    pub(super) fn silence(&mut self) {
        self.events = None;
    }

    /// Takes the outputs of a guest that ended with `outcome`, on another thread.
    pub(super) fn collect(
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
    pub(super) fn clear(&mut self, tasks: &TaskGroup) {
        if let Some(root) = self.root.take() {
            tasks.spawn_blocking(move || {
                if let Err(e) = root.remove() {
                    tracing::debug!("the guest's root stays for the next sweep: {e}");
                }
            });
        }
    }
}
