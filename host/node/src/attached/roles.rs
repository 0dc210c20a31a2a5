//! Owner, witness and holder of one job in one process: their messages are signed, encoded, decoded and verified as
//! between machines, and passed on in memory.

use super::RunError;
use crate::clock::{Clock as _, SystemClock, random};
use crate::draft::{
    Answer, BootNanos, Holder, HolderEffects, HolderFact, Incoming, Outgoing, Reply, Request,
    Witness,
};
use mutual_protocol::ids::Nonce;
use mutual_protocol::lease::{Cancel, LeaseCert, ResultCert, Value};
use mutual_protocol::receipt::{AttemptRecord, Receipt};
use mutual_protocol::sign::{Ed25519, Message};
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{
    Epoch, FencingToken, NodeId, RegisterId, ReplicaIndex, ShardIndex, ShardRange, Signed,
    SigningKey, Slot, Verified,
};
use std::collections::VecDeque;

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
    /// Another epoch is promised: stop computing.
    Lost(FencingToken),
    /// The job is decided.
    Decided(Box<Decision>),
}

/// The three roles.
#[derive(Debug)]
pub(super) struct Roles {
    owner: SigningKey,
    witness_key: SigningKey,
    witness: Witness,
    holder: Holder,
    lease: Option<LeaseCert>,
    receipt: Option<Verified<Receipt>>,
    facts: VecDeque<Fact>,
}

impl Roles {
    /// Roles for a job of one shard. `owner` signs as owner and as host.
    pub(super) fn new(
        spec: &Verified<JobSpec>,
        owner: SigningKey,
        witness_key: SigningKey,
    ) -> Self {
        let register = RegisterId {
            job: spec.job(),
            generation: spec.value().generation,
            shards: ShardRange::one(ShardIndex(0)),
            slot: Slot::Replica(ReplicaIndex(0)),
        };
        let host = NodeId::from(owner.public());
        Self {
            owner,
            witness_key,
            witness: Witness::new(spec.clone()),
            holder: Holder::new(spec.clone(), host, register),
            lease: None,
            receipt: None,
            facts: VecDeque::new(),
        }
    }

    /// Claims the lease.
    pub(super) fn open(&mut self, now: BootNanos) -> Result<(), RunError> {
        let nonce = Nonce::from_bytes(random()?);
        let effects = self.holder.claim(now, Epoch(0), nonce);
        self.pump(now, effects)
    }

    /// A time that [`Roles::timer`] told has come.
    pub(super) fn tick(&mut self, now: BootNanos) -> Result<(), RunError> {
        let effects = self.holder.tick(now);
        self.pump(now, effects)
    }

    pub(super) fn timer(&self) -> Option<BootNanos> {
        self.holder.timer()
    }

    /// Brings the attempt to a decision. What is nobody's final fault cannot be a value: an attached owner, who has no
    /// other host, ends the job by its own order then, and the receipt tells what happened.
    pub(super) fn finish(&mut self, now: BootNanos, receipt: Receipt) -> Result<(), RunError> {
        let (token, outcome) = (receipt.token, receipt.outcome.clone());
        let receipt = self.owner.sign(receipt);
        let record = AttemptRecord {
            token,
            host: self.host(),
            blame: outcome.blame(),
            outcome: outcome.clone(),
            manifest: receipt.value().manifest,
            receipt: receipt.digest(),
        };
        let attempt = self.owner.sign(record).signed().clone();
        let value = match receipt.value().manifest {
            Some(manifest) if outcome.is_finished() => Value::Ok {
                manifest,
                receipt: receipt.digest(),
                attempt,
            },
            _ if outcome.blame() == mutual_protocol::outcome::Blame::Guest => Value::Failed {
                attempts: vec![attempt],
            },
            _ => {
                let order = self.owner.sign(Cancel {
                    register: token.register,
                });
                Value::Cancelled {
                    order: order.signed().clone(),
                }
            }
        };
        self.receipt = Some(receipt);
        let effects = self.holder.propose(now, value);
        self.pump(now, effects)
    }

