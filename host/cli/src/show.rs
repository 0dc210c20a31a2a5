//! How runs are shown: as JSON with RFC 3339 times and plain numbers, and as rows for people.

use mutual_node::record::{Ending, RunRecord, RunState};
use mutual_protocol::outcome::{Blame, Outcome};
pub(crate) use mutual_terminal::show::{
    count, detail, outcome, printable, seconds, short, span, time,
};
use serde_json::{Value, json};

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
        "host": record.host.as_ref().map(|host| json!({"id": host.id, "name": host.name})),
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

/// The same of a run, whose program may have ended well, and its outputs are not in their places.
fn ending_detail(ending: &Ending) -> Option<String> {
    let unplaced = ending.unplaced.as_ref();
    unplaced
        .map(|unplaced| unplaced.detail.clone())
        .or_else(|| detail(&ending.outcome))
}
