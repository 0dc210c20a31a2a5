//! What the host of an attempt says about it.

use super::super::{Loop, Work};
use crate::attached::pool::{Ending, Link};
use crate::attached::roles::Breach;
use crate::attached::{Phase, RunError, RunEvent};
use crate::attempt::Progress;
use crate::logs;
use mutual_protocol::message::{self, AttemptEvent, AttemptOrder, NodeMessage, Stream};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::{AttemptRecord, Receipt};
use mutual_protocol::{FencingToken, NodeId, Signed};
use std::time::Duration;
use tokio::time::Instant;

/// How long a host may take from an ending whose outputs are here to its decision: it asks for votes at once, and again
/// every half second.
pub(super) const DECIDE_WAIT: Duration = Duration::from_secs(10);

/// An ending as its host tells it.
type Told = (Signed<Receipt>, Signed<AttemptRecord>, Option<String>);

impl Loop {
    pub(super) fn handle_attempt(
        &mut self,
        (host, node): (NodeId, NodeId),
        token: FencingToken,
        event: AttemptEvent,
    ) -> Result<(), RunError> {
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        let held = pool.attempt.as_mut();
        let Some(attempt) = held.filter(|a| (a.token, a.host) == (token, host)) else {
            if let Some(current) = self.roles.current().filter(|c| c.supersedes(&token)) {
                let stale = NodeMessage::Stale { token, current };
                // Who does not hear it is refused all the same.
                let _is_sent = pool.place.peers.send(node, &stale);
            }
            return Ok(());
        };
        if matches!(attempt.link, Link::Back { .. }) {
            attempt.link = Link::Up;
        }
        let has_broken = attempt.breaks > 0;
        let heard = match event {
            AttemptEvent::Ended {
                receipt,
                attempt,
                message,
            } => {
                let message = message.map(|message| message.as_str().to_owned());
                return self.handle_ended(host, (receipt, attempt, message));
            }
            AttemptEvent::Phase(phase) => self.entered(phase),
            AttemptEvent::Started => {
                self.record.started();
                Ok(())
            }
            AttemptEvent::Output {
                stream,
                offset,
                bytes,
            } => self.output(stream, offset, bytes.into_vec()),
            AttemptEvent::Progress { done, total, text } => {
                self.progressed(done, total, text.as_str());
                Ok(())
            }
            AttemptEvent::InputWanted { bytes_max } => {
                attempt.input.want(bytes_max);
                self.serve_input();
                Ok(())
            }
        };
        match heard {
            Ok(()) => Ok(()),
            // What is missing was lost with a connection.
            Err(Breach::Offset { offset, expected }) if has_broken && offset > expected => {
                self.lose_attempt(Blame::Network)
            }
            Err(breach) => self.banish(host, &breach),
        }
    }

    fn entered(&mut self, phase: message::Phase) -> Result<(), Breach> {
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        let Some(attempt) = pool.attempt.as_mut().filter(|a| a.ending.is_none()) else {
            return Ok(());
        };
        let before = attempt.phase;
        let entered = attempt.enter(phase)?;
        // The host decides nothing before its outputs are here.
        if entered != before && entered != Phase::Deciding {
            self.screen.show(RunEvent::Phase(entered));
        }
        Ok(())
    }

    fn progressed(&mut self, done: u64, total: Option<u64>, text: &str) {
        // Progress is worth nothing later: it does not wait for the person.
        if self.screen.has_room() {
            self.screen.told(Progress {
                done,
                total: total.unwrap_or(done),
                text: text.to_owned(),
            });
        }
    }

    fn output(&mut self, stream: Stream, offset: u64, bytes: Vec<u8>) -> Result<(), Breach> {
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        let Some(attempt) = &mut pool.attempt else {
            return Ok(());
        };
        if bytes.is_empty() {
            let what = "output of no bytes";
            return Err(Breach::Turn { what });
        }
        attempt.receive(stream, offset, bytes.len())?;
        let (stream, shown) = match stream {
            Stream::Stdout => (logs::Stream::Stdout, &mut pool.stdout),
            Stream::Stderr => (logs::Stream::Stderr, &mut pool.stderr),
        };
        if let Some(log) = &mut pool.log {
            log.push(stream, &bytes);
        }
        let passed = shown.pass(bytes);
        self.show(stream, passed.diverged_at, passed.show);
        Ok(())
    }

    fn show(&mut self, stream: logs::Stream, diverged_at: Option<u64>, bytes: Vec<u8>) {
        if let (Some(at), Work::Pool(pool)) = (diverged_at, &mut self.work) {
            pool.has_diverged = true;
            self.screen.show(RunEvent::Diverged { stream, at });
        }
        if !bytes.is_empty() {
            self.screen.output(stream, bytes);
        }
    }

    /// Grants further output when what came was taken.
    pub(super) fn grant(&mut self) {
        let has_room = self.screen.has_room();
        let Work::Pool(pool) = &mut self.work else {
            return;
        };
        let attempt = pool.attempt.as_mut();
        let attempt = attempt.filter(|a| has_room && a.link != Link::Broken);
        if let Some(bytes) = attempt.and_then(|attempt| attempt.grant()) {
            self.order(AttemptOrder::Credit { bytes });
        }
    }

    pub(super) fn serve_input(&mut self) {
        let Work::Pool(pool) = &mut self.work else {
            return;
        };
        let attempt = pool.attempt.as_mut();
        let order = attempt.and_then(|attempt| pool.input.serve(&mut attempt.input));
        if let Some(order) = order {
            self.order(order);
        }
    }

    /// The attempt came to its end. A finished one brings its outputs here before it is put to the vote; a failure of
    /// the guest is put to the vote by its host; any other one is tried elsewhere.
    fn handle_ended(&mut self, host: NodeId, told: Told) -> Result<(), RunError> {
        let (receipt, record, message) = told;
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        if pool.attempt.as_ref().is_some_and(|a| a.ending.is_some()) {
            let what = "a second ending";
            return self.banish(host, &Breach::Turn { what });
        }
        let receipt = match self.roles.told((receipt, record)) {
            Ok(receipt) => receipt,
            Err(breach) => return self.banish(host, &breach),
        };
        let outcome = receipt.outcome;
        match outcome.blame() {
            Blame::Guest => {}
            Blame::Owner if self.stop.is_some() => return self.roles.end(Outcome::Cancelled),
            Blame::Owner => {
                let what = "an attempt that nobody cancelled is cancelled";
                return self.banish(host, &Breach::Turn { what });
            }
            _ => {
                tracing::info!("the attempt on {host} failed: {outcome:?}");
                return self.lose_attempt(Blame::Host);
            }
        }
        if let Some(attempt) = &mut pool.attempt {
            attempt.ending = Some(Ending {
                outcome,
                message,
                collected: None,
            });
        }
        for (stream, shown) in [
            (logs::Stream::Stdout, pool.stdout.finish()),
            (logs::Stream::Stderr, pool.stderr.finish()),
        ] {
            self.show(stream, shown.diverged_at, shown.show);
        }
        match receipt.manifest {
            Some(manifest) => self.fetch_outputs(manifest),
            None => self.await_decision(),
        }
        Ok(())
    }

    /// It is the host's turn, and it has no reason to wait.
    pub(super) fn await_decision(&mut self) {
        if let Work::Pool(pool) = &mut self.work
            && let Some(attempt) = &mut pool.attempt
        {
            attempt.decide_until = Some(Instant::now() + DECIDE_WAIT);
        }
        self.enter(Phase::Deciding);
    }
}
