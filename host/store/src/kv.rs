//! Key-value store for what can be built again: indexes, pins, partial transfers. Opened by one process alone.
//!
//! The engine behind it is an implementation detail: nothing of it is in this interface, and one that does not open is
//! moved aside and replaced by an empty one. What must never be lost belongs in the journal.

mod batch;
mod engine;

pub use batch::{
    BATCH_BYTES_MAX, Batch, BatchError, KEY_BYTES_MAX, RANGE_BYTES_MAX, VALUE_BYTES_MAX,
};

use crate::fault::{Fault, FileError};
use crate::folder;
use crate::group::Groups;
use crate::journal::{LockedFolder, sync_folder};
use engine::Engine;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Keys and values, in the order of the keys. All calls block; any number of threads may use it at once.
pub trait DurableKv: Debug + Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// The entries from `start` on and before `end`, or to the last one. Of a large range the first part is given; see
    /// [`KvRange::next`]. Two parts, and parts of a batch that is committed meanwhile, may be of different times.
    ///
    /// # Errors
    /// When they cannot be read.
    fn range(&self, start: &[u8], end: Option<&[u8]>) -> Result<KvRange, KvError>;

    /// Applies `batch`, all or nothing, and returns when it is on the disk. Readers may see it before that. One
    /// barrier serves all callers that come while the one before it runs; they are applied in the order they came.
    ///
    /// # Errors
    /// When it cannot be written. Nobody knows what the disk holds then, and the store takes no batch any more.
    fn commit(&self, batch: Batch) -> Result<(), KvError>;
}

/// A part of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvRange {
    /// Keys and values in order.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the next part starts; none when this was the last.
    pub next: Option<Vec<u8>>,
}

/// Why the store did not do it. The process may go on without it, or open it again: when its files are to blame, they
/// are moved aside then.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the key-value store in {}", folder.display())]
pub struct KvError {
    /// Where it lies.
    pub folder: PathBuf,
    /// What the engine said.
    pub source: Arc<io::Error>,
}

/// An engine's folder that did not open, and was moved out of the way.
#[derive(Debug)]
pub struct Moved {
    /// Where it lies now. The next one takes its place.
    pub to: PathBuf,
    /// Why.
    pub reason: io::Error,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenKvError {
    /// Another process has it.
    #[error("{} is in use by another process", folder.display())]
    InUse {
        /// Its folder.
        folder: PathBuf,
    },
    /// The operating system refused, or an empty one does not open either.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The name of the engine's folder.
const ENGINE: &str = "engine";
/// The name of one that did not open.
const MOVED: &str = "damaged";
/// The name of the file that says what was wrong with an engine that did open: not all damage is seen before it is
/// read.
const SUSPECT: &str = "suspect";

/// The store in a folder.
#[derive(Debug)]
pub struct KvStore {
    folder: PathBuf,
    groups: Groups<Batch, Result<(), KvError>>,
    engine: Engine,
    /// A write or a barrier has failed.
    failed: AtomicBool,
    // Given back last.
    _lock: LockedFolder,
}

impl KvStore {
    /// Opens the store in `folder`, and makes both when they are missing.
    ///
    /// # Errors
    /// When another process has it, or the operating system refuses. What is damaged is moved aside.
    pub fn open(folder: &Path) -> Result<(Self, Option<Moved>), OpenKvError> {
        let lock = LockedFolder::open(folder)?.ok_or_else(|| OpenKvError::InUse {
            folder: folder.to_owned(),
        })?;
        let path = folder.join(ENGINE);
        folder::make(&path)?;
        let (engine, moved) = match suspicion(folder).map_or_else(|| Engine::open(&path), Err) {
            Ok(engine) => (engine, None),
            Err(error) if is_of_system(&error) => Err(FileError::at(&path)(error))?,
            Err(reason) => {
                let to = move_aside(folder, &path)?;
                folder::make(&path)?;
                let engine = Engine::open(&path).map_err(FileError::at(&path))?;
                (engine, Some(Moved { to, reason }))
            }
        };
        sync_folder(folder)?;
        let store = Self {
            folder: folder.to_owned(),
            groups: Groups::new(BATCH_BYTES_MAX as u64),
            engine,
            failed: AtomicBool::new(false),
            _lock: lock,
        };
        Ok((store, moved))
    }

    /// How many batches wait for the next barrier.
    pub fn waiting(&self) -> usize {
        self.groups.waiting()
    }

    fn write(&self, batches: Vec<Batch>) -> Result<(), KvError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(KvError {
                folder: self.folder.clone(),
                source: Arc::new(io::Error::other("an earlier write failed")),
            });
        }
        self.engine.write(batches).map_err(|error| {
            self.failed.store(true, Ordering::Release);
            self.error(error)
        })
    }

    /// An error of the engine. When it speaks of the engine's files, the next opening moves them aside.
    fn error(&self, source: io::Error) -> KvError {
        if !is_of_system(&source) {
            // When even that fails, the engine is opened again and gives the same error.
            let _noted = std::fs::write(self.folder.join(SUSPECT), source.to_string());
        }
        KvError {
            folder: self.folder.clone(),
            source: Arc::new(source),
        }
    }
}

impl DurableKv for KvStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.engine.get(key).map_err(|error| self.error(error))
    }

    fn range(&self, start: &[u8], end: Option<&[u8]>) -> Result<KvRange, KvError> {
        self.engine
            .range(start, end)
            .map_err(|error| self.error(error))
    }

    fn commit(&self, batch: Batch) -> Result<(), KvError> {
        let bytes = batch.bytes() as u64;
        let write = |batches| self.write(batches);
        self.groups.join(vec![batch], bytes, write).0
    }
}

/// Whether a refusal says nothing about the engine's files.
fn is_of_system(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    !matches!(Fault::of(error), Fault::Other)
        || matches!(
            error.kind(),
            PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull
        )
}

/// What was wrong with the engine when it was open the last time.
fn suspicion(folder: &Path) -> Option<io::Error> {
    let reason = std::fs::read_to_string(folder.join(SUSPECT)).ok()?;
    Some(io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// Moves an engine's folder aside, in the place of one that was moved before: there is one at most.
fn move_aside(folder: &Path, path: &Path) -> Result<PathBuf, FileError> {
    let to = folder.join(MOVED);
    match std::fs::remove_dir_all(&to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FileError::at(&to)(error));
        }
        _ => {}
    }
    std::fs::rename(path, &to).map_err(FileError::at(&to))?;
    folder::remove_file(&folder.join(SUSPECT))?;
    Ok(to)
}
