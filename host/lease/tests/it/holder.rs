//! The holder against witnesses that the test plays.

use crate::fixture::{
    WALL_MS, at, draft, finished, host, host_key, key, lease, ok, owner_key, promise, quorum_cert,
    record, register, result_cert, signed, token, trapped, witness_keys,
};
use mutual_lease::{
    Claimant, Holder, HolderEffect, HolderInput, LossReason, OfferError, Peer, Reply, Request,
    Violation,
};
use mutual_protocol::ids::Codec;
use mutual_protocol::lease::{
    Cancel, Committed, Nack, NackReason, Offer, QuorumCert, RenewAck, ResultCert, Value, Vote,
};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::receipt::AttemptRecord;
use mutual_protocol::sign::Ed25519;
use mutual_protocol::spec::{JobSpec, Requirements};
use mutual_protocol::{Cid, Epoch, FencingToken, Signed, SigningKey, Verified, limits};
use std::sync::Arc;

/// Host 0 as a holder, with the keys of its witnesses.
struct Rig {
    holder: Holder,
    spec: Arc<Verified<JobSpec>>,
    keys: Vec<SigningKey>,
}

#[derive(Debug, Default)]
struct Did {
    sent: Vec<(Vec<Peer>, Request)>,
    violation: Option<Violation>,
    timer: Option<u64>,
    run: Option<FencingToken>,
    stopped: bool,
    resumed: bool,
    decided: Option<ResultCert>,
    lost: Option<LossReason>,
}

impl Did {
    fn requests(&self) -> Vec<&Request> {
        self.sent.iter().map(|(_, request)| request).collect()
    }

    fn claimed(&self) -> Option<FencingToken> {
        self.requests()
            .into_iter()
            .find_map(|request| match request {
                Request::Claim(claim) => Some(claim.token),
                _ => None,
            })
    }

    fn proposed(&self) -> Option<&Value> {
        self.requests()
            .into_iter()
            .find_map(|request| match request {
                Request::VoteReq(request) => Some(&request.value),
                _ => None,
            })
    }
}

fn offer(spec: &Verified<JobSpec>, failures: Vec<Signed<AttemptRecord>>) -> Offer {
    Offer {
        spec: Cid::of(Codec::DagCbor, &spec.signed().encode()),
        register: register(spec),
        epoch: Epoch(1),
        requirements: Requirements::default(),
        failures,
    }
}

