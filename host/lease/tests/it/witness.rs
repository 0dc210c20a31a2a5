//! The witness, rule by rule: what it lets in, what it refuses, what it writes first.

use crate::fixture::{
    at, claim, commit, draft, finished, host, host_key, key, lease, ok, owner_key, promise,
    quorum_cert, register, result_cert, signed, token, trapped, witness_keys,
};
use mutual_lease::{
    Context, PersistId, Record, Reply, RestoreError, VerifiedRequest, Violation, Witness,
    WitnessEffect, WitnessFact, WitnessInput,
};
use mutual_protocol::lease::{
    Cancel, LeaseCert, Nack, NackReason, Preempt, Promise, QuorumCert, Release, Renew, Value,
    VoteReq,
};
use mutual_protocol::outcome::Blame;
use mutual_protocol::receipt::Usage;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{Epoch, FencingToken, NodeId, PublicKey, RegisterId, SigningKey, Verified};
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

    fn is_silent(&self) -> bool {
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

    fn vote(
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
    fn value(&mut self, epoch: u32, i: u8, text: &str) -> Value {
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

    fn commit(&mut self, ms: u64, epoch: u32, i: u8, value: &Value) -> Said {
        let cert = self.certified(epoch, i, value);
        self.ask(ms, commit(cert, &host_key(i)))
    }

    fn restart(&mut self, ms: u64) -> Result<(), RestoreError> {
        let records = self.records.clone();
        self.witness = Witness::restore(self.keys[0].public(), &at(ms), records)?;
        Ok(())
    }
}

#[test]
fn a_promise_is_written_before_it_leaves_and_repeated_byte_for_byte() {
    let mut rig = Rig::new(draft(1));
    let said = rig.claim(0, 1, 0);
    assert_eq!(said.after, [said.written.last().copied()]);
    assert!(said.written.len() == 1);
    let first = said.promise();
    assert_eq!(
        (first.host, first.ttl_ms, first.lock.clone()),
        (host(0), 10_000, None)
    );
    let again = rig.claim(2_000, 1, 0);
    assert_eq!((again.promise(), again.written.len()), (first.clone(), 0));
    assert_eq!(
        again.after, said.after,
        "the first write may not be durable yet"
    );
    // Also in the next life, when the hold is long over.
    rig.restart(0).unwrap();
    assert_eq!(rig.claim(60_000, 1, 0).promise(), first);
}

#[test]
fn a_token_that_was_used_is_not_handed_out_again() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    rig.renew(100, 1, 0, 1, true);
    assert_eq!(
        rig.claim(200, 1, 0).nack(),
        (NackReason::EpochTooLow, Some(Epoch(1)), 0)
    );
    let mut rig = Rig::new(draft(1));
    let value = rig.value(1, 0, "x");
    rig.claim(0, 1, 0);
    rig.vote(100, 1, 0, &value, None);
    rig.restart(0).unwrap();
    assert_eq!(rig.claim(200, 1, 0).nack().0, NackReason::EpochTooLow);
}

#[test]
fn a_claim_speaks_for_its_signer_only() {
    let mut rig = Rig::new(draft(1));
    let mut stolen = claim(rig.token(1), &host_key(0)).value().clone();
    stolen.host = host(1);
    let said = rig.ask(0, host_key(0).sign(stolen));
    assert!(matches!(said.violation, Some(Violation::Signer)));
    assert!(said.written.is_empty());
}

#[test]
fn a_running_hold_or_lease_keeps_others_out_and_says_for_how_long() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    assert_eq!(
        rig.claim(1_000, 2, 1).nack(),
        (NackReason::Leased, Some(Epoch(1)), 2_000)
    );
    assert!(matches!(
        rig.renew(2_000, 1, 0, 1, true).replies[..],
        [(_, Reply::RenewAck(_))]
    ));
    assert_eq!(
        rig.claim(3_500, 2, 1).nack(),
        (NackReason::Leased, Some(Epoch(1)), 8_500)
    );
    let said = rig.claim(12_000, 2, 1);
    assert_eq!(said.promise().token, rig.token(2));
    let ended = WitnessFact::Ended {
        token: rig.token(1),
    };
    assert_eq!(said.facts[0], ended);
}

