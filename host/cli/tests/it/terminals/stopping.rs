//! stop and wait.

use super::{let_end, text, waiting};
use crate::harness::Mc;
use crate::processes::{child, compiling, is_gone, is_stopped, kill, until};
use mutual_testkit::guest;
use rustix::process::Signal;

#[test]
fn a_stop_ends_the_program_and_its_run_with_143() {
    let mc = Mc::new();
    for flags in [&[][..], &["--now"]] {
        let mut running = mc.start(["run", &text(guest("spin"))]);
        running.line("spinning");
        let runner = child(running.pid(), " runner ");
        let stop = mc.run([&["stop", "last"], flags].concat());
        assert_eq!(stop.code, Some(0), "{stop:#?}");
        assert!(stop.stderr.starts_with("stopped j-"), "{stop:#?}");
        // When it is told, it is done.
        let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
        assert_eq!(
            (&record["state"], &record["exit_code"]),
            (&"stopped".into(), &143.into())
        );
        assert_eq!(record["proofs"]["decided"], "cancelled");
        let ran = running.end().fails(143, "mc::run::stopped");
        assert_eq!(ran.stdout, "spinning\n");
        until("the child ends", || is_gone(runner).then_some(()));
        mc.assert_clean();
        assert_eq!(mc.run(["wait", "last"]).code, Some(143));
        mc.run(["stop", "last"]).fails(1, "mc::run::ended");
    }
}

#[test]
fn stop_now_does_not_wait_for_a_sandbox_that_stands_still() {
    let mc = Mc::new();
    let mut running = mc.start(["run", &text(guest("sleep")), "1000"]);
    running.line("sleeping");
    let runner = child(running.pid(), " runner ");
    kill(runner, Signal::STOP);
    until("it stands still", || is_stopped(runner).then_some(()));
    assert_eq!(mc.run(["stop", "--now", "last"]).code, Some(0));
    running.end().fails(143, "mc::run::stopped");
    until("the child ends", || is_gone(runner).then_some(()));
    mc.assert_clean();
}

#[test]
fn a_stop_while_it_compiles() {
    let mc = Mc::new();
    let running = compiling(&mc);
    assert_eq!(mc.run(["stop", "last"]).code, Some(0));
    running.end().fails(143, "mc::run::stopped");
    mc.assert_clean();
}

#[test]
fn wait_ends_with_the_runs_own_code() {
    let mc = Mc::new();
    let running = waiting(&mc, &[]);
    let waiter = mc.start(["wait", "last"]);
    let_end(running);
    assert_eq!(waiter.end().clean().stdout, "");
    for code in ["0", "1", "42", "255"] {
        let ran = mc.run(["run", &text(guest("exit-code")), code]);
        assert_eq!(ran.code, code.parse().ok());
        let waited = mc.run(["wait", "last"]);
        assert_eq!((waited.code, waited.stderr.as_str()), (ran.code, ""));
    }
    assert_eq!(
        mc.run(["run", "--timeout", "0.1", &text(guest("spin"))])
            .code,
        Some(124)
    );
    assert_eq!(mc.run(["wait", "last"]).code, Some(124));
}
