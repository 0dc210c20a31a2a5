//! Staging folders: one per attempt, its content gone with its process even when that is killed.
//!
//! The folders are numbered, and each folder `N` has a file `N.lock` beside it, locked by the process that uses it.
//! The system gives the lock back when the process ends, however it ends. The first few folders stay when nobody uses
//! them, as empty as they were made: some file systems search all recently deleted files whenever one is made, so
//! that folders made and removed for each of many short attempts cost milliseconds.

use crate::fault::FileError;
use crate::folder;
use crate::remove::{empty_tree, remove_tree};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How the name of a lock file ends.
const LOCK: &str = "lock";
/// Folders that stay when nobody uses them: attempts at a time on most machines.
const KEPT: u32 = 8;
/// Attempts at a time: more than any machine has threads for.
const STAGINGS_MAX: u32 = 4096;

/// The folder that holds staging folders.
#[derive(Debug)]
pub struct StagingArea {
    root: PathBuf,
    folders: &'static [&'static str],
}

/// A folder of this process, locked as long as the value lives and emptied with it.
#[derive(Debug)]
pub struct Staging {
    number: u32,
    path: PathBuf,
    folders: &'static [&'static str],
    _lock: File,
    released: bool,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Folders of dead processes that were emptied or removed.
    pub removed: usize,
    /// Those that are left for the next sweep.
    pub left: usize,
}

impl StagingArea {
    /// Opens the area in `root`, and makes it when it is missing. `folders` are the names of the empty folders that
    /// every staging folder begins with.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path, folders: &'static [&'static str]) -> Result<Self, FileError> {
        folder::make(root)?;
        Ok(Self {
            root: root.to_owned(),
            folders,
        })
    }

    /// Takes a staging folder that only this account can enter. It holds the area's folders, empty, and nothing else.
    ///
    /// # Errors
    /// When it cannot be made or emptied, or too many are in use.
    pub fn create(&self) -> Result<Staging, FileError> {
        for number in 0..STAGINGS_MAX {
            let path = self.root.join(number.to_string());
            let lock = path.with_extension(LOCK);
            // In use, or removed between the two looks: the next one is tried.
            let Some(lock) = acquire(&lock).map_err(FileError::at(&lock))? else {
                continue;
            };
            let staging = Staging {
                number,
                path,
                folders: self.folders,
                _lock: lock,
                released: false,
            };
            staging.lay_out()?;
            return Ok(staging);
        }
        let error = io::Error::other("too many attempts at a time");
        Err(FileError::at(&self.root)(error))
    }

    /// Empties the folders whose processes are gone, and stops after about `files_max` files, so that it takes a
    /// bounded time. Folders in use are never touched.
    ///
    /// # Errors
    /// When the area itself cannot be read.
    pub fn sweep(&self, files_max: usize) -> Result<Swept, FileError> {
        let names = folder::names(&self.root)?;
        let ours: BTreeSet<u32> = names.iter().filter_map(|name| own_number(name)).collect();
        let mut swept = Swept::default();
        let mut files_left = files_max;
        for number in ours {
            let path = self.root.join(number.to_string());
            let lock = path.with_extension(LOCK);
            let Ok(Some(held)) = acquire(&lock) else {
                continue;
            };
            let before = files_left;
            let staging = Staging {
                number,
                path,
                folders: self.folders,
                _lock: held,
                released: true,
            };
            let gone = files_left > 0 && matches!(staging.empty(&mut files_left), Ok(true));
            swept.removed += usize::from(gone && files_left < before);
            swept.left += usize::from(!gone);
        }
        Ok(swept)
    }
}

impl Staging {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Empties the folder now and says what went wrong; dropping it does the same and says nothing.
    ///
    /// # Errors
    /// When something in it cannot be removed. The next sweep tries again.
    pub fn remove(mut self) -> Result<(), FileError> {
        self.released = true;
        self.empty(&mut usize::MAX.clone()).map(drop)
    }

    fn lay_out(&self) -> Result<(), FileError> {
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Ok(()) => {}
            // Kept, or left by a process that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                empty_tree(&self.path, self.folders, &mut usize::MAX.clone())?;
            }
            Err(error) => return Err(FileError::at(&self.path)(error)),
        }
        for name in self.folders {
            let path = self.path.join(name);
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // A guest could tell when another one ran before it.
                    folder::touch(&path)?;
                }
                made => made.map_err(FileError::at(&path))?,
            }
        }
        folder::touch(&self.path)
    }

    /// Gives the disk space back; whether nothing is left to do.
    fn empty(&self, files_left: &mut usize) -> Result<bool, FileError> {
        if self.number < KEPT {
            return empty_tree(&self.path, self.folders, files_left);
        }
        let gone = remove_tree(&self.path, files_left)?;
        if gone {
            folder::remove_file(&self.path.with_extension(LOCK))?;
        }
        Ok(gone)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.released {
            let _left_to_the_next_sweep = self.empty(&mut usize::MAX.clone());
        }
    }
}

/// The number of the staging folder that a folder or lock file belongs to; none for files of others.
fn own_number(name: &str) -> Option<u32> {
    let number: u32 = name.strip_suffix(".lock").unwrap_or(name).parse().ok()?;
    (number < STAGINGS_MAX).then_some(number)
}

/// Opens and locks the file; none when somebody else has it, or it was removed by its last holder meanwhile.
fn acquire(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let same = match fs::symlink_metadata(path) {
        Ok(there) => there.ino() == file.metadata()?.ino(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    Ok(same.then_some(file))
}
