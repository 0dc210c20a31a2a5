//! The witness's rules (docs/protocol.md, "Rules of the witness"): one method for each kind of request.

use super::WitnessFact;
use super::entry::Entry;
use super::subject::Subject;
use crate::context::Context;
use crate::message::{Reply, VerifiedRequest};
use crate::register::{Lock, Voted};
use crate::violation::Violation;
use mutual_protocol::lease::cert::{CertError, Rules};
use mutual_protocol::lease::{
    Claim, Commit, Committed, NackReason, Preempt, Promise, Release, Renew, RenewAck, ResultCert,
    Value, Vote, VoteReq,
};
use mutual_protocol::membership::Role;
use mutual_protocol::spec::{Audience, JobSpec};
use mutual_protocol::{Cid, Epoch, FencingToken, NodeId, PublicKey, Slot, Verified, limits};
use std::collections::BTreeSet;

/// What the rules may look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) ctx: &'a Context<'a>,
    pub(super) rules: Rules<'a>,
    /// Output manifests whose blocks are all held here.
    pub(super) held: &'a BTreeSet<Cid>,
}

/// What the witness's other registers say about the sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others {
    pub(super) open_holds: usize,
    pub(super) holds_other_replica: bool,
}

/// What a rule decides.
#[derive(Debug)]
pub(super) enum Answer {
    /// No reply.
    Silent,
    /// Nothing changed.
    Say(Reply),
    /// The durable state changed: reply after the write.
    Write(Option<Reply>),
    /// A refusal, and when asking again makes sense, in milliseconds.
    Refuse(NackReason, u64),
}

/// What else came of a request.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) facts: Vec<WitnessFact>,
    pub(super) violation: Option<Violation>,
}

impl Case<'_> {
    pub(super) fn spec(&self) -> &JobSpec {
        self.rules.spec().value()
    }

    fn is_owner(&self, host: NodeId) -> bool {
        host.key() == self.spec().owner.key()
    }

    /// Whether `host` may hold this job at all.
    fn is_entitled(&self, claim: &Claim) -> bool {
        let spec = self.spec();
        let keeps_register = spec.witnesses.keys.contains(&claim.host.key());
        if spec.witnesses.liars() > 0 && keeps_register {
            return false;
        }
        let named = match &spec.audience {
            Audience::Hosts(hosts) => hosts.contains(&claim.host),
            Audience::Members => spec.pool.is_some(),
            _ => false,
        };
        named && self.is_member(claim)
    }

    /// Whether the claim shows a valid membership. A job without a pool asks for none.
    fn is_member(&self, claim: &Claim) -> bool {
        let Some(pool) = self.spec().pool else {
            return true;
        };
        let verified = claim
            .membership
            .as_ref()
            .map(|cert| cert.verify(self.ctx.verifier));
        let Some(Ok(cert)) = verified else {
            return false;
        };
        let member = cert.value();
        cert.signer() == pool.key()
            && member.pool == pool
            && member.member == claim.host
            && member.roles.contains(&Role::Host)
            && member.not_after_ms > self.ctx.wall_ms
    }
}

impl Entry {
    /// Applies the rules to one request.
    pub(super) fn apply(
        &mut self,
        case: &Case<'_>,
        subject: &Subject,
        others: &Others,
        request: &VerifiedRequest,
        noted: &mut Noted,
    ) -> Answer {
        let facts = &mut noted.facts;
        let verdict = match request {
            VerifiedRequest::Claim(claim) => self.claim(case, others, claim, facts),
            VerifiedRequest::Renew(renew) => self.renew(case, renew),
            VerifiedRequest::VoteReq(request) => self.vote(case, request, facts),
            VerifiedRequest::Commit(commit) => self.commit(case, commit.value()),
            VerifiedRequest::Release(release) => Ok(self.release(release)),
            VerifiedRequest::Preempt(preempt) => self.preempt(case, preempt),
            VerifiedRequest::Decided(cert) => self.decide(case, subject.token, cert, facts),
        };
        verdict.unwrap_or_else(|violation| {
            noted.violation = Some(violation);
            Answer::Refuse(NackReason::Inadmissible, 0)
        })
    }

    /// Rule 1: one promise for each epoch, repeated byte for byte; politeness while a lease or a hold runs.
    fn claim(
        &mut self,
        case: &Case<'_>,
        others: &Others,
        claim: &Verified<Claim>,
        facts: &mut Vec<WitnessFact>,
    ) -> Result<Answer, Violation> {
        let Claim { token, host, .. } = *claim.value();
        if host.key() != claim.signer() {
            return Err(Violation::Signer);
        }
        if self.state.decided.is_some() {
            return Ok(Answer::Refuse(NackReason::Decided, 0));
        }
        if self.is_promised(token.epoch, host) {
            return Ok(match self.unused_promise() {
                Some(promise) => Answer::Say(Reply::from(promise.clone())),
                None => Answer::Refuse(NackReason::EpochTooLow, 0),
            });
        }
        if let Some((reason, wait_ms)) = self.objection(case, others, claim.value()) {
            return Ok(Answer::Refuse(reason, wait_ms));
        }
        let promise = Promise {
            token,
            host,
            ttl_ms: self.ttl_ms,
            lock: self.state.lock.as_ref().map(|lock| lock.cert.clone()),
            sequence: self.state.sequence + 1,
            granted_at_ms: case.ctx.wall_ms,
        };
        self.let_in(token.epoch, host, Some(promise.clone()));
        self.hold.until = Some(case.ctx.now.plus_ms(u64::from(limits::HOLD_MS)));
        facts.push(WitnessFact::Leased { token, host });
        Ok(Answer::Write(Some(Reply::from(promise))))
    }

