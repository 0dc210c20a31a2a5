//! Folders and files of our own: made for the account alone, and visible under their names only when whole.

use crate::fault::FileError;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Dir, DirEntry, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, openat, utimensat,
};
use rustix::io::Errno;
use rustix::path::Arg;
use std::ffi::CString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// How the name of every temporary file starts.
const TEMPORARY: &str = ".mc-";
/// For `utimensat`: both times are now.
const NOW: Timestamps = Timestamps {
    last_access: Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    },
    last_modification: Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    },
};

/// Makes `path` and the folders above it, for this account only. It may be there already.
pub(crate) fn make(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(FileError::at(path))
}

/// The names in `path`, in no order. Those that are not UTF-8 are not ours and are left out.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, FileError> {
    let entries = fs::read_dir(path).map_err(FileError::at(path))?;
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    names
        .filter_map(Result::transpose)
        .collect::<io::Result<_>>()
        .map_err(FileError::at(path))
}

/// Removes the file `path`; whether it was there.
pub(crate) fn remove_file(path: &Path) -> Result<bool, FileError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::at(path)(error)),
    }
}

/// Opens the folder `name` in `folder` for reading its names; a link is refused.
pub(crate) fn open_folder<P: Arg>(folder: BorrowedFd<'_>, name: P) -> Result<OwnedFd, Errno> {
    openat(
        folder,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// The names in an open folder, in no order.
pub(crate) fn entry_names(folder: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let own = |entry: Result<DirEntry, Errno>| entry.map(|entry| entry.file_name().to_owned());
    let names: Vec<CString> = Dir::read_from(folder)?.map(own).collect::<Result<_, _>>()?;
    Ok(names
        .into_iter()
        .filter(|name| !matches!(name.as_bytes(), b"." | b".."))
        .collect())
}

/// Sets the times of a file or folder to now. A link is not followed.
pub(crate) fn touch(path: &Path) -> Result<(), FileError> {
    utimensat(CWD, path, &NOW, AtFlags::SYMLINK_NOFOLLOW).map_err(FileError::at(path))
}

/// A number that no other caller in this process gets.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Removes the temporary files in `folder` that nobody has written to since `before`: their processes were killed.
pub(crate) fn remove_temporary(folder: &Path, before: SystemTime) -> Result<(), FileError> {
    for name in names(folder)?
        .iter()
        .filter(|name| name.starts_with(TEMPORARY))
    {
        let path = folder.join(name);
        let written = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
        if written.is_ok_and(|written| written < before) {
            remove_file(&path)?;
        }
    }
    Ok(())
}

/// A new file that gets its name when it is whole, and vanishes when it is dropped before.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) file: File,
    path: PathBuf,
    named: bool,
}

impl Temporary {
    /// Makes one in `folder`, which must be on the file system of its later name. The process's mask applies to
    /// `mode`.
    pub(crate) fn create(folder: &Path, mode: u32) -> Result<Self, FileError> {
        loop {
            // Another process may have our number, in another container or before us: then the next one is tried.
            let path = folder.join(format!("{TEMPORARY}{}-{}", std::process::id(), unique()));
            match OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&path)
            {
                Ok(file) => {
                    return Ok(Self {
                        file,
                        path,
                        named: false,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(FileError::at(&path)(error)),
            }
        }
    }

    /// Appends `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        io::Write::write_all(&mut self.file, bytes).map_err(FileError::at(&self.path))
    }

    /// Gives the file its name, in place of what was there.
    pub(crate) fn rename(mut self, name: &Path) -> Result<(), FileError> {
        match fs::rename(&self.path, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(parent) = name.parent() {
                    make(parent)?;
                }
                fs::rename(&self.path, name)
            }
            done => done,
        }
        .map_err(FileError::at(name))?;
        self.named = true;
        Ok(())
    }

    /// As [`Temporary::rename`], and still there after a power cut.
    pub(crate) fn rename_durably(self, name: &Path) -> Result<(), FileError> {
        self.file.sync_all().map_err(FileError::at(&self.path))?;
        self.rename(name)?;
        let folder = name.parent().unwrap_or(name);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(FileError::at(folder))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.named {
            // Nothing to do about a failure: a later collection tries again.
            let _removed = fs::remove_file(&self.path);
        }
    }
}
