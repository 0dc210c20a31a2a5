//! Collection: removes the blocks that nothing names any more.

use crate::blocks::{BlockStore, canonical};
use crate::fault::FileError;
use crate::folder;
use mutual_content::links;
use mutual_protocol::{Cid, ids::Codec, limits};
use std::collections::BTreeSet;
use std::fs::{self, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blocks removed.
    pub blocks: u64,
    /// Bytes removed.
    pub bytes: u64,
    /// Blocks of the same age that stay.
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
    /// `roots` gives CIDs of any kind: files, directories, and DAG-CBOR objects such as manifests, whose links are
    /// followed. Roots that are not here lead to nothing. It is called twice: before the search, and again when
    /// nobody else can change the store any more, so that a run that began and ended in between keeps its blocks.
    ///
    /// # Errors
    /// When the store is in use (nothing was removed), a folder cannot be read, or `roots` fails.
    pub fn collect(
        &self,
        roots: impl Fn() -> Result<Vec<Cid>, FileError>,
        now: SystemTime,
        grace: Duration,
    ) -> Result<Collected, CollectError> {
        let before = now.checked_sub(grace).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut live = BTreeSet::new();
        self.mark(roots()?, &mut live);
        let candidates = self.older_blocks(before)?;

        let lock = self.lock_file()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CollectError::Busy),
            Err(TryLockError::Error(error)) => return Err(FileError::at(self.root())(error).into()),
        }
        self.mark(roots()?, &mut live);
        let mut done = Collected::default();
        for (cid, path) in candidates {
            // Put again since it was listed, or removed by somebody else.
            let Some(size) = unchanged_since(&path, before) else {
                continue;
            };
            if live.contains(&cid) {
                done.kept += 1;
            } else if folder::remove_file(&path)? {
                done.blocks += 1;
                done.bytes += size;
            }
        }
        folder::remove_temporary(&self.temporary(), before)?;
        Ok(done)
    }

    /// Adds to `live` everything that `roots` lead to.
    fn mark(&self, roots: Vec<Cid>, live: &mut BTreeSet<Cid>) {
        let mut open = roots;
        while let Some(cid) = open.pop() {
            // Plain bytes lead nowhere: most of a store is not read here.
            if !live.insert(canonical(cid)) || cid.codec() == Codec::Raw {
                continue;
            }
            // What is missing, damaged or not understood leads nowhere for readers as well.
            let block = self
                .get(cid, limits::MANIFEST_BYTES_MAX)
                .unwrap_or_default();
            open.extend(links(cid, &block).unwrap_or_default());
        }
    }

    /// Blocks last put before `before`. Files with other names are not ours and stay.
    fn older_blocks(&self, before: SystemTime) -> Result<Vec<(Cid, PathBuf)>, FileError> {
        let mut found = Vec::new();
        for fold in folder::names(&self.blocks())? {
            let fold = self.blocks().join(fold);
            for name in folder::names(&fold)? {
                let path = fold.join(&name);
                if let Ok(cid) = name.parse::<Cid>()
                    && unchanged_since(&path, before).is_some()
                {
                    found.push((cid, path));
                }
            }
        }
        Ok(found)
    }
}

/// The file's size if it was last written before `before`.
fn unchanged_since(path: &std::path::Path, before: SystemTime) -> Option<u64> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let written = metadata.modified().ok()?;
    (metadata.is_file() && written < before).then_some(metadata.len())
}
