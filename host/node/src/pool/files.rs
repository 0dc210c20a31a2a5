//! Small files below `pools/`: read whole and within a bound, written so that a crash leaves the old or the new one.
//!
//! A file is a header line with a version, then canonical CBOR. It is written beside its name, forced to the disk and
//! renamed; who writes holds the one [`Lock`] of all pools, so that temporary names need not differ.

use mutual_protocol::codec;
use mutual_protocol::codes::{self, Code};
use mutual_store::Fault;
use rustix::fs::{FlockOperation, flock};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Why a file of a pool cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolFileError {
    /// The system refuses.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} is missing, damaged or of another version: {next}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What to do.
        next: &'static str,
    },
    /// Others can read the pool's key.
    #[error("{} can be read by others (mode {mode:o}): chmod 600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl PoolFileError {
    /// The error's code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::Io { source, .. } => code_of(source),
            Self::Damaged { .. } => &codes::STORE_FOREIGN,
            Self::Exposed { .. } => &codes::IDENTITY_DAMAGED,
        }
    }

    fn at<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

/// The code for what the system refuses in the data folder.
pub(super) fn code_of(error: &io::Error) -> &'static Code {
    match Fault::of(error) {
        Fault::DiskFull => &codes::STORE_FULL,
        Fault::ReadOnly | Fault::Denied => &codes::STORE_READ_ONLY,
        _ => &codes::STORE_IO,
    }
}

/// A kind of file.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name in the pool's folder.
    pub(super) name: &'static str,
    /// The most that it holds after the header.
    pub(super) bytes_max: usize,
    /// What to do when it is damaged.
    pub(super) next: &'static str,
}

impl Kind {
    pub(super) fn damaged(&self, folder: &Path) -> PoolFileError {
        PoolFileError::Damaged {
            path: folder.join(self.name),
            next: self.next,
        }
    }

    fn header(&self) -> String {
        format!("mutual-cloud pool {} 1\n", self.name)
    }
}

/// The right to write below `pools/`, among all processes of the account. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for it. The folder is made when it is not there.
    pub(super) fn take(root: &Path) -> Result<Self, PoolFileError> {
        make_folder(root)?;
        let path = root.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(PoolFileError::at(&path))?;
        rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))
            .map_err(PoolFileError::at(&path))?;
        Ok(Self { _file: file })
    }
}

/// Reads a file; `None` when there is none.
pub(super) fn read<T: Serialize + DeserializeOwned>(
    folder: &Path,
    kind: &Kind,
) -> Result<Option<T>, PoolFileError> {
    let path = folder.join(kind.name);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(PoolFileError::at(&path))?,
    };
    let (header, mut bytes) = (kind.header(), Vec::new());
    let one_too_many = u64::try_from(header.len() + kind.bytes_max + 1).unwrap_or(u64::MAX);
    file.take(one_too_many)
        .read_to_end(&mut bytes)
        .map_err(PoolFileError::at(&path))?;
    let value = bytes
        .strip_prefix(header.as_bytes())
        .and_then(|body| codec::decode(body, kind.bytes_max).ok());
    value.map(Some).ok_or_else(|| kind.damaged(folder))
}

/// Writes a file. It is on the disk when this comes back. The caller holds the [`Lock`].
pub(super) fn write<T: Serialize>(
    folder: &Path,
    kind: &Kind,
    value: &T,
) -> Result<(), PoolFileError> {
    let path = folder.join(kind.name);
    let new = folder.join(format!(".{}.new", kind.name));
    let body = codec::encode(value);
    debug_assert!(
        body.len() <= kind.bytes_max,
        "{} would not be read",
        kind.name
    );
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(PoolFileError::at(&new))?;
    file.write_all(&[kind.header().into_bytes(), body].concat())
        .and_then(|()| file.sync_all())
        .map_err(PoolFileError::at(&new))?;
    fs::rename(&new, &path).map_err(PoolFileError::at(&path))?;
    sync_folder(folder)
}

/// An empty folder in `root`, to be filled and [`place`]d. What a crash left of an earlier one goes first.
pub(super) fn new_folder(root: &Path) -> Result<PathBuf, PoolFileError> {
    let new = root.join(".new");
    remove_folder(&new)?;
    make_folder(&new)?;
    Ok(new)
}

/// Gives a new folder its name.
pub(super) fn place(new: &Path, folder: &Path) -> Result<(), PoolFileError> {
    fs::rename(new, folder).map_err(PoolFileError::at(folder))?;
    sync_folder(folder.parent().unwrap_or(folder))
}

/// Removes a folder with everything in it, out of sight at once; whether it was there.
pub(super) fn remove_folder(folder: &Path) -> Result<bool, PoolFileError> {
    let old = folder.with_file_name(".old");
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        done => done.map(|()| true),
    };
    gone(fs::remove_dir_all(&old)).map_err(PoolFileError::at(&old))?;
    let was_there = gone(fs::rename(folder, &old)).map_err(PoolFileError::at(folder))?;
    gone(fs::remove_dir_all(&old)).map_err(PoolFileError::at(&old))?;
    Ok(was_there)
}

/// The names in `root`; none when it is not there.
pub(super) fn names(root: &Path) -> Result<Vec<String>, PoolFileError> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(PoolFileError::at(root))?,
    };
    let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let names = names.map_err(PoolFileError::at(root))?;
    Ok(names
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect())
}

fn make_folder(path: &Path) -> Result<(), PoolFileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(PoolFileError::at(path))
}

fn sync_folder(folder: &Path) -> Result<(), PoolFileError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(PoolFileError::at(folder))
}
