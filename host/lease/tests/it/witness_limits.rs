//! What a witness allows a host: entitlement, holds, lapses, renewals without end, ranges and replicas.

use crate::fixture::{at, claim, draft, host, host_key, key, token, witness_keys};
use crate::witness_rig::Rig;
use mutual_lease::{Reply, WitnessInput};
use mutual_protocol::ids::Nonce;
use mutual_protocol::lease::{Claim, NackReason, Stored, VoteReq};
use mutual_protocol::membership::{MembershipCert, Role};
use mutual_protocol::spec::Audience;
use mutual_protocol::{
    Epoch, NodeId, PoolId, RegisterId, ReplicaIndex, ShardIndex, ShardRange, Signed, SigningKey,
    Slot, limits,
};

fn shards(rig: &Rig, first: u32, count: u32) -> RegisterId {
    let shards = ShardRange {
        first: ShardIndex(first),
        count,
    };
    RegisterId {
        shards,
        ..rig.register
    }
}

fn many_shards() -> Rig {
    let mut draft = draft(1);
    draft.shape.tasks = 100;
    draft.shape.shards = 100;
    Rig::new(draft)
}

#[test]
fn only_hosts_that_the_spec_names_may_claim() {
    let mut rig = Rig::new(draft(1));
    let stranger = claim(rig.token(1), &key(99));
    assert_eq!(rig.ask(0, stranger).nack().0, NackReason::NotEntitled);
}

#[test]
fn in_a_pool_a_valid_membership_with_the_host_role_is_shown() {
    let pool = key(50);
    let mut draft = draft(1);
    draft.pool = Some(PoolId::from(pool.public()));
    draft.audience = Audience::Members;
    let member = |key: &SigningKey, member: u8, roles: &[Role], not_after_ms| {
        key.sign(MembershipCert {
            pool: PoolId::from(pool.public()),
            member: host(member),
            roles: roles.to_vec(),
            serial: 1,
            not_after_ms,
        })
        .signed()
        .clone()
    };
    let ask = |rig: &mut Rig, membership: Option<Signed<MembershipCert>>| {
        let claim = Claim {
            token: rig.token(1),
            host: host(0),
            key_exchange: None,
            membership,
            nonce: Nonce::from_bytes([0; 16]),
            quote: None,
        };
        rig.ask(0, host_key(0).sign(claim))
    };
    let bad = [
        None,
        Some(member(&key(51), 0, &[Role::Host], u64::MAX)), // another pool's key
        Some(member(&pool, 1, &[Role::Host], u64::MAX)),    // another member
        Some(member(&pool, 0, &[Role::Submit], u64::MAX)),  // another role
        Some(member(&pool, 0, &[Role::Host], 1)),           // expired
    ];
    let mut rig = Rig::new(draft);
    for membership in bad {
        assert_eq!(ask(&mut rig, membership).nack().0, NackReason::NotEntitled);
    }
    let good = member(&pool, 0, &[Role::Host, Role::Store], u64::MAX);
    assert_eq!(ask(&mut rig, Some(good)).promise().host, host(0));
}

#[test]
fn only_in_a_set_for_crashes_may_a_witness_hold_the_job() {
    for (n, may) in [(3, true), (4, false)] {
        let witness = witness_keys(n).remove(1);
        let mut draft = draft(n);
        draft.audience = Audience::Hosts(vec![NodeId::from(witness.public())]);
        let mut rig = Rig::new(draft);
        let said = rig.ask(0, claim(rig.token(1), &witness));
        let granted = matches!(said.replies[..], [(_, Reply::Promise(_))]);
        assert_eq!(granted, may, "n = {n}");
    }
}

#[test]
fn a_host_has_four_unactivated_holds_at_most() {
    let mut rig = many_shards();
    let claims = |rig: &Rig, first| claim(token(shards(rig, first, 1), 1), &host_key(0));
    for first in 0..4 {
        let said = rig.ask(0, claims(&rig, first));
        assert_eq!(said.promise().host, host(0));
    }
    let said = rig.ask(0, claims(&rig, 4));
    assert_eq!(
        said.nack(),
        (NackReason::TooManyHolds, None, limits::HOLD_MS)
    );
    // Another host is not affected; an activated lease does not count; nor does a lapsed hold.
    let other = claim(token(shards(&rig, 4, 1), 1), &host_key(1));
    assert_eq!(rig.ask(0, other).promise().host, host(1));
    rig.renew(100, 1, 0, 1, true);
    assert_eq!(rig.ask(100, claims(&rig, 5)).promise().host, host(0));
    assert_eq!(
        rig.ask(200, claims(&rig, 6)).nack().0,
        NackReason::TooManyHolds
    );
    assert_eq!(rig.ask(3_050, claims(&rig, 6)).promise().host, host(0));
}

#[test]
fn a_host_that_lets_two_holds_lapse_waits_ten_leases() {
    let mut rig = Rig::new(draft(1));
    rig.claim(0, 1, 0);
    rig.claim(3_000, 2, 0);
    assert_eq!(
        rig.claim(6_000, 3, 0).nack(),
        (NackReason::TooManyHolds, Some(Epoch(2)), 100_000)
    );
    assert_eq!(rig.claim(6_000, 3, 1).promise().host, host(1), "others may");
    rig.step(&at(20_000), WitnessInput::Tick);
    assert_eq!(rig.claim(106_000, 4, 0).promise().host, host(0));
}

