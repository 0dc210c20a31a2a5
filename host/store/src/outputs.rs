//! Outputs of an untrusted guest: what it left below its root, counted before a byte of it is read.

use crate::blocks::BlockStore;
use crate::fault::FileError;
use crate::import::ImportError;
use mutual_protocol::manifest::{Entry, GuestPath};
use std::path::{Path, PathBuf};

/// What an output may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Bytes in all, by apparent size: a sparse file counts in full.
    pub bytes_max: u64,
    /// Files and folders.
    pub entries_max: usize,
}

/// What a guest left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Files and empty folders, under their guest paths, ready for a manifest.
    pub entries: Vec<Entry>,
    /// What is not carried.
    pub skipped: Vec<Skipped>,
    /// Wanted paths at which there is nothing.
    pub missing: Vec<GuestPath>,
}

/// Something in the outputs that is not carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where, below the root; any bytes.
    pub path: PathBuf,
    /// What.
    pub kind: SkippedKind,
}

/// Why something is not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkippedKind {
    /// A symbolic link. It is never followed.
    Symlink,
    /// A device, socket or pipe.
    Special,
    /// A name that is not a guest path: not UTF-8, too long, or with control characters.
    Name,
}

/// Why outputs were not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectTreeError {
    /// More bytes than allowed.
    #[error("the outputs have more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// More files and folders than allowed.
    #[error("the outputs have more than {max} files and folders")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Nested more deeply than a guest path can be.
    #[error("the outputs are nested too deeply at {}", path.display())]
    TooDeep {
        /// Where.
        path: PathBuf,
    },
    /// A file was not taken.
    #[error(transparent)]
    File(#[from] ImportError),
    /// A folder cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
}

impl BlockStore {
    /// Takes what lies at the `wanted` guest paths below the folder `root`: files, and folders with all below them.
    ///
    /// No symbolic link is followed, at the end of a path or on the way; nothing but regular files is opened.
    ///
    /// # Errors
    /// When there is more than the limits allow (then nothing was read), or the store cannot be written.
    pub fn collect_tree(
        &self,
        root: &Path,
        wanted: &[GuestPath],
        limits: OutputLimits,
    ) -> Result<Outputs, CollectTreeError> {
        todo!()
    }
}