    /// Why a new claim is refused, if it is.
    fn objection(
        &self,
        case: &Case<'_>,
        others: &Others,
        claim: &Claim,
    ) -> Option<(NackReason, u64)> {
        let now = case.ctx.now;
        if !case.is_owner(claim.host) {
            let pick = claim.token.register.slot == Slot::Pick;
            if pick || others.holds_other_replica || !case.is_entitled(claim) {
                return Some((NackReason::NotEntitled, 0));
            }
            let barred = self.conduct.get(&claim.host).map(|c| c.barred_until);
            if let Some(until) = barred.filter(|until| *until > now) {
                return Some((NackReason::TooManyHolds, now.ms_until(until)));
            }
            if others.open_holds >= limits::HOLDS_PER_HOST_MAX {
                return Some((NackReason::TooManyHolds, u64::from(limits::HOLD_MS)));
            }
            if let Some(until) = self.hold.until {
                return Some((NackReason::Leased, now.ms_until(until)));
            }
        }
        let epoch = claim.token.epoch;
        let reachable = self
            .epoch()
            .max(self.proved)
            .0
            .saturating_add(limits::EPOCH_JUMP_MAX);
        if epoch <= self.epoch() {
            return Some((NackReason::EpochTooLow, 0));
        }
        (epoch.0 > reachable).then_some((NackReason::EpochTooHigh, 0))
    }

    /// Rule 2: the holder of the promised token extends its lease, also after the deadline when nobody claimed.
    fn renew(&mut self, case: &Case<'_>, renew: &Verified<Renew>) -> Result<Answer, Violation> {
        let Renew { token, number, .. } = *renew.value();
        let host = NodeId::from(renew.signer());
        let now = case.ctx.now;
        if self.state.decided.is_some() {
            return Ok(Answer::Refuse(NackReason::Decided, 0));
        }
        let shows_lease = match &renew.value().lease {
            Some(cert) => {
                let lease = case.rules.lease(cert)?;
                if (lease.token, lease.host) != (token, host) {
                    return Err(Violation::Signer);
                }
                self.proved = self.proved.max(token.epoch);
                true
            }
            None => false,
        };
        if !self.is_promised(token.epoch, host) || token.epoch <= self.ended {
            return Ok(Answer::Refuse(NackReason::StaleToken, 0));
        }
        if self.hold.activated_at.is_none() && !shows_lease {
            return Ok(Answer::Refuse(NackReason::Inadmissible, 0));
        }
        if number <= self.hold.renewal {
            // A copy. An answer would let the holder count from a later sending than the one that was received.
            return Ok(Answer::Silent);
        }
        let activated_at = *self.hold.activated_at.get_or_insert(now);
        if activated_at.plus_ms(case.spec().attempt_ms_max) < now {
            self.bar(host, now);
            return Ok(Answer::Refuse(NackReason::NotEntitled, 0));
        }
        self.hold.renewal = number;
        self.hold.until = Some(now.plus_ms(u64::from(self.ttl_ms)));
        let ttl_ms = self.ttl_ms;
        Ok(Answer::Say(Reply::from(RenewAck {
            token,
            number,
            ttl_ms,
        })))
    }

    /// Rule 3: one vote for each epoch, for a value that the rules admit.
    fn vote(
        &mut self,
        case: &Case<'_>,
        request: &Verified<VoteReq>,
        facts: &mut Vec<WitnessFact>,
    ) -> Result<Answer, Violation> {
        let VoteReq {
            token,
            value,
            lease,
            ..
        } = request.value();
        let (token, host) = (*token, NodeId::from(request.signer()));
        if self.state.decided.is_some() {
            return Ok(Answer::Refuse(NackReason::Decided, 0));
        }
        let lease = case.rules.lease(lease)?;
        if (lease.token, lease.host) != (token, host) {
            return Err(Violation::Signer);
        }
        let digest = value.digest();
        let vote = Vote {
            token,
            host,
            value: digest,
        };
        let stale = token.epoch < self.epoch()
            || token.epoch == self.epoch() && !self.is_promised(token.epoch, host);
        if stale {
            return Ok(Answer::Refuse(NackReason::StaleToken, 0));
        }
        if let Some(voted) = self.state.voted.filter(|voted| voted.epoch == token.epoch) {
            if (voted.host, voted.value) != (host, digest) {
                return Err(Violation::Equivocation);
            }
            return Ok(Answer::Say(Reply::from(vote)));
        }
        match lease.lock {
            // It was admissible once. Asking for its proofs again could leave the job undecided for ever.
            Some(lock) if lock.value == *value => {}
            Some(_) => return Err(Violation::LockIgnored),
            None => {
                case.rules.admissible(value, &token.register)?;
                if let Some(manifest) = case.unproved(request)? {
                    let register = token.register;
                    facts.push(WitnessFact::BlocksWanted { register, manifest });
                    return Ok(Answer::Silent);
                }
            }
        }
        if token.epoch > self.epoch() {
            self.let_in(token.epoch, host, None);
        }
        self.state.voted = Some(Voted {
            epoch: token.epoch,
            host,
            value: digest,
        });
        Ok(Answer::Write(Some(Reply::from(vote))))
    }