#[test]
fn a_hold_becomes_a_lease_only_by_showing_the_certificate() {
    let mut rig = Rig::new(draft(3));
    rig.claim(0, 1, 0);
    assert_eq!(
        rig.renew(100, 1, 0, 1, false).nack().0,
        NackReason::Inadmissible
    );
    assert_eq!(
        rig.claim(3_000, 2, 1).promise().host,
        host(1),
        "the hold was not extended"
    );

    let mut rig = Rig::new(draft(3));
    rig.claim(0, 1, 0);
    let few = lease(&rig.keys[..1], &promise(rig.token(1), host(0), None));
    let renew = Renew {
        token: rig.token(1),
        number: 1,
        lease: Some(few),
        usage: Usage::default(),
        checkpoint: None,
    };
    let said = rig.ask(100, host_key(0).sign(renew));
    assert!(
        matches!(said.violation, Some(Violation::Certificate(_))),
        "{said:?}"
    );
}

#[test]
fn renewals_extend_once_each_and_late_ones_count_when_nobody_claimed() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    rig.renew(0, 1, 0, 1, true);
    rig.renew(5_000, 1, 0, 2, false);
    // Copies, much later, extend nothing and are not answered: the holder would count from their sending.
    assert!(rig.renew(14_000, 1, 0, 2, false).is_silent());
    assert!(rig.renew(14_000, 1, 0, 1, false).is_silent());
    assert_eq!(rig.claim(14_000, 2, 1).nack().2, 1_000);
    // Past the deadline, and nobody claimed.
    rig.step(&at(16_000), WitnessInput::Tick);
    rig.renew(20_000, 1, 0, 3, false);
    assert_eq!(rig.claim(20_000, 2, 1).nack().2, 10_000);
    // Somebody claimed: refused, with the token that counts.
    rig.claim(30_000, 2, 1);
    assert_eq!(
        rig.renew(30_001, 1, 0, 4, false).nack(),
        (NackReason::StaleToken, Some(Epoch(2)), 0)
    );
}

#[test]
fn epochs_rise_and_do_not_jump() {
    let mut rig = Rig::new(draft(1));
    assert_eq!(rig.claim(0, 17, 0).nack().0, NackReason::EpochTooHigh);
    assert_eq!(rig.claim(0, 0, 0).nack().0, NackReason::EpochTooLow);
    rig.claim(0, 16, 0);
    assert_eq!(
        rig.claim(3_000, 16, 1).nack(),
        (NackReason::EpochTooLow, Some(Epoch(16)), 0)
    );
    assert_eq!(rig.claim(3_000, 33, 1).nack().0, NackReason::EpochTooHigh);
    assert_eq!(rig.claim(3_000, 32, 1).promise().token.epoch, Epoch(32));
}

#[test]
fn a_lease_certificate_is_evidence_for_a_far_epoch() {
    let mut rig = Rig::new(draft(3));
    // The others went on without this witness.
    assert_eq!(
        rig.renew(0, 100, 0, 1, true).nack().0,
        NackReason::StaleToken
    );
    assert_eq!(rig.claim(0, 117, 1).nack().0, NackReason::EpochTooHigh);
    assert_eq!(rig.claim(0, 101, 1).promise().token.epoch, Epoch(101));
}

#[test]
fn one_vote_for_each_epoch_written_first_and_never_changed() {
    let mut rig = Rig::new(draft(1));
    let (x, y) = (rig.value(1, 0, "x"), rig.value(1, 0, "y"));
    rig.claim(0, 1, 0);
    let said = rig.vote(100, 1, 0, &x, None);
    let [(_, Reply::Vote(vote))] = &said.replies[..] else {
        panic!("{said:?}")
    };
    assert_eq!((vote.value, vote.host), (x.digest(), host(0)));
    assert_eq!(said.after, [said.written.last().copied()]);
    let again = rig.vote(200, 1, 0, &x, None);
    assert_eq!((again.replies, again.written.len()), (said.replies, 0));
    let said = rig.vote(300, 1, 0, &y, None);
    assert!(matches!(said.violation, Some(Violation::Equivocation)));
    assert_eq!(said.nack().0, NackReason::Inadmissible);
    rig.restart(0).unwrap();
    assert!(
        rig.vote(400, 1, 0, &y, None).violation.is_some(),
        "not after a restart either"
    );
}

