//! A person who ends the run, at every point of it.

use super::FINISHED;
use super::puppet::End;
use super::world::{Setup, World};
use crate::attached::RunCommand;
use crate::proofs;
use mutual_protocol::message::AttemptOrder;
use mutual_protocol::outcome::Outcome;
use std::time::Duration;
use tokio::time::Instant;

const STOP: RunCommand = RunCommand::Stop { now: false };

/// The run ends as cancelled within `time`, with proofs that a stranger can check.
async fn assert_cancelled(world: &mut World, time: Duration) {
    let begin = Instant::now();
    let end = world.decided().await;
    let took = begin.elapsed();
    assert!(took <= time, "{took:?}");
    assert_eq!(end.outcome, Outcome::Cancelled);
    assert!(end.was_stopped);
    let job = world.run.roles.spec().job();
    let proofs = end.record.ending.unwrap().proofs.unwrap();
    let shown = proofs::read(&world.blocks, proofs, &job).unwrap();
    assert_eq!(shown.decided, "cancelled");
}

const AT_ONCE: Duration = Duration::from_millis(20);
const GRACE: Duration = Duration::from_millis(5020);

#[tokio::test(start_paused = true)]
async fn while_a_host_is_looked_for() {
    let mut world = Setup::default().open(0);
    world.send(STOP);
    assert_cancelled(&mut world, AT_ONCE).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn before_the_guest_runs() {
    let mut world = Setup::default().open(1);
    world.leased().await;
    world.send(STOP);
    assert_cancelled(&mut world, AT_ONCE).await;
    world.heard().await;
    assert!(world.hosts[0].end == Some(End::Lost), "the host is told");
    world.close().await;
}

async fn running() -> World {
    let mut world = Setup::default().open(1);
    world.leased().await;
    world.hosts[0].start();
    world.hosts[0].print("x");
    world.until(|world| world.stdout() == "x").await;
    world.send(STOP);
    let stopped = AttemptOrder::Stop { now: false };
    world
        .until(|world| world.hosts[0].orders.contains(&stopped))
        .await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_hears_it_has_its_last_words() {
    let mut world = running().await;
    world.hosts[0].print("y");
    world.heard().await;
    let now = crate::clock::Clock::boot(&*world.clock);
    let receipt = world.hosts[0].receipt(Outcome::Cancelled, None);
    world.hosts[0].end_with(now, receipt);
    assert_cancelled(&mut world, AT_ONCE).await;
    assert_eq!(world.stdout(), "xy");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_ends_by_itself_meanwhile_has_its_result() {
    let mut world = running().await;
    world.finish(0, 7);
    let end = world.decided().await;
    assert_eq!(end.outcome, FINISHED);
    assert!(end.was_stopped);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_hear_it_is_not_waited_for() {
    let mut world = running().await;
    assert_cancelled(&mut world, GRACE).await;
    world.close().await;

    let mut world = running().await;
    world.kill(0);
    assert_cancelled(&mut world, AT_ONCE).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn outputs_that_hang_are_not_waited_for() {
    let mut world = Setup::default().open(1);
    *world.outputs.hangs.lock().unwrap() = true;
    world.leased().await;
    world.hosts[0].start();
    world.finish(0, 7);
    world
        .until(|w| !w.outputs.asked.lock().unwrap().is_empty())
        .await;
    world.send(STOP);
    assert_cancelled(&mut world, GRACE).await;
    world.close().await;
}
