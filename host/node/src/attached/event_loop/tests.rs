//! The loop in virtual time, with a real process behind it that stands still.

mod stub;

use crate::attached::{Phase, RunCommand, RunError, RunEvent};
use mutual_protocol::SigningKey;
use mutual_protocol::limits::LEASE_TTL_MS_ATTACHED;
use mutual_protocol::outcome::Outcome;
use mutual_runner::bounds::START_WAIT_MAX;
use mutual_testkit::seeds;
use std::time::Duration;
use stub::{Setup, count, turn, turns};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Tokio's timers ring up to a millisecond late, and a few may follow one another.
const LATE: Duration = Duration::from_millis(5);
const THIRD: Duration = Duration::from_millis(LEASE_TTL_MS_ATTACHED as u64 / 3);

fn assert_about(time: Duration, expected: Duration) {
    assert!(
        (expected..=expected + LATE).contains(&time),
        "{time:?}, not {expected:?}"
    );
}

#[tokio::test]
async fn a_lease_is_renewed_every_third_of_its_length() {
    let (stub, mut run) = Setup::running().start().await;
    let end = Instant::now() + 300 * SECOND;
    let (mut renewed, mut timers) = (Vec::new(), 0);
    while Instant::now() < end {
        let before = run.roles.standing().1;
        timers += usize::from(turn(&mut run).await == "timer");
        if run.roles.standing().1 > before {
            renewed.push(Instant::now());
        }
    }
    for pair in renewed.windows(2) {
        assert_about(pair[1] - pair[0], THIRD);
    }
    assert!((89..=90).contains(&renewed.len()), "{}", renewed.len());
    assert!(timers < 2 * renewed.len(), "{timers}: the loop spins");
    assert_eq!(run.roles.standing().0, Some(1), "never lost");
    assert_eq!(stub.phase(&run), Phase::Running);
    stub.end(run).await;
}

