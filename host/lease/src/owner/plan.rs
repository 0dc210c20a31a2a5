//! How a job's shards and replicas are cut into registers.

use mutual_protocol::ids::Codec;
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{
    Cid, Generation, JobId, RegisterId, ReplicaIndex, ShardIndex, ShardRange, Slot, Verified,
};
use std::num::NonZeroU32;

/// The registers of a job by number: all shards of the first replica, then of the second, and so on.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The spec's blob.
    pub(super) spec: Cid,
    job: JobId,
    generation: Generation,
    shards: u32,
    shards_per_offer: NonZeroU32,
    replicas: u16,
}

impl Plan {
    pub(super) fn new(spec: &Verified<JobSpec>, shards_per_offer: NonZeroU32) -> Self {
        let shape = spec.value().shape;
        Self {
            spec: Cid::of(Codec::DagCbor, &spec.signed().encode()),
            job: spec.job(),
            generation: spec.value().generation,
            shards: shape.shards,
            shards_per_offer,
            replicas: shape.replicas,
        }
    }

    /// How many registers there are.
    pub(super) fn len(&self) -> u64 {
        self.ranges() * u64::from(self.replicas)
    }

    /// The register with this number.
    pub(super) fn at(&self, index: u64) -> Option<RegisterId> {
        let replica = u16::try_from(index / self.ranges()).ok()?;
        let range = u32::try_from(index % self.ranges()).ok()?;
        let first = range.checked_mul(self.shards_per_offer.get())?;
        (replica < self.replicas).then(|| self.register(first, replica))
    }

    pub(super) fn registers(&self) -> impl Iterator<Item = RegisterId> {
        (0..self.len()).map_while(|index| self.at(index))
    }

    /// Whether the register is one of these.
    pub(super) fn contains(&self, id: &RegisterId) -> bool {
        let first = id.shards.first.0;
        let Slot::Replica(replica) = id.slot else {
            return false;
        };
        let fits = replica.0 < self.replicas
            && first < self.shards
            && first.is_multiple_of(self.shards_per_offer.get());
        fits && *id == self.register(first, replica.0)
    }

    /// The other replicas of a register.
    pub(super) fn siblings(&self, id: &RegisterId) -> impl Iterator<Item = RegisterId> {
        let id = *id;
        (0..self.replicas)
            .map(move |replica| RegisterId {
                slot: Slot::Replica(ReplicaIndex(replica)),
                ..id
            })
            .filter(move |sibling| *sibling != id)
    }

    fn ranges(&self) -> u64 {
        u64::from(self.shards.div_ceil(self.shards_per_offer.get()))
    }

    fn register(&self, first: u32, replica: u16) -> RegisterId {
        let left = self.shards.saturating_sub(first);
        RegisterId {
            job: self.job,
            generation: self.generation,
            shards: ShardRange {
                first: ShardIndex(first),
                count: left.min(self.shards_per_offer.get()),
            },
            slot: Slot::Replica(ReplicaIndex(replica)),
        }
    }
}
