//! The owner: offers the job's registers to hosts, keeps count of attempts, and learns what was decided.

mod plan;
mod work;

use crate::context::{BootNanos, Context};
use crate::message::{Request, VerifiedReply, VerifiedRequest};
use crate::proposer::{Claimant, Outgoing, Progress, Proposer};
use crate::violation::Violation;
use crate::witness::WitnessFact;
use mutual_protocol::lease::cert::Rules;
use mutual_protocol::lease::{Cancel, Offer, Preempt, Release, ResultCert, Value};
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{FencingToken, NodeId, PublicKey, RegisterId, Verified, limits};
use plan::Plan;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use work::{Status, Work};

/// Registers that are looked at for a host that may not take the first one. Only replicas of what it already ran stand in
/// its way, and a host runs few shards at a time.
const LOOK_AHEAD: usize = 64;

/// What an owner is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OwnerInput {
    /// This host would take work. Give it again whenever it is idle.
    HostReady(NodeId),
    /// A holder says that it released its lease, or that the register is decided.
    Request(VerifiedRequest),
    /// A witness answered the owner's own claim (a cancel, or a failure that is proved).
    Reply(VerifiedReply),
    /// What a witness on this machine saw.
    Fact(WitnessFact),
    /// The holder of this register cannot be reached: end its lease before its time.
    Preempt(RegisterId),
    /// End this register without a result. Signed by the owner.
    Cancel(Box<Verified<Cancel>>),
    /// The timer rang.
    Tick,
}

/// What the driver of an owner must do, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnerEffect {
    /// Sign and send to the host.
    Offer {
        /// The host.
        to: NodeId,
        /// The body.
        offer: Box<Offer>,
    },
    /// Sign once, send to each witness.
    Send {
        /// Keys of witnesses.
        to: Vec<PublicKey>,
        /// The body.
        message: Request,
    },
    /// Call with [`OwnerInput::Tick`] at this time; replaces the earlier timer.
    Timer(BootNanos),
    /// Whoever sent this step's input broke the protocol.
    Violation(Violation),
    /// A register is free again and needs a host: its holder released it, its lease ran out, or an offer was not taken up.
    Wanted {
        /// The register.
        register: RegisterId,
        /// Leases so far. A driver that sees too many of them may cancel: other blames than guest and owner never end a job.
        attempts: u32,
    },
    /// A register is decided.
    Decided {
        /// The register.
        register: RegisterId,
        /// The proof.
        cert: Box<ResultCert>,
    },
    /// Every register of the job is decided. Comes once.
    Done,
}

/// The owner of one generation of a job.
///
/// **Order of calls.** [`Owner::new`]; then [`OwnerInput::HostReady`] for each host that could work, again after each
/// [`OwnerEffect::Wanted`]; requests, replies, facts and ticks as they come. [`OwnerInput::Cancel`] at any time: the owner
/// then claims the register itself, which ends the present lease, and proposes that it is cancelled; if a value was
/// certified before, that value is decided instead, so wait for [`OwnerEffect::Decided`] to know.
///
/// **Obligations on time.** None: what the owner believes about leases is advice. Only witnesses decide.
#[derive(Clone, Debug)]
pub struct Owner {
    spec: Arc<Verified<JobSpec>>,
    plan: Plan,
    /// Touched and not decided.
    open: BTreeMap<RegisterId, Work>,
    /// Decided, and who held it last.
    decided: BTreeMap<RegisterId, Option<NodeId>>,
    /// Every register of the plan before this one is touched.
    untouched_from: u64,
    timer: Option<BootNanos>,
}

impl Owner {
    /// The owner of `spec`. One offer covers `shards_per_offer` consecutive shards, which are then decided together.
    pub fn new(spec: Arc<Verified<JobSpec>>, shards_per_offer: NonZeroU32) -> Self {
        Self {
            plan: Plan::new(&spec, shards_per_offer),
            spec,
            open: BTreeMap::new(),
            decided: BTreeMap::new(),
            untouched_from: 0,
            timer: None,
        }
    }

    /// Every register of the job: what a cancel of the whole job has to name.
    pub fn registers(&self) -> impl Iterator<Item = RegisterId> {
        self.plan.registers()
    }

