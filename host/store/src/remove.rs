//! Removes a folder that a guest has filled: any depth, no recursion, two open folders at a time.

use crate::fault::FileError;
use crate::folder::{entry_names, open_folder, unique};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, renameat, unlinkat};
use rustix::io::Errno;
use std::ffi::CStr;
use std::path::Path;

/// Removes `path` with everything in it, and gives up after about `files_left` removals. Links are not followed.
/// Returns whether it is gone; it may never have been there.
///
/// A guest can nest folders more deeply than a stack, a path or the table of open files allows. So a folder that is
/// not empty is emptied of files, and its folders move up to the top, until the top holds none.
pub(crate) fn remove_tree(path: &Path, files_left: &mut usize) -> Result<bool, FileError> {
    let top = match open_folder(CWD, path) {
        Err(Errno::NOENT) => return Ok(true),
        top => top.map_err(FileError::at(path))?,
    };
    loop {
        let names = entry_names(top.as_fd()).map_err(FileError::at(path))?;
        if names.is_empty() {
            break;
        }
        for name in names {
            if *files_left == 0 {
                return Ok(false);
            }
            remove_entry(top.as_fd(), &name, files_left).map_err(FileError::at(path))?;
        }
    }
    unlinkat(CWD, path, AtFlags::REMOVEDIR).map_err(FileError::at(path))?;
    Ok(true)
}

/// Removes one entry of `top`; of a folder that is not empty, everything but its folders, which move to `top`.
fn remove_entry(top: BorrowedFd<'_>, name: &CStr, files_left: &mut usize) -> Result<(), Errno> {
    if remove_one(top, name, files_left)? {
        return Ok(());
    }
    let folder = open_folder(top, name)?;
    for child in entry_names(folder.as_fd())? {
        if *files_left == 0 {
            return Ok(());
        }
        if !remove_one(folder.as_fd(), &child, files_left)? {
            move_up(folder.as_fd(), &child, top)?;
        }
    }
    unlinkat(top, name, AtFlags::REMOVEDIR)
}

/// Removes a file or an empty folder; whether that was enough.
fn remove_one(folder: BorrowedFd<'_>, name: &CStr, files_left: &mut usize) -> Result<bool, Errno> {
    *files_left = files_left.saturating_sub(1);
    // For a folder Linux says ISDIR, others PERM.
    let removed = match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => unlinkat(folder, name, AtFlags::REMOVEDIR),
        other => other,
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

fn move_up(folder: BorrowedFd<'_>, name: &CStr, top: BorrowedFd<'_>) -> Result<(), Errno> {
    loop {
        // The guest may have taken the name: then the next one is tried.
        match renameat(folder, name, top, format!("moved-{}", unique())) {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            done => return done,
        }
    }
}
