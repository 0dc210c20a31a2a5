//! What the journal asks of a disk, so that a test can take the power away: one folder, its names and its files.
//!
//! It does not know about records.

use crate::fault::FileError;
use crate::folder;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// One folder of files. After a power cut, names are as at the last [`Disk::sync_folder`] or later, never earlier.
pub trait Disk: Debug + Send {
    /// Opens the file `name`; none when there is no such name.
    ///
    /// # Errors
    /// What the operating system says.
    fn open(&mut self, name: &str) -> Result<Option<Box<dyn DiskFile>>, FileError>;

    /// Makes the file `name`, empty, in place of what has that name.
    ///
    /// # Errors
    /// What the operating system says.
    fn create(&mut self, name: &str) -> Result<Box<dyn DiskFile>, FileError>;

    /// Gives the file `from` the name `to`, in place of what has that name.
    ///
    /// # Errors
    /// What the operating system says.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), FileError>;

    /// Removes the name; it may be missing.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&mut self, name: &str) -> Result<(), FileError>;

    /// Forces the names to the disk.
    ///
    /// # Errors
    /// What the operating system says. Nothing is known about the names then.
    fn sync_folder(&mut self) -> Result<(), FileError>;
}

/// One file. After a power cut, it is as at the last [`DiskFile::sync`], with any parts of what was done since.
pub trait DiskFile: Debug + Send {
    /// The whole content; none when it is longer than `bytes_max`.
    ///
    /// # Errors
    /// What the operating system says.
    fn read(&mut self, bytes_max: u64) -> Result<Option<Vec<u8>>, FileError>;

    /// Writes `bytes` at `offset`, which is at most the file's length.
    ///
    /// # Errors
    /// What the operating system says. Some of the bytes may be written then.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError>;

    /// Cuts the file to `length`.
    ///
    /// # Errors
    /// What the operating system says.
    fn cut(&mut self, length: u64) -> Result<(), FileError>;

    /// Forces content and length to the disk.
    ///
    /// # Errors
    /// What the operating system says. Nothing is known about what was written since the last barrier then, and a
    /// second call that succeeds proves nothing.
    fn sync(&mut self) -> Result<(), FileError>;
}

/// The name of the lock file.
const LOCK: &str = "lock";

/// A folder of the file system, locked as long as the value lives.
#[derive(Debug)]
pub(crate) struct LockedFolder {
    path: PathBuf,
    _lock: File,
}

impl LockedFolder {
    /// Makes the folder when it is missing, and locks it; none when another process or value has it.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, FileError> {
        folder::make(path)?;
        if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            sync_folder(parent)?;
        }
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(FileError::at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self {
                path: path.to_owned(),
                _lock: lock,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(FileError::at(&lock_path)(error)),
        }
    }
}

/// Forces the names in `path` to the disk.
pub(crate) fn sync_folder(path: &Path) -> Result<(), FileError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::at(path))
}

impl Disk for LockedFolder {
    fn open(&mut self, name: &str) -> Result<Option<Box<dyn DiskFile>>, FileError> {
        let path = self.path.join(name);
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Ok(Some(Box::new(PlainFile { path, file }))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::at(&path)(error)),
        }
    }

    fn create(&mut self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        match options.mode(0o600).open(&path) {
            Ok(file) => Ok(Box::new(PlainFile { path, file })),
            Err(error) => Err(FileError::at(&path)(error)),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), FileError> {
        let to = self.path.join(to);
        fs::rename(self.path.join(from), &to).map_err(FileError::at(&to))
    }

    fn remove(&mut self, name: &str) -> Result<(), FileError> {
        folder::remove_file(&self.path.join(name)).map(drop)
    }

    fn sync_folder(&mut self) -> Result<(), FileError> {
        sync_folder(&self.path)
    }
}

#[derive(Debug)]
struct PlainFile {
    path: PathBuf,
    file: File,
}

impl DiskFile for PlainFile {
    fn read(&mut self, bytes_max: u64) -> Result<Option<Vec<u8>>, FileError> {
        let mut read = || {
            if self.file.metadata()?.len() > bytes_max {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            self.file.rewind()?;
            self.file.read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        };
        read().map_err(FileError::at::<io::Error>(&self.path))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(FileError::at(&self.path))
    }

    fn cut(&mut self, length: u64) -> Result<(), FileError> {
        self.file.set_len(length).map_err(FileError::at(&self.path))
    }

    fn sync(&mut self) -> Result<(), FileError> {
        // `fdatasync`: it includes the length, and leaves out the times.
        self.file.sync_data().map_err(FileError::at(&self.path))
    }
}
