//! Files into the store: streamed, never held whole, and refused when they change meanwhile.

use crate::blocks::BlockStore;
use crate::fault::FileError;
use mutual_content::FileRoot;
use std::io;
use std::path::{Path, PathBuf};

/// A file that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// CID, size, and size of the DAG.
    pub root: FileRoot,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A folder, device, socket or pipe.
    #[error("{} is {what}, not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It changed while it was read.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The path.
        path: PathBuf,
    },
    /// More bytes than allowed.
    #[error("more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// The source cannot be read.
    #[error("the input cannot be read")]
    Read(#[source] FileError),
    /// The store cannot be written.
    #[error("the store cannot be written")]
    Write(#[source] FileError),
}

impl BlockStore {
    /// Takes the file at `path`; symbolic links are followed.
    ///
    /// # Errors
    /// When it is not a regular file, cannot be read, changes meanwhile, or the store cannot be written.
    pub fn import_file(&self, path: &Path) -> Result<Imported, ImportError> {
        todo!()
    }

    /// Takes what `input` gives until its end.
    ///
    /// # Errors
    /// When it gives more than `size_max` bytes, cannot be read (the path is `-`), or the store cannot be written.
    pub fn import_stream(
        &self,
        input: &mut impl io::Read,
        size_max: u64,
    ) -> Result<FileRoot, ImportError> {
        todo!()
    }
}

/// The CID that [`BlockStore::import_file`] would give, without keeping anything.
///
/// # Errors
/// As [`BlockStore::import_file`].
pub fn hash_file(path: &Path) -> Result<Imported, ImportError> {
    todo!()
}
