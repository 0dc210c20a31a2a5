//! The witness: keeps one small register per unit of work, and decides who may act in it.
//!
//! Rules by number are those of `docs/protocol.md`, "Rules of the witness". Safety never reads a clock: time only
//! decides how politely a witness waits before it lets a new epoch in.

use super::time::BootNanos;
use mutual_protocol::lease::cert::{Certified, Rules, later};
use mutual_protocol::lease::{
    Claim, Commit, Committed, Nack, NackReason, Preempt, Promise, QuorumCert, Release, Renew,
    RenewAck, ResultCert, Value, Vote, VoteReq,
};
use mutual_protocol::spec::{Audience, JobSpec};
use mutual_protocol::{
    Digest, Epoch, FencingToken, NodeId, OwnerId, RegisterId, Verified, Verifier, limits,
};
use std::collections::BTreeMap;

/// What a witness must not forget of one register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// Highest epoch that was let in, and to whom.
    pub promised: Option<(Epoch, NodeId)>,
    /// The promise as it was given, so that it can be given again byte for byte.
    pub promise: Option<Promise>,
    /// The last vote.
    pub voted: Option<(Epoch, NodeId, Digest)>,
    /// The highest certified value that was stored.
    pub lock: Option<QuorumCert>,
    /// The decision.
    pub decided: Option<ResultCert>,
    /// Rises with each change.
    pub sequence: u64,
}

/// The politeness towards the present holder; forgotten at a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Promised, not yet renewed: a provisional hold.
    Hold(BootNanos),
    /// A lease until then.
    Lease(BootNanos),
}

/// What is asked of a witness.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Request {
    /// Rule 1.
    Claim(Verified<Claim>),
    /// Rule 2.
    Renew(Verified<Renew>),
    /// Rule 3.
    VoteReq(Box<Verified<VoteReq>>),
    /// Rule 4.
    Commit(Box<Verified<Commit>>),
    /// The holder gives the lease back.
    Release(Verified<Release>),
    /// The owner takes the lease away.
    Preempt(Verified<Preempt>),
    /// The register is decided; whoever shows it.
    Decided(RegisterId, Box<ResultCert>),
}

/// What a witness answers. The driver signs it, after the register in [`Answer::persist`] is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Granted.
    Promise(Box<Promise>),
    /// Renewed.
    RenewAck(RenewAck),
    /// Voted.
    Vote(Vote),
    /// Stored.
    Committed(Committed),
    /// Refused.
    Nack(Box<Nack>),
}

/// A reply, and what must be durable before it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// To whom, when somebody waits for it.
    pub reply: Option<(NodeId, Reply)>,
    /// The register as it must be kept; none when nothing changed.
    pub persist: Option<(RegisterId, Register)>,
    /// The sender broke a rule that no honest node breaks.
    pub violation: Option<&'static str>,
}

impl Answer {
    const NOTHING: Self = Self {
        reply: None,
        persist: None,
        violation: None,
    };

    const fn violation(rule: &'static str) -> Self {
        Self {
            reply: None,
            persist: None,
            violation: Some(rule),
        }
    }
}

/// A witness of one job.
///
/// [`Witness::step`] takes requests in any order, as often as they come. The driver makes [`Answer::persist`] durable,
/// then signs and sends [`Answer::reply`]. After a restart [`Witness::restore`] takes what was kept.
#[derive(Debug)]
pub struct Witness {
    spec: Verified<JobSpec>,
    registers: BTreeMap<RegisterId, Register>,
    waits: BTreeMap<RegisterId, Wait>,
}

impl Witness {
    /// A witness that has accepted `spec`, which passed its checks.
    pub const fn new(spec: Verified<JobSpec>) -> Self {
        Self {
            spec,
            registers: BTreeMap::new(),
            waits: BTreeMap::new(),
        }
    }

    /// A witness with what it kept. Rule 6: every lease is treated as activated now, for the longest time.
    pub fn restore(
        spec: Verified<JobSpec>,
        registers: BTreeMap<RegisterId, Register>,
        now: BootNanos,
    ) -> Self {
        let end = now.plus_ms(u64::from(spec.value().lease_ttl_ms));
        let waits = registers.keys().map(|id| (*id, Wait::Lease(end))).collect();
        Self {
            spec,
            registers,
            waits,
        }
    }

    /// What is kept of a register.
    pub fn register(&self, id: &RegisterId) -> Option<&Register> {
        self.registers.get(id)
    }

    /// Handles one request. `wall_ms` is informative: it goes into promises.
    pub fn step(
        &mut self,
        now: BootNanos,
        wall_ms: u64,
        verifier: &dyn Verifier,
        request: Request,
    ) -> Answer {
        match request {
            Request::Claim(claim) => self.claim(now, wall_ms, verifier, &claim),
            Request::Renew(renew) => self.renew(now, verifier, &renew),
            Request::VoteReq(request) => self.vote(verifier, &request),
            Request::Commit(commit) => self.commit(verifier, &commit),
            Request::Release(release) => self.release(&release),
            Request::Preempt(preempt) => self.preempt(&preempt),
            Request::Decided(id, cert) => self.decided(verifier, id, *cert),
        }
    }