#[test]
fn a_vote_needs_the_lease_of_its_sender_at_no_lower_epoch() {
    let mut rig = Rig::new(draft(3));
    let value = rig.value(1, 0, "x");
    let request = VoteReq {
        token: rig.token(1),
        value: value.clone(),
        lease: rig.lease(1, 0, None),
        stored: vec![],
    };
    let said = rig.ask(0, host_key(1).sign(request));
    assert!(
        matches!(said.violation, Some(Violation::Signer)),
        "somebody else's lease"
    );
    rig.claim(0, 2, 1);
    assert_eq!(
        rig.vote(0, 1, 0, &value, None).nack(),
        (NackReason::StaleToken, Some(Epoch(2)), 0)
    );
    // The other two gave epoch 2 to host 0: a certificate exists, and this witness promised host 1.
    let value = rig.value(2, 0, "x");
    assert_eq!(
        rig.vote(0, 2, 0, &value, None).nack().0,
        NackReason::StaleToken
    );
}

#[test]
fn a_vote_raises_the_promise_and_such_a_promise_is_never_signed() {
    let mut rig = Rig::new(draft(3));
    let value = rig.value(5, 0, "x");
    assert!(matches!(
        rig.vote(0, 5, 0, &value, None).replies[..],
        [(_, Reply::Vote(_))]
    ));
    let state = rig.witness.register(&rig.register).unwrap();
    assert_eq!(state.promised(), Some((Epoch(5), host(0))));
    assert_eq!(rig.claim(0, 5, 0).nack().0, NackReason::EpochTooLow);
    assert_eq!(rig.claim(0, 5, 1).nack().0, NackReason::EpochTooLow);
    // Its holder may still renew here, by showing the certificate.
    assert!(matches!(
        rig.renew(10, 5, 0, 3, true).replies[..],
        [(_, Reply::RenewAck(_))]
    ));
}

#[test]
fn a_lock_in_the_lease_is_the_only_value() {
    let mut rig = Rig::new(draft(1));
    let (x, y) = (rig.value(1, 0, "x"), rig.value(2, 1, "y"));
    rig.claim(0, 1, 0);
    rig.vote(0, 1, 0, &x, None);
    rig.commit(0, 1, 0, &x);
    let granted = rig.claim(3_000, 2, 1).promise();
    let lock = granted.lock.clone().unwrap();
    assert_eq!(lock.value, x);
    let said = rig.vote(3_100, 2, 1, &y, Some(lock.clone()));
    assert!(matches!(said.violation, Some(Violation::LockIgnored)));
    // The value of another host, without asking again whether its blocks are held.
    let mut rig2 = Rig::new(draft(1));
    rig2.claim(0, 2, 1);
    let said = rig2.vote(3_200, 2, 1, &x, Some(lock));
    assert!(
        matches!(said.replies[..], [(_, Reply::Vote(_))]),
        "{said:?}"
    );
}

#[test]
fn a_value_is_admissible_or_not_voted_for() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    let order = |key: &SigningKey, register| Value::Cancelled {
        order: key.sign(Cancel { register }).signed().clone(),
    };
    let failed = |records: &[_]| Value::Failed {
        attempts: records.to_vec(),
    };
    let trap = trapped(rig.token(1), &host_key(0)).signed().clone();
    let stranger = finished(rig.token(1), &key(99), "x");
    let bad = [
        failed(&[]),
        failed(&[trap.clone(), trap]),
        order(&host_key(0), rig.register),
        ok(&stranger),
    ];
    for value in bad {
        let said = rig.vote(0, 1, 0, &value, None);
        assert!(
            matches!(said.violation, Some(Violation::Certificate(_))),
            "{value:?}"
        );
        assert!(said.written.is_empty());
    }
}

#[test]
fn an_attached_witness_votes_when_it_holds_the_blocks() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    let value = ok(&finished(rig.token(1), &host_key(0), "x"));
    let said = rig.vote(0, 1, 0, &value, None);
    let Value::Ok { manifest, .. } = value else {
        panic!()
    };
    let register = rig.register;
    assert_eq!(
        said.facts,
        [WitnessFact::BlocksWanted { register, manifest }]
    );
    assert!(said.is_silent());
    rig.step(&at(10), WitnessInput::Held(manifest));
    assert!(matches!(
        rig.vote(20, 1, 0, &value, None).replies[..],
        [(_, Reply::Vote(_))]
    ));
}

