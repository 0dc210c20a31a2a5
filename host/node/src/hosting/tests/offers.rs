//! What a host says to offers.

use super::house::{GIVEN, House, cert};
use super::network::{Answer, Out};
use super::owner::Owner;
use crate::hosting::{Given, Request};
use mutual_protocol::discovery::HostState;
use mutual_protocol::ids::{Generation, SealId};
use mutual_protocol::membership::Role;
use mutual_protocol::message::{DeclineReason, NodeMessage};
use mutual_protocol::spec::{Audience, JobSpec, Profile};
use mutual_protocol::{Epoch, NodeId, PoolId, SigningKey};
use mutual_testkit::seeds;
use std::time::Duration;

const GIB: u64 = 1 << 30;

/// Why the newest offer was declined; none when it was claimed.
fn declined(outs: &[Out]) -> Option<Vec<DeclineReason>> {
    let is_claim = |out: &Out| matches!(out, Out::Said(_, NodeMessage::Request(_)));
    if outs.iter().any(is_claim) {
        return None;
    }
    let reasons = outs.iter().find_map(|out| match out {
        Out::Said(_, NodeMessage::Decline { reasons, .. }) => Some(reasons.to_vec()),
        _ => None,
    });
    Some(reasons.unwrap_or_else(|| panic!("neither claimed nor declined: {outs:?}")))
}

/// What the host says to an offer of a job that differs so from the plain one.
async fn offered(
    house: &mut House,
    change: impl FnOnce(&mut JobSpec),
) -> Option<Vec<DeclineReason>> {
    let mut owner = house.owner(change).await;
    house.settled().await;
    owner.offers(house).await;
    declined(&house.settled().await)
}

