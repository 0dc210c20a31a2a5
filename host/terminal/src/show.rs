//! How times, durations, ids and outcomes are shown: RFC 3339 and plain numbers for programs, words for people.

use mutual_protocol::outcome::Outcome;

/// The short form of a run's id.
pub fn short(job: &str) -> String {
    job.chars().take(10).collect()
}

/// The outcome's stable name.
pub fn outcome(outcome: &Outcome) -> &'static str {
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

/// What exactly happened, where the outcome's name does not say it all.
pub fn detail(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Trapped { trap } => Some(trap.clone()),
        Outcome::Rejected { detail, .. }
        | Outcome::RunnerFailed { detail }
        | Outcome::HostFailed { detail, .. } => Some(detail.clone()),
        _ => None,
    }
}

/// RFC 3339 in UTC.
pub fn time(ms: u64) -> String {
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
pub fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// A duration in its one or two largest units.
pub fn span(ms: u64) -> String {
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
pub fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Text of others without control characters, so that it cannot drive the terminal.
pub fn printable(text: &str) -> String {
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
