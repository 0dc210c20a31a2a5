//! A run on other hosts: who gets the job, and what follows when it is lost.

mod attempt;
mod outputs;
mod search;

use super::{Ended, Loop, Work};
use crate::attached::pool::{Link, PoolEvent, Remote, Why};
use crate::attached::roles::{Breach, Decision};
use crate::attached::{Phase, RunError};
use crate::link::PeerEvent;
use crate::logs::Log;
use crate::record::{Blamed, RanOn};
use mutual_protocol::lease::Value;
use mutual_protocol::message::{AttemptOrder, LeaseRequest, NodeMessage};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::{FencingToken, NodeId, limits};
use std::time::Duration;
use tokio::time::Instant;

/// A host whose connection is back speaks of its attempt within half a lease, or has none.
const BACK_WAIT: Duration = Duration::from_millis(limits::LEASE_TTL_MS_ATTACHED as u64 / 2);
/// Broken connections that one attempt survives: each grants output anew.
const BREAKS_MAX: u8 = 8;

impl Loop {
    /// When something has been waited for long enough.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let Work::Pool(pool) = &self.work else {
            return None;
        };
        let attempt = pool.attempt.as_ref();
        let back = attempt.and_then(|attempt| match attempt.link {
            Link::Back { until } => Some(until),
            Link::Up | Link::Broken => None,
        });
        let decide = attempt.and_then(|attempt| attempt.decide_until);
        let is_looking = pool.wanted_since.is_some();
        let looking = pool.looking_until.filter(|_| is_looking);
        let spec = self.roles.spec().value();
        let ask = is_looking.then(|| pool.hosts.ask_at(spec, self.record.now_ms()));
        [back, decide, looking, ask.flatten()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn handle_pool(&mut self, event: PoolEvent) -> Result<(), RunError> {
        match event {
            PoolEvent::Peer(Some(event)) => self.handle_peer(event),
            PoolEvent::Peer(None) => Err(self.no_host()),
            PoolEvent::Input(chunk) => {
                if let Work::Pool(pool) = &mut self.work {
                    pool.input.take(chunk);
                }
                self.serve_input();
                Ok(())
            }
            PoolEvent::Fetched(fetched) => self.handle_fetched(fetched),
            PoolEvent::Tick => self.handle_tick(),
        }
    }

    /// Tells the host of the attempt something. One that does not keep up is as good as gone.
    fn order(&self, order: AttemptOrder) {
        let Work::Pool(pool) = &self.work else {
            return;
        };
        let Some(attempt) = pool.attempt.as_ref().filter(|a| a.link != Link::Broken) else {
            return;
        };
        let token = attempt.token;
        let peers = &pool.place.peers;
        if !peers.send(attempt.connection, &NodeMessage::Order { token, order }) {
            peers.drop_peer(attempt.connection, "it does not keep up");
        }
    }

    fn handle_peer(&mut self, event: PeerEvent) -> Result<(), RunError> {
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        match event {
            PeerEvent::Up { node, member } => match pool.hosts.up(node, &member) {
                Some(host) => self.came_back(host, node),
                None => Ok(()),
            },
            PeerEvent::Down { node } => {
                if let Some(attempt) = pool.attempt.as_mut().filter(|a| a.connection == node) {
                    attempt.link = Link::Broken;
                    pool.place.peers.redial(node);
                }
                match pool.hosts.down(node) {
                    Some(host) => self.pass_by(host, Why::Unreachable),
                    None => Ok(()),
                }
            }
            PeerEvent::Unreachable { node } => match &pool.attempt {
                Some(attempt) if attempt.connection == node && attempt.link == Link::Broken => {
                    self.lose_attempt(Blame::Network)
                }
                _ => Ok(()),
            },
            PeerEvent::Said { node, message } => self.handle_said(node, *message),
        }
    }

    /// The host of the attempt is connected again. What was on its way to it, or from it, may be lost: it has to speak
    /// of the attempt, and input is not given twice.
    fn came_back(&mut self, host: NodeId, node: NodeId) -> Result<(), RunError> {
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        let Some(attempt) = pool.attempt.as_mut().filter(|a| a.host == host) else {
            return Ok(());
        };
        if attempt.link != Link::Broken {
            return Ok(());
        }
        attempt.connection = node;
        attempt.breaks += 1;
        if attempt.breaks > BREAKS_MAX || attempt.input.any() {
            return self.lose_attempt(Blame::Network);
        }
        let until = Instant::now() + BACK_WAIT;
        attempt.link = Link::Back { until };
        let bytes = attempt.grant_anew();
        self.order(AttemptOrder::Credit { bytes });
        Ok(())
    }

    fn handle_said(&mut self, node: NodeId, message: NodeMessage) -> Result<(), RunError> {
        let now_ms = self.record.now_ms();
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        if let NodeMessage::Host(record) = &message {
            pool.hosts.learn(record, now_ms);
            return Ok(());
        }
        let Some(host) = pool.hosts.behind(node) else {
            return Ok(());
        };
        match message {
            NodeMessage::Request(request) => self.handle_request(host, request),
            NodeMessage::Attempt { token, event } => {
                self.handle_attempt((host, node), token, event)
            }
            NodeMessage::Decline { register, reasons } => {
                if register != self.roles.register() {
                    return Ok(());
                }
                self.pass_by(host, Why::Declines(reasons.into_vec()))
            }
            NodeMessage::Stale { token, .. } => match &pool.attempt {
                Some(attempt) if attempt.token == token && attempt.host == host => {
                    self.lose_attempt(Blame::Host)
                }
                _ => Ok(()),
            },
            NodeMessage::Host(_) | NodeMessage::Goodbye { .. } => Ok(()),
            NodeMessage::Offer { .. } | NodeMessage::Reply(_) | NodeMessage::Order { .. } => {
                let what = "what owners and witnesses say, to an owner";
                self.banish(host, &Breach::Turn { what })
            }
        }
    }

    fn handle_request(&mut self, host: NodeId, request: LeaseRequest) -> Result<(), RunError> {
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        if matches!(request, LeaseRequest::Claim(_)) && !pool.hosts.is_offered(host) {
            return Ok(());
        }
        if let LeaseRequest::Release(release) = &request
            && let Ok(release) = release.verify(&Ed25519)
            && let Some(attempt) = &mut pool.attempt
            && (attempt.token, attempt.host) == (release.value().token, host)
            && release.signer() == host.key()
        {
            attempt.blame = Some(release.value().blame);
        }
        match self.roles.request(host, request)? {
            Some(breach) => self.banish(host, &breach),
            None => Ok(()),
        }
    }

    /// A host was promised the lease.
    pub(super) fn begin_elsewhere(
        &mut self,
        token: FencingToken,
        host: NodeId,
    ) -> Result<(), RunError> {
        self.drop_attempt(None);
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        pool.looking_until = None;
        pool.wanted_since = None;
        pool.offered = None;
        let Some(connection) = pool.hosts.connection(host) else {
            return self.roles.preempt();
        };
        if !pool.lost.is_empty() {
            pool.stdout.restart();
            pool.stderr.restart();
            let bytes_max = usize::try_from(limits::LOG_BYTES_MAX).unwrap_or(usize::MAX);
            pool.log = Some(Log::new(bytes_max));
        }
        pool.attempt = Some(Remote::new(token, host, connection));
        self.enter(Phase::Claiming);
        Ok(())
    }

    /// The lease of a host is over: it released it, or was silent for too long.
    pub(super) fn lost_elsewhere(&mut self, token: FencingToken) {
        if let Work::Pool(pool) = &self.work
            && pool.attempt.as_ref().is_some_and(|a| a.token == token)
        {
            self.drop_attempt(None);
        }
    }

    /// The attempt leads to nothing: the job is taken away from its host.
    fn lose_attempt(&mut self, blame: Blame) -> Result<(), RunError> {
        self.drop_attempt(Some(blame));
        self.roles.preempt()
    }

    fn drop_attempt(&mut self, blame: Option<Blame>) {
        let Work::Pool(pool) = &mut self.work else {
            return;
        };
        let Some(attempt) = pool.attempt.take() else {
            return;
        };
        let unknown = match attempt.link {
            Link::Up => Blame::Unknown,
            Link::Broken | Link::Back { .. } => Blame::Network,
        };
        let blame = blame.or(attempt.blame).unwrap_or(unknown);
        pool.lost.push(Blamed {
            id: attempt.host.to_string(),
            name: pool.hosts.name(attempt.host),
            epoch: attempt.token.epoch.0,
            blame,
        });
        pool.hosts.lost(attempt.host, Why::Lost(blame));
    }

    /// A host broke the protocol: it is heard no more.
    fn banish(&mut self, host: NodeId, breach: &Breach) -> Result<(), RunError> {
        let Work::Pool(pool) = &mut self.work else {
            return Ok(());
        };
        tracing::warn!("{host} breaks the protocol: {breach}");
        if let Some(connection) = pool.hosts.connection(host) {
            pool.place.peers.drop_peer(connection, &breach.to_string());
        }
        let has_attempt = pool.attempt.as_ref().is_some_and(|a| a.host == host);
        self.pass_by(host, Why::Breach)?;
        if let Work::Pool(pool) = &mut self.work {
            pool.hosts.banish(host);
        }
        if has_attempt {
            self.lose_attempt(Blame::Host)?;
        }
        Ok(())
    }

    fn handle_tick(&mut self) -> Result<(), RunError> {
        let now = Instant::now();
        let Work::Pool(pool) = &self.work else {
            return Ok(());
        };
        if let Some(attempt) = &pool.attempt {
            if matches!(attempt.link, Link::Back { until } if until <= now) {
                return self.lose_attempt(Blame::Network);
            }
            if attempt.decide_until.is_some_and(|until| until <= now) {
                return self.lose_attempt(Blame::Host);
            }
        }
        let is_looking = pool.wanted_since.is_some();
        if is_looking && pool.looking_until.is_some_and(|until| until <= now) {
            return Err(self.no_host());
        }
        Ok(())
    }

    /// Ends the attempt: politely when its guest runs, at once before that. What has come to its own end already may
    /// still bring its outputs home.
    pub(super) fn stop_elsewhere(&mut self, now: bool) -> Result<(), RunError> {
        let Work::Pool(pool) = &self.work else {
            return Ok(());
        };
        let attempt = pool.attempt.as_ref();
        match attempt.map(|attempt| (attempt.link, attempt.phase)) {
            Some((Link::Up, Phase::Running)) => {
                self.order(AttemptOrder::Stop { now });
                Ok(())
            }
            Some((Link::Up, Phase::Collecting | Phase::Deciding)) => Ok(()),
            _ => self.roles.end(Outcome::Cancelled),
        }
    }

    /// Nobody waits any longer.
    pub(super) fn abandon_elsewhere(&mut self) -> Result<(), RunError> {
        if matches!(self.work, Work::Here(_)) {
            return Ok(());
        }
        self.order(AttemptOrder::Stop { now: true });
        self.roles.end(Outcome::Cancelled)
    }

    /// The job is decided: how the deciding attempt ended.
    pub(super) fn take_ending(&mut self, decision: &Decision) {
        let Work::Pool(pool) = &mut self.work else {
            return;
        };
        let is_cancel = matches!(decision.result.value, Value::Cancelled { .. });
        let told = pool.attempt.as_mut().and_then(|a| a.ending.take());
        self.ended = Some(match told.filter(|_| !is_cancel) {
            Some(told) => Ended {
                outcome: told.outcome,
                message: told.message,
                collected: told.collected,
            },
            None => Ended {
                outcome: decision.receipt.value().outcome.clone(),
                message: None,
                collected: None,
            },
        });
    }

    /// The log of the attempt that counts.
    pub(super) fn deciding_log(&self) -> Option<Vec<u8>> {
        if let Work::Pool(pool) = &self.work
            && let Some(log) = pool.log.as_ref().filter(|_| pool.has_diverged)
        {
            return (!log.is_empty()).then(|| log.encode());
        }
        self.screen.log()
    }

    /// Where the job runs, or ran last, if not here.
    pub(super) fn ran_on(&self) -> Option<RanOn> {
        match &self.work {
            Work::Here(_) => None,
            Work::Pool(pool) => pool.ran_on(),
        }
    }
}

#[cfg(test)]
mod tests;
