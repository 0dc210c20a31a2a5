//! The attempt that this machine makes itself, from the lease to its outputs.

use super::{Ended, Event, Loop, Work};
use crate::attached::{Phase, RunError};
use crate::attempt::{Attempt, Done, Ready, Shared, Source};
use crate::logs::Stream;
use crate::outputs::Collected;
use crate::receipt::{self, Facts};
use mutual_protocol::FencingToken;
use mutual_protocol::outcome::Outcome;
use mutual_runner::{Report, RunnerEvent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often the guest's progress is looked at.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// Answers of other threads that wait for the loop: an attempt gives at most three.
const DONE_MAX: usize = 4;

/// What an attempt on this machine works with.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) shared: Arc<Shared>,
    pub(super) attempt: Option<Attempt>,
    stdin: Option<Source>,
    done: mpsc::Receiver<Done>,
    done_tx: mpsc::Sender<Done>,
    next_progress: Instant,
}

impl Here {
    pub(super) fn new(shared: Shared, stdin: Source) -> Self {
        let (done_tx, done) = mpsc::channel(DONE_MAX);
        Self {
            shared: Arc::new(shared),
            attempt: None,
            stdin: Some(stdin),
            done,
            done_tx,
            next_progress: Instant::now() + PROGRESS_EVERY,
        }
    }

    /// What happens next. Output that the person has not taken yet holds up the guest, and nothing else.
    pub(super) async fn next(&mut self, has_room: bool) -> Event {
        let attempt = self.attempt.as_mut();
        let is_running = attempt.as_ref().is_some_and(|a| a.phase == Phase::Running);
        let runner = async {
            match attempt {
                Some(attempt) if has_room => attempt.next().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(done) = self.done.recv() => Event::Attempt(done),
            event = runner => event.map_or(Event::RunnerGone, Event::Runner),
            () = sleep_until(self.next_progress), if is_running => Event::ProgressTick,
        }
    }
}

impl Loop {
    /// The lease is held.
    pub(super) fn begin_here(&mut self, token: FencingToken) {
        if let Work::Here(here) = &mut self.work {
            let attempt = Attempt::start(token, &here.shared, &self.tasks, &here.done_tx);
            here.attempt = Some(attempt);
        }
        self.enter(Phase::Staging);
    }

    /// The lease is gone.
    pub(super) fn kill_here(&mut self, token: FencingToken) {
        if let Work::Here(here) = &mut self.work
            && let Some(attempt) = here.attempt.as_mut().filter(|a| a.token == token)
        {
            attempt.stop(Outcome::Cancelled, Duration::ZERO);
        }
    }

    pub(super) fn handle_done(&mut self, done: Done) -> Result<(), RunError> {
        match done {
            Done::Compiling => self.enter(Phase::Compiling),
            Done::Ready(Err(outcome)) => return self.attempt_ended(outcome, None),
            Done::Ready(Ok(ready)) => return self.launch(ready),
            Done::Collected(collected) => return self.handle_collected(collected),
        }
        Ok(())
    }

    fn launch(&mut self, ready: Ready) -> Result<(), RunError> {
        let Work::Here(here) = &mut self.work else {
            return Ok(());
        };
        let Some(attempt) = &mut here.attempt else {
            return Ok(());
        };
        let launched = match attempt.stopped.take() {
            Some(outcome) => Err(outcome),
            None => attempt.launch(&here.shared, ready, here.stdin.take(), &self.tasks),
        };
        launched.or_else(|outcome| self.attempt_ended(outcome, None))
    }

