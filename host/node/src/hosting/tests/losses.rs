//! Leases that are lost: nothing leaves, the guest is killed, and the host says that its work did not count.

use super::failures::bring;
use super::house::House;
use super::life::{STDERR, STDOUT, free, output};
use super::network::Out;
use super::owner::Owner;
use crate::hosting::Request;
use crate::hosting::work::Loss;
use crate::link::PeerEvent;
use mutual_protocol::membership::Role;
use mutual_protocol::message::{AttemptOrder, LeaseRequest, NodeMessage, Phase};
use mutual_protocol::{Epoch, FencingToken};
use mutual_runner::frame::Kind;
use mutual_runner::message::Ending;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const PHASES: [Phase; 4] = [
    Phase::Fetching,
    Phase::Staging,
    Phase::Running,
    Phase::Deciding,
];

/// Messages of attempts so far.
fn said(house: &House) -> usize {
    let is_said = |out: &&Out| matches!(out, Out::Said(_, NodeMessage::Attempt { .. }));
    house.log.iter().filter(is_said).count()
}

/// Whatever the guest did, nothing more leaves, and nothing is left.
async fn gone(house: &mut House, owner: &mut Owner, before: usize, phase: Phase) -> Option<Loss> {
    house.guest(&[(Kind::Stdout, b"too late\n")]);
    let status = free(house, owner).await;
    assert_eq!(said(house), before, "{phase:?}: something left");
    assert_eq!(house.content.waiting(), 0, "{phase:?}: the fetch goes on");
    house.cleared().await;
    house.killed().await;
    assert_eq!(status.done.len(), 1);
    assert_eq!(status.slots_free, 2);
    status.done[0].lost
}

