//! Run records: one file per run, whose content is the caller's.

use crate::fault::FileError;
use mutual_protocol::JobId;
use std::path::{Path, PathBuf};

/// Why the records cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the run records cannot be opened")]
pub struct OpenRunsError(#[from] FileError);

/// One run, as its file's name tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Start, milliseconds since 1970.
    pub started_ms: u64,
    /// The job.
    pub job: JobId,
}

/// All runs whose records could be read.
#[derive(Debug)]
pub struct Runs<T> {
    /// Newest first.
    pub runs: Vec<(Run, T)>,
    /// The others.
    pub damaged: Vec<DamagedRun>,
}

/// A record that cannot be read.
#[derive(Debug)]
pub struct DamagedRun {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a text names no run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindRunError {
    /// No run's id starts like that.
    #[error("there is no run {prefix}")]
    Unknown {
        /// The text.
        prefix: String,
    },
    /// More than one does.
    #[error("{prefix} is short for {count} runs")]
    Ambiguous {
        /// The text.
        prefix: String,
        /// How many.
        count: usize,
        /// Some of them, newest first.
        some: Vec<JobId>,
    },
    /// The folder cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadRunError {
    /// There is none.
    #[error("there is no run {job}")]
    Unknown {
        /// The job.
        job: JobId,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The folder of run records.
#[derive(Debug)]
pub struct RunStore {
    root: PathBuf,
}

impl RunStore {
    /// Opens the folder, and makes it when it is missing.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(root: &Path) -> Result<Self, OpenRunsError> {
        todo!()
    }

    /// Writes a run's record, durably and at once: a reader sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, run: Run, record: &[u8]) -> Result<(), FileError> {
        todo!()
    }

    /// A run's record.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(&self, job: JobId) -> Result<Vec<u8>, ReadRunError> {
        todo!()
    }

    /// All runs, newest first, without reading their records.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Run>, FileError> {
        todo!()
    }

    /// All runs with their records as `parse` understands them. A record that cannot be read or parsed is listed as
    /// damaged and hides no other.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn records<T, E: std::fmt::Display>(
        &self,
        parse: impl Fn(&[u8]) -> Result<T, E>,
    ) -> Result<Runs<T>, FileError> {
        todo!()
    }

    /// The run whose job id starts with `prefix`; the leading `j-` may be left out.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, prefix: &str) -> Result<Run, FindRunError> {
        todo!()
    }

    /// Removes a run's record; whether it was there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, job: JobId) -> Result<bool, FileError> {
        todo!()
    }
}
