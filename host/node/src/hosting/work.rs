//! One job on this host: its lease, and what whoever offered it is told.

mod attempt;
mod ending;
mod inlet;
mod outlet;

use super::offers::demand;
use super::site::{Site, Wanted, WorkId};
use crate::attempt::{Attempt, Phase, Shared};
use crate::wire;
use inlet::Inlet;
use mutual_lease::{
    BootNanos, Holder, HolderEffect, HolderInput, LossReason, OfferError, VerifiedReply,
};
use mutual_protocol::lease::{Offer, ResultCert, Value};
use mutual_protocol::limits::{HOLD_MS, RETRY_MS};
use mutual_protocol::message::{AttemptOrder, NodeMessage};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::AttemptRecord;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{FencingToken, NodeId, RegisterId, Signed, Verified};
use outlet::Outlet;
use std::sync::Arc;
use std::time::Duration;

/// How long a guest may take for its last words when its owner stops it.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How long a job without a living lease may stay here, in lengths of its lease, whatever the spec says: the donor's
/// machine is not its owner's to leave things on.
const RUN_ON_TTLS_MAX: u64 = 10;

/// A job that this host has claimed.
#[derive(Debug)]
pub(super) struct Work {
    id: WorkId,
    /// The connection to whoever offered it: owner and witness of an attached run.
    peer: NodeId,
    spec: Arc<Verified<JobSpec>>,
    holder: Holder,
    timer: Option<BootNanos>,
    /// When it is given up: while it waits for its lease, or for a renewal that is overdue.
    give_up_at: Option<BootNanos>,
    started_at_ms: u64,
    phase: Phase,
    /// Of the attempt, from the lease on.
    token: Option<FencingToken>,
    /// Bytes of program and inputs, as the offer says.
    input_bytes_max: u64,
    fetching: Option<Wanted>,
    shared: Option<Arc<Shared>>,
    attempt: Option<Attempt>,
    outlet: Outlet,
    inlet: Inlet,
    /// Waits until the owner has the outputs.
    reported: Option<Box<Verified<AttemptRecord>>>,
    outcome: Option<Outcome>,
    lost: Option<Loss>,
    /// The lease is gone, whatever the attempt still does.
    is_over: bool,
}

/// What people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The register.
    pub register: RegisterId,
    /// Who signed the job.
    pub owner: NodeId,
    /// Where it stands.
    pub phase: Phase,
    /// Epoch of its lease; none while it is claimed.
    pub epoch: Option<u32>,
    /// Since when, milliseconds since 1970.
    pub started_at_ms: u64,
}

/// Why an attempt decided nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its owner gave it no lease in time.
    Unleased,
    /// Somebody else was let in.
    Superseded,
    /// The witnesses refuse this host, or what it asked for.
    Refused,
    /// Its owner was out of reach for too long.
    Unreachable,
    /// This host gave it back.
    Released,
    /// Its owner cancelled it.
    Cancelled,
    /// Another attempt's result was decided.
    Decided,
}

impl Loss {
    /// A few words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unleased => "no lease came",
            Self::Superseded => "it was given to another host",
            Self::Refused => "its witnesses refused",
            Self::Unreachable => "its owner was out of reach",
            Self::Released => "given back",
            Self::Cancelled => "its owner cancelled it",
            Self::Decided => "another result was decided",
        }
    }
}

impl From<LossReason> for Loss {
    fn from(reason: LossReason) -> Self {
        match reason {
            LossReason::Superseded => Self::Superseded,
            LossReason::Unreachable => Self::Unreachable,
            LossReason::Released => Self::Released,
            _ => Self::Refused,
        }
    }
}

impl Work {
    /// Claims what `peer` offers.
    ///
    /// # Errors
    /// When the offer proves nothing.
    pub(super) fn take(
        site: &mut Site,
        peer: NodeId,
        spec: Arc<Verified<JobSpec>>,
        (offer, input_bytes_max): (&Verified<Offer>, u64),
    ) -> Result<Self, OfferError> {
        let holder = Holder::new(site.claimant(), spec.clone(), offer, &Ed25519)?;
        let mut work = Self {
            id: site.claim(holder.register()),
            peer,
            spec,
            holder,
            timer: None,
            // By then its owner has offered it to somebody else.
            give_up_at: Some(site.clock.boot().plus_ms(u64::from(HOLD_MS))),
            started_at_ms: site.clock.wall_ms(),
            phase: Phase::Claiming,
            token: None,
            input_bytes_max,
            fetching: None,
            shared: None,
            attempt: None,
            outlet: Outlet::new(peer),
            inlet: Inlet::default(),
            reported: None,
            outcome: None,
            lost: None,
            is_over: false,
        };
        work.step(site, HolderInput::Start);
        Ok(work)
    }

