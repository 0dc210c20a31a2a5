//! Staging folders: one per attempt, gone with its process even when that is killed.

use crate::fault::FileError;
use std::path::{Path, PathBuf};

/// The folder that holds staging folders.
#[derive(Debug)]
pub struct StagingArea {
    root: PathBuf,
}

/// A folder of this process, locked as long as the value lives and removed with it.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Folders of dead processes that were removed.
    pub removed: usize,
    /// Those that are left for the next sweep.
    pub left: usize,
}

impl StagingArea {
    /// Opens the folder, and makes it when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self, FileError> {
        todo!()
    }

    /// Makes an empty staging folder that only this account can enter.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self) -> Result<Staging, FileError> {
        todo!()
    }

    /// Removes the folders whose processes are gone, and stops after about `files_max` files, so that it takes a
    /// bounded time. Folders in use are never touched.
    ///
    /// # Errors
    /// When the area itself cannot be read.
    pub fn sweep(&self, files_max: usize) -> Result<Swept, FileError> {
        todo!()
    }
}

impl Staging {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder now and says what went wrong; dropping it does the same and says nothing.
    ///
    /// # Errors
    /// When something in it cannot be removed. The next sweep tries again.
    pub fn remove(self) -> Result<(), FileError> {
        todo!()
    }
}
