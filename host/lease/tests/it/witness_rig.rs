//! One witness under test: what it is asked, what it says, what it writes.

use crate::fixture::{
    at, claim, commit, finished, host, host_key, lease, ok, promise, quorum_cert, register, signed,
    token, witness_keys,
};
use mutual_lease::{
    Context, PersistId, Record, Reply, RestoreError, VerifiedRequest, Violation, Witness,
    WitnessEffect, WitnessFact, WitnessInput,
};
use mutual_protocol::lease::{LeaseCert, NackReason, Promise, QuorumCert, Renew, Value, VoteReq};
use mutual_protocol::receipt::Usage;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{Epoch, FencingToken, PublicKey, RegisterId, SigningKey, Verified};
use std::sync::Arc;

/// One witness of n with one job.
pub(crate) struct Rig {
    pub(crate) witness: Witness,
    pub(crate) spec: Arc<Verified<JobSpec>>,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) register: RegisterId,
    /// Everything ever written.
    pub(crate) records: Vec<Record>,
}

/// What one step said, without what it wrote.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) replies: Vec<(PublicKey, Reply)>,
    pub(crate) after: Vec<Option<PersistId>>,
    pub(crate) written: Vec<PersistId>,
    pub(crate) facts: Vec<WitnessFact>,
    pub(crate) violation: Option<Violation>,
}

impl Said {
    pub(crate) fn nack(&self) -> (NackReason, Option<Epoch>, u32) {
        match &self.replies[..] {
            [(_, Reply::Nack(nack))] => (nack.reason, nack.promised, nack.wait_ms),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn promise(&self) -> Promise {
        match self.replies.first() {
            Some((_, Reply::Promise(promise))) => (**promise).clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.replies.is_empty() && self.violation.is_none()
    }
}

impl Rig {
    pub(crate) fn new(draft: JobSpec) -> Self {
        let keys = witness_keys(u8::try_from(draft.witnesses.keys.len()).unwrap());
        let spec = signed(draft);
        let mut rig = Self {
            witness: Witness::new(keys[0].public()),
            register: register(&spec),
            spec: spec.clone(),
            keys,
            records: vec![],
        };
        let said = rig.step(&at(0), WitnessInput::Accept(spec));
        assert!(said.is_silent(), "{said:?}");
        rig
    }

    pub(crate) fn token(&self, epoch: u32) -> FencingToken {
        token(self.register, epoch)
    }

    pub(crate) fn step(&mut self, ctx: &Context<'_>, input: WitnessInput) -> Said {
        let mut said = Said {
            replies: vec![],
            after: vec![],
            written: vec![],
            facts: vec![],
            violation: None,
        };
        for effect in self.witness.step(ctx, input) {
            match effect {
                WitnessEffect::Persist { id, record } => {
                    said.written.push(id);
                    self.records.push(record);
                }
                WitnessEffect::Send { to, message, after } => {
                    said.replies.push((to, message));
                    said.after.push(after);
                }
                WitnessEffect::Violation(violation) => said.violation = Some(violation),
                WitnessEffect::Fact(fact) => said.facts.push(fact),
                _ => {}
            }
        }
        said
    }

    pub(crate) fn ask(&mut self, ms: u64, request: impl Into<VerifiedRequest>) -> Said {
        self.step(&at(ms), WitnessInput::Request(request.into()))
    }

    pub(crate) fn claim(&mut self, ms: u64, epoch: u32, i: u8) -> Said {
        let token = self.token(epoch);
        self.ask(ms, claim(token, &host_key(i)))
    }

    /// A lease certificate from a quorum, this witness's key among them.
    pub(crate) fn lease(&self, epoch: u32, i: u8, lock: Option<QuorumCert>) -> LeaseCert {
        let quorum = usize::from(self.spec.value().witnesses.quorum);
        lease(
            &self.keys[..quorum],
            &promise(self.token(epoch), host(i), lock),
        )
    }

    pub(crate) fn renew(&mut self, ms: u64, epoch: u32, i: u8, number: u32, shown: bool) -> Said {
        let token = self.token(epoch);
        let lease = shown.then(|| self.lease(epoch, i, None));
        let renew = host_key(i).sign(Renew {
            token,
            number,
            lease,
            usage: Usage::default(),
            checkpoint: None,
        });
        self.ask(ms, renew)
    }

    pub(crate) fn vote(
        &mut self,
        ms: u64,
        epoch: u32,
        i: u8,
        value: &Value,
        lock: Option<QuorumCert>,
    ) -> Said {
        let request = VoteReq {
            token: self.token(epoch),
            value: value.clone(),
            lease: self.lease(epoch, i, lock),
            stored: vec![],
        };
        self.ask(ms, host_key(i).sign(request))
    }

    /// A finished value of this host at this epoch, whose blocks the witness holds.
    pub(crate) fn value(&mut self, epoch: u32, i: u8, text: &str) -> Value {
        let value = ok(&finished(self.token(epoch), &host_key(i), text));
        if let Value::Ok { manifest, .. } = value {
            self.step(&at(0), WitnessInput::Held(manifest));
        }
        value
    }

    fn certified(&self, epoch: u32, i: u8, value: &Value) -> QuorumCert {
        let quorum = usize::from(self.spec.value().witnesses.quorum);
        quorum_cert(&self.keys[..quorum], self.token(epoch), host(i), value)
    }

    pub(crate) fn commit(&mut self, ms: u64, epoch: u32, i: u8, value: &Value) -> Said {
        let cert = self.certified(epoch, i, value);
        self.ask(ms, commit(cert, &host_key(i)))
    }

    pub(crate) fn restart(&mut self, ms: u64) -> Result<(), RestoreError> {
        let records = self.records.clone();
        self.witness = Witness::restore(self.keys[0].public(), &at(ms), records)?;
        Ok(())
    }
}
