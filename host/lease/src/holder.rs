//! The holder: gets a lease, keeps it alive while the guest runs, and brings the value to a decision.

mod interface;
mod upkeep;

pub use crate::proposer::Claimant;
pub use interface::{HolderEffect, HolderInput, LossReason, OfferError, Peer};

use crate::context::{BootNanos, Context};
use crate::message::{Request, VerifiedReply};
use crate::proposer::{Outgoing, Progress, Proposer};
use crate::violation::Violation;
use mutual_protocol::lease::cert::Rules;
use mutual_protocol::lease::{
    CheckpointHead, LeaseCert, NackReason, Offer, Release, Renew, ResultCert, Stored, Value,
};
use mutual_protocol::outcome::Blame;
use mutual_protocol::receipt::{AttemptRecord, Usage};
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{FencingToken, NodeId, PublicKey, RegisterId, Signed, Verified, Verifier};
use std::sync::Arc;
use upkeep::Upkeep;

/// One host's try at one register: from the claim to the decision, or to the loss of the lease.
///
/// **Order of calls.** [`Holder::new`] with a spec that has passed `check`; [`HolderInput::Start`]; then replies and ticks as
/// they come. After [`HolderEffect::Run`] the driver starts the attempt, and gives [`HolderInput::Report`] or
/// [`HolderInput::Release`] once. After [`HolderEffect::Decided`] or [`HolderEffect::Lost`] the holder is over; drop it.
/// A certified value of an earlier holder is brought to its decision without a [`HolderEffect::Run`].
///
/// **Obligations on time.** `ctx.now` is a clock that counts suspended time. The driver obeys
/// [`HolderEffect::StopEverything`] before it lets anything more out, and checks [`Holder::may_emit`] itself before each
/// effect that leaves the host, since a timer can ring late.
///
/// **Limits.** One request is under way at a time, and one renewal every third of the lease's length.
#[derive(Clone, Debug)]
pub struct Holder {
    spec: Arc<Verified<JobSpec>>,
    host: NodeId,
    failures: Vec<Signed<AttemptRecord>>,
    proposer: Proposer,
    /// From the lease certificate on.
    upkeep: Option<Upkeep>,
    is_running: bool,
    is_over: bool,
    usage: Usage,
    checkpoint: Option<CheckpointHead>,
    timer: Option<BootNanos>,
}

impl Holder {
    /// Takes an offer up. The spec is the one that the offer names, and has passed `check`.
    ///
    /// # Errors
    /// When the offer proves nothing.
    pub fn new(
        me: Claimant,
        spec: Arc<Verified<JobSpec>>,
        offer: &Verified<Offer>,
        verifier: &dyn Verifier,
    ) -> Result<Self, OfferError> {
        let Offer {
            register, epoch, ..
        } = *offer.value();
        let value = spec.value();
        let signer = offer.signer();
        if signer != value.owner.key() && !value.witnesses.keys.contains(&signer) {
            return Err(OfferError::Signer);
        }
        if !offer.value().spec.verifies(&spec.signed().encode()) {
            return Err(OfferError::Spec);
        }
        let rules = Rules::new(&spec, verifier);
        rules
            .check_register(&register)
            .map_err(OfferError::Content)?;
        let failures = offer.value().failures.clone();
        for failure in &failures {
            rules
                .failure(failure, &register)
                .map_err(OfferError::Content)?;
        }
        Ok(Self {
            proposer: Proposer::new(me.clone(), register, epoch),
            host: me.host,
            spec,
            failures,
            upkeep: None,
            is_running: false,
            is_over: false,
            usage: Usage::default(),
            checkpoint: None,
            timer: None,
        })
    }

    /// What it is about.
    pub const fn register(&self) -> RegisterId {
        self.proposer.register()
    }

    /// The token that is claimed or held; none while the holder waits to claim again.
    pub fn token(&self) -> Option<FencingToken> {
        self.proposer.token()
    }

    /// The proof of the lease, from [`HolderEffect::Run`] on.
    pub fn lease(&self) -> Option<&LeaseCert> {
        self.proposer.lease().map(|(_, cert)| cert)
    }

    /// Renewals sent so far.
    pub fn renewals(&self) -> u32 {
        self.upkeep.as_ref().map_or(0, Upkeep::renewals)
    }

    /// Whether the holder has come to its end and can be dropped.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether effects of the attempt may leave the host now.
    pub fn may_emit(&self, now: BootNanos) -> bool {
        let alive = |upkeep: &Upkeep| upkeep.muted_at().is_none() && now < upkeep.deadline();
        !self.is_over && self.upkeep.as_ref().is_some_and(alive)
    }

