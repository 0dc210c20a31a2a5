//! Counters and the fencing token: what orders two attempts at the same work.

use super::JobId;
use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter!(
    /// Revision of a job's spec and witness set.
    Generation, u64
);
counter!(
    /// Lease counter inside one generation: the ballot. Epoch 0 is never granted.
    Epoch, u32
);
counter!(
    /// Position of a shard in its job.
    ShardIndex, u32
);
counter!(
    /// One of the redundant executions of a shard.
    ReplicaIndex, u16
);

impl Epoch {
    /// The next epoch, or `None` when all 2^32 are used up.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// Consecutive shards under one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardRange {
    /// First shard.
    pub first: ShardIndex,
    /// How many; never 0 in a valid message.
    pub count: u32,
}

impl ShardRange {
    /// The range of one shard.
    pub const fn one(first: ShardIndex) -> Self {
        Self { first, count: 1 }
    }

    /// Whether the range is not empty and ends within `shards`.
    pub fn is_within(&self, shards: u32) -> bool {
        self.count > 0
            && self
                .first
                .0
                .checked_add(self.count)
                .is_some_and(|end| end <= shards)
    }
}

/// Which of a shard's registers: a replica's, or the one that picks among replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// An execution of the shard.
    Replica(ReplicaIndex),
    /// The choice among its replicas.
    Pick,
}

/// Names one register: the unit of agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterId {
    /// The job.
    pub job: JobId,
    /// The job's revision.
    pub generation: Generation,
    /// The shards decided together.
    pub shards: ShardRange,
    /// Replica or pick.
    pub slot: Slot,
}

/// The fencing token: one register at one epoch.
///
/// Only tokens of one register are ordered, by (generation, epoch); a sink keeps the highest seen and refuses
/// lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FencingToken {
    /// What is fenced.
    pub register: RegisterId,
    /// The ballot.
    pub epoch: Epoch,
}

impl FencingToken {
    /// Whether `self` fences `other` off: the same job, shards and slot, and a later (generation, epoch).
    pub fn supersedes(&self, other: &Self) -> bool {
        let (a, b) = (&self.register, &other.register);
        (a.job, a.shards, a.slot) == (b.job, b.shards, b.slot)
            && (a.generation, self.epoch) > (b.generation, other.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(generation: u64, epoch: u32) -> FencingToken {
        let register = RegisterId {
            job: JobId::from_bytes([1; 32]),
            generation: Generation(generation),
            shards: ShardRange::one(ShardIndex(0)),
            slot: Slot::Replica(ReplicaIndex(0)),
        };
        FencingToken {
            register,
            epoch: Epoch(epoch),
        }
    }

    #[test]
    fn generation_outranks_epoch() {
        assert!(token(1, 1).supersedes(&token(0, 9)));
        assert!(token(0, 2).supersedes(&token(0, 1)));
        assert!(!token(0, 1).supersedes(&token(0, 1)));
        let mut other = token(0, 1);
        other.register.slot = Slot::Pick;
        assert!(
            !token(5, 5).supersedes(&other),
            "different registers are not ordered"
        );
    }

    #[test]
    fn ranges_are_checked_without_overflow() {
        assert!(
            ShardRange {
                first: ShardIndex(2),
                count: 3
            }
            .is_within(5)
        );
        assert!(
            !ShardRange {
                first: ShardIndex(2),
                count: 4
            }
            .is_within(5)
        );
        assert!(
            !ShardRange {
                first: ShardIndex(0),
                count: 0
            }
            .is_within(5)
        );
        assert!(
            !ShardRange {
                first: ShardIndex(u32::MAX),
                count: 2
            }
            .is_within(u32::MAX)
        );
    }
}