    pub(super) fn handle_runner(&mut self, event: RunnerEvent) -> Result<(), RunError> {
        match event {
            RunnerEvent::Started => {
                self.record.started();
                self.enter(Phase::Running);
            }
            RunnerEvent::Stdout(bytes) => self.screen.output(Stream::Stdout, bytes),
            RunnerEvent::Stderr(bytes) => self.screen.output(Stream::Stderr, bytes),
            RunnerEvent::StdinWanted { .. } => {
                if let Work::Here(here) = &self.work
                    && let Some(attempt) = &here.attempt
                {
                    attempt.stdin_wanted();
                }
            }
            RunnerEvent::Ended(report) => return self.runner_ended(report),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn look_at_progress(&mut self) {
        let Work::Here(here) = &mut self.work else {
            return;
        };
        here.next_progress = Instant::now() + PROGRESS_EVERY;
        let watch = here.attempt.as_mut().and_then(|a| a.watch.as_mut());
        if let Some(progress) = watch.and_then(|watch| watch.look()) {
            self.screen.told(progress);
        }
    }

    /// The sandbox is gone. A guest that came to an end of its own may have outputs.
    fn runner_ended(&mut self, report: Report) -> Result<(), RunError> {
        self.look_at_progress();
        let Work::Here(here) = &mut self.work else {
            return Ok(());
        };
        let Some(attempt) = &mut here.attempt else {
            return Ok(());
        };
        attempt.silence();
        let (outcome, message) = (report.outcome.clone(), report.message.clone());
        attempt.report = Some(report);
        if !matches!(outcome, Outcome::Finished { .. } | Outcome::Trapped { .. }) {
            return self.attempt_ended(outcome, message);
        }
        attempt.collect(&here.shared, outcome, &self.tasks, here.done_tx.clone());
        self.enter(Phase::Collecting);
        Ok(())
    }

    fn handle_collected(&mut self, collected: Result<Collected, Outcome>) -> Result<(), RunError> {
        let is_over = self.has_lost_patience();
        let Work::Here(here) = &mut self.work else {
            return Ok(());
        };
        let Some((attempt, report)) = here
            .attempt
            .as_mut()
            .and_then(|attempt| attempt.report.clone().map(|report| (attempt, report)))
        else {
            return Ok(());
        };
        let outcome = match collected {
            Ok(collected) => {
                attempt.collected = Some(collected);
                report.outcome.clone()
            }
            // Collecting was cut short.
            Err(Outcome::HostFailed { .. }) if is_over => Outcome::Cancelled,
            Err(outcome) => outcome,
        };
        let message = report.message.filter(|_| outcome == report.outcome);
        self.attempt_ended(outcome, message)
    }

    /// The attempt is over: its ending goes to the holder, who brings it to a decision.
    pub(super) fn attempt_ended(
        &mut self,
        outcome: Outcome,
        message: Option<String>,
    ) -> Result<(), RunError> {
        let Work::Here(here) = &mut self.work else {
            return Ok(());
        };
        let Some(attempt) = &mut here.attempt else {
            return Ok(());
        };
        attempt.silence();
        attempt.clear(&self.tasks);
        let collected = attempt.collected.take();
        let assignment = &here.shared.assignment;
        let receipt = receipt::statement(&Facts {
            token: attempt.token,
            host: self.roles.host(),
            spec: &assignment.spec,
            build: self.record.build(),
            outcome: &outcome,
            report: attempt.report.as_ref(),
            manifest: collected.as_ref().map(|collected| collected.cid),
            input_bytes: assignment.bytes(),
            output_bytes: self
                .screen
                .written()
                .saturating_add(collected.as_ref().map_or(0, |c| c.manifest.total_bytes())),
            started_at_ms: self.record.started_at_ms(),
            ended_at_ms: self.record.now_ms(),
        });
        self.ended = Some(Ended {
            outcome,
            message,
            collected,
        });
        self.enter(Phase::Deciding);
        self.roles.finish(receipt)
    }

    /// Ends the attempt: politely, within `grace`, when its guest runs; at once before that. What has come to its own
    /// end already may still bring its outputs home.
    pub(super) fn stop_here(&mut self, grace: Duration) -> Result<(), RunError> {
        let phase = self.phase();
        let Work::Here(here) = &mut self.work else {
            return Ok(());
        };
        match (phase, &mut here.attempt) {
            (Phase::Running, Some(attempt)) => {
                attempt.stop(Outcome::Cancelled, grace);
                Ok(())
            }
            (Phase::Collecting | Phase::Deciding, _) => Ok(()),
            _ => {
                // Nothing runs yet; what is being prepared is dropped with its tasks.
                here.shared.cancel.cancel();
                self.attempt_ended(Outcome::Cancelled, None)
            }
        }
    }

    /// Nobody waits any longer for it, nor for its files.
    pub(super) fn abandon_here(&mut self) {
        if let Work::Here(here) = &mut self.work {
            here.shared.cancel.cancel();
            if let Some(attempt) = &mut here.attempt {
                attempt.stop(Outcome::Cancelled, Duration::ZERO);
            }
        }
    }
}