impl Rig {
    fn new(draft: JobSpec, failures: &[Verified<AttemptRecord>]) -> Self {
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
    fn running(n: u8) -> Self {
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

    fn token(&self, epoch: u32) -> FencingToken {
        token(register(&self.spec), epoch)
    }

    fn step(&mut self, ms: u64, input: HolderInput) -> Did {
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

    fn reply(&mut self, ms: u64, i: usize, reply: impl Into<Reply>) -> Did {
        let reply = reply.into().sign(&self.keys[i]);
        self.step(ms, HolderInput::Reply(reply))
    }

    fn promise(&mut self, ms: u64, i: usize, epoch: u32, lock: Option<QuorumCert>) -> Did {
        let promise = promise(self.token(epoch), host(0), lock);
        self.reply(ms, i, promise)
    }

    fn ack(&mut self, ms: u64, i: usize, number: u32) -> Did {
        let ack = RenewAck {
            token: self.holder.token().unwrap(),
            number,
            ttl_ms: 10_000,
        };
        self.reply(ms, i, ack)
    }

    fn nack(&mut self, ms: u64, i: usize, epoch: u32, reason: NackReason, promised: u32) -> Did {
        let nack = Nack {
            asked: self.token(epoch),
            reason,
            promised: Some(Epoch(promised)),
            wait_ms: 2_000,
            decided: None,
        };
        self.reply(ms, i, nack)
    }

    fn vote(&mut self, ms: u64, i: usize, value: &Value) -> Did {
        let vote = Vote {
            token: self.token(1),
            host: host(0),
            value: value.digest(),
        };
        self.reply(ms, i, vote)
    }

    fn commit(&mut self, ms: u64, i: usize, value: &Value) -> Did {
        let committed = Committed {
            token: self.token(1),
            host: host(0),
            value: value.digest(),
        };
        self.reply(ms, i, committed)
    }

    fn report(&mut self, ms: u64, attempt: Verified<AttemptRecord>) -> Did {
        let attempt = Box::new(attempt);
        let stored = vec![];
        self.step(ms, HolderInput::Report { attempt, stored })
    }
}

#[test]
fn offers_are_taken_from_owner_and_witnesses_for_this_spec_only() {
    let spec = signed(draft(1));
    let new = |offer: &Verified<Offer>| {
        Holder::new(Claimant::key_only(host(0)), spec.clone(), offer, &Ed25519)
    };
    let good = offer(&spec, vec![]);
    assert!(new(&owner_key().sign(good.clone())).is_ok());
    assert!(new(&witness_keys(1)[0].sign(good.clone())).is_ok());
    assert!(matches!(
        new(&key(99).sign(good.clone())),
        Err(OfferError::Signer)
    ));
    let mut other = good.clone();
    other.spec = Cid::of(Codec::DagCbor, b"other");
    assert!(matches!(
        new(&owner_key().sign(other)),
        Err(OfferError::Spec)
    ));
    let mut outside = good.clone();
    outside.register.shards.count = 2;
    assert!(matches!(
        new(&owner_key().sign(outside)),
        Err(OfferError::Content(_))
    ));
    let mut forged = good;
    let detail = "mine".to_owned();
    let host_failed = Outcome::RunnerFailed { detail };
    let mut record = record(token(register(&spec), 1), &host_key(1), host_failed, "")
        .value()
        .clone();
    record.blame = Blame::Owner;
    forged.failures = vec![host_key(1).sign(record).signed().clone()];
    assert!(matches!(
        new(&owner_key().sign(forged)),
        Err(OfferError::Content(_))
    ));
}

#[test]
fn a_claim_goes_to_all_and_again_to_the_silent() {
    let mut rig = Rig::new(draft(3), &[]);
    let did = rig.step(0, HolderInput::Start);
    assert_eq!(
        (did.claimed(), did.sent[0].0.len()),
        (Some(rig.token(1)), 3)
    );
    assert_eq!(did.timer, Some(limits::RETRY_MS));
    assert!(rig.promise(100, 1, 1, None).run.is_none(), "one of two");
    let did = rig.step(limits::RETRY_MS, HolderInput::Tick);
    let silent = [0, 2].map(|i| Peer::Witness(rig.keys[i].public()));
    assert_eq!(did.sent[0].0, silent);
    assert_eq!(did.claimed(), Some(rig.token(1)));
    assert_eq!(rig.promise(600, 0, 1, None).run, Some(rig.token(1)));
    assert!(
        rig.promise(700, 2, 1, None).sent.is_empty(),
        "late, and not needed"
    );
}

#[test]
fn nothing_leaves_before_a_quorum_activated_the_lease() {
    let mut rig = Rig::new(draft(3), &[]);
    rig.step(0, HolderInput::Start);
    rig.promise(10, 0, 1, None);
    let did = rig.promise(20, 1, 1, None);
    let [Request::Renew(renew)] = did.requests()[..] else {
        panic!("{did:?}")
    };
    assert!(renew.lease.is_some() && renew.number == 1);
    assert!(!rig.holder.may_emit(at(30).now));
    assert!(!rig.ack(30, 2, 1).resumed);
    assert!(rig.ack(40, 0, 1).resumed);
    assert!(rig.holder.may_emit(at(50).now));
    // D counts from the sending at 20 ms: 10 s × 99 / 101 - 1 s.
    assert!(rig.holder.may_emit(at(8_820).now));
    assert!(!rig.holder.may_emit(at(8_821).now));
    // The witness that has not answered is shown the certificate again, the others are not.
    let did = rig.step(3_353, HolderInput::Tick);
    let shown: Vec<_> = did
        .sent
        .iter()
        .map(|(to, request)| match request {
            Request::Renew(renew) => (to.clone(), renew.lease.is_some(), renew.number),
            other => panic!("{other:?}"),
        })
        .collect();
    let peer = |i: usize| Peer::Witness(rig.keys[i].public());
    assert_eq!(
        shown,
        [(vec![peer(1)], true, 2), (vec![peer(0), peer(2)], false, 2)]
    );
}

#[test]
fn a_lock_is_brought_to_its_decision_and_nothing_runs() {
    let mut rig = Rig::new(draft(1), &[]);
    rig.step(0, HolderInput::Start);
    rig.nack(0, 0, 1, NackReason::EpochTooLow, 4);
    let claimed = rig.step(600, HolderInput::Tick).claimed();
    assert_eq!(claimed, Some(rig.token(5)));
    let value = ok(&finished(rig.token(4), &host_key(1), "theirs"));
    let lock = quorum_cert(&rig.keys, rig.token(4), host(1), &value);
    let did = rig.promise(700, 0, 5, Some(lock));
    assert_eq!((did.run, did.proposed()), (None, None));
    assert_eq!(
        rig.ack(710, 0, 1).proposed(),
        Some(&value),
        "when the lease is activated"
    );
}

#[test]
fn enough_failures_are_proposed_without_another_run() {
    let mut draft = draft(1);
    draft.retries = 1;
    let spec = signed(draft.clone());
    let failures: Vec<_> = [(1, 1), (2, 2)]
        .map(|(epoch, i)| trapped(token(register(&spec), epoch), &host_key(i)))
        .to_vec();
    let mut rig = Rig::new(draft, &failures);
    rig.step(0, HolderInput::Start);
    assert!(rig.promise(0, 0, 1, None).run.is_none());
    let did = rig.ack(10, 0, 1);
    assert!(matches!(did.proposed(), Some(Value::Failed { attempts }) if attempts.len() == 2));
}

#[test]
fn the_last_allowed_failure_is_proposed_and_an_earlier_one_released() {
    for (retries, proposes) in [(0, true), (1, false)] {
        let mut draft = draft(1);
        draft.retries = retries;
        let mut rig = Rig::new(draft, &[]);
        rig.step(0, HolderInput::Start);
        let token = rig.promise(0, 0, 1, None).run.unwrap();
        rig.ack(5, 0, 1);
        let attempt = trapped(token, &host_key(0));
        let did = rig.report(10, attempt.clone());
        assert_eq!(did.proposed().is_some(), proposes);
        if !proposes {
            let (to, Request::Release(release)) = &did.sent[0] else {
                panic!("{did:?}")
            };
            assert_eq!(to.last(), Some(&Peer::Owner(rig.spec.value().owner)));
            assert_eq!(release.attempt.as_ref(), Some(attempt.signed()));
            assert_eq!(did.lost, Some(LossReason::Released));
            assert!(
                rig.step(20, HolderInput::Tick).sent.is_empty(),
                "it is over"
            );
        }
    }
}

#[test]
fn votes_make_a_certificate_commits_a_decision() {
    let mut rig = Rig::running(3);
    let attempt = finished(rig.token(1), &host_key(0), "x");
    let value = ok(&attempt);
    let did = rig.report(100, attempt);
    assert_eq!(did.proposed(), Some(&value));
    assert!(rig.vote(110, 0, &value).sent.is_empty());
    let did = rig.vote(120, 2, &value);
    let (to, Request::Commit(commit)) = &did.sent[0] else {
        panic!("{did:?}")
    };
    assert_eq!(
        (to.len(), &commit.cert.value, commit.cert.votes.len()),
        (3, &value, 2)
    );
    assert!(rig.vote(130, 1, &value).sent.is_empty(), "late");
    rig.commit(140, 1, &value);
    let did = rig.commit(150, 2, &value);
    let cert = did.decided.clone().unwrap();
    assert_eq!((cert.commits.len(), &cert.value), (2, &value));
    let told: Vec<_> = did.sent.iter().flat_map(|(to, _)| to).collect();
    assert_eq!(told.len(), 4, "all witnesses and the owner");
    assert!(
        did.requests()
            .iter()
            .all(|r| matches!(r, Request::Decided(_)))
    );
    assert!(rig.holder.is_over());
}

#[test]
fn unanswered_requests_are_sent_again() {
    let mut rig = Rig::running(3);
    let attempt = finished(rig.token(1), &host_key(0), "x");
    let value = ok(&attempt);
    rig.report(0, attempt);
    rig.vote(10, 0, &value);
    let did = rig.step(limits::RETRY_MS, HolderInput::Tick);
    assert_eq!((did.proposed(), did.sent[0].0.len()), (Some(&value), 2));
    rig.vote(510, 1, &value);
    rig.commit(520, 1, &value);
    let did = rig.step(510 + limits::RETRY_MS, HolderInput::Tick);
    assert!(
        matches!(did.requests()[..], [Request::Commit(_)]),
        "{did:?}"
    );
    assert_eq!(did.sent[0].0.len(), 2);
}

#[test]
fn a_refused_claim_waits_as_told_and_comes_back_higher() {
    let mut rig = Rig::new(draft(1), &[]);
    rig.step(0, HolderInput::Start);
    let did = rig.nack(0, 0, 1, NackReason::Leased, 3);
    let wake = did.timer.unwrap();
    assert!((2_000..2_000 + limits::RETRY_MS).contains(&wake), "{wake}");
    assert!(rig.holder.token().is_none());
    assert!(rig.step(wake - 1, HolderInput::Tick).claimed().is_none());
    assert_eq!(
        rig.step(wake + 1, HolderInput::Tick).claimed(),
        Some(rig.token(4))
    );
}

#[test]
fn a_split_lets_go_of_what_it_got() {
    let mut rig = Rig::new(draft(3), &[]);
    rig.step(0, HolderInput::Start);
    rig.promise(0, 0, 1, None);
    rig.nack(0, 1, 1, NackReason::Leased, 1);
    let did = rig.nack(0, 2, 1, NackReason::Leased, 1);
    let [(to, Request::Release(release))] = &did.sent[..] else {
        panic!("{did:?}")
    };
    assert_eq!(to, &[Peer::Witness(rig.keys[0].public())]);
    assert_eq!((release.token, &release.attempt), (rig.token(1), &None));
    // With a third one silent, the round ends when its holds would have lapsed.
    let mut rig = Rig::new(draft(3), &[]);
    rig.step(0, HolderInput::Start);
    rig.promise(0, 0, 1, None);
    rig.nack(0, 1, 1, NackReason::Leased, 1);
    assert!(
        rig.step(2_999, HolderInput::Tick)
            .requests()
            .iter()
            .all(|r| matches!(r, Request::Claim(_)))
    );
    let did = rig.step(3_600, HolderInput::Tick);
    assert!(
        matches!(did.requests()[..], [Request::Release(_)]),
        "{did:?}"
    );
    // Where nobody refuses, the same claim stays: a new epoch would only run away from the witnesses that are down.
    let mut rig = Rig::new(draft(3), &[]);
    rig.step(0, HolderInput::Start);
    rig.promise(0, 0, 1, None);
    assert_eq!(
        rig.step(60_000, HolderInput::Tick).claimed(),
        Some(rig.token(1))
    );
}

#[test]
fn a_lying_witness_does_not_push_the_epoch_up_and_a_lagging_one_is_led_up() {
    let mut rig = Rig::new(draft(4), &[]);
    rig.step(0, HolderInput::Start);
    rig.nack(0, 0, 1, NackReason::EpochTooLow, 4_000_000_000);
    let did = rig.nack(0, 1, 1, NackReason::EpochTooLow, 6);
    let wake = did.timer.unwrap();
    assert_eq!(
        rig.step(wake + 1, HolderInput::Tick).claimed(),
        Some(rig.token(7))
    );

    let mut rig = Rig::new(draft(3), &[]);
    rig.step(0, HolderInput::Start);
    rig.nack(0, 0, 1, NackReason::EpochTooLow, 1_000);
    let wake = rig
        .nack(0, 1, 1, NackReason::EpochTooLow, 1_000)
        .timer
        .unwrap();
    assert_eq!(
        rig.step(wake + 1, HolderInput::Tick).claimed(),
        Some(rig.token(1_001))
    );
    rig.nack(wake + 2, 0, 1_001, NackReason::Leased, 1_000);
    let did = rig.nack(wake + 2, 2, 1_001, NackReason::EpochTooHigh, 3);
    let wake = did.timer.unwrap();
    assert_eq!(
        rig.step(wake + 1, HolderInput::Tick).claimed(),
        Some(rig.token(19))
    );
}

#[test]
fn refusals_that_waiting_does_not_mend_end_the_holder() {
    for reason in [
        NackReason::NotEntitled,
        NackReason::UnknownJob,
        NackReason::Overlaps,
    ] {
        let mut rig = Rig::new(draft(3), &[]);
        rig.step(0, HolderInput::Start);
        assert_eq!(
            rig.nack(0, 0, 1, reason, 0).lost,
            None,
            "one cannot speak for all"
        );
        assert_eq!(
            rig.nack(0, 1, 1, reason, 0).lost,
            Some(LossReason::Refused(reason))
        );
    }
}

#[test]
fn a_superseded_holder_is_told_by_as_many_as_make_its_quorum_impossible() {
    let mut rig = Rig::running(4);
    assert_eq!(
        rig.nack(10, 0, 1, NackReason::StaleToken, 2).lost,
        None,
        "it may lie"
    );
    assert_eq!(
        rig.nack(10, 3, 1, NackReason::StaleToken, 0).lost,
        None,
        "it missed the claim"
    );
    let did = rig.nack(10, 1, 1, NackReason::StaleToken, 2);
    assert_eq!(did.lost, Some(LossReason::Superseded));
}

#[test]
fn at_its_deadline_the_holder_stops_and_after_an_answer_it_resumes() {
    let mut rig = Rig::running(1);
    let deadline = 8_801;
    for ms in (0..=deadline).step_by(400) {
        assert!(!rig.step(ms, HolderInput::Tick).stopped, "{ms}");
    }
    let did = rig.step(deadline + 1, HolderInput::Tick);
    assert!(did.stopped && !rig.holder.may_emit(at(deadline + 1).now));
    // No votes are asked for meanwhile; renewals go on.
    let attempt = finished(rig.token(1), &host_key(0), "x");
    let did = rig.report(9_000, attempt);
    assert!(did.proposed().is_none(), "{did:?}");
    let did = rig.step(10_000, HolderInput::Tick);
    let [Request::Renew(renew)] = did.requests()[..] else {
        panic!("{did:?}")
    };
    let number = renew.number;
    let did = rig.ack(10_010, 0, number);
    assert!(did.resumed && did.proposed().is_some());
}

#[test]
fn a_holder_that_reaches_nobody_gives_up_after_run_on() {
    let mut rig = Rig::running(1);
    let stopped = rig.step(20_000, HolderInput::Tick);
    assert!(stopped.stopped && stopped.lost.is_none());
    assert_eq!(rig.step(119_000, HolderInput::Tick).lost, None);
    assert_eq!(
        rig.step(120_001, HolderInput::Tick).lost,
        Some(LossReason::Unreachable)
    );
}

#[test]
fn a_decision_ends_the_holder_when_it_is_one() {
    let value = Value::Cancelled {
        order: owner_key()
            .sign(Cancel {
                register: register(&signed(draft(3))),
            })
            .signed()
            .clone(),
    };
    for by_nack in [true, false] {
        for (signers, valid) in [(2, true), (1, false)] {
            let mut rig = Rig::running(3);
            let cert = result_cert(&rig.keys[..signers], rig.token(2), host(1), &value);
            let did = if by_nack {
                let nack = Nack {
                    asked: rig.token(1),
                    reason: NackReason::Decided,
                    promised: None,
                    wait_ms: 0,
                    decided: Some(cert.clone()),
                };
                rig.reply(10, 0, nack)
            } else {
                rig.step(10, HolderInput::Decided(Box::new(cert.clone())))
            };
            assert_eq!(did.decided.is_some(), valid);
            assert_eq!(did.violation.is_some(), !valid);
        }
    }
}

#[test]
fn answers_that_do_not_fit_are_violations_or_nothing() {
    let mut rig = Rig::running(3);
    let attempt = finished(rig.token(1), &host_key(0), "x");
    let value = ok(&attempt);
    let other = ok(&finished(rig.token(1), &host_key(0), "y"));
    rig.report(0, attempt);
    assert!(matches!(
        rig.vote(1, 0, &other).violation,
        Some(Violation::Unasked)
    ));
    let stranger = Reply::from(Vote {
        token: rig.token(1),
        host: host(0),
        value: value.digest(),
    });
    let stranger = HolderInput::Reply(stranger.sign(&key(99)));
    assert!(matches!(
        rig.step(1, stranger).violation,
        Some(Violation::Unasked)
    ));
    let mut elsewhere = rig.token(1);
    elsewhere.register.generation.0 = 7;
    let vote = Vote {
        token: elsewhere,
        host: host(0),
        value: value.digest(),
    };
    let did = rig.reply(1, 0, vote);
    assert!(
        did.violation.is_none() && did.sent.is_empty(),
        "for another holder"
    );
    // A promise with a lock that no quorum certified.
    let mut rig = Rig::new(draft(3), &[]);
    rig.step(0, HolderInput::Start);
    rig.nack(0, 0, 1, NackReason::EpochTooLow, 3);
    let wake = rig.nack(0, 1, 1, NackReason::EpochTooLow, 3).timer.unwrap();
    rig.step(wake + 1, HolderInput::Tick);
    let forged = quorum_cert(&rig.keys[..1], rig.token(2), host(1), &value);
    let did = rig.promise(wake + 2, 0, 4, Some(forged));
    assert!(matches!(did.violation, Some(Violation::Certificate(_))));
}

#[test]
fn progress_travels_with_renewals() {
    let mut rig = Rig::running(1);
    let usage = mutual_protocol::receipt::Usage {
        fuel: 7,
        ..Default::default()
    };
    let checkpoint = None;
    rig.step(10, HolderInput::Progress { usage, checkpoint });
    let did = rig.step(4_000, HolderInput::Tick);
    let [Request::Renew(renew)] = did.requests()[..] else {
        panic!("{did:?}")
    };
    assert_eq!(renew.usage.fuel, 7);
}

#[test]
fn a_donor_takes_the_machine_back() {
    let mut rig = Rig::running(1);
    let blame = Blame::Donor;
    let did = rig.step(10, HolderInput::Release { blame });
    let [Request::Release(release)] = did.requests()[..] else {
        panic!("{did:?}")
    };
    assert_eq!((release.blame, &release.attempt), (Blame::Donor, &None));
    assert_eq!(did.lost, Some(LossReason::Released));
}

#[test]
fn the_fixture_makes_valid_leases() {
    let spec = signed(draft(3));
    let rules = mutual_protocol::lease::cert::Rules::new(&spec, &Ed25519);
    let promise = promise(token(register(&spec), 1), host(0), None);
    assert_eq!(promise.granted_at_ms, WALL_MS);
    assert!(rules.lease(&lease(&witness_keys(3)[..2], &promise)).is_ok());
}
