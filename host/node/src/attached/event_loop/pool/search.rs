//! Who gets the job: it is offered to one host after the other, until one has it or time is up.

use super::super::{Loop, Work};
use crate::attached::RunError;
use crate::attached::pool::{ATTEMPTS_MAX, Why};
use mutual_protocol::message::NodeMessage;
use mutual_protocol::outcome::Outcome;
use mutual_protocol::{NodeId, codes};
use std::time::Duration;
use tokio::time::Instant;

/// Hosts that speak at once are heard for so long before the best one is chosen.
const HEAR: Duration = Duration::from_millis(50);
impl Loop {
    /// Lets hosts fetch what they need, and looks for one.
    pub(in super::super) fn share(&mut self) {
        let Work::Pool(pool) = &self.work else {
            return;
        };
        let spec = self.roles.spec().value();
        pool.place.peers.share(spec.program.cid);
        pool.place.peers.share(spec.inputs);
        self.look_for_host();
    }

    /// Nobody has the job.
    pub(in super::super) fn look_for_host(&mut self) {
        let Work::Pool(pool) = &mut self.work else {
            return;
        };
        if let Some(silent) = pool.offered.take() {
            pool.hosts.passed(silent, Why::Silent);
        }
        let now = Instant::now();
        let until = now + pool.place.wait_for;
        pool.looking_until.get_or_insert(until);
        pool.wanted_since.get_or_insert(now);
    }

    /// Sends what is to be sent, and offers the job when nobody has it; gives whether something changed by that.
    pub(in super::super) fn settle_pool(&mut self) -> Result<bool, RunError> {
        let is_undelivered = self.post()?;
        self.grant();
        let is_decided = self.decision.is_some();
        if let Some(outcome) = self.no_more_attempts()?.filter(|_| !is_decided) {
            if let Work::Pool(pool) = &mut self.work {
                pool.wanted_since = None;
            }
            self.roles.end(outcome)?;
            return Ok(true);
        }
        let Some(host) = self.best_host().filter(|_| !is_decided) else {
            return Ok(is_undelivered);
        };
        if let Work::Pool(pool) = &mut self.work {
            pool.wanted_since = None;
            pool.offered = Some(host);
            pool.hosts.offered(host);
        }
        self.roles.offer(host)?;
        Ok(true)
    }

    /// How the run ends when nobody has the job and no further attempt makes sense.
    fn no_more_attempts(&self) -> Result<Option<Outcome>, RunError> {
        let Work::Pool(pool) = &self.work else {
            return Ok(None);
        };
        if pool.wanted_since.is_none() {
            return Ok(None);
        }
        if self.stop.is_some() {
            return Ok(Some(Outcome::Cancelled));
        }
        if pool.lost.len() >= ATTEMPTS_MAX {
            return Err(self.no_host());
        }
        let is_input_gone = !pool.lost.is_empty() && !pool.input.is_whole();
        Ok(is_input_gone.then(|| Outcome::HostFailed {
            code: codes::RUN_NO_HOST.code.to_owned(),
            detail: "its host was lost, and its standard input is too much to be given again"
                .to_owned(),
        }))
    }

    /// Who is to be offered the job now: nobody has it, those who speak at once were heard, and there is time.
    fn best_host(&self) -> Option<NodeId> {
        let Work::Pool(pool) = &self.work else {
            return None;
        };
        let since = pool.wanted_since?;
        let are_more = !pool.place.events.is_empty() && since.elapsed() < HEAR;
        let is_late = pool.looking_until.is_some_and(|end| end < Instant::now());
        if are_more || is_late {
            return None;
        }
        let spec = self.roles.spec().value();
        pool.hosts.pick(spec, self.record.now_ms())
    }

    /// Sends what the roles say to hosts; gives whether an offer went nowhere.
    fn post(&mut self) -> Result<bool, RunError> {
        let mut is_undelivered = false;
        for (host, message) in self.roles.take_outbox() {
            let Work::Pool(pool) = &mut self.work else {
                break;
            };
            let connection = pool.hosts.connection(host);
            let is_sent = connection.is_some_and(|to| pool.place.peers.send(to, &message));
            // The other messages of the lease protocol are sent again until they are answered.
            if !is_sent && matches!(message, NodeMessage::Offer { .. }) {
                is_undelivered = true;
                self.pass_by(host, Why::Unreachable)?;
            }
        }
        Ok(is_undelivered)
    }

    /// Takes an offer back that leads to nothing.
    pub(super) fn pass_by(&mut self, host: NodeId, why: Why) -> Result<(), RunError> {
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        if pool.offered != Some(host) {
            return Ok(());
        }
        pool.offered = None;
        pool.hosts.passed(host, why);
        self.roles.preempt()
    }

    pub(super) fn no_host(&self) -> RunError {
        let Work::Pool(pool) = &self.work else {
            return RunError::NoHost {
                considered: Vec::new(),
                lost: Vec::new(),
            };
        };
        let spec = self.roles.spec().value();
        RunError::NoHost {
            considered: pool.hosts.considered(spec, self.record.now_ms()),
            lost: pool.lost.clone(),
        }
    }
}
