//! From the guest's end to the report: outputs, a receipt, a record.

use super::Work;
use crate::attempt::Phase;
use crate::hosting::site::Site;
use crate::outputs::Collected;
use crate::receipt::{Facts, record, statement};
use mutual_protocol::bounded::Text;
use mutual_protocol::message::AttemptEvent;
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_runner::Report;

impl Work {
    /// The sandbox is gone. A guest that came to an end of its own may have outputs.
    pub(super) fn runner_ended(&mut self, site: &mut Site, report: Report) {
        self.look_at_progress(site);
        let (Some(attempt), Some(shared)) = (&mut self.attempt, &self.shared) else {
            return;
        };
        let (outcome, message) = (report.outcome.clone(), report.message.clone());
        attempt.report = Some(report);
        let may_have_outputs =
            matches!(outcome, Outcome::Finished { .. } | Outcome::Trapped { .. });
        if self.is_over || !may_have_outputs {
            return self.attempt_ended(site, outcome, message);
        }
        let done = site.steps(self.id);
        attempt.collect(shared, outcome, &site.tasks, done);
        self.enter(site, Phase::Collecting);
    }

    pub(super) fn collected(&mut self, site: &mut Site, collected: Result<Collected, Outcome>) {
        let Some(report) = self.own_report() else {
            return;
        };
        let (ended, told) = (report.outcome.clone(), report.message.clone());
        let outcome = match collected {
            Ok(collected) => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.collected = Some(collected);
                }
                ended.clone()
            }
            Err(outcome) => outcome,
        };
        let message = told.filter(|_| outcome == ended);
        self.attempt_ended(site, outcome, message);
    }

    /// The attempt is over. A result waits until the owner has its outputs; any other ending is reported at once, but
    /// the owner's own: that decision is the owner's.
    pub(super) fn attempt_ended(
        &mut self,
        site: &mut Site,
        outcome: Outcome,
        message: Option<String>,
    ) {
        let report = self.own_report().cloned();
        let collected = self.attempt.as_mut().and_then(|a| a.collected.take());
        self.clear(site);
        self.fetching = None;
        let is_first = self.outcome.is_none();
        self.outcome.get_or_insert_with(|| outcome.clone());
        let Some(token) = self.token.filter(|_| is_first && !self.is_over) else {
            return;
        };
        if let Some(shared) = &self.shared {
            shared.cancel.cancel();
        }
        let input_bytes = self
            .shared
            .as_ref()
            .map_or(0, |shared| shared.assignment.bytes());
        let outputs = collected.as_ref().map_or(0, |c| c.manifest.total_bytes());
        let receipt = statement(&Facts {
            token,
            host: site.node(),
            spec: &self.spec,
            build: &site.build,
            outcome: &outcome,
            report: report.as_ref(),
            manifest: collected.as_ref().map(|collected| collected.cid),
            input_bytes,
            output_bytes: self.outlet.written().saturating_add(outputs),
            started_at_ms: self.started_at_ms,
            ended_at_ms: site.clock.wall_ms(),
        });
        let receipt = site.key.sign(receipt);
        let attempt = site.key.sign(record(&receipt));
        self.enter(site, Phase::Deciding);
        self.say(
            site,
            AttemptEvent::Ended {
                receipt: receipt.signed().clone(),
                attempt: attempt.signed().clone(),
                message: message.map(|message| Text::cut(&message)),
            },
        );
        let attempt = Box::new(attempt);
        if let (true, Some(collected)) = (outcome.is_finished(), &collected) {
            site.share(collected.cid);
            self.reported = Some(attempt);
        } else if outcome.blame() != Blame::Owner {
            self.report(site, attempt);
        }
    }

    /// The attempt's report, once the sandbox has given it.
    fn own_report(&self) -> Option<&Report> {
        self.attempt.as_ref().and_then(|a| a.report.as_ref())
    }
}
