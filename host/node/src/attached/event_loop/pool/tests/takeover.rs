//! A host that is lost, at every point of its attempt: one result, and what it printed once.

use super::FINISHED;
use super::puppet::{End, Stance};
use super::world::{Setup, World};
use crate::clock::Clock as _;
use crate::link::FetchFailure;
use crate::logs::Stream;
use crate::proofs;
use mutual_protocol::message::{self, AttemptEvent, AttemptOrder, NodeMessage};
use mutual_protocol::outcome::{Blame, Outcome};
use std::time::Duration;
use tokio::time::Instant;

/// Two hosts, of which the first that is asked has the lease and says `said`.
async fn printed(said: &str) -> (World, usize) {
    let mut world = Setup::default().open(2);
    let first = world.leased().await;
    world.hosts[first].start();
    if !said.is_empty() {
        world.hosts[first].print(said);
    }
    world.until(|world| world.stdout() == said).await;
    (world, first)
}

/// The other host runs the job to its end; gives what was shown, and whose doing the lost attempt was.
async fn finish_elsewhere(world: &mut World, first: usize, prints: &str) -> (String, Vec<Blame>) {
    let second = 1 - first;
    world.hosts[first].is_active = false;
    assert_eq!(world.leased().await, second);
    world.hosts[second].start();
    if !prints.is_empty() {
        world.hosts[second].print(prints);
    }
    world.heard().await;
    world.finish(second, 7);
    let end = world.decided().await;
    assert_eq!(end.outcome, FINISHED);
    let ran_on = end.record.host.clone().unwrap();
    assert_eq!(ran_on.id, world.hosts[second].node.to_string());
    let job = world.run.roles.spec().job();
    let proofs = end.record.ending.unwrap().proofs.unwrap();
    let shown = proofs::read(&world.blocks, proofs, &job).unwrap();
    assert_eq!((shown.decided, shown.epoch), ("ok", 2));
    let blames = ran_on.lost.iter().map(|lost| lost.blame).collect();
    (world.stdout(), blames)
}

