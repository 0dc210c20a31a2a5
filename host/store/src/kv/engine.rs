//! The engine: sled, one tree. Nobody else names it.

use super::KvRange;
use super::batch::{Batch, RANGE_BYTES_MAX};
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries in a leaf, which is written as a whole.
const LEAF_ENTRIES: usize = 32;
/// The engine's cache.
const CACHE_BYTES: usize = 8 << 20;

/// The folders that the engine makes, and its own.
const FOLDERS: [&str; 3] = ["metadata", "slabs", ""];

pub(super) struct Engine {
    /// The engine is not made for many threads at one handle, and a second handle forces all to the disk when dropped.
    tree: Mutex<sled::Db<LEAF_ENTRIES>>,
}

impl std::fmt::Debug for Engine {
    /// Its own would print all entries.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity_bytes(CACHE_BYTES)
            .flush_every_ms(None);
        let tree = guarded(|| config.open())?;
        // It forces its files, and not the names of the folders that it makes: a power cut soon after the first
        // opening would leave nothing (60 of 60 cuts).
        for folder in FOLDERS {
            File::open(path.join(folder))?.sync_all()?;
        }
        Ok(Self {
            tree: Mutex::new(tree),
        })
    }

    pub(super) fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        guarded(|| Ok(self.lock().get(key)?.map(|value| value.to_vec())))
    }

    pub(super) fn range(&self, start: &[u8], end: Option<&[u8]>) -> io::Result<KvRange> {
        if end.is_some_and(|end| end <= start) {
            return Ok(KvRange::default());
        }
        let bounds = (
            Bound::Included(start),
            end.map_or(Bound::Unbounded, Bound::Excluded),
        );
        guarded(|| {
            let tree = self.lock();
            let mut range = KvRange::default();
            let mut bytes = 0;
            for entry in tree.range::<&[u8], _>(bounds) {
                let (key, value) = entry?;
                bytes += key.len() + value.len();
                if bytes > RANGE_BYTES_MAX && !range.entries.is_empty() {
                    range.next = Some(key.to_vec());
                    break;
                }
                range.entries.push((key.to_vec(), value.to_vec()));
            }
            Ok(range)
        })
    }

    fn lock(&self) -> MutexGuard<'_, sled::Db<LEAF_ENTRIES>> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the batches and forces them to the disk.
    pub(super) fn write(&self, batches: Vec<Batch>) -> io::Result<()> {
        guarded(|| {
            let tree = self.lock();
            for batch in batches {
                let mut changes = sled::Batch::default();
                for (key, value) in batch.into_changes() {
                    match value {
                        Some(value) => changes.insert(key, value),
                        None => changes.remove(key),
                    }
                }
                tree.apply_batch(changes)?;
            }
            tree.flush().map(drop)
        })
    }
}

/// The engine asserts where it should report: a panic of it is an error.
fn guarded<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.as_str(),
            (_, Some(text)) => text,
            _ => "no reason",
        };
        Err(io::Error::other(format!("the engine panicked: {text}")))
    })
}
