//! The holder: claims a register, keeps its lease, and brings one value to a decision.

use super::time::BootNanos;
use mutual_protocol::ids::Nonce;
use mutual_protocol::lease::cert::{Certified, Rules};
use mutual_protocol::lease::{
    Claim, Commit, Committed, LeaseCert, Nack, NackReason, Promise, QuorumCert, Release, Renew,
    RenewAck, ResultCert, Value, Vote, VoteReq,
};
use mutual_protocol::outcome::Blame;
use mutual_protocol::receipt::{AttemptRecord, Usage};
use mutual_protocol::sign::Message;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{
    Epoch, FencingToken, NodeId, PublicKey, RegisterId, Signed, Verified, Verifier,
};
use std::collections::BTreeMap;

/// Clock rates lie within 1 ± 1 % of real time, so the holder's own end is at 99/101 of T, less a margin.
const RATE_NUMERATOR: u64 = 99;
const RATE_DENOMINATOR: u64 = 101;
/// Largest margin; T/10 when that is less.
const MARGIN_MS_MAX: u64 = 2_000;
/// Renewals go out every third of T.
const RENEWALS_PER_TTL: u64 = 3;
/// Requests that were not answered go out again after this long.
const RESEND_MS: u64 = 500;

/// What a witness answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// To a claim.
    Promise(Box<Verified<Promise>>),
    /// To a renewal.
    RenewAck(Verified<RenewAck>),
    /// To a request for votes.
    Vote(Verified<Vote>),
    /// To a commit.
    Committed(Verified<Committed>),
    /// A refusal.
    Nack(Box<Verified<Nack>>),
}

/// What goes to every witness of the spec; the driver signs it as the host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outgoing {
    /// Asks for the lease.
    Claim(Claim),
    /// Keeps it.
    Renew(Box<Renew>),
    /// Asks for votes.
    VoteReq(Box<VoteReq>),
    /// Asks to store the certified value.
    Commit(Box<Commit>),
    /// Gives the lease back.
    Release(Release),
    /// Tells the decision; a certificate, not signed again.
    Decided(RegisterId, Box<ResultCert>),
}

/// What the driver must know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolderFact {
    /// The lease is held. With a lock there is nothing to compute: that value is proposed again by itself.
    Leased {
        /// The token.
        token: FencingToken,
        /// The value of a dead holder that has to be finished.
        lock: Option<Box<Certified>>,
    },
    /// Nothing may leave this host until [`HolderFact::Resumed`]: the lease was not renewed in time.
    Paused,
    /// The lease was renewed after all.
    Resumed,
    /// Another epoch is promised: stop computing, nothing of it counts any more.
    Lost(FencingToken),
    /// The register is decided.
    Decided(Box<ResultCert>),
}

/// What one step gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HolderEffects {
    /// To every witness.
    pub send: Vec<Outgoing>,
    /// For the driver.
    pub facts: Vec<HolderFact>,
    /// A witness broke a rule.
    pub violation: Option<&'static str>,
}

/// A claim on one register, from the first message to the decision.
///
/// Call [`Holder::claim`] once, [`Holder::handle`] with every answer, [`Holder::tick`] when [`Holder::timer`] has come,
/// and [`Holder::propose`] or [`Holder::release`] when the work is done. Sending is all that the driver does with
/// [`HolderEffects::send`]: what is lost is sent again. On [`HolderFact::Paused`] the driver holds back output,
/// checkpoints and proposals, on [`HolderFact::Lost`] it kills the guest.
#[derive(Debug)]
pub struct Holder {
    spec: Verified<JobSpec>,
    host: NodeId,
    register: RegisterId,
    epoch: Epoch,
    stage: Stage,
    renewal: Renewal,
    promises: BTreeMap<PublicKey, Verified<Promise>>,
    votes: BTreeMap<PublicKey, Verified<Vote>>,
    commits: BTreeMap<PublicKey, Verified<Committed>>,
    resend_at: Option<BootNanos>,
}

/// How far the claim is.
#[derive(Clone, Debug)]
enum Stage {
    Idle,
    Claiming(Claim),
    Held(LeaseCert),
    Voting(LeaseCert, Box<VoteReq>),
    Committing(LeaseCert, Box<QuorumCert>),
    Over,
}

