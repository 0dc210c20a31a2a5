//! Staging folders: one per attempt, gone with its process even when that is killed.
//!
//! Each folder `NAME` has a file `NAME.lock` beside it, locked by the process that uses the folder. The lock file is
//! there before the folder and after it, and the system gives the lock back when the process ends, however it ends.

use crate::fault::FileError;
use crate::folder;
use crate::remove::remove_tree;
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How the name of a lock file ends.
const LOCK: &str = "lock";

/// The folder that holds staging folders.
#[derive(Debug)]
pub struct StagingArea {
    root: PathBuf,
}

/// A folder of this process, locked as long as the value lives and removed with it.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    _lock: File,
    removed: bool,
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
        folder::make(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Makes an empty staging folder that only this account can enter.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self) -> Result<Staging, FileError> {
        loop {
            let path = self
                .root
                .join(format!("{}-{}", std::process::id(), folder::unique()));
            let lock = path.with_extension(LOCK);
            // A sweep may get in between making the lock file and locking it: then the next name is tried.
            let Some(lock) = acquire(&lock, OpenOptions::new().create_new(true))
                .map_err(FileError::at(&lock))?
            else {
                continue;
            };
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    return Ok(Staging {
                        path,
                        _lock: lock,
                        removed: false,
                    });
                }
                // Left by a process that had our id: a sweep removes it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(FileError::at(&path)(error)),
            }
        }
    }

    /// Removes the folders whose processes are gone, and stops after about `files_max` files, so that it takes a
    /// bounded time. Folders in use are never touched.
    ///
    /// # Errors
    /// When the area itself cannot be read.
    pub fn sweep(&self, files_max: usize) -> Result<Swept, FileError> {
        let names = folder::names(&self.root)?;
        let ours: BTreeSet<&str> = names.iter().filter_map(|name| own_name(name)).collect();
        let mut swept = Swept::default();
        let mut files_left = files_max;
        for name in ours {
            let path = self.root.join(name);
            let lock = path.with_extension(LOCK);
            let Ok(Some(_held)) = acquire(&lock, OpenOptions::new().create(true)) else {
                continue;
            };
            if files_left > 0 && matches!(remove_tree(&path, &mut files_left), Ok(true)) {
                folder::remove_file(&lock)?;
                swept.removed += 1;
            } else {
                swept.left += 1;
            }
        }
        Ok(swept)
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
    pub fn remove(mut self) -> Result<(), FileError> {
        self.removed = true;
        self.remove_all()
    }

    fn remove_all(&self) -> Result<(), FileError> {
        let mut all = usize::MAX;
        remove_tree(&self.path, &mut all)?;
        folder::remove_file(&self.path.with_extension(LOCK)).map(drop)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.removed {
            let _left_to_the_next_sweep = self.remove_all();
        }
    }
}

/// The name of the staging folder that a folder or lock file belongs to; none for files of others.
fn own_name(name: &str) -> Option<&str> {
    let name = name.strip_suffix(".lock").unwrap_or(name);
    let (process, number) = name.split_once('-')?;
    (process.parse::<u32>().is_ok() && number.parse::<u64>().is_ok()).then_some(name)
}

/// Opens and locks the file; none when it is there already (with `create_new`), somebody else has it, or it was
/// removed by its last holder meanwhile.
fn acquire(path: &Path, options: &mut OpenOptions) -> io::Result<Option<File>> {
    let file = match options.read(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        file => file?,
    };
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