#[test]
fn a_commit_is_written_first_and_not_taken_below_the_promise() {
    let mut rig = Rig::new(draft(1));
    let x = rig.value(1, 0, "x");
    rig.claim(0, 1, 0);
    let said = rig.commit(0, 1, 0, &x);
    let [(_, Reply::Committed(committed))] = &said.replies[..] else {
        panic!("{said:?}")
    };
    assert_eq!(committed.value, x.digest());
    assert_eq!(said.after, [said.written.last().copied()]);
    assert!(rig.commit(0, 1, 0, &x).written.is_empty(), "once is enough");
    rig.claim(3_000, 2, 1);
    assert_eq!(rig.commit(3_000, 1, 0, &x).nack().0, NackReason::StaleToken);
    // A certificate of a higher epoch raises the promise, and replaces the lock.
    let z = rig.value(7, 1, "z");
    rig.commit(3_000, 7, 1, &z);
    let state = rig.witness.register(&rig.register).unwrap();
    assert_eq!(state.promised(), Some((Epoch(7), host(1))));
    assert_eq!(state.lock().unwrap().value, z);
}

#[test]
fn a_commit_does_not_overwrite_the_promise_of_its_own_epoch() {
    let mut rig = Rig::new(draft(3));
    let x = rig.value(1, 0, "x");
    let promised = rig.claim(0, 1, 1).promise();
    let said = rig.commit(0, 1, 0, &x);
    assert!(
        matches!(said.replies[..], [(_, Reply::Committed(_))]),
        "{said:?}"
    );
    assert_eq!(
        rig.claim(0, 1, 1).promise(),
        promised,
        "still the first one's"
    );
    assert_eq!(rig.claim(0, 1, 0).nack().0, NackReason::Leased);
}

#[test]
fn a_decided_register_answers_everything_with_the_decision() {
    let mut rig = Rig::new(draft(1));
    let x = rig.value(1, 0, "x");
    rig.claim(0, 1, 0);
    let cert = result_cert(&rig.keys, rig.token(1), host(0), &x);
    let decided = VerifiedRequest::Decided(Box::new(cert.clone()));
    let said = rig.ask(0, decided.clone());
    assert!(said.replies.is_empty() && said.written.len() == 1);
    assert!(rig.ask(0, decided).written.is_empty());
    rig.restart(0).unwrap();
    let all = [
        rig.claim(0, 1, 0),
        rig.claim(0, 2, 1),
        rig.renew(0, 1, 0, 1, true),
        rig.vote(0, 1, 0, &x, None),
        rig.commit(0, 1, 0, &x),
    ];
    for said in all {
        let [(_, Reply::Nack(nack))] = &said.replies[..] else {
            panic!("{said:?}")
        };
        assert_eq!(
            (nack.reason, nack.decided.as_ref()),
            (NackReason::Decided, Some(&cert))
        );
    }
}

#[test]
fn a_release_opens_the_register_at_once_and_cannot_be_taken_back() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    rig.renew(0, 1, 0, 1, true);
    let release = |token, key: &SigningKey| {
        key.sign(Release {
            token,
            blame: Blame::Donor,
            attempt: None,
            checkpoint: None,
        })
    };
    let said = rig.ask(10, release(rig.token(1), &host_key(1)));
    assert!(said.facts.is_empty(), "only the holder may");
    let said = rig.ask(10, release(rig.token(1), &host_key(0)));
    let ended = WitnessFact::Ended {
        token: rig.token(1),
    };
    assert_eq!((said.facts, said.replies.len()), (vec![ended], 0));
    assert_eq!(
        rig.renew(20, 1, 0, 2, false).nack().0,
        NackReason::StaleToken
    );
    assert_eq!(rig.claim(20, 2, 1).promise().host, host(1));
}

