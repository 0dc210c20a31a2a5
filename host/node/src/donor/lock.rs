//! One host for one data folder: a file that the living host holds locked, with its process id inside.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Digits of a process id, and what else somebody may have written there.
const PID_BYTES_MAX: u64 = 32;

/// The right to be the host of a data folder. Ends when it is dropped, and with the process.
#[derive(Debug)]
pub struct HostLock {
    _file: File,
}

/// Why this process is not the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another one is.
    #[error("process {} is the host", pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string()))]
    Taken {
        /// Which, if it can be told.
        pid: Option<u32>,
    },
    /// The file cannot be used.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl HostLock {
    /// Takes the lock at `path` at once, or says who has it.
    ///
    /// # Errors
    /// When it is held, or cannot be made.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let at = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(folder).map_err(at)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(at)?;
        match rustix::io::retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            Err(Errno::WOULDBLOCK) => return Err(LockError::Taken { pid: pid(path) }),
            taken => taken.map_err(|e| at(e.into()))?,
        }
        file.set_len(0).map_err(at)?;
        writeln!(file, "{}", std::process::id()).map_err(at)?;
        Ok(Self { _file: file })
    }

    /// Whether a host holds the lock at `path`.
    pub fn is_held(path: &Path) -> bool {
        let Ok(file) = File::open(path) else {
            return false;
        };
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }
}

fn pid(path: &Path) -> Option<u32> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_others_hear_who() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/host.lock");
        assert!(!HostLock::is_held(&path));
        let held = HostLock::take(&path).unwrap();
        assert!(HostLock::is_held(&path));
        let own = std::process::id();
        match HostLock::take(&path) {
            Err(LockError::Taken { pid }) => assert_eq!(pid, Some(own)),
            other => panic!("{other:?}"),
        }
        drop(held);
        assert!(!HostLock::is_held(&path));
        HostLock::take(&path).unwrap();
    }

    #[test]
    fn what_is_no_process_id_is_not_told_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.lock");
        let _held = HostLock::take(&path).unwrap();
        std::fs::write(&path, "x".repeat(100)).unwrap();
        let refused = HostLock::take(&path).unwrap_err();
        assert_eq!(refused.to_string(), "process ? is the host");
    }
}
