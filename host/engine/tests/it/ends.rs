//! How guests end: exits, traps, stops.

use crate::harness::{block_on, tests};
use crate::lab::{compiled, job, play, run, spawner};
use mutual_protocol::outcome::Outcome;
use mutual_runner::bounds::STOP_GRACE;
use mutual_runner::{Metering, RunnerEvent};
use std::time::Duration;

tests! {
    hello_is_printed,
    the_exit_code_is_the_programs_own,
    a_component_can_exit_with_any_code,
    a_component_that_returns_an_error_exits_with_1,
    traps_have_stable_names_and_a_message,
    names_in_backtraces_are_readable,
    a_spinning_guest_is_stopped,
    a_sleeping_guest_is_stopped,
    a_guest_that_polls_a_clock_is_stopped,
    a_kill_needs_no_grace,
    the_first_stop_decides,
    a_dropped_consumer_ends_the_guest,
}

pub(crate) const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 8) "hello\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 8))
        (i32.store (i32.const 4) (i32.const 6))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))"#;

pub(crate) const SPIN: &str = r#"(module (func (export "_start") (loop (br 0))))"#;

/// Waits on one relative clock for an hour.
const SLEEP: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 3600000000000))
        (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))"#;

/// Waits on two clocks, which goes another way through the engine.
const SLEEP_TWICE: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 3600000000000))
        (i32.store (i32.const 64) (i32.const 1))
        (i64.store (i32.const 72) (i64.const 3600000000000))
        (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 2) (i32.const 200)))))"#;

/// A component around one core function of type `() -> i32`.
fn component(imports: &str, arguments: &str, body: &str) -> String {
    format!(
        r#"(component {imports}
            (core module $m {body})
            (core instance $i (instantiate $m {arguments}))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $run (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $run)))"#
    )
}

fn hello_is_printed() {
    let ran = play(HELLO, |_| ());
    assert_eq!(ran.text(), "hello\n");
    assert!(ran.stderr.is_empty());
    assert_eq!(ran.report.outcome, Outcome::Finished { exit_code: 0 });
    assert_eq!(ran.report.stdio.stdout, 6);
    assert_eq!(ran.report.claimed.memory_bytes_peak, 64 << 10);
    assert_eq!(ran.report.claimed.fuel, 0, "nobody counts");
    assert!(
        ran.report.measured.cpu > Duration::ZERO
            && ran.report.measured.resident_bytes_peak > 1 << 20
    );
}

fn the_exit_code_is_the_programs_own() {
    for (code, seen) in [(0, 0), (42, 42), (255, 255), (256, 0)] {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {code}))))"#
        );
        assert_eq!(
            play(&text, |_| ()).report.outcome,
            Outcome::Finished { exit_code: seen }
        );
    }
}

fn a_component_can_exit_with_any_code() {
    let imports = r#"(import "wasi:cli/exit@0.2.6" (instance $exit
            (export "exit-with-code" (func (param "status-code" u8)))))
        (core func $code (canon lower (func $exit "exit-with-code")))"#;
    let text = component(
        imports,
        r#"(with "e" (instance (export "code" (func $code))))"#,
        r#"(import "e" "code" (func $code (param i32)))
            (func (export "run") (result i32) (call $code (i32.const 42)) (i32.const 0))"#,
    );
    assert_eq!(
        play(&text, |_| ()).report.outcome,
        Outcome::Finished { exit_code: 42 }
    );
}

fn a_component_that_returns_an_error_exits_with_1() {
    for code in [0, 1] {
        let body = format!(r#"(func (export "run") (result i32) (i32.const {code}))"#);
        let ran = play(&component("", "", &body), |_| ());
        assert_eq!(ran.report.outcome, Outcome::Finished { exit_code: code });
    }
}

fn traps_have_stable_names_and_a_message() {
    let cases = [
        ("(unreachable)", "unreachable"),
        ("(call $main)", "stack-overflow"),
        (
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "integer-divide-by-zero",
        ),
        ("(drop (i32.load (i32.const -1)))", "memory-out-of-bounds"),
        ("(call_indirect (i32.const 9))", "table-out-of-bounds"),
        ("(call_indirect (i32.const 0))", "indirect-call-to-null"),
    ];
    for (body, name) in cases {
        let text = format!(
            r#"(module (memory (export "memory") 1) (table 1 funcref) (func $main (export "_start") {body} (drop (i32.const 0))))"#
        );
        let ran = play(&text, |_| ());
        assert_eq!(
            ran.report.outcome,
            Outcome::Trapped {
                trap: name.to_owned()
            }
        );
        let message = ran.report.message.unwrap();
        assert!(
            message.contains("wasm trap") && message.contains("main"),
            "{message}"
        );
    }
}

fn names_in_backtraces_are_readable() {
    let text = r#"(module
        (func $_ZN4core9panicking5panic17h0123456789abcdefE (unreachable))
        (func $_ZN5space3fooEib (call $_ZN4core9panicking5panic17h0123456789abcdefE))
        (func (export "_start") (call $_ZN5space3fooEib)))"#;
    let message = play(text, |_| ()).report.message.unwrap();
    for name in ["!core::panicking::panic\n", "!space::foo(int, bool)\n"] {
        assert!(message.contains(name), "{message}");
    }
}

/// Starts a guest, stops it at its start, and gives the outcome.
fn stopped(text: &str, outcomes: &[(Outcome, Duration)]) -> Outcome {
    block_on(async {
        let job = job(compiled(text, Metering::None).await.unwrap());
        let ran = run(job, async |control, event| {
            if *event == RunnerEvent::Started {
                for (outcome, grace) in outcomes {
                    control.stop(outcome.clone(), *grace);
                }
            }
        });
        ran.await.report.outcome
    })
}

fn a_spinning_guest_is_stopped() {
    let minute = Duration::from_secs(60);
    assert_eq!(
        stopped(SPIN, &[(Outcome::Cancelled, minute)]),
        Outcome::Cancelled
    );
}

fn a_sleeping_guest_is_stopped() {
    assert_eq!(
        stopped(SLEEP, &[(Outcome::Cancelled, STOP_GRACE)]),
        Outcome::Cancelled
    );
}

fn a_guest_that_polls_a_clock_is_stopped() {
    let minute = Duration::from_secs(60);
    assert_eq!(
        stopped(SLEEP_TWICE, &[(Outcome::Cancelled, minute)]),
        Outcome::Cancelled
    );
}

fn a_kill_needs_no_grace() {
    assert_eq!(
        stopped(SPIN, &[(Outcome::Cancelled, Duration::ZERO)]),
        Outcome::Cancelled
    );
}

fn the_first_stop_decides() {
    let minute = Duration::from_secs(60);
    let outcome = stopped(
        SLEEP,
        &[
            (Outcome::DiskLimit, minute),
            (Outcome::Cancelled, Duration::ZERO),
        ],
    );
    assert_eq!(outcome, Outcome::DiskLimit);
}

fn a_dropped_consumer_ends_the_guest() {
    block_on(async {
        let job = job(compiled(SPIN, Metering::None).await.unwrap());
        let running = spawner().spare().unwrap().start(job).unwrap();
        drop(running.events);
        running.driver.run().await;
    });
}
