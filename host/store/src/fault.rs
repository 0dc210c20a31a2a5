//! What the operating system refused: the path, and the class of fault that decides what a person can do about it.

use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// What kind of refusal it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The disk, the quota or the largest allowed file is full.
    DiskFull,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The account may not do it.
    Denied,
    /// The path does not exist.
    Missing,
    /// A folder where a file is meant.
    IsFolder,
    /// A file where a folder is meant.
    NotAFolder,
    /// Anything else: see the cause.
    Other,
}

impl Fault {
    /// The class of an error of the standard library.
    pub fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Self::DiskFull,
            Some(Errno::ROFS) => Self::ReadOnly,
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied,
            Some(Errno::NOENT) => Self::Missing,
            Some(Errno::ISDIR) => Self::IsFolder,
            Some(Errno::NOTDIR) => Self::NotAFolder,
            _ => Self::Other,
        }
    }
}

/// A path and what the operating system said about it.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct FileError {
    /// Which file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl FileError {
    /// What kind of refusal it was.
    pub fn fault(&self) -> Fault {
        Fault::of(&self.source)
    }

    /// For `map_err`.
    pub(crate) fn at<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_class_that_says_what_to_do() {
        for (errno, want) in [
            (Errno::NOSPC, Fault::DiskFull),
            (Errno::DQUOT, Fault::DiskFull),
            (Errno::FBIG, Fault::DiskFull),
            (Errno::ROFS, Fault::ReadOnly),
            (Errno::ACCESS, Fault::Denied),
            (Errno::PERM, Fault::Denied),
            (Errno::NOENT, Fault::Missing),
            (Errno::ISDIR, Fault::IsFolder),
            (Errno::NOTDIR, Fault::NotAFolder),
            (Errno::IO, Fault::Other),
        ] {
            let error = FileError::at(Path::new("x"))(errno);
            assert_eq!(error.fault(), want, "{errno:?}");
        }
    }
}
