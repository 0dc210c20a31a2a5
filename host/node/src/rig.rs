//! What tests of this crate share: a clock that goes with tokio's, and a job that is ready to be offered.

pub(crate) mod sandbox;

use crate::clock::Clock;
use crate::prepare::{self, Prepared, RunKeys, RunRequest};
use mutual_lease::BootNanos;
use mutual_protocol::spec::{ProgramKind, SpecLimits, Stdin};
use mutual_protocol::{SigningKey, limits};
use mutual_store::BlockStore;
use mutual_testkit::seeds;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// An hour after boot, and some day of 2023, when the clock is made.
const BOOT: Duration = Duration::from_secs(3600);
pub(crate) const WALL_MS: u64 = 1_700_000_000_000;

/// Goes with tokio's clock, so that both stand still and jump together in a test with paused time.
#[derive(Debug)]
pub(crate) struct TestClock {
    made: Instant,
    slept_ms: AtomicU64,
    wall_ahead_ms: AtomicU64,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        Self {
            made: Instant::now(),
            slept_ms: AtomicU64::new(0),
            wall_ahead_ms: AtomicU64::new(0),
        }
    }

    /// The machine slept: these clocks went on, tokio's did not.
    pub(crate) fn suspend(&self, time: Duration) {
        self.slept_ms.fetch_add(ms(time), Ordering::Relaxed);
    }

    /// Somebody set the wall clock, so much ahead of what it was at first.
    pub(crate) fn set_wall(&self, ahead: Duration) {
        self.wall_ahead_ms.store(ms(ahead), Ordering::Relaxed);
    }

    fn since_made(&self) -> Duration {
        self.made.elapsed() + Duration::from_millis(self.slept_ms.load(Ordering::Relaxed))
    }
}

impl Clock for TestClock {
    fn boot(&self) -> BootNanos {
        BootNanos(u64::try_from((BOOT + self.since_made()).as_nanos()).unwrap())
    }

    fn wall_ms(&self) -> u64 {
        WALL_MS + ms(self.since_made()) + self.wall_ahead_ms.load(Ordering::Relaxed)
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// The keys of account and witness.
pub(crate) fn keys() -> (SigningKey, SigningKey) {
    let [account, witness] = [seeds::OWNER, seeds::WITNESSES[0]];
    (
        SigningKey::from_seed(&account),
        SigningKey::from_seed(&witness),
    )
}

/// A job without inputs.
pub(crate) fn prepared(store: &BlockStore, clock: &dyn Clock) -> Prepared {
    let (owner, witness) = keys();
    let keys = RunKeys {
        owner: &owner,
        witness: witness.public(),
        pool: None,
    };
    prepare::prepare(store, clock, keys, request()).unwrap()
}

/// The smallest request that is valid.
pub(crate) fn request() -> RunRequest {
    let bytes = b"\0asm\x01\0\0\0".to_vec();
    RunRequest {
        program: prepare::program_ref(&bytes, ProgramKind::Module),
        bytes,
        argv0: "test".to_owned(),
        arguments: Vec::new(),
        environment: Vec::new(),
        stdin: Stdin::Empty,
        inputs: Vec::new(),
        preopens: Vec::new(),
        outputs: Vec::new(),
        limits: SpecLimits {
            memory_bytes_max: limits::MEMORY_BYTES_DEFAULT,
            disk_bytes_max: limits::DISK_BYTES_DEFAULT,
            files_max: limits::FILES_MAX,
            stdio_bytes_max: limits::STDIO_BYTES_MAX,
            wall_ms_max: None,
            fuel_max: None,
        },
        keep_ms: 1000,
        folder_bytes_max: 1 << 20,
    }
}
