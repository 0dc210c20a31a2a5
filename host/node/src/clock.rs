//! Time and randomness of the machine, behind a trait so that tests run in virtual time.

use mutual_lease::BootNanos;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// 2020-01-01T00:00:00Z in milliseconds since 1970: an earlier wall clock was never set.
pub const WALL_MS_MIN: u64 = 1_577_836_800_000;

/// The clocks that a node reads.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Nanoseconds since boot, also while the machine sleeps.
    fn boot(&self) -> BootNanos;
    /// Milliseconds since 1970; informative, and for expiry with hours of slack.
    fn wall_ms(&self) -> u64;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn boot(&self) -> BootNanos {
        BootNanos(nanos(ClockId::Boottime))
    }

    fn wall_ms(&self) -> u64 {
        nanos(ClockId::Realtime) / 1_000_000
    }
}

fn nanos(id: ClockId) -> u64 {
    let time = clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Time from `earlier` to `later`; zero when it is the other way round.
pub const fn elapsed(earlier: BootNanos, later: BootNanos) -> Duration {
    Duration::from_nanos(later.0.saturating_sub(earlier.0))
}

/// Secret random bytes from the operating system.
///
/// # Errors
/// When the system has no randomness to give, which only happens early at boot.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
