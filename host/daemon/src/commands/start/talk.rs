//! What a host says while it serves: one line that is drawn anew on a terminal, and else a line for each change.

use crate::show;
use mutual_node::clock::{Clock as _, SystemClock};
use mutual_node::donor::control::Desk;
use mutual_node::donor::report::Report;
use mutual_node::hosting::Request;
use mutual_terminal::output;
use mutual_terminal::show::time;
use std::io::{self, IsTerminal as _};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked: people see a second, and 0.1 ms of work each is nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Changes that are told at a time: a flood of jobs is told by its number.
const CHANGES_MAX: usize = 20;

/// Talks until the host has ended.
pub(super) async fn talk(desk: Desk) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let drawn = io::stderr().is_terminal();
    let mut last: Option<Report> = None;
    loop {
        ticks.tick().await;
        let Some(report) = desk.ask(Request::Status).await else {
            return;
        };
        if drawn {
            draw(last.as_ref(), &report);
        } else {
            log(last.as_ref(), &report);
        }
        last = Some(report);
    }
}

fn draw(last: Option<&Report>, report: &Report) {
    let line = show::line(report);
    if last.map(show::line).as_ref() != Some(&line) {
        output::say(&format!("\r\x1b[2K{line}"));
    }
}

/// Leaves the drawn line behind.
pub(super) fn end() {
    if io::stderr().is_terminal() {
        output::say("\n");
    }
}

fn log(last: Option<&Report>, report: &Report) {
    let Some(last) = last else {
        return say(&show::line(report));
    };
    let changes = show::changes(last, report);
    let more = changes.len().saturating_sub(CHANGES_MAX);
    changes
        .iter()
        .take(CHANGES_MAX)
        .for_each(|change| say(change));
    if more > 0 {
        say(&format!("{more} more changes"));
    }
}

fn say(line: &str) {
    output::say(&format!("{} {line}\n", time(SystemClock.wall_ms())));
}
