//! The nodes of the simulated world: machines with their own clocks, and what a driver keeps beside them.

use super::disk::Disk;
use super::plan::Random;
use crate::fixture::WALL_MS;
use mutual_lease::{BootNanos, Context, Holder, VerifiedReply, VerifiedRequest, Witness};
use mutual_protocol::lease::Offer;
use mutual_protocol::{FencingToken, SigningKey, Verified};

/// A clock that runs up to 0.9 % fast or slow, from anywhere.
pub(crate) struct Clock {
    offset_us: u64,
    ppm: u64,
}

impl Clock {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            offset_us: random.below(1 << 40),
            ppm: 991_000 + random.below(18_001),
        }
    }

    pub(crate) fn now(&self, time_us: u64) -> BootNanos {
        BootNanos((self.offset_us + time_us * self.ppm / 1_000_000) * 1_000)
    }

    /// The true time at which the clock shows `at`, or a little later.
    pub(crate) fn time_us(&self, at: BootNanos) -> u64 {
        let shown = (at.0 / 1_000).saturating_sub(self.offset_us);
        shown * 1_000_000 / self.ppm + 2
    }
}

pub(crate) struct WitnessNode {
    pub(crate) key: SigningKey,
    pub(crate) clock: Clock,
    /// None while it is down.
    pub(crate) machine: Option<Witness>,
    pub(crate) disk: Disk,
    pub(crate) life: u32,
}

pub(crate) struct HostNode {
    pub(crate) key: SigningKey,
    pub(crate) clock: Clock,
    /// One holder; two when the host shows two results.
    pub(crate) machines: Vec<Holder>,
    /// What runs here.
    pub(crate) running: Option<FencingToken>,
    pub(crate) life: u32,
}

/// What travels.
#[derive(Clone)]
pub(crate) enum Message {
    Request(VerifiedRequest),
    Reply(VerifiedReply),
    Offer(Box<Verified<Offer>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Witness(usize),
    Host(usize),
    Owner,
}

/// What can happen. Lives keep timers and syncs of an earlier life away.
pub(crate) enum Event {
    Deliver(Node, Message),
    Tick(Node, u32),
    Sync(usize, u32),
    PowerCut(usize, u32),
    Restart(usize),
    /// The guest of this host ended.
    End(usize, u32),
    /// The guest of this host printed something.
    Emit(usize, u32),
    Ready(usize),
    Cancel,
    Preempt,
    Heal,
}

pub(crate) fn context(now: BootNanos, time_us: u64, random: [u8; 16]) -> Context<'static> {
    Context {
        now,
        wall_ms: WALL_MS + time_us / 1_000,
        random,
        verifier: &super::Trusting,
    }
}
