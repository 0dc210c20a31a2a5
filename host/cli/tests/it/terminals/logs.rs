//! `mc logs`: while a run goes on, and afterwards.

use super::{let_end, text, waiting};
use crate::harness::Mc;
use crate::processes::{Running, child, is_gone, until};
use mutual_testkit::guest;
use rustix::process::Signal;
use std::io::Write as _;
use std::process::Stdio;

/// A run of `echo`, which repeats what it is given.
fn echo(mc: &Mc) -> Running {
    let mut command = mc.command(["run", &text(guest("echo"))]);
    Running::start(command.stdin(Stdio::piped()))
}

fn say(running: &mut Running, line: &str) {
    let stdin = running.child().stdin.as_mut().unwrap();
    stdin.write_all(line.as_bytes()).unwrap();
    running.line(line.trim());
}

#[test]
fn a_follower_sees_what_was_what_comes_and_the_end() {
    let mc = Mc::new();
    let mut running = echo(&mc);
    say(&mut running, "earlier\n");
    let mut follower = mc.start(["logs", "-f", "last"]);
    follower.line("earlier");
    say(&mut running, "later\n");
    follower.line("later");
    let so_far = mc.run(["logs", "last"]).clean();
    assert_eq!(
        so_far.stdout, "earlier\nlater\n",
        "without -f it does not wait"
    );
    let_end(running);
    let followed = follower.end().clean();
    assert_eq!(followed.stdout, "earlier\nlater\n");
    for command in [&["logs", "last"][..], &["logs", "-f", "last"]] {
        assert_eq!(
            mc.run(command).clean().stdout,
            "earlier\nlater\n",
            "from the store"
        );
    }
}

#[test]
fn both_streams_keep_their_places() {
    let mc = Mc::new();
    let program = text(guest("flood"));
    assert_eq!(mc.run(["run", &program, "100", "stderr"]).code, Some(0));
    let log = mc.run(["logs", "last"]);
    assert_eq!(
        (log.code, log.stdout.as_str(), log.stderr.len()),
        (Some(0), "", 100)
    );
}

#[test]
fn a_run_that_printed_nothing_has_an_empty_log() {
    let mc = Mc::new();
    mc.run(["run", &text(guest("cat-env"))]).clean();
    assert_eq!(mc.run(["logs", "last"]).clean().stdout, "");
}

#[test]
fn a_long_log_loses_its_middle_and_says_so() {
    let mc = Mc::new();
    let program = text(guest("flood"));
    let ran = mc.run(["run", &program, "40000000"]).clean();
    let log = mc.run(["logs", "last"]);
    assert_eq!(log.code, Some(0));
    let kept = log.stdout.len();
    assert!((15 << 20..=16 << 20).contains(&kept), "{kept}");
    let dropped = 40_000_000 - kept;
    assert_eq!(
        log.stderr,
        format!("\n[{dropped} bytes in the middle were not kept]\n")
    );
    assert_eq!(log.stdout[..1000], ran.stdout[..1000]);
    assert!(ran.stdout.ends_with(&log.stdout[kept - 1000..]));
}

/// A follower that is stopped does not hold up the run; it is told what it has missed.
#[test]
fn a_follower_that_stands_still() {
    let mc = Mc::new();
    let mut running = echo(&mc);
    say(&mut running, "first\n");
    let mut follower = mc.start(["logs", "-f", "last"]);
    follower.line("first");
    follower.signal(Signal::STOP);
    let mut stdin = running.child().stdin.take().unwrap();
    let line = "x".repeat(99) + "\n";
    let writer = std::thread::spawn(move || {
        for _ in 0..300_000 {
            stdin.write_all(line.as_bytes()).unwrap();
        }
    });
    let passed = running.take(30_000_000);
    assert_eq!(passed.len(), 30_000_000, "the run goes on");
    writer.join().unwrap();
    follower.signal(Signal::CONT);
    let followed = std::thread::spawn(|| follower.end());
    assert_eq!(running.end().code, Some(0));
    let followed = followed.join().unwrap();
    assert_eq!(followed.code, Some(0), "{}", followed.stderr);
    let missed = followed.stderr.split('[').skip(1).map(|told| {
        let number = told.split(' ').next().unwrap();
        number.parse::<usize>().unwrap()
    });
    let missed: usize = missed.sum();
    assert!(missed > 0);
    assert_eq!(followed.stdout.len() + missed, "first\n".len() + 30_000_000);
}

/// One that does not even take the end is told, when it goes on, that it has not seen everything.
#[test]
fn a_follower_that_comes_too_late_for_the_end() {
    let mc = Mc::new();
    let mut running = echo(&mc);
    say(&mut running, "first\n");
    let mut follower = mc.start(["logs", "-f", "last"]);
    follower.line("first");
    follower.signal(Signal::STOP);
    let mut stdin = running.child().stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&vec![b'x'; 5_000_000]).unwrap());
    running.take(5_000_000);
    writer.join().unwrap();
    assert_eq!(running.end().code, Some(0), "it is not waited for");
    follower.signal(Signal::CONT);
    let followed = follower.end();
    assert_eq!(followed.code, Some(1), "{}", followed.stderr);
    let (_, command) = followed.stderr.split_once("show it whole: mc ").unwrap();
    let whole = mc.run(command.split_whitespace()).clean();
    assert_eq!(whole.stdout.len(), "first\n".len() + 5_000_000);
    assert!(followed.stdout.len() < whole.stdout.len());
}

#[test]
fn ctrl_c_only_leaves() {
    let mc = Mc::new();
    let running = waiting(&mc, &[]);
    let mut follower = mc.start(["logs", "-f", "last"]);
    follower.line("3 steps");
    follower.signal(Signal::INT);
    assert_eq!(follower.end().code, None, "ended by the signal");
    assert!(mc.run(["ps"]).clean().stdout.contains(" running "));
    let_end(running);
}

#[test]
fn a_follower_is_told_that_the_process_vanished() {
    let mc = Mc::new();
    let running = waiting(&mc, &[]);
    let mut follower = mc.start(["logs", "-f", "last"]);
    follower.line("3 steps");
    let runner = child(running.pid(), " runner ");
    running.signal(Signal::KILL);
    running.end();
    let followed = follower.end().fails(5, "mc::run::no-output");
    assert!(followed.stderr.contains("vanished"), "{followed:#?}");
    until("the sandbox ends", || is_gone(runner).then_some(()));
}
