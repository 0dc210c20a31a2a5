//! Collection: removes the blocks that nothing names any more.

use crate::blocks::BlockStore;
use crate::fault::FileError;
use mutual_protocol::Cid;
use std::time::{Duration, SystemTime};

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blocks removed.
    pub blocks: u64,
    /// Bytes removed.
    pub bytes: u64,
    /// Blocks that stay.
    pub kept: u64,
}

/// Why nothing, or not everything, was collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// Somebody holds a [`StoreGuard`](crate::StoreGuard).
    #[error("the store is in use")]
    Busy,
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

impl BlockStore {
    /// Removes every block that no root leads to and that nobody has put for `grace` before `now`, and the temporary
    /// files of that age.
    ///
    /// `roots` are CIDs of any kind: files, directories, and DAG-CBOR objects such as manifests, whose links are
    /// followed. Roots that are not here lead to nothing.
    ///
    /// # Errors
    /// When the store is in use (nothing was removed), or a folder cannot be read.
    pub fn collect(
        &self,
        roots: impl IntoIterator<Item = Cid>,
        now: SystemTime,
        grace: Duration,
    ) -> Result<Collected, CollectError> {
        todo!()
    }
}