#[tokio::test]
async fn the_grace_of_a_stop_ends_in_time() {
    let stop = |now| RunCommand::Stop { now };
    let interrupt = |now| RunCommand::Interrupt { now };
    for (first, then, expected) in [
        (stop(false), None, 5 * SECOND),
        (interrupt(true), None, Duration::ZERO),
        // The second one does not begin a new grace, and cuts the first one short.
        (stop(false), Some(stop(false)), 5 * SECOND),
        (stop(false), Some(interrupt(true)), 2 * SECOND),
    ] {
        let (stub, mut run) = Setup::running().start().await;
        let begin = Instant::now();
        stub.send(first);
        turns(&mut run, 2 * SECOND).await;
        if let Some(second) = then {
            stub.send(second);
        }
        turns(&mut run, HOUR).await;
        assert_about(begin.elapsed(), expected);
        let end = run.conclude().await.unwrap();
        assert_eq!((end.outcome, end.was_stopped), (Outcome::Cancelled, true));
        assert_eq!(
            end.interrupted,
            [Some(first), then].contains(&Some(interrupt(true)))
        );
        stub.end(run).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_person_who_takes_nothing_does_not_hold_up_a_stop() {
    for (second, expected) in [(None, 5 * SECOND), (Some(true), 2 * SECOND)] {
        let (stub, mut run) = Setup::running().start().await;
        while run.screen.has_room() {
            run.screen.show(RunEvent::Stdout(vec![0]));
        }
        let begin = Instant::now();
        stub.send(RunCommand::Stop { now: false });
        turns(&mut run, 2 * SECOND).await;
        if let Some(now) = second {
            stub.send(RunCommand::Stop { now });
        }
        let woke = turns(&mut run, HOUR).await;
        assert_about(begin.elapsed(), expected);
        assert_eq!(count(&woke, "patience ends"), 1);
        assert!(run.decision.is_some());
        stub.end(run).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_machine_that_slept_renews_at_once_and_goes_on() {
    let (stub, mut run) = Setup::running().start().await;
    turns(&mut run, 10 * SECOND).await;
    let before = run.roles.standing().1;
    stub.clock.suspend(HOUR);
    // The wait that was under way counts by a clock that slept too; the look at the progress ends it.
    turns(&mut run, SECOND / 5).await;
    assert_eq!(run.roles.standing(), (Some(1), before + 1));
    let woke = turns(&mut run, 60 * SECOND).await;
    assert!((17..=18).contains(&(run.roles.standing().1 - before - 1)));
    assert!(count(&woke, "timer") < 40, "{woke:?}");
    assert_eq!(stub.phase(&run), Phase::Running);
    stub.end(run).await;
}

#[tokio::test]
async fn a_machine_that_slept_past_the_end_of_the_attempt_loses_it() {
    for days in [31, 90] {
        let (stub, mut run) = Setup::running().start().await;
        stub.clock.suspend(days * DAY);
        let begin = Instant::now();
        turns(&mut run, 60 * SECOND).await;
        assert!(run.decision.is_some(), "{days} days: it hangs");
        assert!(begin.elapsed() < 30 * SECOND);
        let end = run.conclude().await.unwrap();
        assert_eq!((end.outcome, end.was_stopped), (Outcome::Cancelled, false));
        stub.end(run).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_wall_clock_that_is_set_ends_nothing() {
    let (stub, mut run) = Setup::running().start().await;
    stub.clock.set_wall(3650 * DAY);
    turns(&mut run, 60 * SECOND).await;
    assert!((17..=19).contains(&run.roles.standing().1));
    assert_eq!(stub.phase(&run), Phase::Running);
    stub.end(run).await;
}

#[tokio::test]
async fn progress_is_looked_at_ten_times_a_second() {
    let (stub, mut run) = Setup::running().start().await;
    let looks = count(&turns(&mut run, 10 * SECOND).await, "progress");
    assert!((98..=100).contains(&looks), "{looks}");
    stub.end(run).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_compiler_works_the_lease_is_held_and_no_progress_is_looked_at() {
    let (stub, mut run) = Setup::compiling().make();
    run.open().unwrap();
    let woke = turns(&mut run, 60 * SECOND).await;
    assert_eq!(stub.phase(&run), Phase::Compiling);
    assert_eq!(count(&woke, "progress"), 0);
    assert!((18..=19).contains(&run.roles.standing().1));
    let begin = Instant::now();
    stub.send(RunCommand::Stop { now: false });
    turns(&mut run, HOUR).await;
    assert_about(begin.elapsed(), Duration::ZERO);
    assert_eq!(run.conclude().await.unwrap().outcome, Outcome::Cancelled);
    stub.end(run).await;
}

#[tokio::test]
async fn a_sandbox_that_never_starts_its_guest_is_decided_all_the_same() {
    let (stub, mut run) = Setup::silent().make();
    run.open().unwrap();
    let before = Instant::now();
    assert_eq!(turn(&mut run).await, "attempt", "code and root are there");
    stub.pause().await;
    turns(&mut run, HOUR).await;
    assert!(before.elapsed() >= START_WAIT_MAX);
    assert!(before.elapsed() < START_WAIT_MAX + 10 * SECOND);
    let end = run.conclude().await.unwrap();
    assert!(matches!(end.outcome, Outcome::RunnerFailed { .. }));
    assert_eq!(end.record.ending.unwrap().exit_code, 125);
    stub.end(run).await;
}

#[tokio::test]
async fn certificates_that_cannot_be_kept_are_an_error() {
    let (stub, mut run) = Setup::running().start().await;
    let temporary = stub.folder.path().join("store/temporary");
    std::fs::remove_dir_all(&temporary).unwrap();
    std::fs::write(&temporary, "no folder any more").unwrap();
    stub.send(RunCommand::Stop { now: true });
    turns(&mut run, HOUR).await;
    let ended = run.conclude().await;
    assert!(matches!(ended, Err(RunError::Proofs(_))), "{ended:?}");
    stub.end(run).await;
}

#[tokio::test]
async fn roles_that_disagree_are_an_error() {
    let mut setup = Setup::silent();
    setup.witness = SigningKey::from_seed(&seeds::STRANGER);
    let (stub, mut run) = setup.make();
    let ended = run.serve().await;
    assert!(matches!(ended, Err(RunError::Protocol { .. })), "{ended:?}");
    let ended = run.conclude().await;
    assert!(
        matches!(ended, Err(RunError::Protocol { .. })),
        "nothing is decided: {ended:?}"
    );
    stub.end(run).await;
}
