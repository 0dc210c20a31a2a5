//! The holder against witnesses that the test plays.

use crate::fixture::{
    WALL_MS, draft, finished, host, host_key, key, lease, ok, owner_key, promise, quorum_cert,
    record, register, signed, token, trapped, witness_keys,
};
use crate::holder_rig::{Rig, offer};
use mutual_lease::{Claimant, Holder, HolderInput, LossReason, OfferError, Peer, Request};
use mutual_protocol::ids::Codec;
use mutual_protocol::lease::{Nack, NackReason, Offer, Value};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::{Cid, Epoch, Verified, limits};

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
fn the_fixture_makes_valid_leases() {
    let spec = signed(draft(3));
    let rules = mutual_protocol::lease::cert::Rules::new(&spec, &Ed25519);
    let promise = promise(token(register(&spec), 1), host(0), None);
    assert_eq!(promise.granted_at_ms, WALL_MS);
    assert!(rules.lease(&lease(&witness_keys(3)[..2], &promise)).is_ok());
}

#[test]
fn a_witness_that_promised_does_not_count_as_one_that_refuses() {
    let mut rig = Rig::new(draft(3), &[]);
    rig.step(0, HolderInput::Start);
    rig.promise(0, 0, 1, None);
    rig.nack(10, 0, 1, NackReason::StaleToken, 1);
    rig.nack(10, 1, 1, NackReason::Leased, 1);
    assert!(rig.holder.token().is_some(), "one of three refuses");
    // Nor does one that refused first and promised later.
    let mut rig = Rig::new(draft(4), &[]);
    rig.step(0, HolderInput::Start);
    rig.nack(0, 0, 1, NackReason::Leased, 0);
    rig.promise(2_000, 0, 1, None);
    rig.nack(2_000, 1, 1, NackReason::Leased, 0);
    assert!(rig.holder.token().is_some(), "one of four refuses");
}

#[test]
fn an_epoch_is_not_claimed_again_after_it_was_given_up() {
    let mut rig = Rig::new(draft(4), &[]);
    rig.step(0, HolderInput::Start);
    rig.promise(0, 0, 1, None);
    rig.nack(0, 1, 1, NackReason::TooManyHolds, 0);
    let wake = rig
        .nack(0, 2, 1, NackReason::TooManyHolds, 0)
        .timer
        .unwrap();
    assert_eq!(
        rig.step(wake + 1, HolderInput::Tick).claimed(),
        Some(rig.token(2))
    );
}

#[test]
fn the_shortest_hint_and_the_furthest_laggard_count() {
    let mut rig = Rig::new(draft(3), &[]);
    rig.step(0, HolderInput::Start);
    rig.nack(0, 0, 1, NackReason::Leased, 1);
    let long = Nack {
        asked: rig.token(1),
        reason: NackReason::Leased,
        promised: Some(Epoch(1)),
        wait_ms: 9_000,
        decided: None,
    };
    let wake = rig.reply(0, 1, long).timer.unwrap();
    assert!((2_000..2_000 + limits::RETRY_MS).contains(&wake), "{wake}");

    let mut rig = Rig::new(draft(3), &[]);
    rig.step(0, HolderInput::Start);
    rig.nack(0, 0, 1, NackReason::EpochTooHigh, 100);
    let wake = rig
        .nack(0, 1, 1, NackReason::EpochTooHigh, 50)
        .timer
        .unwrap();
    assert_eq!(
        rig.step(wake + 1, HolderInput::Tick).claimed(),
        Some(rig.token(66))
    );
}