#[test]
fn a_token_is_not_renewed_for_ever() {
    let mut draft = draft(1);
    draft.attempt_ms_max = 20_000;
    let mut rig = Rig::new(draft);
    rig.claim(0, 1, 0);
    for number in 1..=5 {
        let ms = u64::from(number) * 4_000;
        assert!(matches!(
            rig.renew(ms, 1, 0, number, true).replies[..],
            [(_, Reply::RenewAck(_))]
        ));
    }
    assert_eq!(
        rig.renew(24_001, 1, 0, 6, false).nack().0,
        NackReason::NotEntitled
    );
    assert_eq!(rig.claim(30_000, 2, 0).nack().0, NackReason::TooManyHolds);
    assert_eq!(rig.claim(30_000, 2, 1).promise().host, host(1));
}

#[test]
fn a_job_whose_time_is_over_is_not_known_any_more() {
    let mut rig = Rig::new(draft(1));
    let end = 86_400_000 + limits::WALL_SLACK_MS;
    assert_eq!(rig.claim(end + 1, 1, 0).nack().0, NackReason::UnknownJob);
    assert_eq!(rig.claim(end, 1, 0).promise().host, host(0));
}

#[test]
fn a_range_is_one_register_and_ranges_do_not_overlap() {
    let mut rig = many_shards();
    let ask = |rig: &mut Rig, first, count| {
        let claim = claim(token(shards(rig, first, count), 1), &host_key(0));
        rig.ask(0, claim)
    };
    assert_eq!(
        ask(&mut rig, 10, 10).promise().token.register.shards.count,
        10
    );
    for (first, count) in [(9, 2), (19, 1), (10, 1), (0, 100), (15, 50), (10, 11)] {
        let nack = ask(&mut rig, first, count).nack();
        assert_eq!(nack.0, NackReason::Overlaps, "{first}+{count}");
    }
    assert_eq!(ask(&mut rig, 20, 5).promise().host, host(0));
    assert_eq!(ask(&mut rig, 0, 10).promise().host, host(0));
}

#[test]
fn replicas_are_registers_of_their_own_for_different_hosts() {
    let mut draft = draft(1);
    (draft.shape.replicas, draft.shape.agree) = (2, 2);
    (draft.shape.tasks, draft.shape.shards) = (2, 2);
    let mut rig = Rig::new(draft);
    let replica = |rig: &Rig, slot| {
        token(
            RegisterId {
                slot,
                ..rig.register
            },
            1,
        )
    };
    let second = replica(&rig, Slot::Replica(ReplicaIndex(1)));
    let pick = replica(&rig, Slot::Pick);
    rig.claim(0, 1, 0);
    let said = rig.ask(0, claim(second, &host_key(0)));
    assert_eq!(
        said.nack().0,
        NackReason::NotEntitled,
        "it holds the first replica"
    );
    assert_eq!(
        rig.ask(0, claim(second, &host_key(1))).promise().host,
        host(1)
    );
    let mut elsewhere = second;
    elsewhere.register.shards.first.0 = 1;
    let said = rig.ask(0, claim(elsewhere, &host_key(0)));
    assert_eq!(said.promise().host, host(0), "of another shard it may");
    let said = rig.ask(0, claim(pick, &host_key(2)));
    assert_eq!(
        said.nack().0,
        NackReason::NotEntitled,
        "a pick has no values yet"
    );
}

#[test]
fn outputs_are_held_by_as_many_others_as_the_policy_asks() {
    let mut draft = draft(1);
    draft.result.stored_by = 2;
    let not_after_ms = draft.not_after_ms;
    let mut rig = Rig::new(draft);
    rig.claim(0, 1, 0);
    let record = crate::fixture::finished(rig.token(1), &host_key(0), "x");
    let manifest = record.value().manifest.unwrap();
    let stored = |key: &SigningKey, manifest, pinned_until_ms| {
        key.sign(Stored {
            manifest,
            total_bytes: 1,
            pinned_until_ms,
        })
        .signed()
        .clone()
    };
    let other = mutual_protocol::Cid::of(mutual_protocol::ids::Codec::DagCbor, b"other");
    let good = stored(&key(60), manifest, not_after_ms);
    let bad = [
        good.clone(),                                 // the same node twice
        stored(&host_key(0), manifest, not_after_ms), // the holder itself
        stored(&key(61), other, not_after_ms),        // something else
        stored(&key(61), manifest, not_after_ms - 1), // not long enough
    ];
    let ask = |rig: &mut Rig, second: &Signed<Stored>| {
        let request = VoteReq {
            token: rig.token(1),
            value: crate::fixture::ok(&record),
            lease: rig.lease(1, 0, None),
            stored: vec![good.clone(), second.clone()],
        };
        rig.ask(0, host_key(0).sign(request))
    };
    for second in &bad {
        assert_eq!(ask(&mut rig, second).nack().0, NackReason::Inadmissible);
    }
    let said = ask(&mut rig, &stored(&key(61), manifest, not_after_ms));
    assert!(
        matches!(said.replies[..], [(_, Reply::Vote(_))]),
        "{said:?}"
    );
}
