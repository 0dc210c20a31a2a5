//! What the rings said, as the reader sees it at the end.

use std::{fmt, time::Duration};

use anyhow::{Result, bail};

use crate::test::Strictness;

/// How one ring ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// Not run, or not run whole, for want of something on this machine.
    Skipped(String),
    Failed(String),
}

/// One line of the summary.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

/// A run above this is a failure under CI: work belongs into `night`, or has become too slow.
const CI_TIME_MAX: Duration = Duration::from_secs(45 * 60);

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} {:>9}  ", self.name, show_time(self.took))?;
        match &self.outcome {
            Outcome::Passed => f.write_str("ok"),
            Outcome::Skipped(reason) => write!(f, "skipped: {reason}"),
            Outcome::Failed(reason) => write!(f, "FAILED: {reason}"),
        }
    }
}

/// Prints each ring with its time and result, then the totals.
pub(crate) fn summary(entries: &[Entry], total: Duration) {
    println!("\n=== summary");
    for entry in entries {
        println!("{entry}");
    }
    let count = |wanted: fn(&Outcome) -> bool| {
        entries
            .iter()
            .filter(|entry| wanted(&entry.outcome))
            .count()
    };
    println!(
        "{:<9} {:>9}  {} passed, {} skipped, {} failed",
        "total",
        show_time(total),
        count(|outcome| matches!(outcome, Outcome::Passed)),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
    );
}

/// Fails when a ring failed, or when the whole took too long under CI.
pub(crate) fn verdict(entries: &[Entry], total: Duration, strictness: Strictness) -> Result<()> {
    let failed: Vec<&str> = entries
        .iter()
        .filter(|entry| matches!(entry.outcome, Outcome::Failed(_)))
        .map(|entry| entry.name)
        .collect();
    if !failed.is_empty() {
        bail!(
            "failed: {}; run one alone with `cargo xtask test --ring NAME`",
            failed.join(", ")
        );
    }
    if strictness == Strictness::Ci && total > CI_TIME_MAX {
        bail!(
            "{} is more than the {} allowed under CI",
            show_time(total),
            show_time(CI_TIME_MAX)
        );
    }
    Ok(())
}

fn show_time(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        return format!("{:.1} s", time.as_secs_f64());
    }
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(outcome: Outcome) -> Entry {
        Entry {
            name: "tidy",
            took: Duration::from_millis(1500),
            outcome,
        }
    }

    #[test]
    fn a_failed_ring_fails_the_run_and_a_skipped_one_does_not() {
        let run = |outcome| verdict(&[entry(outcome)], Duration::ZERO, Strictness::Laptop);
        assert!(run(Outcome::Passed).is_ok());
        assert!(run(Outcome::Skipped("no clang".into())).is_ok());
        assert!(
            run(Outcome::Failed("rc 1".into()))
                .unwrap_err()
                .to_string()
                .contains("tidy")
        );
    }

    #[test]
    fn a_slow_run_fails_under_ci_alone() {
        let slow = CI_TIME_MAX + Duration::from_secs(1);
        assert!(
            verdict(&[], slow, Strictness::Ci)
                .unwrap_err()
                .to_string()
                .contains("45 min 00 s")
        );
        assert!(verdict(&[], slow, Strictness::Laptop).is_ok());
        assert!(verdict(&[], CI_TIME_MAX, Strictness::Ci).is_ok());
    }

    #[test]
    fn lines_show_name_time_and_reason() {
        assert_eq!(
            entry(Outcome::Passed).to_string(),
            "tidy          1.5 s  ok"
        );
        let skipped = entry(Outcome::Skipped("no clang".into())).to_string();
        assert_eq!(skipped, "tidy          1.5 s  skipped: no clang");
    }
}
