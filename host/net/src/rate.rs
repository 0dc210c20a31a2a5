//! A bound on how often something may happen: a bucket that fills with time and is emptied one by one.

use tokio::time::Instant;

/// Allows so many at once, and so many a second after that.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    at_once: f64,
    left: f64,
    last: Instant,
}

impl Rate {
    pub(crate) fn new(per_second: u32, at_once: u32, now: Instant) -> Self {
        Self {
            per_second: f64::from(per_second),
            at_once: f64::from(at_once),
            left: f64::from(at_once),
            last: now,
        }
    }

    /// Whether one more is allowed.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = now;
        self.left = (self.left + passed * self.per_second).min(self.at_once);
        let allowed = self.left >= 1.0;
        if allowed {
            self.left -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_saved_is_spent_at_once_and_no_more_than_that_is_saved() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 3, start);
        let taken = |rate: &mut Rate, ms| {
            let now = start + Duration::from_millis(ms);
            (0..100).take_while(|_| rate.take(now)).count()
        };
        assert_eq!(taken(&mut rate, 0), 3);
        assert_eq!(taken(&mut rate, 99), 0);
        assert_eq!(taken(&mut rate, 200), 2);
        assert_eq!(taken(&mut rate, 60_000), 3);
    }
}
