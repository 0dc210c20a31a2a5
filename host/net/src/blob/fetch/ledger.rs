//! Counts bytes before they are accepted: those of the whole fetch, and those that are in memory unverified.

use mutual_protocol::Cid;
use mutual_protocol::limits::MANIFEST_BYTES_MAX;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of blocks that are on their way from a stream into the sink, of all providers together: two of the largest
/// blocks, or thirty of a file's, so that hashing and writing never wait for the network or the other way round.
pub const UNVERIFIED_BYTES_MAX: usize = 2 * MANIFEST_BYTES_MAX;

#[derive(Debug)]
pub(super) struct Ledger {
    bytes_max: u64,
    memory: Arc<Semaphore>,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    /// Bytes of blocks that the sink has taken.
    settled: u64,
    /// What was announced for each block. Two providers may send the same one; only one of them will count.
    announced: BTreeMap<Cid, Vec<u64>>,
}

impl Ledger {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            memory: Arc::new(Semaphore::new(UNVERIFIED_BYTES_MAX)),
            spent: Mutex::default(),
        }
    }

    pub(super) const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Counts a block of `bytes`, then waits until there is memory for it. `None`: it would pass the limit.
    pub(super) async fn reserve(self: &Arc<Self>, cid: Cid, bytes: usize) -> Option<Reservation> {
        let amount = u64::try_from(bytes).ok()?;
        if !self.spent().announce(cid, amount, self.bytes_max) {
            return None;
        }
        let mut reservation = Reservation {
            ledger: Arc::clone(self),
            cid,
            bytes: amount,
            memory: None,
        };
        let permits = u32::try_from(bytes).ok()?;
        let memory = Arc::clone(&self.memory).acquire_many_owned(permits).await;
        reservation.memory = Some(memory.ok()?);
        Some(reservation)
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    fn announce(&mut self, cid: Cid, bytes: u64, bytes_max: u64) -> bool {
        let others = self.announced.iter().filter(|(other, _)| **other != cid);
        let others = others.filter_map(|(_, sizes)| sizes.iter().max());
        let total = others.fold(self.settled.saturating_add(bytes), |sum, size| {
            sum.saturating_add(*size)
        });
        let fits = total <= bytes_max;
        if fits {
            self.announced.entry(cid).or_default().push(bytes);
        }
        fits
    }

    fn take_back(&mut self, cid: Cid, bytes: u64) {
        let Some(sizes) = self.announced.get_mut(&cid) else {
            return;
        };
        if let Some(at) = sizes.iter().position(|size| *size == bytes) {
            sizes.swap_remove(at);
        }
        if sizes.is_empty() {
            self.announced.remove(&cid);
        }
    }
}

/// Room for one block, in the count and in memory, until it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    ledger: Arc<Ledger>,
    cid: Cid,
    bytes: u64,
    memory: Option<OwnedSemaphorePermit>,
}

impl Reservation {
    /// The sink has the block: it counts from now on.
    pub(super) fn settle(self) {
        self.ledger.spent().settled += self.bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.ledger.spent().take_back(self.cid, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mutual_protocol::ids::Codec;

    fn cid(name: &str) -> Cid {
        Cid::of(Codec::Raw, name.as_bytes())
    }

    #[tokio::test]
    async fn two_copies_count_once_and_the_limit_is_exact() {
        let ledger = Arc::new(Ledger::new(10));
        let a = ledger.reserve(cid("a"), 6).await.unwrap();
        let copy = ledger.reserve(cid("a"), 6).await.unwrap();
        assert!(ledger.reserve(cid("b"), 5).await.is_none());
        let b = ledger.reserve(cid("b"), 4).await.unwrap();
        a.settle();
        drop(copy);
        assert!(ledger.reserve(cid("c"), 1).await.is_none());
        drop(b);
        ledger.reserve(cid("c"), 4).await.unwrap().settle();
        assert!(ledger.reserve(cid("d"), 1).await.is_none());
        assert!(ledger.spent().announced.is_empty());
    }
}