#[tokio::test(start_paused = true)]
async fn a_preempted_attempt_is_killed() {
    for phase in PHASES {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        bring(&mut house, &mut owner, phase).await;
        let before = said(&house);
        for notice in owner.preempts() {
            house.says(owner.node, notice).await;
        }
        let lost = gone(&mut house, &mut owner, before, phase).await;
        assert_eq!(lost, Some(Loss::Superseded), "{phase:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_renewal_ends_the_attempt() {
    for phase in PHASES {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        bring(&mut house, &mut owner, phase).await;
        let before = said(&house);
        let _lost_on_the_way = owner.preempts();
        house.pass(&mut owner, 4 * SECOND).await;
        let lost = gone(&mut house, &mut owner, before, phase).await;
        assert_eq!(lost, Some(Loss::Superseded), "{phase:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_told_of_a_later_token_gives_up() {
    for phase in PHASES {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        bring(&mut house, &mut owner, phase).await;
        let before = said(&house);
        let token = owner.token.unwrap();
        let later = FencingToken {
            epoch: Epoch(2),
            ..token
        };
        let stale = |token, current| NodeMessage::Stale { token, current };
        // An older one, and one that is not about this attempt, are nothing.
        house.says(owner.node, stale(token, token)).await;
        house.says(owner.node, stale(later, token)).await;
        house.quiet(&mut owner).await;
        assert_eq!(house.ask(Request::Status).await.jobs.len(), 1);
        house.says(owner.node, stale(token, later)).await;
        let lost = gone(&mut house, &mut owner, before, phase).await;
        assert_eq!(lost, Some(Loss::Superseded), "{phase:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn late_orders_are_told_what_counts() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    bring(&mut house, &mut owner, Phase::Running).await;
    let token = owner.token.unwrap();
    for notice in owner.preempts() {
        house.says(owner.node, notice).await;
    }
    free(&mut house, &mut owner).await;
    bring(&mut house, &mut owner, Phase::Fetching).await;
    let current = owner.token.unwrap();
    assert_eq!((token.epoch, current.epoch), (Epoch(1), Epoch(2)));
    let order = AttemptOrder::Stop { now: true };
    house
        .says(owner.node, NodeMessage::Order { token, order })
        .await;
    let outs = house.settled().await;
    let stale = NodeMessage::Stale { token, current };
    assert_eq!(outs, [Out::Said(owner.node, stale)]);
    assert_eq!(
        house.ask(Request::Status).await.jobs[0].phase,
        crate::attempt::Phase::Fetching
    );
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_vanishes_costs_a_while() {
    for phase in PHASES {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        bring(&mut house, &mut owner, phase).await;
        let before = said(&house);
        house.wire.cut(owner.node);
        house.event(PeerEvent::Down { node: owner.node }).await;
        // The lease of 10 s, and as much again for which the spec lets a host compute on.
        house.pass(&mut owner, 12 * SECOND).await;
        assert_eq!(house.ask(Request::Status).await.jobs.len(), 1, "{phase:?}");
        house.pass(&mut owner, 10 * SECOND).await;
        let lost = gone(&mut house, &mut owner, before, phase).await;
        assert_eq!(lost, Some(Loss::Unreachable), "{phase:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_spec_cannot_keep_a_host_for_ever() {
    let mut house = House::open();
    let mut owner = house.owner(|spec| spec.run_on_ms_max = u64::MAX).await;
    bring(&mut house, &mut owner, Phase::Running).await;
    owner.is_silent = true;
    house.pass(&mut owner, 100 * SECOND).await;
    assert_eq!(house.ask(Request::Status).await.jobs.len(), 1);
    house.pass(&mut owner, 12 * SECOND).await;
    let status = free(&mut house, &mut owner).await;
    assert_eq!(status.done[0].lost, Some(Loss::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_never_answers_a_claim_is_left() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    owner.is_silent = true;
    owner.offers(&house).await;
    house.pass(&mut owner, 2 * SECOND).await;
    assert_eq!(house.ask(Request::Status).await.jobs.len(), 1);
    house.pass(&mut owner, 2 * SECOND).await;
    let status = house.ask(Request::Status).await;
    assert_eq!((status.jobs.len(), status.slots_free), (0, 2));
    assert_eq!(status.done[0].lost, Some(Loss::Unleased));
    assert_eq!(owner.requests.last(), Some(&"release"));
}

#[tokio::test(start_paused = true)]
async fn what_was_held_back_leaves_when_the_owner_is_back() {
    for away in [2, 5, 15] {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        bring(&mut house, &mut owner, Phase::Running).await;
        house.wire.cut(owner.node);
        house.event(PeerEvent::Down { node: owner.node }).await;
        house.guest(&[(Kind::Stdout, b"one\n")]);
        house.real(|house| house.wire.refused() > 0).await;
        house.guest(&[(Kind::Stderr, b"two\n"), (Kind::Stdout, b"three\n")]);
        house.pass(&mut owner, away * SECOND).await;
        assert_eq!(output(&house, STDOUT), b"");
        house.wire.mend(owner.node);
        house.up(owner.node, Role::Submit).await;
        // The next answer to a renewal lets it out, if not the connection itself.
        while output(&house, STDOUT) != b"one\nthree\n" {
            assert_eq!(house.ask(Request::Status).await.jobs.len(), 1, "{away}");
            house.pass(&mut owner, SECOND / 10).await;
        }
        assert_eq!(output(&house, STDERR), b"two\n");
        assert_eq!(house.ask(Request::Status).await.jobs.len(), 1, "{away}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_lets_nothing_out_before_it_has_asked() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    bring(&mut house, &mut owner, Phase::Running).await;
    let before = said(&house);
    owner.is_silent = true;
    house.clock.suspend(60 * SECOND);
    house.guest(&[(Kind::Stdout, b"stale\n")]);
    house.guest_ends(Ending::Exited { code: 0 });
    // What the guest wrote wakes the loop, long after the timer should have rung.
    let out = house.next().await;
    let is_renewal =
        |message: &NodeMessage| matches!(message, NodeMessage::Request(LeaseRequest::Renew(_)));
    assert!(matches!(&out, Out::Said(_, m) if is_renewal(m)), "{out:?}");
    house
        .stands(&mut owner, |status| {
            status.jobs[0].phase == crate::attempt::Phase::Deciding
        })
        .await;
    assert_eq!(said(&house), before);
    owner.is_silent = false;
    house.pass(&mut owner, SECOND).await;
    assert_eq!(
        output(&house, STDOUT),
        b"stale\n",
        "it was asked, and all is well"
    );
}
