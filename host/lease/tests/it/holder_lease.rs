//! The holder with a lease: time, votes, decisions, losses.

use crate::fixture::{
    at, draft, finished, host, host_key, key, ok, owner_key, quorum_cert, register, result_cert,
    signed, trapped,
};
use crate::holder_rig::Rig;
use mutual_lease::{HolderInput, LossReason, Peer, Reply, Request, Violation};
use mutual_protocol::lease::{Cancel, Nack, NackReason, RenewAck, Value, Vote};
use mutual_protocol::limits;
use mutual_protocol::outcome::Blame;

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
fn no_acknowledgement_is_worth_more_than_the_specs_lease() {
    let mut rig = Rig::new(draft(1), &[]);
    rig.step(0, HolderInput::Start);
    rig.promise(0, 0, 1, None);
    let ack = RenewAck {
        token: rig.token(1),
        number: 1,
        ttl_ms: 600_000,
    };
    rig.reply(0, 0, ack);
    assert!(rig.holder.may_emit(at(8_800).now) && !rig.holder.may_emit(at(8_801).now));
}

#[test]
fn the_timer_is_for_whatever_comes_first() {
    let mut rig = Rig::new(draft(1), &[]);
    rig.step(0, HolderInput::Start);
    // Until a quorum activated the lease, renewals are tried again soon.
    let did = rig.promise(100, 0, 1, None);
    assert_eq!(did.timer, Some(100 + limits::RETRY_MS));
    let did = rig.ack(110, 0, 1);
    assert_eq!(
        did.timer,
        Some(100 + 3_333),
        "a third of T after the sending"
    );
    let did = rig.step(3_434, HolderInput::Tick);
    assert_eq!(did.timer, Some(3_434 + 3_333));
    let did = rig.step(6_768, HolderInput::Tick);
    assert_eq!(
        did.timer,
        Some(100 + 8_801),
        "the deadline comes before the third renewal"
    );
    let attempt = finished(rig.token(1), &host_key(0), "x");
    assert_eq!(
        rig.report(7_000, attempt).timer,
        Some(7_000 + limits::RETRY_MS)
    );
}

#[test]
fn a_pre_empted_holder_is_lost_at_its_own_epoch() {
    let mut rig = Rig::running(1);
    let did = rig.nack(10, 0, 1, NackReason::StaleToken, 1);
    assert_eq!(did.lost, Some(LossReason::Superseded));
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
