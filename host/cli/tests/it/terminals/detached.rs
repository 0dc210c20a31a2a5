//! `mc run -d`: a run that goes on without the terminal that started it.

use super::text;
use crate::harness::Mc;
use crate::processes::{is_gone, until};
use mutual_testkit::guest;
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::CommandExt as _;

/// The process that keeps a run.
fn keeper(mc: &Mc) -> u32 {
    let records = mc.left_behind("data/store/runs");
    let record = std::fs::read_to_string(records.last().unwrap()).unwrap();
    let record = record.lines().next().unwrap();
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    record["pid"].as_u64().unwrap().try_into().unwrap()
}

#[test]
fn it_survives_its_parent_and_the_parents_group() {
    let mc = Mc::new();
    let fifo = text(mc.work().join("fifo"));
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let program = text(guest("echo"));
    // A terminal's shell, which stays until it is killed with all that belongs to it.
    let line = format!("mc run -d --stdin fifo {program}; echo started; tail -f /dev/null & wait");
    // The run opens its standard input before it starts.
    let opened =
        std::thread::spawn(move || std::fs::OpenOptions::new().write(true).open(fifo).unwrap());
    let mut command = mc.bash_command(&line);
    let mut shell = crate::processes::Running::start(command.process_group(0));
    let id = shell.line("j-").trim().to_owned();
    shell.line("started");
    let group = Pid::from_raw(shell.pid().try_into().unwrap()).unwrap();
    kill_process_group(group, Signal::HUP).unwrap();
    kill_process_group(group, Signal::KILL).unwrap();
    assert_eq!(shell.end().code, None);

    assert!(mc.run(["ps"]).clean().stdout.contains(" running "));
    let waiter = mc.start(["wait", &id]);
    let mut input = opened.join().unwrap();
    std::io::Write::write_all(&mut input, b"from another terminal\n").unwrap();
    drop(input);
    assert_eq!(waiter.end().code, Some(0));
    assert_eq!(
        mc.run(["logs", &id]).clean().stdout,
        "from another terminal\n"
    );
    let keeper = keeper(&mc);
    until("its process ends", || is_gone(keeper).then_some(()));
    mc.assert_clean();
}

#[test]
fn it_is_stopped_from_elsewhere_and_its_outputs_are_fetched() {
    let mc = Mc::new();
    let started = mc
        .run(["run", "-d", "--name", "back", &text(guest("spin"))])
        .clean();
    assert!(
        started.stdout.starts_with("j-") && started.stdout.lines().count() == 1,
        "{started:#?}"
    );
    let keeper = keeper(&mc);
    assert_eq!(mc.run(["stop", "@back"]).code, Some(0));
    assert_eq!(mc.run(["wait", "@back"]).code, Some(143));
    until("its process ends", || is_gone(keeper).then_some(()));
    mc.assert_clean();

    mc.run(["run", "-d", &text(guest("write-out")), "2", "10"])
        .clean();
    assert_eq!(mc.run(["wait", "last"]).code, Some(0));
    assert_eq!(mc.run(["get", "last", "got"]).code, Some(0));
    assert_eq!(mc.read("got/1").len(), 10);
}

#[test]
fn what_cannot_start_is_told_at_once() {
    let mc = Mc::new();
    mc.run(["run", "-d", "missing.wasm"])
        .fails(127, "mc::program::not-found");
    mc.run(["run", "-d", &text(guest("no-entry.wat"))])
        .fails(126, "mc::program::no-entry");
    let ran = mc.run(["run", "-d", "--json", "missing.wasm"]);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(
        (ran.code, &error["error"]["code"]),
        (Some(127), &"mc::program::not-found".into())
    );
    assert_eq!(mc.run(["ps", "-a", "-o", "id"]).clean().stdout, "");
    mc.assert_clean();
}

#[test]
fn kill_9_of_its_process_is_seen() {
    let mc = Mc::new();
    mc.run(["run", "-d", &text(guest("sleep")), "1000"]).clean();
    let keeper = keeper(&mc);
    let waiter = mc.start(["wait", "last"]);
    let mut follower = mc.start(["logs", "-f", "last"]);
    follower.line("sleeping");
    crate::processes::kill(keeper, Signal::KILL);
    waiter.end().fails(125, "mc::run::sandbox");
    follower.end().fails(5, "mc::run::no-output");
    mc.run(["run", &text(guest("p1-hello.wat"))]).clean();
    mc.assert_clean();
}
