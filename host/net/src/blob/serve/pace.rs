//! A rate that is kept by waiting: says when the next amount may pass.

use std::time::Duration;
use tokio::time::Instant;

/// What was not used in this time before is used at once.
const BURST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Pace {
    per_second: u64,
    /// When all that has passed would have passed at the steady rate.
    level: Option<Instant>,
}

impl Pace {
    pub(super) const fn new(per_second: u64) -> Self {
        Self {
            per_second,
            level: None,
        }
    }

    /// Takes `amount`, and says when it may pass: at that time, or at once when that is over. Whoever asks next comes
    /// after it.
    pub(super) fn take(&mut self, amount: u64, now: Instant) -> Instant {
        let oldest = now.checked_sub(BURST).unwrap_or(now);
        let begin = self.level.map_or(oldest, |level| level.max(oldest));
        let nanos = u128::from(amount) * 1_000_000_000 / u128::from(self.per_second.max(1));
        self.level = Some(begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_passes_at_once_and_then_as_much_in_each() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut pace = Pace::new(10);
        let waits: Vec<u128> = (0..13)
            .map(|_| {
                pace.take(1, start)
                    .saturating_duration_since(start)
                    .as_millis()
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200]);
        let later = start + Duration::from_secs(100);
        assert!(
            pace.take(10, later) <= later,
            "no more than a second is saved"
        );
        assert_eq!(pace.take(10, later), later);
        assert_eq!(pace.take(1, later), later + Duration::from_secs(1));
    }
}
