//! What a donor asks: pause, kill, stop.

use super::failures::bring;
use super::house::House;
use super::life::free;
use super::network::Out;
use crate::hosting::Request;
use crate::hosting::work::Loss;
use mutual_protocol::discovery::HostState;
use mutual_protocol::message::{DeclineReason, LeaseRequest, NodeMessage, Phase};
use mutual_protocol::outcome::Blame;
use mutual_protocol::sign::Ed25519;
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const PHASES: [Phase; 4] = [
    Phase::Fetching,
    Phase::Staging,
    Phase::Running,
    Phase::Deciding,
];

fn releases(house: &House) -> Vec<Blame> {
    let blame = |out: &Out| match out {
        Out::Said(_, NodeMessage::Request(LeaseRequest::Release(release))) => {
            Some(release.verify(&Ed25519).unwrap().value().blame)
        }
        _ => None,
    };
    house.log.iter().filter_map(blame).collect()
}

#[tokio::test(start_paused = true)]
async fn a_donor_gets_the_machine_back_in_every_phase() {
    for phase in PHASES {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        bring(&mut house, &mut owner, phase).await;
        let job = owner.register().job.to_string();
        for nobody in ["", "nobody"] {
            let status = house.ask(Request::Kill(nobody.to_owned())).await;
            assert_eq!((status.killed.len(), status.jobs.len()), (0, 1));
        }
        let request = if phase == Phase::Staging {
            Request::Pause
        } else {
            Request::Kill(job[..8].to_owned())
        };
        let killed = house.ask(request.clone()).await.killed;
        if request != Request::Pause {
            assert_eq!(killed, [owner.register()]);
        }
        let status = free(&mut house, &mut owner).await;
        assert_eq!(releases(&house), [Blame::Donor], "{phase:?}");
        assert_eq!(status.done[0].lost, Some(Loss::Released));
        house.cleared().await;
        house.killed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_drained_host_finishes_what_it_has() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    bring(&mut house, &mut owner, Phase::Running).await;
    assert_eq!(house.ask(Request::Drain).await.jobs.len(), 1);
    house.pass(&mut owner, 20 * SECOND).await;
    assert_eq!(house.ask(Request::Status).await.jobs.len(), 1);
    assert_eq!(
        house.records(owner.node).last().unwrap().state,
        HostState::Away
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_stopped_releases_and_ends() {
    for phase in PHASES {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        bring(&mut house, &mut owner, phase).await;
        let begin = Instant::now();
        house.ask(Request::Stop).await;
        (&mut house.serving).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO, "{phase:?}");
        house.settled().await;
        assert_eq!(releases(&house), [Blame::Donor], "{phase:?}");
        assert_eq!(
            house.records(owner.node).last().unwrap().state,
            HostState::Away
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_askers_are_gone_stops() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    bring(&mut house, &mut owner, Phase::Running).await;
    house.asked = None;
    (&mut house.serving).await.unwrap();
    house.settled().await;
    assert_eq!(releases(&house), [Blame::Donor]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_ends_takes_nothing_more() {
    let mut house = House::open();
    let mut owner = house.owner(|_| {}).await;
    house.stuck(&mut owner).await;
    house.ask(Request::Stop).await;
    house.ask(Request::Resume).await;
    let mut other = house.owner(|spec| spec.priority = 1).await;
    other.offers(&house).await;
    let outs = house.settled().await;
    let reasons = outs.iter().find_map(|out| match out {
        Out::Said(_, NodeMessage::Decline { reasons, .. }) => Some(reasons.to_vec()),
        _ => None,
    });
    assert_eq!(reasons, Some(vec![DeclineReason::Draining]));
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_does_not_die_is_not_waited_for() {
    for stops in [1, 2] {
        let mut house = House::open();
        let mut owner = house.owner(|_| {}).await;
        house.stuck(&mut owner).await;
        let begin = Instant::now();
        house.ask(Request::Stop).await;
        house.pass(&mut owner, 3 * SECOND).await;
        assert!(house.serving.try_recv().is_err());
        assert_eq!(house.ask(Request::Status).await.jobs.len(), 1);
        if stops == 2 {
            house.ask(Request::Stop).await;
        } else {
            house.pass(&mut owner, SECOND + SECOND / 10).await;
        }
        (&mut house.serving).await.unwrap();
        assert!(begin.elapsed() < 5 * SECOND);
    }
}