/// Renewals of the lease.
#[derive(Clone, Debug, Default)]
struct Renewal {
    number: u32,
    sent_at: BootNanos,
    next_at: Option<BootNanos>,
    deadline: Option<BootNanos>,
    acks: BTreeMap<PublicKey, u32>,
    is_paused: bool,
    usage: Usage,
}

impl Holder {
    /// A host that may claim `register` of `spec`.
    pub fn new(spec: Verified<JobSpec>, host: NodeId, register: RegisterId) -> Self {
        Self {
            spec,
            host,
            register,
            epoch: Epoch(0),
            stage: Stage::Idle,
            renewal: Renewal::default(),
            promises: BTreeMap::new(),
            votes: BTreeMap::new(),
            commits: BTreeMap::new(),
            resend_at: None,
        }
    }

    /// Asks for the lease at the epoch after the highest that is known.
    pub fn claim(&mut self, now: BootNanos, highest: Epoch, nonce: Nonce) -> HolderEffects {
        let mut effects = HolderEffects::default();
        let Some(epoch) = highest.max(self.epoch).next() else {
            return effects;
        };
        self.epoch = epoch;
        self.promises.clear();
        let claim = Claim {
            token: self.token(),
            host: self.host,
            key_exchange: None,
            membership: None,
            nonce,
            quote: None,
        };
        effects.send.push(Outgoing::Claim(claim.clone()));
        self.stage = Stage::Claiming(claim);
        self.resend_at = Some(now.plus_ms(RESEND_MS));
        effects
    }

    /// Handles a witness's answer.
    pub fn handle(
        &mut self,
        now: BootNanos,
        verifier: &dyn Verifier,
        incoming: Incoming,
    ) -> HolderEffects {
        match incoming {
            Incoming::Promise(promise) => self.handle_promise(now, verifier, *promise),
            Incoming::RenewAck(ack) => self.handle_ack(&ack),
            Incoming::Vote(vote) => self.handle_vote(now, vote),
            Incoming::Committed(committed) => self.handle_committed(verifier, committed),
            Incoming::Nack(nack) => self.handle_nack(verifier, &nack),
        }
    }

    /// The time has come that [`Holder::timer`] told.
    pub fn tick(&mut self, now: BootNanos) -> HolderEffects {
        let mut effects = HolderEffects::default();
        if self
            .renewal
            .deadline
            .is_some_and(|deadline| deadline <= now)
            && !self.renewal.is_paused
            && self.is_held()
        {
            self.renewal.is_paused = true;
            effects.facts.push(HolderFact::Paused);
        }
        if self.renewal.next_at.is_some_and(|next| next <= now) {
            self.send_renewal(now, &mut effects);
        }
        if self.resend_at.is_some_and(|resend| resend <= now) {
            self.resend_at = Some(now.plus_ms(RESEND_MS));
            effects.send.extend(self.pending());
        }
        effects
    }

    /// When [`Holder::tick`] wants to be called next.
    pub fn timer(&self) -> Option<BootNanos> {
        let pause = self
            .renewal
            .deadline
            .filter(|_| !self.renewal.is_paused && self.is_held());
        [self.renewal.next_at, self.resend_at, pause]
            .into_iter()
            .flatten()
            .min()
    }

    /// Proposes the value that was computed. Ignored while the lease is not held, or a locked value is on its way.
    pub fn propose(&mut self, now: BootNanos, value: Value) -> HolderEffects {
        let mut effects = HolderEffects::default();
        if let Stage::Held(lease) = &self.stage {
            let lease = lease.clone();
            self.ask_votes(now, lease, value, &mut effects);
        }
        effects
    }

    /// Gives the lease back: the attempt ended by nobody's final fault.
    pub fn release(
        &mut self,
        blame: Blame,
        attempt: Option<Signed<AttemptRecord>>,
    ) -> HolderEffects {
        let mut effects = HolderEffects::default();
        if self.is_held() {
            effects.send.push(Outgoing::Release(Release {
                token: self.token(),
                blame,
                attempt,
                checkpoint: None,
            }));
            self.end();
        }
        effects
    }

    /// What the attempt has used so far; goes out with the next renewal.
    pub fn report_usage(&mut self, usage: Usage) {
        self.renewal.usage = usage;
    }

    /// The token of the present claim.
    pub const fn token(&self) -> FencingToken {
        FencingToken {
            register: self.register,
            epoch: self.epoch,
        }
    }