#[tokio::test(start_paused = true)]
async fn a_host_that_dies_before_its_guest_runs_costs_no_time() {
    let mut world = Setup::default().open(2);
    let first = world.leased().await;
    let died = Instant::now();
    world.kill(first);
    let (shown, blames) = finish_elsewhere(&mut world, first, "a\nb\n").await;
    assert!(died.elapsed() < Duration::from_millis(200));
    assert_eq!((shown.as_str(), blames), ("a\nb\n", vec![Blame::Network]));
    let first = world.hosts[first].node;
    assert_eq!(world.net.0.lock().unwrap().redialed, [first]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_host_printed_is_shown_once() {
    let (mut world, first) = printed("line 1\nline 2\n").await;
    world.kill(first);
    let (shown, _) = finish_elsewhere(&mut world, first, "line 1\nline 2\nline 3\n").await;
    assert_eq!(shown, "line 1\nline 2\nline 3\n");
    assert!(world.diverged().is_empty());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_dies_while_its_outputs_come_is_replaced() {
    let (mut world, first) = printed("x").await;
    *world.outputs.hangs.lock().unwrap() = true;
    world.finish(first, 7);
    world
        .until(|w| !w.outputs.asked.lock().unwrap().is_empty())
        .await;
    *world.outputs.hangs.lock().unwrap() = false;
    world.kill(first);
    let (shown, _) = finish_elsewhere(&mut world, first, "x").await;
    assert_eq!(shown, "x");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn outputs_that_do_not_come_are_computed_elsewhere() {
    let (mut world, first) = printed("x").await;
    let broken = FetchFailure::Broken {
        detail: "test".to_owned(),
    };
    world.outputs.failures.lock().unwrap().push_back(broken);
    world.finish(first, 7);
    let (shown, blames) = finish_elsewhere(&mut world, first, "x").await;
    assert_eq!((shown.as_str(), blames), ("x", vec![Blame::Network]));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_result_is_decided_when_its_host_has_committed_it_and_dies() {
    let (mut world, first) = printed("x").await;
    world.finish(first, 7);
    // The host never hears that its commit was stored.
    world.until(World::is_decided).await;
    world.kill(first);
    assert_eq!(world.concluded().await.outcome, FINISHED);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_loses_its_lease_by_itself() {
    let (mut world, first) = printed("x").await;
    let hung = Instant::now();
    world.hosts[first].timer = None;
    let (shown, blames) = finish_elsewhere(&mut world, first, "xy").await;
    let waited = hung.elapsed();
    assert!((6..=12).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!((shown.as_str(), blames), ("xy", vec![Blame::Unknown]));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_claims_and_never_renews_is_passed_by() {
    let mut world = Setup::default().open(2);
    world.hosts.iter_mut().for_each(|h| h.stance = Stance::Lazy);
    world
        .until(|w| w.hosts.iter().any(|h| h.token.is_some()))
        .await;
    let lazy = world.hosts.iter().position(|h| h.token.is_some()).unwrap();
    world.hosts[1 - lazy].stance = Stance::Takes;
    assert_eq!(world.leased().await, 1 - lazy);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_host_is_refused_and_told_so() {
    let (mut world, first) = printed("x").await;
    let old = world.hosts[first].token.unwrap();
    world.hosts[first].timer = None;
    world.until(|w| w.hosts[1 - first].is_active).await;
    world.hosts[first].print("late");
    world.end(first, FINISHED);
    let now = world.clock.boot();
    world.hosts[first].step(now, mutual_lease::HolderInput::Tick);
    let (shown, _) = finish_elsewhere(&mut world, first, "xy").await;
    assert_eq!(shown, "xy");
    let stale = &world.hosts[first].stale;
    assert_eq!(stale.len(), 2, "output and ending");
    assert!(
        stale
            .iter()
            .all(|(token, current)| *token == old && current.supersedes(&old))
    );
    assert!(
        world.hosts[first].end == Some(End::Lost),
        "and its lease is refused"
    );
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_loses_nothing() {
    let (mut world, host) = printed("x").await;
    world.cut(host);
    world.heard().await;
    world.connect(host);
    world.heard().await;
    let regranted = matches!(world.hosts[host].orders[..], [AttemptOrder::Credit { .. }]);
    assert!(regranted, "grants may have been lost");
    world.hosts[host].print("y");
    world.heard().await;
    world.finish(host, 7);
    let end = world.decided().await;
    assert!(end.record.host.unwrap().lost.is_empty());
    assert_eq!(world.stdout(), "xy");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_without_its_attempt_is_not_waited_for() {
    let (mut world, first) = printed("x").await;
    world.cut(first);
    world.heard().await;
    world.connect(first);
    let back = Instant::now();
    let (_, blames) = finish_elsewhere(&mut world, first, "x").await;
    assert!(back.elapsed() < Duration::from_secs(6));
    assert_eq!(blames, [Blame::Network]);
    world.close().await;

    let (mut world, first) = printed("x").await;
    world.cut(first);
    world.heard().await;
    world.connect(first);
    let token = world.hosts[first].token.unwrap();
    let current = token;
    world.hosts[first].send(NodeMessage::Stale { token, current });
    let back = Instant::now();
    finish_elsewhere(&mut world, first, "x").await;
    assert!(back.elapsed() < Duration::from_millis(200), "it says so");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn output_that_was_lost_with_a_connection_is_made_anew() {
    let (mut world, first) = printed("x").await;
    world.cut(first);
    world.hosts[first].print("lost");
    world.heard().await;
    world.connect(first);
    world.hosts[first].print("more");
    let (shown, blames) = finish_elsewhere(&mut world, first, "xlostmore").await;
    assert_eq!(
        (shown.as_str(), blames),
        ("xlostmore", vec![Blame::Network])
    );
    assert!(world.net.0.lock().unwrap().dropped.is_empty(), "no crime");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn other_output_than_was_shown_is_told_with_its_place() {
    let (mut world, first) = printed("random 17\n").await;
    world.kill(first);
    let (shown, _) = finish_elsewhere(&mut world, first, "random 42\n").await;
    assert_eq!(world.diverged(), [(Stream::Stdout, 7)]);
    assert_eq!(shown, "random 17\n42\n");
    let log = world.run.deciding_log().unwrap();
    let frames = crate::logs::decode(&log).unwrap();
    let kept = frames.iter().filter_map(|frame| match frame {
        crate::logs::Frame::Output { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    assert_eq!(kept.flatten().collect::<Vec<_>>(), b"random 42\n");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn less_output_than_was_shown_is_told() {
    let (mut world, first) = printed("one\ntwo\n").await;
    world.kill(first);
    let (shown, _) = finish_elsewhere(&mut world, first, "one\n").await;
    assert_eq!(world.diverged(), [(Stream::Stdout, 4)]);
    assert_eq!(shown, "one\ntwo\n");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn input_is_given_again_to_the_next_host() {
    let setup = Setup {
        stdin: b"some input".to_vec(),
        ..Setup::default()
    };
    let mut world = setup.open(2);
    let first = world.leased().await;
    let want = |bytes_max| AttemptEvent::InputWanted { bytes_max };
    for host in [first, 1 - first] {
        world.hosts[host].start();
        for (bytes_max, expected) in [(4, "some"), (100, " input")] {
            let before = world.hosts[host].orders.len();
            world.hosts[host].say(want(bytes_max));
            world.until(|w| w.hosts[host].orders.len() > before).await;
            let Some(AttemptOrder::Input { bytes, .. }) = world.hosts[host].orders.last() else {
                panic!("{:?}", world.hosts[host].orders);
            };
            assert_eq!(bytes.as_slice(), expected.as_bytes());
        }
        world.hosts[host].say(want(1));
        let ended = |w: &World| w.hosts[host].orders.last() == Some(&AttemptOrder::InputEnd);
        world.until(ended).await;
        if host == first {
            world.kill(first);
            assert_eq!(world.leased().await, 1 - first);
        }
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_host_is_tried_elsewhere_and_one_of_the_guest_is_not() {
    let (mut world, first) = printed("x").await;
    let detail = "no sandbox".to_owned();
    world.end(first, Outcome::RunnerFailed { detail });
    let (_, blames) = finish_elsewhere(&mut world, first, "x").await;
    assert_eq!(blames, [Blame::Host]);
    world.close().await;

    let (mut world, first) = printed("x").await;
    world.end(first, Outcome::TimeLimit);
    let end = world.decided().await;
    assert_eq!(end.outcome, Outcome::TimeLimit);
    assert_eq!(world.hosts[1 - first].offers, 0);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn when_every_host_is_lost_each_attempt_is_told() {
    let mut world = Setup::default().open(1);
    for _ in 0..2 {
        let host = world.leased().await;
        world.kill(host);
        world.heard().await;
        world.hosts[host].is_active = false;
        world.connect(host);
    }
    world.for_time(Duration::from_secs(60)).await;
    let Some(crate::attached::RunError::NoHost { considered, lost }) = world.failed.take() else {
        panic!("{:?}", world.failed);
    };
    assert_eq!(lost.len(), 2);
    assert_eq!(
        considered[0].why,
        crate::attached::Why::Lost(Blame::Network)
    );
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_nothing_holds_up_the_guest_and_not_the_lease() {
    let mut world = Setup::default().open(1);
    let host = world.leased().await;
    world.hosts[host].start();
    world.takes = false;
    let line = vec![b'x'; 1000];
    let mut written = 0;
    while world.hosts[host].credit >= 1000 {
        world.hosts[host].write(message::Stream::Stdout, &line);
        written += 1000;
        world.heard().await;
        assert!(written < 100 << 20, "it is granted for ever");
    }
    let before = world.run.roles.standing().1;
    world.for_time(Duration::from_secs(20)).await;
    assert!(world.run.roles.standing().1 >= before + 5);
    world.takes = true;
    world.heard().await;
    assert!(
        world.hosts[host].credit > 128 << 10,
        "{}",
        world.hosts[host].credit
    );
    assert_eq!(world.stdout().len(), written);
    world.close().await;
}
