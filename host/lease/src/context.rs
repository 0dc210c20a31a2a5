//! What a machine cannot know by itself: time, randomness, and how signatures are checked.

use mutual_protocol::{Verifier, limits};

/// Nanoseconds since boot on a clock that counts suspended time (CLOCK_BOOTTIME).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootNanos(pub u64);

impl BootNanos {
    /// The time `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Whole milliseconds from this time until `later`, rounded up; 0 when that has passed.
    pub const fn ms_until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0).div_ceil(1_000_000)
    }
}

/// Given to each step.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The machine's own clock. Never goes back.
    pub now: BootNanos,
    /// Wall clock, milliseconds since 1970. Only read with hours of slack.
    pub wall_ms: u64,
    /// Fresh random bytes for this step: nonces and back-off come from them.
    pub random: [u8; 16],
    /// Checks the signatures inside certificates.
    pub verifier: &'a dyn Verifier,
}

impl Context<'_> {
    /// A number below `bound`, from this step's randomness. 0 when `bound` is.
    pub(crate) fn jitter(&self, bound: u64) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.random;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
            .checked_rem(bound)
            .unwrap_or(0)
    }
}

/// When a holder has to stop by its own clock, if a request sent at `sent` was answered with `ttl_ms`.
///
/// `D = T·(1-rho)/(1+rho) - margin`, counted from *sending*, while the witness waits T from *receipt*: so the holder's
/// end comes first, however the two clocks run within rho of real time.
pub const fn lease_end(sent: BootNanos, ttl_ms: u32) -> BootNanos {
    let ttl_ms = ttl_ms as u64;
    let rho = limits::CLOCK_RATE_ERROR_PERCENT;
    let tenth = ttl_ms / 10;
    let margin = if tenth < limits::LEASE_MARGIN_MS_MAX {
        tenth
    } else {
        limits::LEASE_MARGIN_MS_MAX
    };
    sent.plus_ms((ttl_ms * (100 - rho) / (100 + rho)).saturating_sub(margin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_stops_first_at_the_worst_clocks() {
        for ttl_ms in [3_000_u32, 5_000, 10_000, 60_000, 600_000] {
            // The holder's clock is 1 % slow, the witness's 1 % fast; the message took no time.
            let real_ms = lease_end(BootNanos(0), ttl_ms).0 as f64 / 1e6 / 0.99;
            let witness_real_ms = f64::from(ttl_ms) / 1.01;
            assert!(real_ms < witness_real_ms, "{ttl_ms}: {real_ms}");
        }
    }

    #[test]
    fn durations_round_up_and_never_underflow() {
        assert_eq!(BootNanos(0).ms_until(BootNanos(1)), 1);
        assert_eq!(BootNanos(5_000_000).ms_until(BootNanos(0)), 0);
        assert_eq!(BootNanos(u64::MAX).plus_ms(1), BootNanos(u64::MAX));
    }
}