    /// Handles one input. See the type for the driver's part.
    pub fn step(&mut self, ctx: &Context<'_>, input: OwnerInput) -> Vec<OwnerEffect> {
        let mut out = Vec::new();
        match input {
            OwnerInput::HostReady(host) => self.offer(ctx, host, &mut out),
            OwnerInput::Request(VerifiedRequest::Release(release)) => {
                self.released(ctx, &release, &mut out);
            }
            OwnerInput::Request(VerifiedRequest::Decided(cert))
            | OwnerInput::Fact(WitnessFact::Decided { cert, .. }) => {
                self.decide(ctx, cert, &mut out);
            }
            OwnerInput::Request(_) => out.push(OwnerEffect::Violation(Violation::Unasked)),
            OwnerInput::Reply(reply) => self.reply(ctx, &reply, &mut out),
            OwnerInput::Fact(WitnessFact::Leased { token, host }) => {
                self.leased(ctx.now, token, host)
            }
            OwnerInput::Fact(WitnessFact::Ended { token }) => self.ended(token, &mut out),
            OwnerInput::Fact(_) | OwnerInput::Tick => {}
            OwnerInput::Preempt(register) => self.preempt(register, &mut out),
            OwnerInput::Cancel(order) => self.cancel(ctx, &order, &mut out),
        }
        self.keep_time(ctx, &mut out);
        out
    }

    fn offer(&mut self, ctx: &Context<'_>, host: NodeId, out: &mut Vec<OwnerEffect>) {
        let touched = self.open.iter().filter(|(_, work)| work.is_free());
        let touched = touched.filter(|(id, _)| !self.holds_other_replica(id, host));
        let next = touched.min_by_key(|(_, work)| work.attempts);
        let Some(register) = next.map(|(id, _)| *id).or_else(|| self.untouched(host)) else {
            return;
        };
        let work = self.open.entry(register).or_default();
        work.status = Status::Offered {
            until: ctx.now.plus_ms(u64::from(limits::HOLD_MS)),
        };
        work.host = Some(host);
        let offer = Offer {
            spec: self.plan.spec,
            register,
            epoch: work.next_epoch(),
            requirements: self.spec.value().requirements.clone(),
            failures: work.failures.values().cloned().collect(),
        };
        out.push(OwnerEffect::Offer {
            to: host,
            offer: Box::new(offer),
        });
    }

    /// A register that nobody was offered yet. Registers that this host may not take are passed over for a while.
    fn untouched(&mut self, host: NodeId) -> Option<RegisterId> {
        if self.open.len() >= limits::REGISTERS_MAX {
            return None;
        }
        let is_touched =
            |id: &RegisterId| self.open.contains_key(id) || self.decided.contains_key(id);
        while self
            .plan
            .at(self.untouched_from)
            .is_some_and(|id| is_touched(&id))
        {
            self.untouched_from += 1;
        }
        (self.untouched_from..)
            .map_while(|index| self.plan.at(index))
            .take(LOOK_AHEAD)
            .find(|id| !is_touched(id) && !self.holds_other_replica(id, host))
    }

    /// A host that held one replica of a shard may not claim another.
    fn holds_other_replica(&self, id: &RegisterId, host: NodeId) -> bool {
        self.plan.siblings(id).any(|sibling| {
            let open = self.open.get(&sibling).and_then(|work| work.host);
            let decided = self.decided.get(&sibling).copied().flatten();
            open == Some(host) || decided == Some(host)
        })
    }

    fn leased(&mut self, now: BootNanos, token: FencingToken, host: NodeId) {
        let spec = self.spec.value();
        let longest_ms = spec
            .attempt_ms_max
            .saturating_add(u64::from(spec.lease_ttl_ms) * 2);
        let id = &token.register;
        if self.decided.contains_key(id) || !self.plan.contains(id) {
            return;
        }
        let work = self.open.entry(*id).or_default();
        if token.epoch <= work.epoch {
            return;
        }
        work.epoch = token.epoch;
        if work.conclusion.is_none() {
            work.status = Status::Leased {
                until: now.plus_ms(longest_ms),
            };
            work.host = Some(host);
            work.attempts += 1;
        }
    }

    fn ended(&mut self, token: FencingToken, out: &mut Vec<OwnerEffect>) {
        let work = self.open.get_mut(&token.register);
        if let Some(work) = work.filter(|work| work.epoch == token.epoch) {
            work.set_free(token.register, out);
        }
    }

    /// Only the host that the owner thinks of is believed: anybody can sign a release.
    fn released(
        &mut self,
        ctx: &Context<'_>,
        release: &Verified<Release>,
        out: &mut Vec<OwnerEffect>,
    ) {
        let Release { token, attempt, .. } = release.value();
        let host = NodeId::from(release.signer());
        let work = self.open.get_mut(&token.register);
        let Some(work) = work.filter(|work| work.host == Some(host)) else {
            return;
        };
        if let Some(attempt) = attempt {
            let rules = Rules::new(&self.spec, ctx.verifier);
            if let Ok(record) = rules.failure(attempt, &token.register)
                && (record.token, record.host) == (*token, host)
            {
                work.failures.insert(token.epoch, attempt.clone());
            }
        }
        if token.epoch > work.epoch {
            work.epoch = token.epoch;
            work.attempts += 1;
        }
        if work.failures.len() > usize::from(self.spec.value().retries) {
            let attempts = work.failures.values().cloned().collect();
            return self.conclude(ctx, token.register, Value::Failed { attempts }, out);
        }
        work.set_free(token.register, out);
    }

