//! The owner's side of runs in a pool, against puppets.

mod hostile;
mod puppet;
mod stops;
mod takeover;
mod world;

use crate::attached::{Phase, RunEvent, Why};
use mutual_protocol::message::DeclineReason;
use mutual_protocol::outcome::Outcome;
use puppet::{End, Stance};
use std::time::Duration;
use world::{Setup, World};

const FINISHED: Outcome = Outcome::Finished { exit_code: 7 };

#[tokio::test(start_paused = true)]
async fn a_job_runs_on_a_host_and_its_outputs_are_here_before_it_is_decided() {
    let mut world = Setup::default().open(1);
    assert_eq!(world.leased().await, 0);
    world.hosts[0].start();
    world.hosts[0].print("hello\n");
    world.until(|world| world.stdout() == "hello\n").await;
    world.finish(0, 7);
    let end = world.decided().await;
    assert_eq!(end.outcome, FINISHED);
    assert!(end.manifest.is_some());
    let ran_on = end.record.host.unwrap();
    assert_eq!(ran_on.id, world.hosts[0].node.to_string());
    assert_eq!(ran_on.name.as_deref(), Some("puppet"));
    assert!(ran_on.lost.is_empty());
    world.heard().await;
    assert_eq!(world.hosts[0].end, Some(End::Decided));
    let phases = world.shown.iter().filter_map(|event| match event {
        RunEvent::Phase(phase) => Some(*phase),
        _ => None,
    });
    assert_eq!(
        phases.collect::<Vec<_>>(),
        [
            Phase::Claiming,
            Phase::Fetching,
            Phase::Staging,
            Phase::Running,
            Phase::Collecting,
            Phase::Deciding
        ]
    );
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_declines_is_passed_by() {
    let mut world = Setup::default().open(2);
    for host in 0..2 {
        world.hosts[host].stance = Stance::Declines(DeclineReason::NoSlot);
    }
    world.until(|w| w.hosts.iter().all(|h| h.offers == 1)).await;
    world.hosts[1].stance = Stance::Takes;
    assert_eq!(world.leased().await, 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn when_no_host_fits_each_ones_reason_is_told() {
    let wait_for = Duration::from_secs(10);
    let setup = Setup {
        wait_for,
        ..Setup::default()
    };
    let mut world: World = setup.open(3);
    world.hosts[0].publish(|record| record.cpus = 0);
    world.hosts[1].stance = Stance::Declines(DeclineReason::DiskFull);
    world.hosts[2].stance = Stance::Silent;
    let before = tokio::time::Instant::now();
    world.for_time(Duration::from_secs(60)).await;
    assert!(before.elapsed() >= wait_for);
    assert!(before.elapsed() < wait_for + Duration::from_secs(4));
    let Some(crate::attached::RunError::NoHost { considered, lost }) = world.failed.take() else {
        panic!("{:?}", world.failed);
    };
    assert!(lost.is_empty());
    let why = |host: usize| {
        let node = world.hosts[host].node;
        considered
            .iter()
            .find(|c| c.host == node)
            .unwrap()
            .why
            .clone()
    };
    assert_eq!(
        why(0),
        Why::Declines(vec![DeclineReason::Cpus {
            wanted: 1,
            offered: 0
        }])
    );
    assert_eq!(why(1), Why::Declines(vec![DeclineReason::DiskFull]));
    assert_eq!(why(2), Why::Silent);
    world.close().await;
}
