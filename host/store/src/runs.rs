//! Run records: one file per run, whose content is the caller's. Each change of it is a line more.

use crate::fault::FileError;
use crate::folder;
use mutual_protocol::JobId;
use std::cmp::Reverse;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

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

/// The folder of run records: one file per run, `START-JOB.jsonl`, so that a listing needs no file's content.
#[derive(Debug)]
pub struct RunStore {
    root: PathBuf,
}

/// Ids that an ambiguous prefix shows.
const SOME: usize = 10;

impl RunStore {
    /// Opens the folder, and makes it when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self, FileError> {
        folder::make(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Writes a run's record, which must be one line: a reader sees the old one or the new one.
    ///
    /// The line is appended to the run's file, and the last whole one counts: a file made anew for each change, and one
    /// deleted, would cost more than the rest of the record. It is not forced to the disk: an attached run dies with
    /// its process anyhow, two barriers would cost it a millisecond, and a first line that a power cut tore is told as
    /// damaged.
    ///
    /// # Errors
    /// When it cannot be written; then the old one still counts.
    pub fn write(&self, run: Run, record: &[u8]) -> Result<(), FileError> {
        let path = self.path(run);
        append(&path, record).map_err(FileError::at(&path))
    }

    /// A run's record.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(&self, job: JobId) -> Result<Vec<u8>, ReadRunError> {
        let run = self
            .list()?
            .into_iter()
            .find(|run| run.job == job)
            .ok_or(ReadRunError::Unknown { job })?;
        let path = self.path(run);
        let lines = fs::read(&path).map_err(FileError::at(&path))?;
        Ok(newest(&lines).to_vec())
    }

    /// All runs, newest first, without reading their records.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Run>, FileError> {
        let mut runs: Vec<Run> = folder::names(&self.root)?
            .iter()
            .filter_map(|name| Run::parse(name))
            .collect();
        runs.sort_by_key(|run| Reverse((run.started_ms, run.job)));
        Ok(runs)
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
        let mut all = Runs {
            runs: Vec::new(),
            damaged: Vec::new(),
        };
        for run in self.list()? {
            let path = self.path(run);
            let record = match fs::read(&path) {
                Ok(lines) => parse(newest(&lines)).map_err(|error| error.to_string()),
                // Collected since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(error.to_string()),
            };
            match record {
                Ok(record) => all.runs.push((run, record)),
                Err(reason) => all.damaged.push(DamagedRun { path, reason }),
            }
        }
        Ok(all)
    }

    /// The run whose job id starts with `prefix`; the leading `j-` may be left out.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, prefix: &str) -> Result<Run, FindRunError> {
        let wanted = prefix.to_lowercase();
        let wanted = wanted.strip_prefix("j-").unwrap_or(&wanted);
        let mut found = self.list()?;
        found.retain(|run| {
            !wanted.is_empty()
                && run
                    .job
                    .to_string()
                    .get(2..)
                    .is_some_and(|id| id.starts_with(wanted))
        });
        match found.as_slice() {
            [] => Err(FindRunError::Unknown {
                prefix: prefix.to_owned(),
            }),
            [run] => Ok(*run),
            runs => Err(FindRunError::Ambiguous {
                prefix: prefix.to_owned(),
                count: runs.len(),
                some: runs.iter().take(SOME).map(|run| run.job).collect(),
            }),
        }
    }

    /// Removes a run's record; whether it was there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, run: Run) -> Result<bool, FileError> {
        folder::remove_file(&self.path(run))
    }

    fn path(&self, run: Run) -> PathBuf {
        self.root
            .join(format!("{:013}-{}.jsonl", run.started_ms, run.job))
    }
}

/// Appends a line, whole or not at all.
fn append(path: &Path, record: &[u8]) -> io::Result<()> {
    if record.contains(&b'\n') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let before = file.metadata()?.len();
    // After a line that was torn, this one begins with its end.
    let start: &[u8] = if before == 0 { b"" } else { b"\n" };
    let line = [start, record, b"\n"].concat();
    file.write_all(&line)
        .inspect_err(|_disk_full| drop(file.set_len(before)))
}

/// The last whole line; all of a file that has none.
fn newest(lines: &[u8]) -> &[u8] {
    let Some(end) = lines.iter().rposition(|byte| *byte == b'\n') else {
        return lines;
    };
    let (whole, _torn) = lines.split_at(end);
    whole
        .rsplit(|byte| *byte == b'\n')
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}

impl Run {
    /// Reads a file's name; other files are none of ours.
    fn parse(name: &str) -> Option<Self> {
        let (started, job) = name.strip_suffix(".jsonl")?.split_once('-')?;
        Some(Self {
            started_ms: started.parse().ok()?,
            job: job.parse().ok()?,
        })
    }
}
