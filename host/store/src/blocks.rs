//! The block store: one file per block, named by its CID.

use crate::fault::FileError;
use mutual_content::{Block, FileRoot};
use mutual_protocol::{Cid, ids::Codec};
use std::path::{Path, PathBuf};

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The folder was made by another version.
    #[error("{} has the format {found:?}, which this version does not know", path.display())]
    Version {
        /// The version file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The folder holds something else.
    #[error("{} holds other files and is not a store", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a block was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The bytes are not the content of the CID.
    #[error("the bytes are not the content of {cid}")]
    Wrong {
        /// The CID.
        cid: Cid,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a block cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// It is not here.
    #[error("{cid} is not in the store")]
    Missing {
        /// The CID.
        cid: Cid,
    },
    /// The file's content has changed. It was removed: importing or fetching it again repairs the store.
    #[error("{cid} was damaged on the disk and has been removed")]
    Damaged {
        /// The CID.
        cid: Cid,
    },
    /// Larger than the caller takes.
    #[error("{cid} has {size} bytes, more than {max}")]
    TooLarge {
        /// The CID.
        cid: Cid,
        /// Its size.
        size: u64,
        /// The limit.
        max: usize,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Blocks as plain files in `blocks/XX/CID` below one folder, which only its account can read.
///
/// Open it once and share it; many processes may open the same folder. Whoever imports or runs something holds a
/// [`StoreGuard`] until a run record, or whatever else the next collection will be told as a root, names the result.
#[derive(Debug)]
pub struct BlockStore {
    root: PathBuf,
}

/// Keeps collections out as long as it lives; any number may be held at once.
#[derive(Debug)]
pub struct StoreGuard {
    _lock: std::fs::File,
}

impl BlockStore {
    /// Opens the store in `root`, and makes it when the folder is empty or missing.
    ///
    /// # Errors
    /// When the folder is another version's, is no store, or cannot be read.
    pub fn open(root: &Path) -> Result<Self, OpenStoreError> {
        todo!()
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps collections out. Waits for one that is just deleting (bounded by its batch).
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub fn guard(&self) -> Result<StoreGuard, FileError> {
        todo!()
    }

    /// Checks `bytes` against `cid` and keeps them.
    ///
    /// # Errors
    /// When they do not belong together, or cannot be written.
    pub fn put(&self, cid: Cid, bytes: &[u8]) -> Result<(), PutError> {
        todo!()
    }

    /// Keeps a block without hashing it again: its type proves that it was hashed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_block(&self, block: Block<'_>) -> Result<(), FileError> {
        todo!()
    }

    /// Hashes and keeps `bytes` as one block, such as an encoded manifest (`Codec::DagCbor`).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_new(&self, codec: Codec, bytes: &[u8]) -> Result<Cid, FileError> {
        todo!()
    }

    /// Cuts bytes in memory into a file's blocks and keeps them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put_file(&self, bytes: &[u8]) -> Result<FileRoot, FileError> {
        todo!()
    }

    /// A block's bytes, checked anew.
    ///
    /// # Errors
    /// When it is missing, damaged (then it is removed) or larger than `size_max`.
    pub fn get(&self, cid: Cid, size_max: usize) -> Result<Vec<u8>, GetError> {
        todo!()
    }

    /// Whether the block is there. Its content is not looked at.
    pub fn has(&self, cid: Cid) -> bool {
        todo!()
    }

    /// Removes a block; whether it was there.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn remove(&self, cid: Cid) -> Result<bool, FileError> {
        todo!()
    }
}
