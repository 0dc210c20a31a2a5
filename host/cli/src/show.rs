//! How runs are shown: as JSON with RFC 3339 times and plain numbers, and as rows for people.

use mutual_node::record::{Ending, RunRecord, RunState};
use mutual_protocol::outcome::{Blame, Outcome};
use serde_json::{Value, json};

/// The short form of a run's id.
pub(crate) fn short(job: &str) -> String {
    job.chars().take(10).collect()
}

/// One run as JSON.
pub(crate) fn run(record: &RunRecord) -> Value {
    let ending = record.ending.as_ref();
    let kind = serde_json::to_value(record.kind).unwrap_or(Value::Null);
    json!({
        "schema": "mc.v1/run",
        "id": record.job,
        "name": record.name,
        "state": state(record),
        "command": record.command,
        "program": {"cid": record.program.to_string(), "kind": kind},
        "inputs": record.inputs.to_string(),
        "started_at": time(record.started_at_ms),
        "keep_until": time(record.keep_until_ms),
        "ended_at": ending.map(|e| time(e.at_ms)),
        "outcome": ending.map(|e| outcome(&e.outcome)),
        "blame": ending.and_then(|e| blame(&e.outcome)),
        "detail": ending.and_then(ending_detail),
        "error": ending.and_then(|e| e.unplaced.as_ref()).map(|unplaced| &unplaced.code),
        "exit_code": ending.map(|e| e.exit_code),
        "epoch": ending.map(|e| e.epoch),
        "start_seconds": record.start_us.map(seconds),
        "wall_seconds": ending.map(|e| seconds(e.usage.wall_us)),
        "cpu_seconds": ending.map(|e| seconds(e.usage.cpu_us)),
        "memory_bytes_peak": ending.map(|e| e.usage.memory_bytes_peak),
        "fuel": ending.map(|e| e.usage.fuel),
        "outputs": ending.and_then(|e| e.outputs).map(|cid| cid.to_string()),
        "log": ending.and_then(|e| e.log).map(|cid| cid.to_string()),
    })
}

/// One run as a row: id, state, age, duration, command.
pub(crate) fn row(record: &RunRecord, now_ms: u64) -> Vec<String> {
    let end_ms = record.ending.as_ref().map_or(now_ms, |ending| ending.at_ms);
    let duration = match record.state {
        RunState::Lost => "-".to_owned(),
        _ => span(end_ms.saturating_sub(record.started_at_ms)),
    };
    vec![
        short(&record.job),
        state(record).to_owned(),
        format!("{} ago", span(now_ms.saturating_sub(record.started_at_ms))),
        duration,
        printable(&record.command.join(" ")),
    ]
}

/// One word for where a run stands.
pub(crate) fn state(record: &RunRecord) -> &'static str {
    match (record.state, &record.ending) {
        (RunState::Running, _) => "running",
        (RunState::Lost, _) => "lost",
        (RunState::Ended, Some(ending)) if ending.unplaced.is_some() => "failed",
        (RunState::Ended, Some(ending)) => match ending.outcome {
            Outcome::Finished { exit_code: 0 } => "ok",
            Outcome::Cancelled => "stopped",
            _ => "failed",
        },
        (RunState::Ended, None) => "ended",
    }
}

/// The outcome's stable name.
pub(crate) fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Finished { .. } => "finished",
        Outcome::Trapped { .. } => "trapped",
        Outcome::OutOfFuel => "out-of-fuel",
        Outcome::TimeLimit => "time-limit",
        Outcome::MemoryLimit => "memory-limit",
        Outcome::DiskLimit => "disk-limit",
        Outcome::OutputLimit => "output-limit",
        Outcome::Rejected { .. } => "rejected",
        Outcome::Cancelled => "cancelled",
        Outcome::RunnerFailed { .. } => "runner-failed",
        Outcome::HostFailed { .. } => "host-failed",
        _ => "unknown",
    }
}

/// Whose doing an ending is; none for a program that came to its own end with 0.
fn blame(outcome: &Outcome) -> Option<&'static str> {
    if *outcome == (Outcome::Finished { exit_code: 0 }) {
        return None;
    }
    Some(match outcome.blame() {
        Blame::Guest => "guest",
        Blame::Host => "host",
        Blame::Donor => "donor",
        Blame::Owner => "owner",
        Blame::Network => "network",
        _ => "unknown",
    })
}

/// What exactly happened, where the outcome's name does not say it all.
pub(crate) fn detail(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Trapped { trap } => Some(trap.clone()),
        Outcome::Rejected { detail, .. }
        | Outcome::RunnerFailed { detail }
        | Outcome::HostFailed { detail, .. } => Some(detail.clone()),
        _ => None,
    }
}

/// The same of a run, whose program may have ended well, and its outputs are not in their places.
fn ending_detail(ending: &Ending) -> Option<String> {
    let unplaced = ending.unplaced.as_ref();
    unplaced
        .map(|unplaced| unplaced.detail.clone())
        .or_else(|| detail(&ending.outcome))
}

/// RFC 3339 in UTC.
pub(crate) fn time(ms: u64) -> String {
    let timestamp = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(|| "unknown".to_owned(), |timestamp| timestamp.to_string())
}

/// Microseconds as seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a duration for people and scripts: 53 bits of microseconds are 285 years"
)]
pub(crate) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// A duration in its one or two largest units.
fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..10 => format!("{}.{}s", s, ms % 1000 / 100),
        10..60 => format!("{s}s"),
        60..3600 => format!("{}m{}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d{}h", s / 86_400, s % 86_400 / 3600),
    }
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Text of others without control characters, so that it cannot drive the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let shown: Vec<_> = [0, 1500, 59_000, 61_000, 3_660_000, 90_000_000]
            .map(span)
            .to_vec();
        assert_eq!(shown, ["0.0s", "1.5s", "59s", "1m1s", "1h1m", "1d1h"]);
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(1_577_836_800_123), "2020-01-01T00:00:00.123Z");
        assert_eq!(time(u64::MAX), "unknown");
    }
}
