//! ps, logs, wait, stop, inspect, get from other terminals.

mod detached;
mod logs;
mod looking;
mod selectors;
mod socket;
mod stopping;

use crate::harness::Mc;
use crate::processes::Running;
use mutual_testkit::guest;
use std::process::Stdio;

/// A path as text.
fn text(path: impl AsRef<std::path::Path>) -> String {
    path.as_ref().to_str().unwrap().to_owned()
}

/// A run that has said its first line and waits for one from us before it ends with 0.
fn waiting(mc: &Mc, flags: &[&str]) -> Running {
    let program = text(guest("progress"));
    let mut command = mc.command([&["run"], flags, &[&program, "3"]].concat());
    let mut running = Running::start(command.stdin(Stdio::piped()));
    running.line("3 steps");
    running
}

/// Gives the line that a waiting run waits for.
fn let_end(mut running: Running) {
    drop(running.child().stdin.take());
    let ran = running.end();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}