    /// Renewals that went out.
    pub const fn renewals(&self) -> u32 {
        self.renewal.number
    }

    /// The lease certificate, from the lease to the end.
    pub const fn lease(&self) -> Option<&LeaseCert> {
        match &self.stage {
            Stage::Held(lease) | Stage::Voting(lease, _) | Stage::Committing(lease, _) => {
                Some(lease)
            }
            Stage::Idle | Stage::Claiming(_) | Stage::Over => None,
        }
    }

    const fn is_held(&self) -> bool {
        self.lease().is_some()
    }

    fn quorum(&self) -> usize {
        usize::from(self.spec.value().witnesses.quorum)
    }

    fn is_witness(&self, key: &PublicKey) -> bool {
        self.spec.value().witnesses.keys.binary_search(key).is_ok()
    }

    fn handle_promise(
        &mut self,
        now: BootNanos,
        verifier: &dyn Verifier,
        promise: Verified<Promise>,
    ) -> HolderEffects {
        let mut effects = HolderEffects::default();
        let expected = (promise.value().token, promise.value().host) == (self.token(), self.host);
        if !expected
            || !matches!(self.stage, Stage::Claiming(_))
            || !self.is_witness(&promise.signer())
        {
            return effects;
        }
        self.promises.insert(promise.signer(), promise);
        if self.promises.len() < self.quorum() {
            return effects;
        }
        let cert = LeaseCert {
            promises: signed(&self.promises),
        };
        let Ok(lease) = Rules::new(&self.spec, verifier).lease(&cert) else {
            effects.violation = Some("a promise carries a valid lock of an earlier epoch, or none");
            return effects;
        };
        self.resend_at = None;
        self.stage = Stage::Held(cert.clone());
        self.renewal = Renewal::default();
        self.send_renewal(now, &mut effects);
        let lock = lease.lock.map(Box::new);
        effects.facts.push(HolderFact::Leased {
            token: self.token(),
            lock: lock.clone(),
        });
        if let Some(lock) = lock {
            self.ask_votes(now, cert, lock.value, &mut effects);
        }
        effects
    }

    fn send_renewal(&mut self, now: BootNanos, effects: &mut HolderEffects) {
        let Some(lease) = self.lease().cloned() else {
            self.renewal.next_at = None;
            return;
        };
        let ttl_ms = u64::from(self.spec.value().lease_ttl_ms);
        let number = self.renewal.number.saturating_add(1);
        // The certificate travels until a quorum has answered: it is what activates the lease.
        let lease = if self.renewal.deadline.is_none() {
            Some(lease)
        } else {
            None
        };
        let renew = Renew {
            token: self.token(),
            number,
            lease,
            usage: self.renewal.usage,
            checkpoint: None,
        };
        effects.send.push(Outgoing::Renew(Box::new(renew)));
        self.renewal.number = number;
        self.renewal.sent_at = now;
        self.renewal.next_at = Some(now.plus_ms(ttl_ms / RENEWALS_PER_TTL));
    }

    fn handle_ack(&mut self, ack: &Verified<RenewAck>) -> HolderEffects {
        let mut effects = HolderEffects::default();
        let RenewAck {
            token,
            number,
            ttl_ms,
        } = *ack.value();
        if token != self.token() || number != self.renewal.number || !self.is_witness(&ack.signer())
        {
            return effects;
        }
        self.renewal.acks.insert(ack.signer(), number);
        let answered = self
            .renewal
            .acks
            .values()
            .filter(|acked| **acked == number)
            .count();
        if answered < self.quorum() {
            return effects;
        }
        let ttl_ms = u64::from(ttl_ms);
        let own_ms = (ttl_ms * RATE_NUMERATOR / RATE_DENOMINATOR)
            .saturating_sub((ttl_ms / 10).min(MARGIN_MS_MAX));
        self.renewal.deadline = Some(self.renewal.sent_at.plus_ms(own_ms));
        if std::mem::take(&mut self.renewal.is_paused) {
            effects.facts.push(HolderFact::Resumed);
        }
        effects
    }