#[test]
fn the_owner_pre_empts_and_the_late_holder_is_told() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    rig.renew(0, 1, 0, 1, true);
    let preempt = |epoch, key: &SigningKey| {
        let register = rig.register;
        let epoch = Epoch(epoch);
        key.sign(Preempt { register, epoch })
    };
    let (forged, late, real) = (
        preempt(2, &host_key(1)),
        preempt(1, &owner_key()),
        preempt(2, &owner_key()),
    );
    assert!(matches!(
        rig.ask(10, forged).violation,
        Some(Violation::Signer)
    ));
    assert!(
        rig.ask(10, late).facts.is_empty(),
        "it was about an earlier token"
    );
    let said = rig.ask(10, real.clone());
    let [(to, Reply::Nack(nack))] = &said.replies[..] else {
        panic!("{said:?}")
    };
    assert_eq!((*to, nack.reason), (host(0).key(), NackReason::StaleToken));
    assert_eq!(nack.asked, rig.token(1));
    assert_eq!(
        rig.renew(20, 1, 0, 2, false).nack().0,
        NackReason::StaleToken
    );
    assert_eq!(rig.claim(20, 2, 1).promise().host, host(1));
    assert!(
        rig.ask(30, real).facts.is_empty(),
        "a copy of it does not touch the next lease"
    );
}

#[test]
fn the_owner_claims_through_a_running_lease() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    rig.renew(0, 1, 0, 1, true);
    let said = rig.ask(10, claim(rig.token(2), &owner_key()));
    assert_eq!(said.promise().host, NodeId::from(owner_key().public()));
    assert!(
        said.replies.iter().any(|(to, reply)| *to == host(0).key()
            && matches!(reply, Reply::Nack(nack) if nack.asked == rig.token(1))),
        "{said:?}"
    );
}

#[test]
fn after_a_restart_each_lease_runs_its_whole_length_again() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    rig.restart(1_000).unwrap();
    assert_eq!(
        rig.claim(2_000, 2, 1).nack(),
        (NackReason::Leased, Some(Epoch(1)), 9_000)
    );
    // The holder renews without showing its certificate again.
    assert!(matches!(
        rig.renew(3_000, 1, 0, 9, false).replies[..],
        [(_, Reply::RenewAck(_))]
    ));
    assert_eq!(rig.claim(12_000, 2, 1).nack().0, NackReason::Leased);
    assert_eq!(rig.claim(13_000, 2, 1).promise().token.epoch, Epoch(2));
}

#[test]
fn a_witness_without_its_records_does_not_start() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    rig.records.remove(0);
    assert!(matches!(
        rig.restart(0),
        Err(RestoreError::JobMissing { .. })
    ));
    let foreign = Witness::restore(
        key(99).public(),
        &at(0),
        [Record::Job(rig.spec.signed().clone())],
    );
    assert!(matches!(
        foreign,
        Err(RestoreError::Spec(Violation::NotWitness))
    ));
}

#[test]
fn a_spec_is_checked_and_never_replaced() {
    let mut rig = Rig::new(draft(1));
    let again = rig.spec.clone();
    assert!(
        rig.step(&at(0), WitnessInput::Accept(again))
            .written
            .is_empty()
    );
    let mut second = draft(1);
    second.witnesses.keys = vec![key(99).public()];
    let said = rig.step(&at(0), WitnessInput::Accept(signed(second)));
    assert!(matches!(said.violation, Some(Violation::NotWitness)));
    let mut forged = draft(1);
    forged.argv0 = "other".to_owned();
    let forged = Arc::new(host_key(0).sign(forged));
    let said = rig.step(&at(0), WitnessInput::Accept(forged));
    assert!(matches!(said.violation, Some(Violation::Spec(_))));
}

#[test]
fn an_unknown_job_or_register_makes_nothing() {
    let mut rig = Rig::new(draft(1));
    let mut other = rig.token(1);
    other.register.job = mutual_protocol::JobId::from_bytes([9; 32]);
    let said = rig.ask(0, claim(other, &host_key(0)));
    let [(_, Reply::Nack(nack))] = &said.replies[..] else {
        panic!("{said:?}")
    };
    let expected = Nack {
        asked: other,
        reason: NackReason::UnknownJob,
        promised: None,
        wait_ms: 0,
        decided: None,
    };
    assert_eq!(**nack, expected);
    let mut outside = rig.token(1);
    outside.register.shards.count = 2;
    let said = rig.ask(0, claim(outside, &host_key(0)));
    assert!(matches!(said.violation, Some(Violation::Register)));
    assert!(rig.witness.register(&outside.register).is_none());
}