#[tokio::test(start_paused = true)]
async fn every_reason_is_told() {
    let mut house = House::open();
    let stranger = NodeId::from(SigningKey::from_seed(&seeds::STRANGER).public());
    let other = PoolId::from(stranger.key());
    type Change = Box<dyn FnOnce(&mut JobSpec)>;
    let cases: Vec<(Change, DeclineReason)> = vec![
        (
            Box::new(|spec| spec.requirements.cpus = 5),
            DeclineReason::Cpus {
                wanted: 5,
                offered: 4,
            },
        ),
        (
            Box::new(|spec| spec.requirements.memory_bytes_min = 4 * GIB + 1),
            DeclineReason::Memory {
                wanted: 4 * GIB + 1,
                offered: 4 * GIB,
            },
        ),
        (
            Box::new(|spec| spec.requirements.disk_bytes_min = 11 * GIB),
            DeclineReason::Disk {
                wanted: 11 * GIB,
                offered: 10 * GIB,
            },
        ),
        (
            // Inputs count too.
            Box::new(|spec| spec.limits.disk_bytes_max = 10 * GIB),
            DeclineReason::Disk {
                wanted: 10 * GIB + (1 << 20),
                offered: 10 * GIB,
            },
        ),
        (
            Box::new(move |spec| spec.audience = Audience::Hosts(vec![stranger])),
            DeclineReason::Policy,
        ),
        (
            Box::new(|spec| spec.not_before_ms = spec.not_after_ms - 1),
            DeclineReason::Time,
        ),
        (
            Box::new(|spec| {
                spec.profile = Profile {
                    pass: 9,
                    ..Profile::plain()
                };
            }),
            DeclineReason::Profile,
        ),
        (
            Box::new(move |spec| spec.pool = Some(other)),
            DeclineReason::Membership,
        ),
        (Box::new(|spec| spec.pool = None), DeclineReason::Membership),
        (Box::new(|spec| spec.lease_ttl_ms = 1), DeclineReason::Spec),
        (
            Box::new(|spec| spec.generation = Generation(1)),
            DeclineReason::Spec,
        ),
    ];
    for (change, reason) in cases {
        assert_eq!(offered(&mut house, change).await, Some(vec![reason]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_donor_who_does_not_give_is_a_reason() {
    let mut house = House::open();
    for (request, reason) in [
        (Request::Pause, DeclineReason::Paused),
        (Request::Drain, DeclineReason::Draining),
    ] {
        house.ask(request).await;
        assert_eq!(offered(&mut house, |_| {}).await, Some(vec![reason]));
        let owner = NodeId::from(SigningKey::from_seed(&seeds::OWNER).public());
        assert_eq!(house.records(owner).last().unwrap().state, HostState::Away);
    }
    house.ask(Request::Resume).await;
    assert_eq!(offered(&mut house, |_| {}).await, None);
}

#[tokio::test(start_paused = true)]
async fn only_owner_and_witness_may_offer() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    let offer = owner.proposes(house.node);
    let node = |seed| NodeId::from(SigningKey::from_seed(seed).public());
    let (stranger, witness) = (node(&seeds::STRANGER), node(&seeds::WITNESSES[0]));
    for (from, role) in [
        (stranger, Role::Submit),
        (owner.node, Role::Host),
        (witness, Role::Submit),
    ] {
        house.up(from, role).await;
        house.settled().await;
        house.says(from, offer.clone()).await;
        let outs = house.settled().await;
        assert_eq!(declined(&outs), Some(vec![DeclineReason::Membership]));
    }
    house.up(witness, Role::Witness).await;
    house.settled().await;
    house.says(witness, offer.clone()).await;
    assert_eq!(declined(&house.settled().await), None);
    // Whoever is not connected is not heard at all.
    let mut house = House::open();
    house.says(owner.node, offer).await;
    assert_eq!(house.settled().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_witness_offers_for_a_submitter_only() {
    let mut house = House::open();
    let witness = NodeId::from(SigningKey::from_seed(&seeds::WITNESSES[0]).public());
    house.up(witness, Role::Witness).await;
    let owner = NodeId::from(SigningKey::from_seed(&seeds::OWNER).public());
    for shown in [
        None,
        Some(cert(witness, Role::Submit)),
        Some(cert(owner, Role::Host)),
    ] {
        let mut owner = Owner::new(&house.blocks, house.clock.clone(), |s| s.membership = shown);
        house.settled().await;
        let offer = owner.proposes(house.node);
        house.says(witness, offer).await;
        let outs = house.settled().await;
        assert_eq!(declined(&outs), Some(vec![DeclineReason::Membership]));
    }
}

#[tokio::test(start_paused = true)]
async fn offers_that_prove_nothing_end_the_connection() {
    let other = SigningKey::from_seed(&seeds::STRANGER);
    for case in [
        "signed by a stranger",
        "another spec",
        "a spec of a stranger",
    ] {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        house.settled().await;
        let offer = owner.offer(house.node);
        let value = offer
            .verify(&mutual_protocol::sign::Ed25519)
            .unwrap()
            .value()
            .clone();
        let mut spec = owner.spec.signed().clone();
        let offer = match case {
            "signed by a stranger" => other.sign(value).signed().clone(),
            "another spec" => {
                let mut changed = value;
                changed.spec = house.blocks.put_file(b"another").unwrap().cid;
                owner.sign(changed)
            }
            _ => {
                spec = other.sign(owner.spec.value().clone()).signed().clone();
                offer
            }
        };
        let inputs_bytes = 0;
        let message = NodeMessage::Offer {
            spec,
            offer,
            inputs_bytes,
        };
        house.says(owner.node, message).await;
        let outs = house.settled().await;
        if case == "a spec of a stranger" {
            assert_eq!(declined(&outs), Some(vec![DeclineReason::Spec]), "{case}");
        } else {
            assert!(
                matches!(&outs[..], [Out::Dropped(node, _)] if *node == owner.node),
                "{case}: {outs:?}"
            );
        }
        assert_eq!(house.ask(Request::Status).await.slots_free, GIVEN.slots);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_here_already_is_not_taken_twice() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    house.content.answer(Answer::Never);
    let offer = owner.proposes(house.node);
    house.says(owner.node, offer.clone()).await;
    house.quiet(&mut owner).await;
    let requests = owner.requests.clone();
    house.says(owner.node, offer).await;
    house.quiet(&mut owner).await;
    assert_eq!(owner.requests, requests);
    assert_eq!(house.ask(Request::Status).await.jobs.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn slots_memory_and_disk_add_up() {
    let inputs = 1 << 20;
    let plain = (2 * GIB, 4 * GIB + inputs);
    let given = |slots, memory_bytes, disk_bytes| Given {
        slots,
        memory_bytes,
        disk_bytes,
        ..GIVEN
    };
    let memory = DeclineReason::Memory {
        wanted: plain.0,
        offered: plain.0 - 1,
    };
    let disk = DeclineReason::Disk {
        wanted: plain.1,
        offered: plain.1 - 1,
    };
    for (given, reason) in [
        (given(3, 2 * plain.0, 2 * plain.1), None),
        (given(3, 2 * plain.0 - 1, 2 * plain.1), Some(memory)),
        (given(3, 2 * plain.0, 2 * plain.1 - 1), Some(disk)),
        (
            given(1, 2 * plain.0, 2 * plain.1),
            Some(DeclineReason::NoSlot),
        ),
    ] {
        let mut house = House::with(given);
        house.content.answer(Answer::Never);
        assert_eq!(offered(&mut house, |_| {}).await, None);
        let second = |spec: &mut JobSpec| spec.seal_id = SealId::from_bytes([9; 32]);
        let reasons = offered(&mut house, second).await;
        assert_eq!(reasons, reason.map(|reason| vec![reason]), "{given:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_offers_leaves_nothing_behind() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    let records = house.records(owner.node).len();
    for number in 0..300_u32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        let change = |spec: &mut JobSpec| spec.seal_id = SealId::from_bytes(bytes);
        let mut other = Owner::new(&house.blocks, house.clock.clone(), change);
        let message = other.proposes(house.node);
        house.says(owner.node, message).await;
    }
    let outs = house.settled().await;
    let declines = |out: &&Out| matches!(out, Out::Said(_, NodeMessage::Decline { .. }));
    assert_eq!(outs.iter().filter(declines).count(), 298);
    let status = house.ask(Request::Status).await;
    assert_eq!((status.jobs.len(), status.slots_free), (2, 0));
    // Nobody grants a lease: they are given up, and the record goes out once for many.
    owner.is_silent = true;
    house.pass(&mut owner, Duration::from_secs(4)).await;
    assert_eq!(house.ask(Request::Status).await.slots_free, 2);
    assert!(house.records(owner.node).len() <= records + 3);
}

#[tokio::test(start_paused = true)]
async fn an_epoch_beyond_reason_is_refused_by_the_witness() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    let offer = owner.offer(house.node);
    let mut value = offer
        .verify(&mutual_protocol::sign::Ed25519)
        .unwrap()
        .value()
        .clone();
    value.epoch = Epoch(u32::MAX);
    let message = owner.message(owner.sign(value));
    house.says(owner.node, message).await;
    house.pass(&mut owner, Duration::from_secs(4)).await;
    let status = house.ask(Request::Status).await;
    assert!(status.jobs.is_empty() || status.jobs[0].epoch.is_some());
}
