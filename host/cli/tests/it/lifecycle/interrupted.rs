//! Ctrl-C and TERM, in each part of a run.

use super::text;
use crate::harness::{Mc, Ran};
use crate::processes::{Running, child, children, compiling, is_gone, is_stopped, until};
use mutual_testkit::guest;
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt as _;

/// Ended with 130 and said so; nothing is left, and the processes are gone.
#[track_caller]
fn assert_interrupted(mc: &Mc, ran: &Ran, processes: &[u32]) {
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    let is_told = [
        "stopping; press Ctrl-C again to kill",
        "error[mc::run::interrupted]",
    ]
    .iter()
    .any(|words| ran.stderr.contains(words));
    assert!(is_told && !ran.stderr.contains("panicked"), "{ran:#?}");
    for process in processes {
        until("the process ends", || is_gone(*process).then_some(()));
    }
    mc.assert_clean();
}

/// A sparse file, which takes long to read and nothing to make.
fn large(mc: &Mc, gib: u64) {
    let path = mc.write("large", "");
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(gib << 30).unwrap();
}

#[test]
fn while_cargo_builds() {
    let mc = Mc::new();
    mc.write("p/Cargo.toml", "[package]\nname = \"p\"\n");
    // Stands for a long build with a compiler below it: both are told, and both go.
    let cargo = mc.write(
        "tools/cargo",
        "#!/bin/sh\necho building $$ >&2\ntail -f /dev/null & wait\n",
    );
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = mc.command(["run", "p"]);
    command.env(
        "PATH",
        format!("{}:/usr/bin:/bin", mc.work().join("tools").display()),
    );
    let mut running = Running::start(&mut command);
    let line = running.error_line("building ");
    let cargo: u32 = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    let compiler = child(cargo, "tail");
    running.signal(Signal::INT);
    assert_interrupted(&mc, &running.end(), &[cargo, compiler]);
    assert!(!mc.home().exists());
}

#[test]
fn while_a_large_input_is_taken() {
    let mc = Mc::new();
    large(&mc, 64);
    let hello = text(guest("p1-hello.wat"));
    let running = mc.start(["run", "--yes", "-i", "large", &hello]);
    until("the first block", || {
        (!mc.left_behind("data/store/blocks").is_empty()).then_some(())
    });
    running.signal(Signal::INT);
    assert_interrupted(&mc, &running.end(), &[]);
    assert_eq!(
        mc.run(["ps", "-a", "-o", "id"]).clean().stdout,
        "",
        "it never became a run"
    );
}

#[test]
fn while_input_is_waited_for() {
    let mc = Mc::new();
    let mut command = mc.command(["run", "-i", "-:/x", &text(guest("p1-hello.wat"))]);
    let mut running = Running::start(command.stdin(std::process::Stdio::piped()));
    until("the store", || {
        mc.home().join("data/store/version").exists().then_some(())
    });
    let stdin = running.child().stdin.take();
    running.signal(Signal::INT);
    assert_interrupted(&mc, &running.end(), &[]);
    drop(stdin);
}

#[test]
fn while_a_program_is_compiled() {
    let mc = Mc::new();
    let running = compiling(&mc);
    let (runner, compiler) = (
        child(running.pid(), " runner "),
        child(running.pid(), " compiler "),
    );
    running.signal(Signal::INT);
    assert_interrupted(&mc, &running.end(), &[runner, compiler]);
    assert_eq!(outcome(&mc), "cancelled");
    assert!(
        mc.left_behind("cache").len() <= 1,
        "only the cache's secret"
    );
}

#[test]
fn while_inputs_are_laid_out() {
    let mc = Mc::new();
    large(&mc, 1);
    let hello = text(guest("p1-hello.wat"));
    let mut running = mc.start(["run", "--progress", "plain", "-i", "large", &hello]);
    running.error_line("staging");
    running.signal(Signal::INT);
    assert_interrupted(&mc, &running.end(), &[]);
    assert_eq!(outcome(&mc), "cancelled");
}

#[test]
fn while_it_computes() {
    let mc = Mc::new();
    let mut running = mc.start(["run", &text(guest("spin"))]);
    running.line("spinning");
    let runner = child(running.pid(), " runner ");
    running.signal(Signal::INT);
    let ran = running.end();
    assert_eq!(ran.stdout, "spinning\n");
    assert_interrupted(&mc, &ran, &[runner]);
    assert_eq!(outcome(&mc), "cancelled");
    assert_eq!(mc.run(["logs", "last"]).clean().stdout, "spinning\n");
}