    fn rules<'a>(&'a self, verifier: &'a dyn Verifier) -> Rules<'a> {
        Rules::new(&self.spec, verifier)
    }

    /// Rule 1.
    fn claim(
        &mut self,
        now: BootNanos,
        wall_ms: u64,
        verifier: &dyn Verifier,
        claim: &Verified<Claim>,
    ) -> Answer {
        let Claim { token, host, .. } = claim.value();
        let (id, host) = (token.register, *host);
        if NodeId::from(claim.signer()) != host || self.rules(verifier).check_register(&id).is_err()
        {
            return Answer::violation("a claim is signed by its host, for a register of the job");
        }
        let is_owner = OwnerId::from(claim.signer()) == self.spec.value().owner;
        let register = self.registers.get(&id).cloned().unwrap_or_default();
        if register.promised == Some((token.epoch, host))
            && let Some(promise) = register.promise.clone()
        {
            return Answer {
                reply: Some((host, Reply::Promise(Box::new(promise)))),
                ..Answer::NOTHING
            };
        }
        let promised = register.promised.map_or(Epoch(0), |(epoch, _)| epoch);
        let reason = if register.decided.is_some() {
            Some(NackReason::Decided)
        } else if !self.may_hold(host) {
            Some(NackReason::NotEntitled)
        } else if token.epoch <= promised {
            Some(NackReason::EpochTooLow)
        } else if token.epoch.0 - promised.0 > limits::EPOCH_JUMP_MAX {
            Some(NackReason::EpochTooHigh)
        } else if self.waits.get(&id).is_some_and(|wait| wait.end() > now) && !is_owner {
            Some(NackReason::Leased)
        } else if !self.registers.contains_key(&id) && self.registers.len() >= limits::REGISTERS_MAX
        {
            Some(NackReason::TooManyHolds)
        } else {
            None
        };
        if let Some(reason) = reason {
            return self.nack(now, host, *token, reason);
        }
        let sequence = register.sequence + 1;
        let promise = Promise {
            token: *token,
            host,
            ttl_ms: self.spec.value().lease_ttl_ms,
            lock: register.lock.clone(),
            sequence,
            granted_at_ms: wall_ms,
        };
        self.waits
            .insert(id, Wait::Hold(now.plus_ms(u64::from(limits::HOLD_MS))));
        let promised = Some((token.epoch, host));
        let register = Register {
            promised,
            promise: Some(promise.clone()),
            sequence,
            ..register
        };
        self.keep(
            id,
            register,
            Some((host, Reply::Promise(Box::new(promise)))),
        )
    }

    fn may_hold(&self, host: NodeId) -> bool {
        let spec = self.spec.value();
        let named = match &spec.audience {
            Audience::Hosts(hosts) => hosts.binary_search(&host).is_ok(),
            Audience::Members => true,
            _ => false,
        };
        named || OwnerId::from(host.key()) == spec.owner
    }

    /// Rule 2.
    fn renew(
        &mut self,
        now: BootNanos,
        verifier: &dyn Verifier,
        renew: &Verified<Renew>,
    ) -> Answer {
        let Renew {
            token,
            number,
            lease,
            ..
        } = renew.value();
        let (id, host) = (token.register, NodeId::from(renew.signer()));
        if !self.is_promised(token, host) {
            return self.nack(now, host, *token, NackReason::StaleToken);
        }
        let is_active = matches!(self.waits.get(&id), Some(Wait::Lease(_)));
        let shown = lease.as_ref().map(|cert| self.rules(verifier).lease(cert));
        match shown {
            Some(Ok(lease)) if (lease.token, lease.host) == (*token, host) => {}
            None if is_active => {}
            _ => return Answer::violation("the first renewal shows the lease certificate"),
        }
        let ttl_ms = self.spec.value().lease_ttl_ms;
        self.waits
            .insert(id, Wait::Lease(now.plus_ms(u64::from(ttl_ms))));
        let ack = RenewAck {
            token: *token,
            number: *number,
            ttl_ms,
        };
        Answer {
            reply: Some((host, Reply::RenewAck(ack))),
            ..Answer::NOTHING
        }
    }

    /// Rule 3.
    fn vote(&mut self, verifier: &dyn Verifier, request: &Verified<VoteReq>) -> Answer {
        let VoteReq {
            token,
            value,
            lease,
            ..
        } = request.value();
        let (id, host) = (token.register, NodeId::from(request.signer()));
        let lock = match self.rules(verifier).lease(lease) {
            Ok(lease) if (lease.token, lease.host) == (*token, host) => lease.lock,
            _ => {
                return Answer::violation(
                    "a vote is asked for with the holder's own lease certificate",
                );
            }
        };
        let digest = value.digest();
        let register = self.registers.get(&id).cloned().unwrap_or_default();
        if register.decided.is_some() {
            return self.nack(BootNanos(0), host, *token, NackReason::Decided);
        }
        if register.promised.is_some_and(|(epoch, other)| {
            epoch > token.epoch || (epoch == token.epoch && other != host)
        }) {
            return self.nack(BootNanos(0), host, *token, NackReason::StaleToken);
        }
        let earlier = register.voted.filter(|(epoch, ..)| *epoch >= token.epoch);
        if earlier.is_some_and(|vote| vote != (token.epoch, host, digest)) {
            return Answer::violation("one value for each token");
        }
        if !self.is_admissible(verifier, value, lock.as_ref(), &id) {
            return self.nack(BootNanos(0), host, *token, NackReason::Inadmissible);
        }
        let vote = Vote {
            token: *token,
            host,
            value: digest,
        };
        let (promised, voted) = (Some((token.epoch, host)), Some((token.epoch, host, digest)));
        let register = Register {
            promised,
            voted,
            sequence: register.sequence + 1,
            ..register
        };
        self.keep(id, register, Some((host, Reply::Vote(vote))))
    }

