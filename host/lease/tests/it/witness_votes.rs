//! The witness's votes, commits and decisions.

use crate::fixture::{at, draft, finished, host, host_key, key, ok, result_cert, trapped};
use crate::witness_rig::Rig;
use mutual_lease::{Reply, VerifiedRequest, Violation, WitnessFact, WitnessInput};
use mutual_protocol::lease::{Cancel, NackReason, Value, VoteReq};
use mutual_protocol::{Epoch, SigningKey};

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
fn two_certificates_that_contradict_each_other_are_somebodys_lie() {
    let mut rig = Rig::new(draft(1));
    let (x, y) = (rig.value(1, 0, "x"), rig.value(1, 0, "y"));
    rig.commit(0, 1, 0, &x);
    let said = rig.commit(0, 1, 0, &y);
    assert!(matches!(said.violation, Some(Violation::Equivocation)));
    let lock = rig.witness.register(&rig.register).unwrap().lock().cloned();
    assert_eq!(lock.unwrap().value, x);
    let decide = |rig: &mut Rig, value| {
        let cert = result_cert(&rig.keys, rig.token(1), host(0), value);
        rig.ask(0, VerifiedRequest::Decided(Box::new(cert)))
    };
    assert!(decide(&mut rig, &x).violation.is_none());
    let said = decide(&mut rig, &y);
    assert!(matches!(said.violation, Some(Violation::Equivocation)));
    assert!(decide(&mut rig, &x).violation.is_none());
}
