//! From the decision to the run's end: a record, and what the person is told.

use super::Loop;
use super::record::Left;
use crate::attached::roles::Decision;
use crate::attached::{RunCommand, RunEnd, RunError};
use std::time::Duration;

impl Loop {
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
            log: self.deciding_log(),
            host: self.ran_on(),
        };
        let spec = self.roles.spec();
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

    /// The run ends without a decision: nobody will ever know more of it than that.
    pub(in super::super) fn abandon(&mut self) {
        if let Err(e) = self.record.abandon() {
            tracing::warn!("the record still says that the run goes on: {e}");
        }
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