    /// Handles one input. See the type for the driver's part.
    pub fn step(&mut self, ctx: &Context<'_>, input: HolderInput) -> Vec<HolderEffect> {
        let mut out = Vec::new();
        if self.is_over {
            return out;
        }
        let spec = Arc::clone(&self.spec);
        let rules = Rules::new(&spec, ctx.verifier);
        match input {
            HolderInput::Start => self.with_sends(&mut out, |proposer, sends| {
                proposer.claim(ctx, &spec.value().witnesses, sends);
            }),
            HolderInput::Reply(reply) => self.reply(ctx, &rules, &reply, &mut out),
            HolderInput::Decided(cert) => self.learn(&rules, cert, &mut out),
            HolderInput::Progress { usage, checkpoint } => {
                self.usage = usage;
                self.checkpoint = checkpoint.or(self.checkpoint);
            }
            HolderInput::Report { attempt, stored } => {
                self.report(ctx, &rules, &attempt, stored, &mut out);
            }
            HolderInput::Release { blame } => self.release(blame, None, &mut out),
            HolderInput::Tick => {}
        }
        self.keep_time(ctx, &rules, &mut out);
        out
    }

    fn reply(
        &mut self,
        ctx: &Context<'_>,
        rules: &Rules<'_>,
        reply: &VerifiedReply,
        out: &mut Vec<HolderEffect>,
    ) {
        let progress = self.with_sends(out, |proposer, sends| {
            proposer.handle(ctx, rules, reply, sends)
        });
        match progress {
            Err(violation) => out.push(HolderEffect::Violation(violation)),
            Ok(Progress::Leased) => self.leased(ctx, rules, out),
            Ok(Progress::Decided(cert)) => {
                let message = Request::Decided(cert.clone());
                let to = vec![Peer::Owner(self.spec.value().owner)];
                out.push(HolderEffect::Send { to, message });
                self.end(HolderEffect::Decided { cert }, out);
            }
            Ok(Progress::Lost(reason)) => {
                let reason = match reason {
                    NackReason::StaleToken => LossReason::Superseded,
                    reason => LossReason::Refused(reason),
                };
                self.end(HolderEffect::Lost { reason }, out);
            }
            Ok(Progress::Certified | Progress::Nothing) => self.acked(ctx, rules, reply, out),
        }
    }

    /// The lease certificate is complete: renew first, then finish what an earlier holder left, or run.
    fn leased(&mut self, ctx: &Context<'_>, rules: &Rules<'_>, out: &mut Vec<HolderEffect>) {
        let Some((lease, cert)) = self.proposer.lease() else {
            return;
        };
        let (token, lock, cert) = (lease.token, lease.lock.clone(), cert.clone());
        self.upkeep = Some(Upkeep::new(
            self.proposer.claimed_at(),
            self.spec.value().lease_ttl_ms,
            usize::from(self.spec.value().witnesses.quorum),
        ));
        self.proposer.mute();
        self.renew(ctx, out);
        match lock {
            Some(lock) => self.propose(ctx, rules, lock.value, Vec::new(), out),
            None if self.has_failed() => {
                let attempts = self.failures.clone();
                self.propose(ctx, rules, Value::Failed { attempts }, Vec::new(), out);
            }
            None => {
                self.is_running = true;
                let lease = Box::new(cert);
                out.push(HolderEffect::Run { token, lease });
            }
        }
    }

    fn acked(
        &mut self,
        ctx: &Context<'_>,
        rules: &Rules<'_>,
        reply: &VerifiedReply,
        out: &mut Vec<HolderEffect>,
    ) {
        let VerifiedReply::RenewAck(ack) = reply else {
            return;
        };
        let own = self.token() == Some(ack.value().token);
        let Some(upkeep) = self.upkeep.as_mut().filter(|_| own) else {
            return;
        };
        if upkeep.acked(
            ctx.now,
            ack.signer(),
            ack.value().number,
            ack.value().ttl_ms,
        ) {
            out.push(HolderEffect::Resume);
            self.with_sends(out, |proposer, sends| proposer.unmute(ctx, rules, sends));
        }
    }

    fn learn(&mut self, rules: &Rules<'_>, cert: Box<ResultCert>, out: &mut Vec<HolderEffect>) {
        match rules.decided(&cert) {
            Ok(certified) if certified.token.register == self.proposer.register() => {
                self.end(HolderEffect::Decided { cert }, out);
            }
            Ok(_) => out.push(HolderEffect::Violation(Violation::Unasked)),
            Err(error) => out.push(HolderEffect::Violation(error.into())),
        }
    }

    fn report(
        &mut self,
        ctx: &Context<'_>,
        rules: &Rules<'_>,
        attempt: &Verified<AttemptRecord>,
        stored: Vec<Signed<Stored>>,
        out: &mut Vec<HolderEffect>,
    ) {
        if !self.is_running {
            return;
        }
        self.is_running = false;
        let record = attempt.value();
        assert!(
            Some(record.token) == self.token() && record.host == self.host,
            "an attempt is reported by the holder that ran it"
        );
        let signed = attempt.signed().clone();
        if let (true, Some(manifest)) = (record.outcome.is_finished(), record.manifest) {
            let value = Value::Ok {
                manifest,
                receipt: record.receipt,
                attempt: signed,
            };
            return self.propose(ctx, rules, value, stored, out);
        }
        if rules.failure(&signed, &record.token.register).is_ok() {
            self.failures.push(signed.clone());
        }
        if self.has_failed() {
            let attempts = self.failures.clone();
            return self.propose(ctx, rules, Value::Failed { attempts }, stored, out);
        }
        self.release(record.blame, Some(signed), out);
    }

