//! One holder under test, against witnesses that the test plays.

use crate::fixture::{at, draft, host, owner_key, promise, register, signed, token, witness_keys};
use mutual_lease::{
    Claimant, Holder, HolderEffect, HolderInput, LossReason, Peer, Reply, Request, Violation,
};
use mutual_protocol::ids::Codec;
use mutual_protocol::lease::{
    Committed, Nack, NackReason, Offer, QuorumCert, RenewAck, ResultCert, Value, Vote,
};
use mutual_protocol::receipt::AttemptRecord;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::{JobSpec, Requirements};
use mutual_protocol::{Cid, Epoch, FencingToken, Signed, SigningKey, Verified};
use std::sync::Arc;

/// Host 0 as a holder, with the keys of its witnesses.
pub(crate) struct Rig {
    pub(crate) holder: Holder,
    pub(crate) spec: Arc<Verified<JobSpec>>,
    pub(crate) keys: Vec<SigningKey>,
}

#[derive(Debug, Default)]
pub(crate) struct Did {
    pub(crate) sent: Vec<(Vec<Peer>, Request)>,
    pub(crate) violation: Option<Violation>,
    pub(crate) timer: Option<u64>,
    pub(crate) run: Option<FencingToken>,
    pub(crate) stopped: bool,
    pub(crate) resumed: bool,
    pub(crate) decided: Option<ResultCert>,
    pub(crate) lost: Option<LossReason>,
}

impl Did {
    pub(crate) fn requests(&self) -> Vec<&Request> {
        self.sent.iter().map(|(_, request)| request).collect()
    }

    pub(crate) fn claimed(&self) -> Option<FencingToken> {
        self.requests()
            .into_iter()
            .find_map(|request| match request {
                Request::Claim(claim) => Some(claim.token),
                _ => None,
            })
    }

    pub(crate) fn proposed(&self) -> Option<&Value> {
        self.requests()
            .into_iter()
            .find_map(|request| match request {
                Request::VoteReq(request) => Some(&request.value),
                _ => None,
            })
    }
}

pub(crate) fn offer(spec: &Verified<JobSpec>, failures: Vec<Signed<AttemptRecord>>) -> Offer {
    Offer {
        spec: Cid::of(Codec::DagCbor, &spec.signed().encode()),
        register: register(spec),
        epoch: Epoch(1),
        requirements: Requirements::default(),
        failures,
    }
}

impl Rig {
    pub(crate) fn new(draft: JobSpec, failures: &[Verified<AttemptRecord>]) -> Self {
        let n = u8::try_from(draft.witnesses.keys.len()).unwrap();
        let spec = signed(draft);
        let failures = failures.iter().map(|f| f.signed().clone()).collect();
        let offer = owner_key().sign(offer(&spec, failures));
        let me = Claimant::key_only(host(0));
        Self {
            holder: Holder::new(me, spec.clone(), &offer, &Ed25519).unwrap(),
            keys: witness_keys(n),
            spec,
        }
    }

    /// A holder whose lease is certified and activated at 0 ms.
    pub(crate) fn running(n: u8) -> Self {
        let mut rig = Self::new(draft(n), &[]);
        rig.step(0, HolderInput::Start);
        let quorum = usize::from(rig.spec.value().witnesses.quorum);
        for i in 0..quorum {
            rig.promise(0, i, 1, None);
        }
        for i in 0..quorum {
            rig.ack(0, i, 1);
        }
        assert!(rig.holder.may_emit(at(0).now));
        rig
    }

    pub(crate) fn token(&self, epoch: u32) -> FencingToken {
        token(register(&self.spec), epoch)
    }

    pub(crate) fn step(&mut self, ms: u64, input: HolderInput) -> Did {
        let mut did = Did::default();
        for effect in self.holder.step(&at(ms), input) {
            match effect {
                HolderEffect::Send { to, message } => did.sent.push((to, message)),
                HolderEffect::Timer(timer) => did.timer = Some(timer.0 / 1_000_000),
                HolderEffect::Violation(violation) => did.violation = Some(violation),
                HolderEffect::Run { token, .. } => {
                    let renews = did
                        .requests()
                        .iter()
                        .any(|r| matches!(r, Request::Renew(_)));
                    assert!(renews, "renewing starts before anything else");
                    did.run = Some(token);
                }
                HolderEffect::StopEverything => did.stopped = true,
                HolderEffect::Resume => did.resumed = true,
                HolderEffect::Decided { cert } => did.decided = Some(*cert),
                HolderEffect::Lost { reason } => did.lost = Some(reason),
                other => panic!("{other:?}"),
            }
        }
        did
    }

    pub(crate) fn reply(&mut self, ms: u64, i: usize, reply: impl Into<Reply>) -> Did {
        let reply = reply.into().sign(&self.keys[i]);
        self.step(ms, HolderInput::Reply(reply))
    }

    pub(crate) fn promise(
        &mut self,
        ms: u64,
        i: usize,
        epoch: u32,
        lock: Option<QuorumCert>,
    ) -> Did {
        let promise = promise(self.token(epoch), host(0), lock);
        self.reply(ms, i, promise)
    }

    pub(crate) fn ack(&mut self, ms: u64, i: usize, number: u32) -> Did {
        let ack = RenewAck {
            token: self.holder.token().unwrap(),
            number,
            ttl_ms: 10_000,
        };
        self.reply(ms, i, ack)
    }

    pub(crate) fn nack(
        &mut self,
        ms: u64,
        i: usize,
        epoch: u32,
        reason: NackReason,
        promised: u32,
    ) -> Did {
        let nack = Nack {
            asked: self.token(epoch),
            reason,
            promised: Some(Epoch(promised)),
            wait_ms: 2_000,
            decided: None,
        };
        self.reply(ms, i, nack)
    }

    pub(crate) fn vote(&mut self, ms: u64, i: usize, value: &Value) -> Did {
        let vote = Vote {
            token: self.token(1),
            host: host(0),
            value: value.digest(),
        };
        self.reply(ms, i, vote)
    }

    pub(crate) fn commit(&mut self, ms: u64, i: usize, value: &Value) -> Did {
        let committed = Committed {
            token: self.token(1),
            host: host(0),
            value: value.digest(),
        };
        self.reply(ms, i, committed)
    }

    pub(crate) fn report(&mut self, ms: u64, attempt: Verified<AttemptRecord>) -> Did {
        let attempt = Box::new(attempt);
        let stored = vec![];
        self.step(ms, HolderInput::Report { attempt, stored })
    }
}