    /// A locked value was admissible once and needs no new proofs; any other is checked now.
    fn is_admissible(
        &self,
        verifier: &dyn Verifier,
        value: &Value,
        lock: Option<&Certified>,
        id: &RegisterId,
    ) -> bool {
        match lock {
            Some(lock) => lock.value == *value,
            // An attached owner votes only when it holds every block itself: its driver asks for votes after that.
            None => {
                self.spec.value().result.stored_by == 0
                    && self.rules(verifier).admissible(value, id).is_ok()
            }
        }
    }

    /// Rule 4.
    fn commit(&mut self, verifier: &dyn Verifier, commit: &Verified<Commit>) -> Answer {
        let host = NodeId::from(commit.signer());
        let Ok(certified) = self.rules(verifier).certified(&commit.value().cert) else {
            return Answer::violation("a commit shows a valid quorum certificate");
        };
        let (token, id) = (certified.token, certified.token.register);
        let register = self.registers.get(&id).cloned().unwrap_or_default();
        if register
            .promised
            .is_some_and(|(epoch, _)| epoch > token.epoch)
        {
            return self.nack(BootNanos(0), host, token, NackReason::StaleToken);
        }
        let stored = register
            .lock
            .as_ref()
            .and_then(|lock| self.rules(verifier).certified(lock).ok());
        let highest = later(stored, Some(certified.clone()));
        let lock = if highest.as_ref() == Some(&certified) {
            Some(commit.value().cert.clone())
        } else {
            register.lock.clone()
        };
        let committed = Committed {
            token,
            host: certified.host,
            value: certified.value.digest(),
        };
        let promised = Some((token.epoch, certified.host));
        let register = Register {
            promised,
            lock,
            sequence: register.sequence + 1,
            ..register
        };
        self.keep(id, register, Some((host, Reply::Committed(committed))))
    }

    fn release(&mut self, release: &Verified<Release>) -> Answer {
        let token = release.value().token;
        if self.is_promised(&token, NodeId::from(release.signer())) {
            self.waits.remove(&token.register);
        }
        Answer::NOTHING
    }

    fn preempt(&mut self, preempt: &Verified<Preempt>) -> Answer {
        if OwnerId::from(preempt.signer()) != self.spec.value().owner {
            return Answer::violation("only the owner pre-empts");
        }
        self.waits.remove(&preempt.value().register);
        Answer::NOTHING
    }

    fn decided(&mut self, verifier: &dyn Verifier, id: RegisterId, cert: ResultCert) -> Answer {
        let proves = self
            .rules(verifier)
            .decided(&cert)
            .is_ok_and(|certified| certified.token.register == id);
        if !proves {
            return Answer::violation("a decision shows a valid result certificate");
        }
        let register = self.registers.get(&id).cloned().unwrap_or_default();
        let register = Register {
            decided: Some(cert),
            sequence: register.sequence + 1,
            ..register
        };
        self.keep(id, register, None)
    }

    fn is_promised(&self, token: &FencingToken, host: NodeId) -> bool {
        self.registers
            .get(&token.register)
            .and_then(|register| register.promised)
            == Some((token.epoch, host))
    }

    fn keep(
        &mut self,
        id: RegisterId,
        register: Register,
        reply: Option<(NodeId, Reply)>,
    ) -> Answer {
        self.registers.insert(id, register.clone());
        Answer {
            reply,
            persist: Some((id, register)),
            violation: None,
        }
    }

    fn nack(
        &self,
        now: BootNanos,
        host: NodeId,
        asked: FencingToken,
        reason: NackReason,
    ) -> Answer {
        let register = self.registers.get(&asked.register);
        let wait = self
            .waits
            .get(&asked.register)
            .map_or(0, |wait| wait.end().since(now).as_millis());
        let nack = Nack {
            asked,
            reason,
            promised: register
                .and_then(|register| register.promised)
                .map(|(epoch, _)| epoch),
            wait_ms: u32::try_from(wait).unwrap_or(u32::MAX),
            decided: register.and_then(|register| register.decided.clone()),
        };
        Answer {
            reply: Some((host, Reply::Nack(Box::new(nack)))),
            ..Answer::NOTHING
        }
    }
}

impl Wait {
    const fn end(self) -> BootNanos {
        match self {
            Self::Hold(end) | Self::Lease(end) => end,
        }
    }
}
