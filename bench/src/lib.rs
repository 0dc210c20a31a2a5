//! What the benchmarks share: samples with percentiles, and the table that is printed.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Measurements of one thing.
#[derive(Clone, Debug)]
pub struct Samples {
    name: String,
    sorted: Vec<Duration>,
}

impl Samples {
    /// Names and sorts measurements.
    pub fn new(name: &str, mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self {
            name: name.to_owned(),
            sorted: samples,
        }
    }

    /// The value below which `percent` of the measurements lie (nearest rank); zero without measurements.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// Number of measurements.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The median as a ratio to another's.
    pub fn ratio_to(&self, other: &Self) -> f64 {
        self.percentile(50).as_secs_f64() / other.percentile(50).as_secs_f64()
    }

    fn milliseconds(&self, percent: usize) -> f64 {
        self.percentile(percent).as_secs_f64() * 1e3
    }

    /// The row of the table.
    pub fn row(&self) -> String {
        let mut row = format!("{:<44} {:>5}", self.name, self.count());
        for percent in [50, 95, 99] {
            let _ = write!(row, " {:>9.3}", self.milliseconds(percent));
        }
        row
    }

    /// The same as JSON, in milliseconds.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "n": self.count(), "unit": "ms",
            "p50": self.milliseconds(50), "p95": self.milliseconds(95), "p99": self.milliseconds(99),
        })
    }
}

/// Head of the table.
pub fn head() -> String {
    format!(
        "{:<44} {:>5} {:>9} {:>9} {:>9}",
        "milliseconds", "n", "p50", "p95", "p99"
    )
}

/// One line about a promise: what was reached, and whether that is enough.
pub fn verdict(what: &str, reached: f64, limit: f64, unit: &str) -> String {
    let word = if reached <= limit { "holds" } else { "MISSED" };
    format!("{word:<7} {what}: {reached:.2}{unit} (at most {limit}{unit})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let samples = Samples::new("x", (1..=100).rev().map(Duration::from_millis).collect());
        let at = |percent| samples.percentile(percent).as_millis();
        assert_eq!((at(50), at(95), at(99), at(100)), (50, 95, 99, 100));
        assert_eq!(Samples::new("x", vec![]).percentile(50), Duration::ZERO);
    }

    #[test]
    fn a_missed_promise_says_so() {
        assert!(verdict("start", 2.1, 2.0, " x").starts_with("MISSED"));
        assert!(verdict("start", 2.0, 2.0, " x").starts_with("holds"));
    }
}
