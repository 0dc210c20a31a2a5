//! Removes or empties a folder that a guest has filled: any depth, no recursion, two open folders at a time.

use crate::fault::FileError;
use crate::folder::{entry_names, open_folder, unique};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, renameat, unlinkat};
use rustix::io::Errno;
use std::ffi::CStr;
use std::path::Path;

/// Removes `path` with everything in it, and gives up after about `files_left` removals. Links are not followed.
/// Returns whether it is gone; it may never have been there.
pub(crate) fn remove_tree(path: &Path, files_left: &mut usize) -> Result<bool, FileError> {
    if !empty_tree(path, &[], files_left)? {
        return Ok(false);
    }
    match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(error) => Err(FileError::at(path)(error)),
    }
}

/// Removes everything in `path` but those folders in it that `kept` names, which are emptied, and gives up after
/// about `files_left` removals. Links are not followed. Returns whether it is empty; it may never have been there.
///
/// A guest can nest folders more deeply than a stack, a path or the table of open files allows. So a folder that is
/// not empty is emptied of files, and its folders move up to the top, until the top holds none.
pub(crate) fn empty_tree(
    path: &Path,
    kept: &[&str],
    files_left: &mut usize,
) -> Result<bool, FileError> {
    let top = match open_folder(CWD, path) {
        Err(Errno::NOENT) => return Ok(true),
        top => top.map_err(FileError::at(path))?,
    };
    let is_kept = |name: &CStr| kept.iter().any(|kept| name.to_bytes() == kept.as_bytes());
    loop {
        let mut is_empty = true;
        for name in entry_names(top.as_fd()).map_err(FileError::at(path))? {
            if *files_left == 0 {
                return Ok(false);
            }
            let done = if is_kept(&name) {
                empty_folder(top.as_fd(), &name, files_left)
            } else {
                remove_entry(top.as_fd(), &name, files_left).map(|()| false)
            };
            is_empty &= done.map_err(FileError::at(path))?;
        }
        if is_empty {
            return Ok(true);
        }
    }
}

/// Removes one entry of `top`; of a folder that is not empty, everything but its folders, which move to `top`.
fn remove_entry(top: BorrowedFd<'_>, name: &CStr, files_left: &mut usize) -> Result<(), Errno> {
    if remove_one(top, name, files_left)? {
        return Ok(());
    }
    empty_folder(top, name, files_left)?;
    if *files_left == 0 {
        return Ok(());
    }
    unlinkat(top, name, AtFlags::REMOVEDIR)
}

/// Empties the folder `name` of `top`, whose own folders move to `top`; whether it was empty. What is no folder goes.
fn empty_folder(top: BorrowedFd<'_>, name: &CStr, files_left: &mut usize) -> Result<bool, Errno> {
    let folder = match open_folder(top, name) {
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return remove_one(top, name, files_left).map(|_gone| false);
        }
        folder => folder?,
    };
    let children = entry_names(folder.as_fd())?;
    for child in &children {
        if *files_left == 0 {
            break;
        }
        if !remove_one(folder.as_fd(), child, files_left)? {
            move_up(folder.as_fd(), child, top)?;
        }
    }
    Ok(children.is_empty())
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
