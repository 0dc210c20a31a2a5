//! Processes that are killed or stopped from outside: `mc` itself, and the sandbox.

use super::text;
use crate::harness::Mc;
use crate::processes::{Running, child, compiling, is_gone, is_stopped, kill, until};
use mutual_testkit::guest;
use rustix::process::Signal;

/// A run of `sleep` that has said its first word, and its sandbox.
fn sleeping(mc: &Mc) -> (Running, u32) {
    mc.write("input", b"1");
    let sleep = text(guest("sleep"));
    let mut running = mc.start(["run", "--name", "victim", "-i", "input", &sleep, "1000"]);
    running.line("sleeping");
    let runner = child(running.pid(), " runner ");
    (running, runner)
}

fn state(mc: &Mc) -> String {
    let record = mc.run(["inspect", "@victim", "-o", "json"]).json();
    record["state"].as_str().unwrap().to_owned()
}

#[test]
fn kill_9_of_mc_ends_the_program_and_the_next_run_cleans_up() {
    let mc = Mc::new();
    let (running, runner) = sleeping(&mc);
    assert_eq!(state(&mc), "running");
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, None);
    until("the sandbox ends by itself", || {
        is_gone(runner).then_some(())
    });
    assert_eq!(mc.sockets().len(), 1, "what a killed process leaves");
    assert_eq!(mc.staged().len(), 1, "its input");

    let listed = mc.run(["ps", "-a"]).clean().stdout;
    assert!(
        listed.lines().any(|line| line.contains(" lost ")),
        "{listed}"
    );
    mc.run(["logs", "@victim"]).fails(5, "mc::run::no-output");
    mc.run(["wait", "@victim"]).fails(125, "mc::run::sandbox");
    mc.run(["stop", "@victim"]).fails(1, "mc::run::ended");
    mc.run(["get", "@victim"]).fails(5, "mc::run::no-output");

    mc.run(["run", &text(guest("p1-hello.wat"))]).clean();
    mc.assert_clean();
    assert_eq!(state(&mc), "lost");
    let records = mc.left_behind("data/store/runs");
    let lost = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path)
            .unwrap()
            .contains("\"state\":\"lost\"")
    };
    assert_eq!(
        records.iter().filter(|path| lost(path)).count(),
        1,
        "on record from now on"
    );
}

#[test]
fn kill_9_of_mc_while_it_compiles() {
    let mc = Mc::new();
    let running = compiling(&mc);
    let (runner, compiler) = (
        child(running.pid(), " runner "),
        child(running.pid(), " compiler "),
    );
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, None);
    for process in [runner, compiler] {
        until("the child ends by itself", || {
            is_gone(process).then_some(())
        });
    }
    mc.run(["run", &text(guest("p1-hello.wat"))]).clean();
    mc.assert_clean();
}

#[test]
fn those_that_live_are_not_swept() {
    let mc = Mc::new();
    let (living, _) = sleeping(&mc);
    let (killed, _) = sleeping(&mc);
    killed.signal(Signal::KILL);
    killed.end();
    mc.run(["run", &text(guest("p1-hello.wat"))]).clean();
    assert_eq!(mc.sockets().len(), 1);
    let states = mc.run(["ps", "-a", "-o", "json"]).clean().json();
    let states: Vec<_> = states["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["state"].clone())
        .collect();
    assert_eq!(states, ["ok", "lost", "running"]);
    living.signal(Signal::INT);
    assert_eq!(living.end().code, Some(130));
    mc.assert_clean();
}

#[test]
fn kill_9_of_the_sandbox_is_a_failure_of_ours() {
    let mc = Mc::new();
    let (running, runner) = sleeping(&mc);
    kill(runner, Signal::KILL);
    let ran = running.end().fails(125, "mc::run::sandbox");
    assert!(ran.stderr.contains("signal 9"), "{ran:#?}");
    mc.assert_clean();
    let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
    assert_eq!(
        (&record["outcome"], &record["blame"]),
        (&"runner-failed".into(), &"host".into())
    );
}

#[test]
fn kill_9_of_the_compiler_is_a_failure_of_ours() {
    let mc = Mc::new();
    let running = compiling(&mc);
    kill(child(running.pid(), " compiler "), Signal::KILL);
    running.end().fails(125, "mc::run::sandbox");
    mc.assert_clean();
}

/// A laptop's lid, or Ctrl-Z: the run stands still, goes on, and its lease is renewed as before.
#[test]
fn a_stopped_run_goes_on() {
    let mc = Mc::new();
    let mut command = mc.command(["run", "--name", "victim", &text(guest("progress")), "3"]);
    let mut running = Running::start(command.stdin(std::process::Stdio::piped()));
    running.line("3 steps");
    running.signal(Signal::STOP);
    until("it stands still", || {
        is_stopped(running.pid()).then_some(())
    });
    // Others see that it does not answer, and do not wait for it for ever or take it for dead.
    let listed = mc.run(["ps", "-o", "json"]).clean().json();
    assert_eq!(listed["runs"][0]["state"], "running");
    let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
    assert_eq!(
        (&record["state"], &record["live"]),
        (&"running".into(), &serde_json::Value::Null)
    );
    mc.run(["logs", "last"]).fails(1, "mc::run::unreachable");
    running.signal(Signal::CONT);
    until("the lease is renewed", || (renewals(&mc) > 0).then_some(()));
    drop(running.child().stdin.take());
    assert_eq!(running.end().code, Some(0));
    mc.assert_clean();
}

fn renewals(mc: &Mc) -> u64 {
    let record = mc.run(["inspect", "@victim", "-o", "json"]).clean().json();
    record["live"]["renewals"].as_u64().unwrap()
}
