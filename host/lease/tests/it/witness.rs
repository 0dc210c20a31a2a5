//! The witness, rule by rule: what it lets in, what it refuses, what it writes first.

use crate::fixture::{at, claim, draft, host, host_key, key, lease, owner_key, promise, signed};
use crate::witness_rig::Rig;
use mutual_lease::{Record, Reply, RestoreError, Violation, Witness, WitnessFact, WitnessInput};
use mutual_protocol::lease::{Nack, NackReason, Preempt, Release, Renew};
use mutual_protocol::outcome::Blame;
use mutual_protocol::receipt::Usage;
use mutual_protocol::{Epoch, NodeId, SigningKey};
use std::sync::Arc;

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
fn a_certificate_is_shown_by_its_holder() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    let renew = Renew {
        token: rig.token(1),
        number: 1,
        lease: Some(rig.lease(1, 0, None)),
        usage: Usage::default(),
        checkpoint: None,
    };
    let said = rig.ask(10, host_key(1).sign(renew));
    assert!(
        matches!(said.violation, Some(Violation::Signer)),
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
    assert_eq!(rig.claim(0, 16, 0).promise().sequence, 1);
    assert_eq!(
        rig.claim(3_000, 16, 1).nack(),
        (NackReason::EpochTooLow, Some(Epoch(16)), 0)
    );
    assert_eq!(rig.claim(3_000, 33, 1).nack().0, NackReason::EpochTooHigh);
    let promise = rig.claim(3_000, 32, 1).promise();
    assert_eq!((promise.token.epoch, promise.sequence), (Epoch(32), 2));
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
    assert_eq!(rig.claim(20, 1, 0).nack().0, NackReason::EpochTooLow);
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
    // One that names a far epoch ends this lease only, and not the next one.
    let far = Preempt {
        register: rig.register,
        epoch: Epoch(50),
    };
    assert_eq!(rig.ask(40, owner_key().sign(far)).facts.len(), 1);
    rig.claim(50, 3, 0);
    assert!(matches!(
        rig.renew(60, 3, 0, 1, true).replies[..],
        [(_, Reply::RenewAck(_))]
    ));
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
fn a_spec_is_checked() {
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
    let mut later = draft(1);
    later.generation = mutual_protocol::Generation(1);
    later.previous = Some(rig.spec.spec_hash());
    later.job = Some(rig.spec.job());
    later.seal_cert = Some(vec![]);
    let said = rig.step(&at(0), WitnessInput::Accept(signed(later)));
    assert!(matches!(said.violation, Some(Violation::Generation)));
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
