//! Owner, witness and holder of one job in one process: their messages are signed, encoded, decoded and verified as
//! between machines, and passed on in memory.

mod breach;
mod elsewhere;
mod keys;
mod memory;

pub(super) use breach::Breach;

use super::RunError;
use crate::clock::{Clock, elapsed, random};
use crate::receipt::record;
use elsewhere::Elsewhere;
use keys::Keys;
use memory::Memory;
use mutual_lease::{
    BootNanos, Claimant, Context, Holder, HolderEffect, HolderInput, Owner, OwnerEffect,
    OwnerInput, Peer, Request, Witness, WitnessEffect, WitnessInput,
};
use mutual_protocol::lease::{Cancel, LeaseCert, Offer, ResultCert};
use mutual_protocol::outcome::Blame;
use mutual_protocol::receipt::Receipt;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{
    FencingToken, NodeId, RegisterId, ReplicaIndex, ShardIndex, ShardRange, SigningKey, Slot,
    Verified,
};
use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

/// The job is decided.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) lease: LeaseCert,
    pub(super) result: ResultCert,
    pub(super) receipt: Verified<Receipt>,
}

/// What the event loop must know.
#[derive(Debug)]
pub(super) enum Fact {
    /// The lease is held: compute.
    Leased(FencingToken),
    /// Another host was promised the lease.
    LeasedTo {
        /// The token.
        token: FencingToken,
        /// Who.
        host: NodeId,
    },
    /// The token is worth nothing any more: stop computing.
    Lost(FencingToken),
    /// Nobody has the job: it can be offered.
    Wanted,
    /// The job is decided.
    Decided(Box<Decision>),
}

/// The three roles, and what is on its way between them.
#[derive(Debug)]
pub(super) struct Roles {
    spec: Arc<Verified<JobSpec>>,
    clock: Arc<dyn Clock>,
    keys: Keys,
    witness: Witness,
    owner: Owner,
    register: RegisterId,
    /// Where the lease is held here.
    holder: Option<Holder>,
    /// Where it is held by another host.
    elsewhere: Option<Elsewhere>,
    timers: Timers,
    mail: VecDeque<Mail>,
    /// The lease that the attempt computes under, from its start to the end of the run.
    lease: Option<(FencingToken, LeaseCert)>,
    renewals: u32,
    receipt: Option<Verified<Receipt>>,
    facts: VecDeque<Fact>,
}

/// When each role wants to be called again.
#[derive(Clone, Copy, Debug, Default)]
struct Timers {
    witness: Option<BootNanos>,
    owner: Option<BootNanos>,
    holder: Option<BootNanos>,
}

/// Who asked a witness, so that the answer finds its way back: owner and holder share a key here.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Owner,
    Holder,
}

/// A message or event on its way to a role.
#[derive(Debug)]
enum Mail {
    Witness(Option<Asker>, WitnessInput),
    Owner(OwnerInput),
    Holder(HolderInput),
    Offer(Box<Offer>),
}

impl Roles {
    /// Roles for a job of one shard. `account` signs as owner and as host.
    pub(super) fn new(
        spec: &Verified<JobSpec>,
        (account, witness): (SigningKey, SigningKey),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let spec = Arc::new(spec.clone());
        Self {
            witness: Witness::new(witness.public()),
            owner: Owner::new(spec.clone(), NonZero::<u32>::MIN),
            register: single_register(&spec),
            holder: None,
            elsewhere: None,
            spec,
            clock,
            keys: Keys {
                account,
                witness,
                memory: Memory::default(),
            },
            timers: Timers::default(),
            mail: VecDeque::new(),
            lease: None,
            renewals: 0,
            receipt: None,
            facts: VecDeque::new(),
        }
    }

    /// Has the job accepted and, where the lease is held here, offered and claimed.
    pub(super) fn open(&mut self) -> Result<(), RunError> {
        self.mail
            .push_back(Mail::Witness(None, WitnessInput::Accept(self.spec.clone())));
        if self.elsewhere.is_none() {
            self.mail
                .push_back(Mail::Owner(OwnerInput::HostReady(self.host())));
        }
        self.deliver()
    }

    pub(super) const fn spec(&self) -> &Arc<Verified<JobSpec>> {
        &self.spec
    }

