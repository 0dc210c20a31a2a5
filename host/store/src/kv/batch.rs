//! A batch: changes that happen together, within limits.

use std::collections::BTreeMap;

/// The longest key: a CID and a prefix are some 50 bytes, a path of the guest at most 1,024.
pub const KEY_BYTES_MAX: usize = 2 << 10;
/// The longest value. Engines tear or slow down beyond; larger things are blocks.
pub const VALUE_BYTES_MAX: usize = (64 << 10) - 1;
/// The most that one barrier covers: it waits in memory, and engines hold it a few times over.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// How long a part of a range gets, at least one entry.
pub const RANGE_BYTES_MAX: usize = 1 << 20;
/// What an entry counts beside its key and value, so that the number of changes has a limit too (some 16,000).
const ENTRY_BYTES: usize = 64;

/// Changes that are applied together. Of two changes of one key, the later one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
}

/// Why a change does not go into a batch. The batch stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The key is empty or longer than [`KEY_BYTES_MAX`].
    #[error("a key of {bytes} bytes")]
    Key {
        /// How long it is.
        bytes: usize,
    },
    /// The value is longer than [`VALUE_BYTES_MAX`].
    #[error("a value of {bytes} bytes")]
    Value {
        /// How long it is.
        bytes: usize,
    },
    /// The batch would be longer than [`BATCH_BYTES_MAX`]: commit it, and begin another.
    #[error("the batch is full")]
    Full,
}

impl Batch {
    /// Gives a key a value.
    ///
    /// # Errors
    /// When one is too long, or the batch is full.
    pub fn put(
        &mut self,
        key: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
    ) -> Result<(), BatchError> {
        let value = value.into();
        let bytes = value.len();
        if bytes > VALUE_BYTES_MAX {
            return Err(BatchError::Value { bytes });
        }
        self.change(key.into(), Some(value))
    }

    /// Removes a key, which may be missing.
    ///
    /// # Errors
    /// When it is too long, or the batch is full.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) -> Result<(), BatchError> {
        self.change(key.into(), None)
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What counts against [`BATCH_BYTES_MAX`].
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn into_changes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.changes
    }

    fn change(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), BatchError> {
        let bytes = key.len();
        if !(1..=KEY_BYTES_MAX).contains(&bytes) {
            return Err(BatchError::Key { bytes });
        }
        let size =
            |value: &Option<Vec<u8>>| ENTRY_BYTES + bytes + value.as_ref().map_or(0, Vec::len);
        let freed = self.changes.get(&key).map_or(0, size);
        let total = self.bytes - freed + size(&value);
        if total > BATCH_BYTES_MAX {
            return Err(BatchError::Full);
        }
        self.bytes = total;
        self.changes.insert(key, value);
        Ok(())
    }
}