    pub(super) const fn id(&self) -> WorkId {
        self.id
    }

    /// When [`Work::tick`] has something to do.
    pub(super) fn timer(&self) -> Option<BootNanos> {
        [self.timer, self.give_up_at].into_iter().flatten().min()
    }

    pub(super) const fn peer(&self) -> NodeId {
        self.peer
    }

    pub(super) const fn token(&self) -> Option<FencingToken> {
        self.token
    }

    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// How the attempt ended, once it has.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome.clone()
    }

    /// Why it decided nothing, if it did not.
    pub(super) const fn lost(&self) -> Option<Loss> {
        self.lost
    }

    /// Memory and disk that the job may take, bytes.
    pub(super) fn promised(&self) -> (u64, u64) {
        demand(self.spec.value(), self.input_bytes_max)
    }

    /// Whether nothing of it is left on this host.
    pub(super) const fn is_gone(&self) -> bool {
        self.is_over && self.attempt.is_none()
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            register: self.id.register,
            owner: NodeId::from(self.spec.value().owner.key()),
            phase: self.phase,
            epoch: self.token.map(|token| token.epoch.0),
            started_at_ms: self.started_at_ms,
        }
    }

    /// The time has come that [`Work::timer`] told.
    pub(super) fn tick(&mut self, site: &mut Site) {
        let now = site.clock.boot();
        if self.give_up_at.take_if(|at| *at <= now).is_some() {
            self.lost = Some(if self.holder.lease().is_none() {
                Loss::Unleased
            } else {
                Loss::Unreachable
            });
            return self.release(site, Blame::Network);
        }
        if self.timer.take_if(|at| *at <= now).is_some() {
            self.step(site, HolderInput::Tick);
        }
    }

    /// A witness answered.
    pub(super) fn replied(&mut self, site: &mut Site, reply: VerifiedReply) {
        self.step(site, HolderInput::Reply(reply));
        self.catch_up(site);
    }

    /// A decision came from elsewhere.
    pub(super) fn decided(&mut self, site: &mut Site, cert: ResultCert) {
        self.step(site, HolderInput::Decided(Box::new(cert)));
    }

    /// `stale` was said here, and `current` counts.
    pub(super) fn superseded(
        &mut self,
        site: &mut Site,
        (stale, current): (FencingToken, FencingToken),
    ) {
        let is_later = current.register == stale.register && current.epoch > stale.epoch;
        if self.token == Some(stale) && is_later && !self.is_over {
            self.lost = Some(Loss::Superseded);
            self.end(site);
        }
    }

    /// The donor takes the machine back, or kills this job.
    pub(super) fn give_back(&mut self, site: &mut Site) {
        self.release(site, Blame::Donor);
    }

    fn release(&mut self, site: &mut Site, blame: Blame) {
        self.step(site, HolderInput::Release { blame });
        self.end(site);
    }

    /// What the owner wants of the attempt; whether `token` is the one that runs.
    pub(super) fn order(
        &mut self,
        site: &mut Site,
        token: FencingToken,
        order: AttemptOrder,
    ) -> bool {
        if self.token != Some(token) || self.is_over {
            return false;
        }
        let given = match order {
            AttemptOrder::Credit { bytes } => {
                self.outlet.credit(bytes);
                Ok(())
            }
            AttemptOrder::Input { offset, bytes } => self.inlet.give(offset, bytes.into_vec()),
            AttemptOrder::InputEnd => self.inlet.end(),
            AttemptOrder::Stop { now } => {
                self.stop(site, now);
                Ok(())
            }
            AttemptOrder::Taken => {
                self.taken(site);
                Ok(())
            }
        };
        if let Err(e) = given {
            site.accuse(self.peer, e.to_string());
        }
        true
    }

    fn stop(&mut self, site: &mut Site, now: bool) {
        let grace = if now { Duration::ZERO } else { STOP_GRACE };
        match &mut self.attempt {
            Some(attempt) if attempt.has_guest() => {
                if now {
                    // Output that nobody takes would hold up the end.
                    self.outlet.close();
                }
                attempt.stop(Outcome::Cancelled, grace);
            }
            Some(attempt) if attempt.phase == Phase::Collecting => {}
            _ => self.attempt_ended(site, Outcome::Cancelled, None),
        }
    }

    /// The owner has all outputs: now the result can be put to the vote.
    fn taken(&mut self, site: &mut Site) {
        if let Some(attempt) = self.reported.take() {
            self.report(site, attempt);
        }
    }

    fn report(&mut self, site: &mut Site, attempt: Box<Verified<AttemptRecord>>) {
        let stored = Vec::new();
        self.step(site, HolderInput::Report { attempt, stored });
    }

    fn step(&mut self, site: &mut Site, input: HolderInput) {
        if self.is_over {
            return;
        }
        let Some(ctx) = site.context() else {
            self.timer = Some(site.clock.boot().plus_ms(RETRY_MS));
            return;
        };
        for effect in self.holder.step(&ctx, input) {
            self.did(site, effect);
        }
    }

    fn did(&mut self, site: &mut Site, effect: HolderEffect) {
        match effect {
            // Owner and witness are one node: it hands each its own.
            HolderEffect::Send { message, .. } => {
                let request = wire::sign_request(message, &site.key);
                site.send(self.peer, NodeMessage::Request(request));
            }
            HolderEffect::Timer(at) => self.timer = Some(at),
            HolderEffect::Violation(violation) => site.accuse(self.peer, violation.to_string()),
            HolderEffect::Run { token, .. } => self.begin(site, token),
            HolderEffect::StopEverything => {
                self.outlet.hold();
                self.wait(site);
            }
            HolderEffect::Resume => {
                self.give_up_at = None;
                self.catch_up(site);
            }
            HolderEffect::Decided { cert } => {
                self.lost = self.loss(&cert.value);
                self.end(site);
            }
            HolderEffect::Lost { reason } => {
                self.lost.get_or_insert_with(|| reason.into());
                self.end(site);
            }
            _ => {}
        }
    }

    /// No renewal was answered: this does not go on for ever.
    fn wait(&mut self, site: &Site) {
        let ttl_ms = u64::from(self.spec.value().lease_ttl_ms);
        let end = site
            .clock
            .boot()
            .plus_ms(ttl_ms.saturating_mul(RUN_ON_TTLS_MAX));
        self.give_up_at = Some(end);
    }

    /// Why `value` is not this attempt's, if it is not.
    fn loss(&self, value: &Value) -> Option<Loss> {
        let is_own = |attempt: &Signed<AttemptRecord>| {
            let attempt = attempt.verify(&Ed25519).ok();
            attempt.is_some_and(|attempt| Some(attempt.value().token) == self.token)
        };
        match value {
            Value::Cancelled { .. } => Some(Loss::Cancelled),
            Value::Ok { attempt, .. } => (!is_own(attempt)).then_some(Loss::Decided),
            Value::Failed { attempts } => (!attempts.iter().any(is_own)).then_some(Loss::Decided),
        }
    }

    /// Its owner may hear again what it could not be told.
    pub(super) fn catch_up(&mut self, site: &mut Site) {
        if self.holder.may_emit(site.clock.boot()) {
            self.outlet.let_out(site);
        }
    }

    /// This could not leave: it waits for a better time.
    pub(super) fn keep(&mut self, message: NodeMessage) {
        self.outlet.keep(message);
    }

    /// The lease is gone, with or without a decision: nothing leaves any more, and whatever still runs is killed.
    fn end(&mut self, site: &mut Site) {
        self.is_over = true;
        self.timer = None;
        self.give_up_at = None;
        self.reported = None;
        self.fetching = None;
        self.outlet.shut();
        if let Some(shared) = &self.shared {
            shared.cancel.cancel();
        }
        match &mut self.attempt {
            // Its last word comes when the process is gone.
            Some(attempt) if attempt.has_guest() => {
                attempt.stop(Outcome::Cancelled, Duration::ZERO);
            }
            _ => self.clear(site),
        }
    }

    /// Takes the guest's root away.
    fn clear(&mut self, site: &Site) {
        if let Some(mut attempt) = self.attempt.take() {
            attempt.silence();
            attempt.clear(&site.tasks);
        }
    }
}
