//! Attempts that come to no result: what the owner is told, and that the slot is free again.

use super::house::{GIVEN, House};
use super::life::{ended, free, running};
use super::network::{Answer, Out};
use super::owner::{Owner, event};
use crate::hosting::work::Loss;
use crate::link::FetchFailure;
use mutual_protocol::ids::Codec;
use mutual_protocol::lease::{Release, Value};
use mutual_protocol::message::{AttemptEvent, AttemptOrder, LeaseRequest, NodeMessage, Phase};
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::{Cid, codes};
use mutual_runner::frame::Kind;
use mutual_runner::message::Ending;
use mutual_store::FileError;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What the host gave back.
fn release(message: &NodeMessage) -> Option<Release> {
    match message {
        NodeMessage::Request(LeaseRequest::Release(release)) => {
            Some(release.verify(&Ed25519).unwrap().value().clone())
        }
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_does_not_come_is_the_hosts_failure() {
    let full = FileError {
        path: "block".into(),
        source: rustix::io::Errno::NOSPC.into(),
    };
    let cid = Cid::of(Codec::Raw, b"gone");
    let broken = FetchFailure::Broken {
        detail: "reset".to_owned(),
    };
    for (failure, code) in [
        (FetchFailure::Missing { cid }, codes::CONTENT_NOT_FOUND),
        (FetchFailure::TooLarge { bytes_max: 7 }, codes::STORE_IO),
        (broken, codes::STORE_IO),
        (FetchFailure::Store(full), codes::STORE_FULL),
    ] {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        house.content.answer(Answer::Fails(failure));
        owner.offers(&house).await;
        let release = house.until(&mut owner, release).await;
        assert_eq!((release.blame, release.token.epoch.0), (Blame::Host, 1));
        let attempt = release.attempt.unwrap().verify(&Ed25519).unwrap();
        let Outcome::HostFailed { code: told, .. } = &attempt.value().outcome else {
            panic!("{attempt:?}");
        };
        assert_eq!(told, code.code);
        let status = free(&mut house, &mut owner).await;
        assert_eq!(status.slots_free, GIVEN.slots);
        assert_eq!(status.done[0].lost, Some(Loss::Released));
        assert_eq!(
            house.records(owner.node).last().unwrap().slots_free,
            GIVEN.slots
        );
        // The owner may offer it again, here too.
        owner.offers(&house).await;
        house.guest(&[(Kind::Started, b"")]);
        let started = |m: &NodeMessage| event(m).filter(|e| **e == AttemptEvent::Started).map(drop);
        house.until(&mut owner, started).await;
        assert_eq!(owner.token.unwrap().epoch.0, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_is_not_whole_is_the_hosts_failure() {
    let mut house = House::open();
    let mut owner = house
        .owner(|spec| spec.inputs = Cid::of(Codec::DagCbor, b"gone"))
        .await;
    owner.offers(&house).await;
    let release = house.until(&mut owner, release).await;
    assert_eq!(release.blame, Blame::Host);
    free(&mut house, &mut owner).await;
}

#[tokio::test(start_paused = true)]
async fn a_guests_failure_is_put_to_the_vote_at_once() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    running(&mut house, &mut owner).await;
    house.guest_ends(Ending::Trapped {
        trap: "unreachable".to_owned(),
    });
    let (receipt, _) = ended(&mut house, &mut owner).await;
    let trapped = Outcome::Trapped {
        trap: "unreachable".to_owned(),
    };
    assert_eq!(receipt.value().outcome, trapped);
    let status = free(&mut house, &mut owner).await;
    let decided = owner.decided.clone().unwrap();
    assert!(matches!(decided.value, Value::Failed { .. }));
    assert_eq!(
        (status.done[0].outcome.clone(), status.done[0].lost),
        (Some(trapped), None)
    );
    house.cleared().await;
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_dies_is_the_hosts_failure() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    running(&mut house, &mut owner).await;
    house.guest(&[(Kind::Compiled, b"nonsense")]);
    let release = house.until(&mut owner, release).await;
    assert_eq!(release.blame, Blame::Host);
    let status = free(&mut house, &mut owner).await;
    assert!(matches!(
        status.done[0].outcome,
        Some(Outcome::RunnerFailed { .. })
    ));
    house.cleared().await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_nobody_can_compile_is_the_hosts_failure() {
    let mut house = House::open();
    // Metered code is not in the cache, and the stub compiles nothing.
    let mut owner = house.owner(|spec| spec.limits.fuel_max = Some(1)).await;
    owner.offers(&house).await;
    let phase = |m: &NodeMessage| match event(m) {
        Some(AttemptEvent::Phase(Phase::Compiling)) => Some(()),
        _ => None,
    };
    house.until(&mut owner, phase).await;
    let release = house.until(&mut owner, release).await;
    assert_eq!(release.blame, Blame::Host);
    free(&mut house, &mut owner).await;
    house.cleared().await;
}

/// Brings a job to a phase, and leaves it there.
pub(super) async fn bring(house: &mut House, owner: &mut Owner, phase: Phase) {
    match phase {
        Phase::Fetching => {
            house.content.answer(Answer::Never);
            owner.offers(house).await;
            house.quiet(owner).await;
        }
        // The sandbox is there, and its guest has not begun.
        Phase::Staging => {
            owner.offers(house).await;
            let staging = |m: &NodeMessage| match event(m) {
                Some(AttemptEvent::Phase(Phase::Staging)) => Some(()),
                _ => None,
            };
            house.until(owner, staging).await;
            house.launched().await;
        }
        Phase::Running => running(house, owner).await,
        _ => {
            running(house, owner).await;
            house.guest_ends(Ending::Exited { code: 0 });
            ended(house, owner).await;
        }
    }
    house.quiet(owner).await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_job_waits_for_its_owners_decision() {
    for phase in [Phase::Fetching, Phase::Staging, Phase::Running] {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        bring(&mut house, &mut owner, phase).await;
        owner.orders(&house, AttemptOrder::Stop { now: true }).await;
        let (receipt, attempt) = ended(&mut house, &mut owner).await;
        assert_eq!(receipt.value().outcome, Outcome::Cancelled, "{phase:?}");
        assert_eq!(attempt.value().blame, Blame::Owner);
        house.pass(&mut owner, 20 * SECOND).await;
        assert_eq!(house.content.waiting(), 0, "the fetch goes on");
        assert!(
            owner
                .requests
                .iter()
                .all(|r| ["claim", "renew"].contains(r))
        );
        let is_ended = |out: &&Out| match out {
            Out::Said(_, m) => matches!(event(m), Some(AttemptEvent::Ended { .. })),
            _ => false,
        };
        assert_eq!(house.log.iter().filter(is_ended).count(), 1, "{phase:?}");
        owner.cancels(&house).await;
        house.pass(&mut owner, 5 * SECOND).await;
        let status = free(&mut house, &mut owner).await;
        assert_eq!(
            status.done[0].outcome,
            Some(Outcome::Cancelled),
            "{phase:?}"
        );
        assert!(status.done[0].lost.is_some());
        assert!(matches!(
            owner.decided.as_ref().unwrap().value,
            Value::Cancelled { .. }
        ));
        house.cleared().await;
        house.killed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_not_held_up_by_output_that_nobody_takes() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    running(&mut house, &mut owner).await;
    let piece = vec![b'x'; 60 << 10];
    house.guest(&[(Kind::Stdout, piece.as_slice()); 4]);
    let came =
        |m: &NodeMessage| matches!(event(m), Some(AttemptEvent::Output { .. })).then_some(());
    for _ in 0..4 {
        house.until(&mut owner, came).await;
    }
    house.guest(&[
        (Kind::Stderr, &piece[..9000]),
        (Kind::Stdout, &piece[..4000]),
        (Kind::Stderr, &piece[..4000]),
    ]);
    house.quiet(&mut owner).await;
    owner.orders(&house, AttemptOrder::Stop { now: true }).await;
    let (receipt, _) = ended(&mut house, &mut owner).await;
    assert_eq!(receipt.value().outcome, Outcome::Cancelled);
}