    fn preempt(&mut self, register: RegisterId, out: &mut Vec<OwnerEffect>) {
        let Some(work) = self.open.get_mut(&register) else {
            return;
        };
        let epoch = work.next_epoch();
        let message = Request::from(Preempt { register, epoch });
        let to = self.spec.value().witnesses.keys.clone();
        out.push(OwnerEffect::Send { to, message });
        work.set_free(register, out);
    }

    fn cancel(&mut self, ctx: &Context<'_>, order: &Verified<Cancel>, out: &mut Vec<OwnerEffect>) {
        let register = order.value().register;
        let own = order.signer() == self.spec.value().owner.key() && self.plan.contains(&register);
        assert!(
            own,
            "a cancel is the owner's own order for a register of its job"
        );
        if self.decided.contains_key(&register) {
            return;
        }
        let order = order.signed().clone();
        self.conclude(ctx, register, Value::Cancelled { order }, out);
    }

    /// Claims a register for the owner itself, to bring it to an end.
    fn conclude(
        &mut self,
        ctx: &Context<'_>,
        register: RegisterId,
        value: Value,
        out: &mut Vec<OwnerEffect>,
    ) {
        let me = Claimant::key_only(NodeId::from(self.spec.value().owner.key()));
        let work = self.open.entry(register).or_default();
        if work.conclusion.is_some() {
            return;
        }
        let mut proposer = Proposer::new(me, register, work.next_epoch());
        let mut sends = Vec::new();
        proposer.claim(ctx, &self.spec.value().witnesses, &mut sends);
        work.conclusion = Some((proposer, value));
        out.extend(sends.into_iter().map(OwnerEffect::from));
    }

    fn reply(&mut self, ctx: &Context<'_>, reply: &VerifiedReply, out: &mut Vec<OwnerEffect>) {
        let register = reply.token().register;
        let rules = Rules::new(&self.spec, ctx.verifier);
        let work = self.open.get_mut(&register);
        let Some((proposer, value)) = work.and_then(|work| work.conclusion.as_mut()) else {
            return; // late, or for a holder under the same key
        };
        let mut sends = Vec::new();
        let progress = proposer.handle(ctx, &rules, reply, &mut sends);
        match &progress {
            Ok(Progress::Leased) => {
                proposer.propose(ctx, &rules, value.clone(), Vec::new(), &mut sends);
            }
            Ok(Progress::Lost(_)) => {
                proposer.back_off(ctx, &self.spec.value().witnesses, &mut sends);
            }
            _ => {}
        }
        out.extend(sends.into_iter().map(OwnerEffect::from));
        match progress {
            Ok(Progress::Decided(cert)) => self.decide(ctx, cert, out),
            Ok(_) => {}
            Err(violation) => out.push(OwnerEffect::Violation(violation)),
        }
    }

    fn decide(&mut self, ctx: &Context<'_>, cert: Box<ResultCert>, out: &mut Vec<OwnerEffect>) {
        let certified = match Rules::new(&self.spec, ctx.verifier).decided(&cert) {
            Ok(certified) => certified,
            Err(error) => return out.push(OwnerEffect::Violation(error.into())),
        };
        let register = certified.token.register;
        if !self.plan.contains(&register) {
            return out.push(OwnerEffect::Violation(Violation::Register));
        }
        if self.decided.contains_key(&register) {
            return;
        }
        let host = self.open.remove(&register).and_then(|work| work.host);
        self.decided.insert(register, host);
        out.push(OwnerEffect::Decided { register, cert });
        if self.plan.len() == self.decided.len() as u64 {
            out.push(OwnerEffect::Done);
        }
    }

    /// Offers that nobody took up, the owner's own claims, and the timer for the next of them.
    fn keep_time(&mut self, ctx: &Context<'_>, out: &mut Vec<OwnerEffect>) {
        let rules = Rules::new(&self.spec, ctx.verifier);
        let mut timer: Option<BootNanos> = None;
        for (register, work) in &mut self.open {
            if work.until().is_some_and(|until| until <= ctx.now) {
                work.set_free(*register, out);
            }
            if let Some((proposer, _)) = &mut work.conclusion {
                let mut sends = Vec::new();
                proposer.tick(ctx, &rules, &mut sends);
                out.extend(sends.into_iter().map(OwnerEffect::from));
            }
            timer = [timer, work.wake_at()].into_iter().flatten().min();
        }
        if let Some(at) = timer.filter(|_| timer != self.timer) {
            out.push(OwnerEffect::Timer(at));
        }
        self.timer = timer;
    }
}

impl From<Outgoing> for OwnerEffect {
    fn from((to, message): Outgoing) -> Self {
        Self::Send { to, message }
    }
}
