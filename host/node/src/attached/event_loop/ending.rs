//! From the guest's end to the run's: outputs, a decision, a record.

use super::record::Left;
use super::{Ended, Loop};
use crate::attached::roles::Decision;
use crate::attached::{Phase, RunCommand, RunEnd, RunError};
use crate::outputs::Collected;
use crate::receipt::{self, Facts};
use mutual_protocol::outcome::Outcome;
use mutual_runner::Report;
use std::time::Duration;

impl Loop {
    /// The sandbox is gone. A guest that came to an end of its own may have outputs.
    pub(super) fn runner_ended(&mut self, report: Report) -> Result<(), RunError> {
        self.look_at_progress();
        let Some(attempt) = &mut self.attempt else {
            return Ok(());
        };
        attempt.silence();
        let (outcome, message) = (report.outcome.clone(), report.message.clone());
        attempt.report = Some(report);
        if !matches!(outcome, Outcome::Finished { .. } | Outcome::Trapped { .. }) {
            return self.attempt_ended(outcome, message);
        }
        attempt.collect(
            &self.shared,
            outcome,
            &self.tasks,
            self.inbox.done_tx.clone(),
        );
        self.enter(Phase::Collecting);
        Ok(())
    }

    pub(super) fn handle_collected(
        &mut self,
        collected: Result<Collected, Outcome>,
    ) -> Result<(), RunError> {
        let is_over = self.has_lost_patience();
        let Some((attempt, report)) = self
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
        let Some(attempt) = &mut self.attempt else {
            return Ok(());
        };
        attempt.silence();
        attempt.clear(&self.tasks);
        let collected = attempt.collected.take();
        let assignment = &self.shared.assignment;
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
            outcome: outcome.clone(),
            message,
            collected,
        });
        self.enter(Phase::Deciding);
        self.roles.finish(receipt)
    }

    /// Keeps what was decided, and gives the end.
    pub(in super::super) async fn conclude(&mut self) -> Result<RunEnd, RunError> {
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
        let outputs = ended
            .collected
            .as_ref()
            .filter(|c| !c.manifest.entries().is_empty());
        let left = Left {
            outcome: &ended.outcome,
            outputs: outputs.map(|collected| collected.cid),
            log: self.screen.log(),
        };
        let spec = &self.shared.assignment.spec;
        let decided = (lease, result, receipt);
        let record = self.record.finish(&self.blocks, left, spec, decided)?;
        self.last_words().await;
        let (manifest, skipped) = ended.collected.map(|c| (c.manifest, c.skipped)).unzip();
        Ok(RunEnd {
            record,
            outcome: ended.outcome,
            message: ended.message,
            manifest,
            skipped: skipped.unwrap_or_default(),
            was_stopped: self.stop.is_some(),
            interrupted: self.stop.is_some_and(|stop| stop.interrupted),
            door: self.inbox.door.take(),
        })
    }

    /// What the person has not taken yet; who wants to go does not wait for it.
    async fn last_words(&mut self) {
        tokio::select! {
            () = self.screen.drain() => {}
            Some(command) = self.inbox.commands.recv() => {
                let interrupted = matches!(command, RunCommand::Interrupt { .. });
                self.note_stop(Duration::ZERO, interrupted);
                self.screen.detach();
            }
        }
    }
}
