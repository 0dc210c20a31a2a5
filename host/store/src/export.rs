//! Content out of the store: to a stream, into staging folders, and to its place among a person's files.

use crate::blocks::{BlockStore, GetError};
use crate::fault::FileError;
use mutual_content::ReadFileError;
use mutual_protocol::Cid;
use mutual_protocol::manifest::{GuestPath, Manifest};
use std::io;
use std::path::{Path, PathBuf};

/// Why a file's content cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A block is missing or damaged.
    #[error(transparent)]
    Get(#[from] GetError),
    /// The DAG is not a file, or not of the size promised.
    #[error(transparent)]
    Dag(#[from] ReadFileError),
    /// Larger than the caller takes.
    #[error("{cid} has {size} bytes, more than {max}")]
    TooLarge {
        /// The file.
        cid: Cid,
        /// Its size.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The receiving side refused: for standard output this may be a broken pipe.
    #[error("the content cannot be written")]
    Write(#[source] io::Error),
}

/// Whether a staged file may be changed by the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// 0444, or 0555 for executables.
    ReadOnly,
    /// 0644, or 0755 for executables.
    Writable,
}

/// Why a manifest was not laid out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialiseError {
    /// A file's content cannot be given.
    #[error("{path}")]
    Content {
        /// The guest path.
        path: GuestPath,
        /// Why not.
        #[source]
        source: ExportError,
    },
    /// A file or folder cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why an output was not put in its place. What was there before is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// A folder is there.
    #[error("{} is a folder", path.display())]
    IsFolder {
        /// The target.
        path: PathBuf,
    },
    /// The target is a link to nothing.
    #[error("{} is a link to nothing", path.display())]
    LinkDangling {
        /// The target.
        path: PathBuf,
    },
    /// The content cannot be given.
    #[error(transparent)]
    Content(#[from] ExportError),
    /// A file or folder cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
}

impl BlockStore {
    /// Writes the file `cid` to `out` and returns its length. With `size`, the file must have that length.
    ///
    /// # Errors
    /// When a block is missing or damaged, the DAG is not a file, or `out` refuses.
    pub fn export_file(
        &self,
        cid: Cid,
        size: Option<u64>,
        out: &mut impl io::Write,
    ) -> Result<u64, ExportError> {
        todo!()
    }

    /// The whole file `cid` in memory: for programs and manifests.
    ///
    /// # Errors
    /// As [`BlockStore::export_file`], and when it is larger than `size_max`.
    pub fn read_file(&self, cid: Cid, size_max: u64) -> Result<Vec<u8>, ExportError> {
        todo!()
    }

    /// Lays out `manifest` below the folder `root`, which is ours alone. Files at or below one of the `writable` paths
    /// may be changed by the guest, others not. Folders that are there already are used; files must not be.
    ///
    /// # Errors
    /// When content is missing, or a file or folder cannot be made.
    pub fn materialise(
        &self,
        manifest: &Manifest,
        root: &Path,
        writable: &[GuestPath],
    ) -> Result<(), MaterialiseError> {
        todo!()
    }

    /// Puts the file `cid` at `target`, at once and whole: written beside it and renamed. Folders above are made. A
    /// file that is there is replaced and leaves its mode; a link is followed; a device or pipe is written to.
    ///
    /// # Errors
    /// When content is missing, or the target cannot be made.
    pub fn place_file(
        &self,
        cid: Cid,
        size: u64,
        target: &Path,
        executable: bool,
    ) -> Result<(), PlaceError> {
        todo!()
    }
}