    fn ask_votes(
        &mut self,
        now: BootNanos,
        lease: LeaseCert,
        value: Value,
        effects: &mut HolderEffects,
    ) {
        let request = VoteReq {
            token: self.token(),
            value,
            lease: lease.clone(),
            stored: Vec::new(),
        };
        effects
            .send
            .push(Outgoing::VoteReq(Box::new(request.clone())));
        self.votes.clear();
        self.stage = Stage::Voting(lease, Box::new(request));
        self.resend_at = Some(now.plus_ms(RESEND_MS));
    }

    fn handle_vote(&mut self, now: BootNanos, vote: Verified<Vote>) -> HolderEffects {
        let mut effects = HolderEffects::default();
        let Stage::Voting(lease, request) = &self.stage else {
            return effects;
        };
        let expected = Vote {
            token: self.token(),
            host: self.host,
            value: request.value.digest(),
        };
        if *vote.value() != expected || !self.is_witness(&vote.signer()) {
            return effects;
        }
        let (lease, value) = (lease.clone(), request.value.clone());
        self.votes.insert(vote.signer(), vote);
        if self.votes.len() >= self.quorum() {
            let cert = QuorumCert {
                value,
                votes: signed(&self.votes),
            };
            effects
                .send
                .push(Outgoing::Commit(Box::new(Commit { cert: cert.clone() })));
            self.commits.clear();
            self.stage = Stage::Committing(lease, Box::new(cert));
            self.resend_at = Some(now.plus_ms(RESEND_MS));
        }
        effects
    }

    fn handle_committed(
        &mut self,
        verifier: &dyn Verifier,
        committed: Verified<Committed>,
    ) -> HolderEffects {
        let mut effects = HolderEffects::default();
        let Stage::Committing(_, cert) = &self.stage else {
            return effects;
        };
        let expected = Committed {
            token: self.token(),
            host: self.host,
            value: cert.value.digest(),
        };
        if *committed.value() != expected || !self.is_witness(&committed.signer()) {
            return effects;
        }
        let value = cert.value.clone();
        self.commits.insert(committed.signer(), committed);
        if self.commits.len() >= self.quorum() {
            let result = ResultCert {
                value,
                commits: signed(&self.commits),
            };
            self.decide(verifier, result, &mut effects);
        }
        effects
    }

    fn decide(&mut self, verifier: &dyn Verifier, result: ResultCert, effects: &mut HolderEffects) {
        let proves = Rules::new(&self.spec, verifier).decided(&result);
        if !proves.is_ok_and(|certified| certified.token.register == self.register) {
            effects.violation = Some("a decision shows a valid result certificate");
            return;
        }
        effects
            .send
            .push(Outgoing::Decided(self.register, Box::new(result.clone())));
        effects.facts.push(HolderFact::Decided(Box::new(result)));
        self.end();
    }

    fn handle_nack(&mut self, verifier: &dyn Verifier, nack: &Verified<Nack>) -> HolderEffects {
        let mut effects = HolderEffects::default();
        let Nack {
            asked,
            reason,
            promised,
            decided,
            ..
        } = nack.value();
        if *asked != self.token() || !self.is_witness(&nack.signer()) {
            return effects;
        }
        if let Some(result) = decided {
            self.decide(verifier, result.clone(), &mut effects);
            return effects;
        }
        let is_fenced = promised.is_some_and(|promised| promised > self.epoch);
        if *reason == NackReason::StaleToken && is_fenced && self.is_held() {
            effects.facts.push(HolderFact::Lost(self.token()));
            self.end();
        }
        effects
    }

    /// What was sent and not answered by a quorum yet.
    fn pending(&self) -> Option<Outgoing> {
        match &self.stage {
            Stage::Claiming(claim) => Some(Outgoing::Claim(claim.clone())),
            Stage::Voting(_, request) => Some(Outgoing::VoteReq(request.clone())),
            Stage::Committing(_, cert) => Some(Outgoing::Commit(Box::new(Commit {
                cert: (**cert).clone(),
            }))),
            Stage::Idle | Stage::Held(_) | Stage::Over => None,
        }
    }

    fn end(&mut self) {
        self.stage = Stage::Over;
        self.renewal.next_at = None;
        self.renewal.deadline = None;
        self.resend_at = None;
    }
}

fn signed<T: Message>(parts: &BTreeMap<PublicKey, Verified<T>>) -> Vec<Signed<T>> {
    parts.values().map(|part| part.signed().clone()).collect()
}