    /// The time has come that [`Roles::due_in`] told.
    pub(super) fn tick(&mut self) -> Result<(), RunError> {
        let now = self.clock.boot();
        let is_due = |timer: &mut Option<BootNanos>| timer.take_if(|at| *at <= now).is_some();
        if is_due(&mut self.timers.holder) {
            self.mail.push_back(Mail::Holder(HolderInput::Tick));
        }
        if is_due(&mut self.timers.witness) {
            self.mail.push_back(Mail::Witness(None, WitnessInput::Tick));
        }
        if is_due(&mut self.timers.owner) {
            self.mail.push_back(Mail::Owner(OwnerInput::Tick));
        }
        self.deliver()
    }

    /// How long from now until [`Roles::tick`] wants to be called.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let Timers {
            witness,
            owner,
            holder,
        } = self.timers;
        let first = [witness, owner, holder].into_iter().flatten().min();
        first.map(|at| elapsed(self.clock.boot(), at))
    }

    /// Brings the attempt to a decision. A failure that is neither guest's nor owner's fault cannot be a value: an
    /// attached owner, who has no other host, ends the job by its own order then, and the receipt tells what happened.
    pub(super) fn finish(&mut self, receipt: Receipt) -> Result<(), RunError> {
        let (register, blame) = (receipt.token.register, receipt.outcome.blame());
        let receipt = self.keys.account.sign(receipt);
        let attempt = Box::new(self.keys.account.sign(record(&receipt)));
        self.keys.memory.learn(&attempt);
        if let Some(manifest) = receipt.value().manifest {
            self.mail
                .push_back(Mail::Witness(None, WitnessInput::Held(manifest)));
        }
        self.receipt = Some(receipt);
        if blame == Blame::Owner {
            self.cancel(register);
        } else {
            self.mail.push_back(Mail::Holder(HolderInput::Report {
                attempt,
                stored: Vec::new(),
            }));
        }
        self.deliver()
    }

    pub(super) fn next_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// Epoch of the lease and renewals so far.
    pub(super) fn standing(&self) -> (Option<u32>, u32) {
        (
            self.lease.as_ref().map(|(token, _)| token.epoch.0),
            self.renewals,
        )
    }

    pub(super) fn host(&self) -> NodeId {
        NodeId::from(self.keys.account.public())
    }

    fn cancel(&mut self, register: RegisterId) {
        let order = self.keys.account.sign(Cancel { register });
        self.keys.memory.learn(&order);
        self.mail
            .push_back(Mail::Owner(OwnerInput::Cancel(Box::new(order))));
    }

    /// Passes everything on until nobody has anything to say.
    fn deliver(&mut self) -> Result<(), RunError> {
        while let Some(mail) = self.mail.pop_front() {
            let memory = self.keys.memory.clone();
            let ctx = Context {
                now: self.clock.boot(),
                // An attached job has no end by the wall clock: one that somebody sets ahead, or three months of
                // sleep, would leave a witness that lets nobody decide the job any more, not even by a cancel.
                wall_ms: self.clock.wall_ms().min(self.spec.value().not_after_ms),
                random: random()?,
                verifier: &memory,
            };
            match mail {
                Mail::Witness(asker, input) => {
                    for effect in self.witness.step(&ctx, input) {
                        self.witness_did(asker, effect)?;
                    }
                }
                Mail::Owner(input) => {
                    for effect in self.owner.step(&ctx, input) {
                        self.owner_did(effect)?;
                    }
                }
                Mail::Holder(input) => {
                    let effects = self.holder.as_mut().map(|holder| holder.step(&ctx, input));
                    for effect in effects.unwrap_or_default() {
                        self.holder_did(effect)?;
                    }
                }
                Mail::Offer(offer) => self.take_offer(&ctx, *offer)?,
            }
        }
        Ok(())
    }

    fn take_offer(&mut self, ctx: &Context<'_>, offer: Offer) -> Result<(), RunError> {
        let offer = self.keys.wire(&self.keys.account, offer)?;
        let me = Claimant::key_only(self.host());
        let holder =
            Holder::new(me, self.spec.clone(), &offer, ctx.verifier).map_err(|e| disagree(&e))?;
        self.holder = Some(holder);
        self.mail.push_back(Mail::Holder(HolderInput::Start));
        Ok(())
    }

    /// An attached witness lives in memory alone: its key dies with it, so its records need not be kept.
    fn witness_did(&mut self, asker: Option<Asker>, effect: WitnessEffect) -> Result<(), RunError> {
        match effect {
            WitnessEffect::Send { to, message, .. } if self.elsewhere.is_some() => {
                self.answer(asker, to, message)?;
            }
            WitnessEffect::Send { message, .. } => {
                let reply = self.keys.carry_reply(message)?;
                self.mail.push_back(match asker {
                    Some(Asker::Owner) => Mail::Owner(OwnerInput::Reply(reply)),
                    _ => Mail::Holder(HolderInput::Reply(reply)),
                });
            }
            WitnessEffect::Timer(at) => self.timers.witness = Some(at),
            WitnessEffect::Fact(fact) => {
                if self.elsewhere.is_some() {
                    self.note(asker, &fact);
                }
                self.mail.push_back(Mail::Owner(OwnerInput::Fact(fact)));
            }
            WitnessEffect::Violation(violation) if self.elsewhere.is_some() => {
                self.breached(violation);
            }
            WitnessEffect::Violation(violation) => return Err(disagree(&violation)),
            WitnessEffect::Persist { .. } => {}
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn owner_did(&mut self, effect: OwnerEffect) -> Result<(), RunError> {
        match effect {
            OwnerEffect::Offer { to, offer } if self.elsewhere.is_some() => {
                self.send_offer(to, *offer);
            }
            OwnerEffect::Offer { offer, .. } => self.mail.push_back(Mail::Offer(offer)),
            OwnerEffect::Send { message, .. } => {
                let request = self.keys.carry_request(message)?;
                self.mail.push_back(Mail::Witness(
                    Some(Asker::Owner),
                    WitnessInput::Request(request),
                ));
            }
            OwnerEffect::Timer(at) => self.timers.owner = Some(at),
            OwnerEffect::Violation(violation) if self.elsewhere.is_some() => {
                self.breached(violation);
            }
            OwnerEffect::Violation(violation) => return Err(disagree(&violation)),
            OwnerEffect::Wanted { .. } if self.elsewhere.is_some() => {
                self.facts.push_back(Fact::Wanted);
            }
            // Once there is a receipt, the one attempt that an attached run makes is over.
            OwnerEffect::Wanted { register, .. } if self.receipt.is_some() => self.cancel(register),
            OwnerEffect::Wanted { .. } | OwnerEffect::Done => {}
            OwnerEffect::Decided { cert, .. } if self.elsewhere.is_some() => {
                self.decided_elsewhere(*cert)?;
            }
            OwnerEffect::Decided { cert, .. } => self.decided(*cert),
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn holder_did(&mut self, effect: HolderEffect) -> Result<(), RunError> {
        match effect {
            HolderEffect::Send { to, message } => {
                self.renewals += u32::from(matches!(message, Request::Renew(_)));
                let request = self.keys.carry_request(message)?;
                for peer in to {
                    let request = request.clone();
                    self.mail.push_back(match peer {
                        Peer::Witness(_) => {
                            Mail::Witness(Some(Asker::Holder), WitnessInput::Request(request))
                        }
                        Peer::Owner(_) => Mail::Owner(OwnerInput::Request(request)),
                    });
                }
            }
            HolderEffect::Timer(at) => self.timers.holder = Some(at),
            HolderEffect::Violation(violation) => return Err(disagree(&violation)),
            HolderEffect::Run { token, lease } => {
                self.lease = Some((token, *lease));
                self.facts.push_back(Fact::Leased(token));
            }
            // The one witness is this process: a pause ends with the renewal that the same tick sends.
            HolderEffect::StopEverything | HolderEffect::Resume => {}
            HolderEffect::Decided { cert } => self.decided(*cert),
            HolderEffect::Lost { .. } => {
                self.facts
                    .extend(self.lease.as_ref().map(|(token, _)| Fact::Lost(*token)));
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// Told by the holder and by the owner; the first counts.
    fn decided(&mut self, result: ResultCert) {
        if let (Some((_, lease)), Some(receipt)) = (&self.lease, self.receipt.take()) {
            let decision = Decision {
                lease: lease.clone(),
                result,
                receipt,
            };
            self.facts.push_back(Fact::Decided(Box::new(decision)));
        }
    }
}

/// The register of a job of one shard.
fn single_register(spec: &Verified<JobSpec>) -> RegisterId {
    RegisterId {
        job: spec.job(),
        generation: spec.value().generation,
        shards: ShardRange::one(ShardIndex(0)),
        slot: Slot::Replica(ReplicaIndex(0)),
    }
}

fn disagree(error: &dyn std::error::Error) -> RunError {
    RunError::Protocol {
        detail: error.to_string(),
    }
}

fn unknown() -> RunError {
    RunError::Protocol {
        detail: "a role did something that this version does not know".to_owned(),
    }
}

#[cfg(test)]
mod tests;