    /// Whether every attempt that the spec allows has failed by guest or owner.
    fn has_failed(&self) -> bool {
        self.failures.len() > usize::from(self.spec.value().retries)
    }

    fn propose(
        &mut self,
        ctx: &Context<'_>,
        rules: &Rules<'_>,
        value: Value,
        stored: Vec<Signed<Stored>>,
        out: &mut Vec<HolderEffect>,
    ) {
        self.with_sends(out, |proposer, sends| {
            proposer.propose(ctx, rules, value, stored, sends);
        });
    }

    fn release(
        &mut self,
        blame: Blame,
        attempt: Option<Signed<AttemptRecord>>,
        out: &mut Vec<HolderEffect>,
    ) {
        if let Some(token) = self.token() {
            let spec = self.spec.value();
            let mut to = witnesses(&spec.witnesses.keys);
            to.push(Peer::Owner(spec.owner));
            let message = Request::from(Release {
                token,
                blame,
                attempt,
                checkpoint: self.checkpoint,
            });
            out.push(HolderEffect::Send { to, message });
        }
        let reason = LossReason::Released;
        self.end(HolderEffect::Lost { reason }, out);
    }

    fn end(&mut self, last: HolderEffect, out: &mut Vec<HolderEffect>) {
        self.is_over = true;
        self.is_running = false;
        out.push(last);
    }

    /// Deadline, renewals, repeated requests, and the timer for the next of them.
    fn keep_time(&mut self, ctx: &Context<'_>, rules: &Rules<'_>, out: &mut Vec<HolderEffect>) {
        if self.is_over {
            return;
        }
        if let Some(upkeep) = &mut self.upkeep {
            if upkeep.mute(ctx.now) {
                self.proposer.mute();
                out.push(HolderEffect::StopEverything);
            }
            if upkeep.next_at() <= ctx.now {
                self.renew(ctx, out);
            }
        }
        if self.muted_end().is_some_and(|end| end <= ctx.now) {
            let reason = LossReason::Unreachable;
            return self.end(HolderEffect::Lost { reason }, out);
        }
        self.with_sends(out, |proposer, sends| proposer.tick(ctx, rules, sends));
        let timer = self.wake_at();
        if let Some(at) = timer.filter(|_| timer != self.timer) {
            out.push(HolderEffect::Timer(at));
        }
        self.timer = timer;
    }

    /// Until when a holder that reaches no quorum may compute on.
    fn muted_end(&self) -> Option<BootNanos> {
        let muted_at = self.upkeep.as_ref()?.muted_at()?;
        Some(muted_at.plus_ms(self.spec.value().run_on_ms_max))
    }

    fn wake_at(&self) -> Option<BootNanos> {
        let renew_at = self.upkeep.as_ref().map(Upkeep::next_at);
        let mute_at = self.upkeep.as_ref().filter(|u| u.muted_at().is_none());
        let candidates = [
            self.proposer.next_at(),
            renew_at,
            mute_at.map(Upkeep::deadline),
            self.muted_end(),
        ];
        candidates.into_iter().flatten().min()
    }

    /// Sends the next renewal; witnesses that have not acknowledged one yet are shown the lease certificate.
    fn renew(&mut self, ctx: &Context<'_>, out: &mut Vec<HolderEffect>) {
        let (Some(token), Some(upkeep)) = (self.proposer.token(), &mut self.upkeep) else {
            return;
        };
        let Some(number) = upkeep.due(ctx.now) else {
            return;
        };
        let keys = &self.spec.value().witnesses.keys;
        let (unaware, aware): (Vec<_>, Vec<_>) =
            keys.iter().copied().partition(|w| upkeep.is_unaware(w));
        let lease = self.proposer.lease().map(|(_, cert)| cert.clone());
        for (keys, lease) in [(unaware, lease), (aware, None)] {
            if keys.is_empty() {
                continue;
            }
            let message = Request::from(Renew {
                token,
                number,
                lease,
                usage: self.usage,
                checkpoint: self.checkpoint,
            });
            let to = witnesses(&keys);
            out.push(HolderEffect::Send { to, message });
        }
    }

    fn with_sends<T>(
        &mut self,
        out: &mut Vec<HolderEffect>,
        f: impl FnOnce(&mut Proposer, &mut Vec<Outgoing>) -> T,
    ) -> T {
        let mut sends = Vec::new();
        let result = f(&mut self.proposer, &mut sends);
        out.extend(sends.into_iter().map(|(keys, message)| HolderEffect::Send {
            to: witnesses(&keys),
            message,
        }));
        result
    }
}

fn witnesses(keys: &[PublicKey]) -> Vec<Peer> {
    keys.iter().copied().map(Peer::Witness).collect()
}