    /// Rule 4: a certified value of no lower epoch than the promised one becomes the lock.
    fn commit(&mut self, case: &Case<'_>, commit: &Commit) -> Result<Answer, Violation> {
        let certified = case.rules.certified(&commit.cert)?;
        if self.state.decided.is_some() {
            return Ok(Answer::Refuse(NackReason::Decided, 0));
        }
        let (token, host) = (certified.token, certified.host);
        if token.epoch < self.epoch() {
            return Ok(Answer::Refuse(NackReason::StaleToken, 0));
        }
        let committed = Reply::from(Committed {
            token,
            host,
            value: certified.value.digest(),
        });
        if let Some(lock) = &self.state.lock {
            assert!(
                lock.epoch <= self.epoch(),
                "a lock is never above the promise"
            );
            if lock.epoch == token.epoch && lock.cert.value != certified.value {
                return Err(Violation::Equivocation);
            }
            if lock.epoch == token.epoch {
                return Ok(Answer::Say(committed));
            }
        }
        if token.epoch > self.epoch() {
            self.let_in(token.epoch, host, None);
        }
        self.state.lock = Some(Lock {
            epoch: token.epoch,
            cert: commit.cert.clone(),
        });
        Ok(Answer::Write(Some(committed)))
    }

    /// A result certificate ends the register: claims are refused with it from now on.
    fn decide(
        &mut self,
        case: &Case<'_>,
        token: FencingToken,
        cert: &ResultCert,
        facts: &mut Vec<WitnessFact>,
    ) -> Result<Answer, Violation> {
        let certified = case.rules.decided(cert)?;
        if let Some(known) = &self.state.decided {
            if known.value != certified.value {
                return Err(Violation::Equivocation);
            }
            return Ok(Answer::Silent);
        }
        self.hold.until = None;
        self.state.decided = Some(cert.clone());
        facts.push(WitnessFact::Decided {
            register: token.register,
            cert: Box::new(cert.clone()),
        });
        Ok(Answer::Write(None))
    }

    /// The holder has no more use for its lease.
    fn release(&mut self, release: &Verified<Release>) -> Answer {
        let epoch = release.value().token.epoch;
        if self.is_promised(epoch, NodeId::from(release.signer())) {
            self.ended = self.ended.max(epoch);
            self.hold.until = None;
        }
        Answer::Silent
    }

    /// The owner ends the politeness towards every token below the named epoch.
    fn preempt(
        &mut self,
        case: &Case<'_>,
        preempt: &Verified<Preempt>,
    ) -> Result<Answer, Violation> {
        if !case.is_owner(NodeId::from(preempt.signer())) {
            return Err(Violation::Signer);
        }
        let epoch = preempt.value().epoch;
        if epoch > self.epoch() {
            let below = Epoch(epoch.0.saturating_sub(1)).min(self.epoch());
            self.ended = self.ended.max(below);
            self.hold.until = None;
        }
        Ok(Answer::Silent)
    }
}

impl Case<'_> {
    /// Whether the blocks of an `Ok` value are held where the result policy says. `Some` names the manifest that this
    /// node itself has to fetch first.
    fn unproved(&self, request: &Verified<VoteReq>) -> Result<Option<Cid>, Violation> {
        let Value::Ok { manifest, .. } = request.value().value else {
            return Ok(None);
        };
        let spec = self.spec();
        if spec.result.stored_by == 0 {
            return Ok((!self.held.contains(&manifest)).then_some(manifest));
        }
        let mut nodes: BTreeSet<PublicKey> = BTreeSet::new();
        for stored in &request.value().stored {
            let stored = stored.verify(self.ctx.verifier)?;
            let body = stored.value();
            let fits = body.manifest == manifest && body.pinned_until_ms >= spec.not_after_ms;
            if fits && stored.signer() != request.signer() {
                nodes.insert(stored.signer());
            }
        }
        if nodes.len() < usize::from(spec.result.stored_by) {
            return Err(CertError::Inadmissible {
                rule: "too few storage nodes hold the outputs",
            }
            .into());
        }
        Ok(None)
    }
}