#[test]
fn while_it_sleeps_in_a_host_call() {
    let mc = Mc::new();
    let mut running = mc.start(["run", &text(guest("sleep")), "1000"]);
    running.line("sleeping");
    let runner = child(running.pid(), " runner ");
    running.signal(Signal::INT);
    assert_interrupted(&mc, &running.end(), &[runner]);
}

#[test]
fn while_outputs_are_taken() {
    let mc = Mc::new();
    let program = text(guest("big-file"));
    let mut running = mc.start([
        "run",
        "--progress",
        "plain",
        &program,
        "/out/x",
        "600000000",
    ]);
    running.error_line("collecting");
    running.signal(Signal::INT);
    // The program came to its own end; its outputs may still come home, or not, but it ends at once.
    running.signal(Signal::INT);
    let ran = running.end();
    assert_interrupted(&mc, &ran, &[]);
    assert_ne!(outcome(&mc), "host-failed");
}

/// A pipe that nobody reads takes no output: to open it waits.
#[test]
fn while_outputs_are_put_in_place() {
    let mc = Mc::new();
    let pipe = mc.work().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let program = text(guest("files"));
    let running = mc.start(["run", "-O", "/r:pipe", &program, "write", "/r", "text"]);
    until("the run itself has ended", || {
        let listed = mc.run(["ps", "-a"]).clean().stdout;
        listed.contains(" ok ").then_some(())
    });
    running.signal(Signal::INT);
    assert_interrupted(&mc, &running.end(), &[]);
    assert_eq!(mc.run(["get", "last", "kept"]).code, Some(0));
    assert_eq!(mc.read("kept/r"), "text");
}

#[test]
fn the_second_time_kills() {
    let mc = Mc::new();
    let mut running = mc.start(["run", &text(guest("sleep")), "1000"]);
    running.line("sleeping");
    let runner = child(running.pid(), " runner ");
    // A sandbox that does not listen any more.
    crate::processes::kill(runner, Signal::STOP);
    until("it stands still", || is_stopped(runner).then_some(()));
    running.signal(Signal::INT);
    running.error_line("press Ctrl-C again");
    running.signal(Signal::INT);
    running.error_line("killed");
    assert_interrupted(&mc, &running.end(), &[runner]);
}

/// What was asked to stop ends although nobody takes its output: its five seconds for that pass, then it is over.
#[test]
fn while_nobody_reads() {
    let mc = Mc::new();
    let mut running = mc.start(["run", &text(guest("flood")), "1000000000"]);
    running.take(100);
    let runner = child(running.pid(), " runner ");
    running.signal(Signal::INT);
    running.error_line("press Ctrl-C again");
    let pid = running.pid();
    until("the end, with its output still in the pipe", || {
        is_gone(pid).then_some(())
    });
    assert_interrupted(&mc, &running.end(), &[runner]);
    assert_eq!(outcome(&mc), "cancelled");
}

#[test]
fn term_is_a_stop() {
    let mc = Mc::new();
    let mut running = mc.start(["run", &text(guest("spin"))]);
    running.line("spinning");
    let runner = child(running.pid(), " runner ");
    running.signal(Signal::TERM);
    let ran = running.end().fails(143, "mc::run::stopped");
    assert_eq!(ran.stdout, "spinning\n");
    until("the child ends", || is_gone(runner).then_some(()));
    mc.assert_clean();
    assert_eq!(outcome(&mc), "cancelled");
    // Input that never ends and never repeats: there is always a block half-written.
    let hello = text(guest("p1-hello.wat"));
    let mut command = mc.command(["run", "--yes", "-i", "-:/x", &hello]);
    let random = std::fs::File::open("/dev/urandom").unwrap();
    let running = Running::start(command.stdin(random));
    until("half-written blocks", || {
        (!mc.left_behind("data/store/temporary").is_empty()).then_some(())
    });
    running.signal(Signal::TERM);
    running.end().fails(143, "mc::run::stopped");
    mc.assert_clean();
}

#[test]
fn an_interrupted_run_is_a_document_too() {
    let mc = Mc::new();
    let running = mc.start(["run", "--json", &text(guest("spin"))]);
    let pid = running.pid();
    until("it runs", || {
        let log = mc.run(["logs", "last"]);
        (log.code == Some(0) && log.stdout == "spinning\n").then_some(())
    });
    running.signal(Signal::INT);
    let ran = running.end();
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    assert_eq!(ran.json()["outcome"], "cancelled");
    assert!(children(pid).is_empty());
    mc.assert_clean();
}

fn outcome(mc: &Mc) -> String {
    let record = mc.run(["inspect", "last", "-o", "json"]).clean().json();
    record["outcome"].as_str().unwrap().to_owned()
}