    pub(super) fn next_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// Epoch of the lease and renewals so far.
    pub(super) fn standing(&self) -> (Option<u32>, u32) {
        (
            self.lease.as_ref().map(|_| self.holder.token().epoch.0),
            self.holder.renewals(),
        )
    }

    pub(super) fn host(&self) -> NodeId {
        NodeId::from(self.owner.public())
    }

    /// Passes messages to and fro until nobody has anything to say.
    fn pump(&mut self, now: BootNanos, effects: HolderEffects) -> Result<(), RunError> {
        let mut queue = VecDeque::from([effects]);
        while let Some(effects) = queue.pop_front() {
            if let Some(rule) = effects.violation {
                return Err(disagree(rule));
            }
            effects.facts.into_iter().for_each(|fact| self.note(fact));
            for outgoing in effects.send {
                let request = self.carry(outgoing)?;
                let answer = self
                    .witness
                    .step(now, SystemClock.wall_ms(), &Ed25519, request);
                if let Some(incoming) = self.carry_back(answer)? {
                    queue.push_back(self.holder.handle(now, &Ed25519, incoming));
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, fact: HolderFact) {
        match fact {
            HolderFact::Leased { token, lock: None } => {
                self.lease = self.holder.lease().cloned();
                self.facts.push_back(Fact::Leased(token));
            }
            HolderFact::Lost(token) => self.facts.push_back(Fact::Lost(token)),
            HolderFact::Decided(result) => {
                let (lease, receipt) = (self.lease.clone(), self.receipt.clone());
                if let Some((lease, receipt)) = lease.zip(receipt) {
                    self.facts.push_back(Fact::Decided(Box::new(Decision {
                        lease,
                        result: *result,
                        receipt,
                    })));
                }
            }
            // The one witness is this process: a pause ends with the renewal that the same tick sends.
            _ => {}
        }
    }

    /// The holder's message on its way to the witness.
    fn carry(&self, outgoing: Outgoing) -> Result<Request, RunError> {
        let key = &self.owner;
        Ok(match outgoing {
            Outgoing::Claim(body) => Request::Claim(wire(key, body)?),
            Outgoing::Renew(body) => Request::Renew(wire(key, *body)?),
            Outgoing::VoteReq(body) => Request::VoteReq(Box::new(wire(key, *body)?)),
            Outgoing::Commit(body) => Request::Commit(Box::new(wire(key, *body)?)),
            Outgoing::Release(body) => Request::Release(wire(key, body)?),
            Outgoing::Decided(register, result) => Request::Decided(register, result),
            _ => return Err(disagree("a message that this version does not carry")),
        })
    }

    /// The witness's answer on its way to the holder. An attached witness keeps its registers in memory alone.
    fn carry_back(&self, answer: Answer) -> Result<Option<Incoming>, RunError> {
        if let Some(rule) = answer.violation {
            return Err(disagree(rule));
        }
        let key = &self.witness_key;
        let Some((_, reply)) = answer.reply else {
            return Ok(None);
        };
        Ok(Some(match reply {
            Reply::Promise(body) => Incoming::Promise(Box::new(wire(key, *body)?)),
            Reply::RenewAck(body) => Incoming::RenewAck(wire(key, body)?),
            Reply::Vote(body) => Incoming::Vote(wire(key, body)?),
            Reply::Committed(body) => Incoming::Committed(wire(key, body)?),
            Reply::Nack(body) => Incoming::Nack(Box::new(wire(key, *body)?)),
            _ => return Err(disagree("an answer that this version does not carry")),
        }))
    }
}

/// Signs, encodes, decodes and verifies: what a network would do to a message.
fn wire<T: Message>(key: &SigningKey, body: T) -> Result<Verified<T>, RunError> {
    let bytes = key.sign(body).signed().encode();
    let received = Signed::<T>::decode(&bytes).map_err(|e| disagree(&e.to_string()))?;
    received
        .verify(&Ed25519)
        .map_err(|e| disagree(&e.to_string()))
}

fn disagree(detail: &str) -> RunError {
    RunError::Protocol {
        detail: detail.to_owned(),
    }
}
