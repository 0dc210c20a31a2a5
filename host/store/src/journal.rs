//! The journal of authority data: records that are still there, whole and in order, after any power cut.
//!
//! One file that only grows, replaced by a shorter one now and then (`compact`). A record is there for good when
//! [`Journal::commit`] has returned; callers that come at the same time share one barrier. After a failed barrier
//! nobody knows what the disk holds: the journal stops for good, and so must the process.
//! It does not know what records mean.

mod disk;
mod format;
mod writer;

pub use disk::{Disk, DiskFile};

use crate::fault::FileError;
use crate::group::Groups;
pub(crate) use disk::{LockedFolder, sync_folder};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use writer::Writer;

/// The longest record. What a register keeps is a few kilobytes; longer things are blocks.
pub const RECORD_BYTES_MAX: usize = 64 << 10;
/// The most that one barrier covers, headers included: sixteen records of the longest kind, or about 4,000 promises of
/// 250 bytes. It bounds what waits in memory, and how long a torn tail can be.
pub const GROUP_BYTES_MAX: u64 = 1 << 20;
/// The longest file that is ever read: it is held in memory while it is.
pub const JOURNAL_BYTES_MAX: u64 = 256 << 20;

/// How large a journal may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// The longest file; a commit beyond it is refused until `compact` has made room. At most [`JOURNAL_BYTES_MAX`],
    /// whatever stands here.
    pub bytes_max: u64,
}

impl Default for JournalLimits {
    /// 64 MiB: some hundred thousand records, read in a tenth of a second.
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
        }
    }
}

/// What was in the journal when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// Every record that was committed, in order. After a crash, some that were handed over and not yet committed may
    /// follow: they are forced to the disk by now and count like the others.
    pub records: Vec<Vec<u8>>,
    /// Bytes of a last group that a crash tore, and that were cut off.
    pub torn_bytes: u64,
    /// There was none, and an empty one was made. Whoever knows that there must be one stops here.
    pub created: bool,
    /// The place after the last record.
    pub mark: Mark,
}

/// The place after a record, counted since the journal was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenJournalError {
    /// Another process has it.
    #[error("{} is in use by another process", folder.display())]
    InUse {
        /// Its folder.
        folder: PathBuf,
    },
    /// It is damaged where it had been forced to the disk. Nothing was changed.
    #[error("the journal is damaged at byte {offset}")]
    Damaged {
        /// Where the first record begins that cannot be read; 0 is the header.
        offset: u64,
    },
    /// A newer release wrote it.
    #[error("the journal has version {found}, and this release reads version 1")]
    Version {
        /// The version.
        found: u32,
    },
    /// It is longer than a journal ever gets.
    #[error("the journal is longer than {bytes_max} bytes")]
    TooLong {
        /// The longest there is.
        bytes_max: u64,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why records were not committed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// A record is empty or longer than [`RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes")]
    RecordSize {
        /// How long it is.
        bytes: usize,
    },
    /// The records of one call are longer than [`GROUP_BYTES_MAX`].
    #[error("{bytes} bytes of records in one group")]
    GroupSize {
        /// How long they are.
        bytes: u64,
    },
    /// The journal has reached its limit. After `compact` there is room.
    #[error("the journal would be longer than {bytes_max} bytes")]
    Full {
        /// The limit.
        bytes_max: u64,
    },
    /// The disk is full. Nothing of the records is kept, and the journal goes on when there is room.
    #[error("no room for the journal")]
    DiskFull(#[source] Arc<FileError>),
    /// The disk failed, now or earlier. Nobody knows what it holds: the process must stop.
    #[error("the journal's disk has failed")]
    Failed(#[source] Arc<FileError>),
}

/// Why a journal was not compacted. Except after `Failed` it goes on as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The mark is older than the last compaction, or none of this journal's.
    #[error("a mark that is not in the journal")]
    Mark,
    /// The snapshot, or what comes after it, cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// An open journal. All calls block; any number of threads may commit at once.
#[derive(Debug)]
pub struct Journal {
    groups: Groups<Vec<u8>, Result<Mark, CommitError>>,
    writer: Mutex<Writer>,
}

impl Journal {
    /// Opens the journal in `folder`, and makes both when they are missing.
    ///
    /// # Errors
    /// When another process has it, it is damaged, or the disk refuses. It is never replaced by an empty one.
    pub fn open(
        folder: &Path,
        limits: JournalLimits,
    ) -> Result<(Self, Recovered), OpenJournalError> {
        let disk = LockedFolder::open(folder)?.ok_or_else(|| OpenJournalError::InUse {
            folder: folder.to_owned(),
        })?;
        Self::open_on(Box::new(disk), limits)
    }

    /// As [`Journal::open`], on another disk, which nobody else uses.
    ///
    /// # Errors
    /// As for [`Journal::open`].
    pub fn open_on(
        disk: Box<dyn Disk>,
        limits: JournalLimits,
    ) -> Result<(Self, Recovered), OpenJournalError> {
        let (writer, recovered) = Writer::open(disk, limits)?;
        let journal = Self {
            groups: Groups::new(GROUP_BYTES_MAX),
            writer: Mutex::new(writer),
        };
        Ok((journal, recovered))
    }

    /// Appends `records`, in this order and with no other's between them, and returns when they are on the disk.
    ///
    /// After a crash in mid-call, the first few of them may be there. One barrier serves all callers that come while
    /// the one before it runs.
    ///
    /// # Errors
    /// When they are too long, there is no room, or the disk failed. None of them is kept, except that after `Failed`
    /// nobody knows.
    pub fn commit(&self, records: &[impl AsRef<[u8]>]) -> Result<Mark, CommitError> {
        let bytes = check(records)?;
        if bytes > GROUP_BYTES_MAX {
            return Err(CommitError::GroupSize { bytes });
        }
        let own = records.iter().map(|record| record.as_ref().to_vec());
        let (result, place) = self
            .groups
            .join(own.collect(), bytes, |records| self.lock().write(&records));
        result.map(|Mark(before)| Mark(before + place as u64))
    }

    /// How many records wait for the next barrier.
    pub fn waiting(&self) -> usize {
        self.groups.waiting()
    }

    /// How long the file is.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    /// All records, as the file holds them.
    ///
    /// # Errors
    /// When the file cannot be read, or the disk has failed before.
    pub fn read(&self) -> Result<Vec<Vec<u8>>, CommitError> {
        self.lock().read()
    }

    /// Puts `snapshot` in the place of all records up to `through`; those after it are kept. Commits wait meanwhile.
    /// After a crash there is the old file or the new one.
    ///
    /// # Errors
    /// When the mark is none, there is no room for both files, or the disk failed.
    pub fn compact(
        &self,
        through: Mark,
        snapshot: &[impl AsRef<[u8]>],
    ) -> Result<(), CompactError> {
        check(snapshot)?;
        self.lock().compact(through, snapshot)
    }

    /// A panic leaves nothing half-done: what changes is assigned after the calls that can fail.
    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the records are in the file, when each has an allowed length.
fn check(records: &[impl AsRef<[u8]>]) -> Result<u64, CommitError> {
    let mut lengths = records.iter().map(|record| record.as_ref().len());
    match lengths.find(|length| !(1..=RECORD_BYTES_MAX).contains(length)) {
        Some(bytes) => Err(CommitError::RecordSize { bytes }),
        None => Ok(format::encoded_bytes(records)),
    }
}
