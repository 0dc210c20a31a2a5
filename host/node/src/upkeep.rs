//! Upkeep of an account's folders: what killed processes left goes at once, what is past its time goes once a day.

use crate::control::{self, SOCKET};
use crate::record::{RunRecord, RunState};
use mutual_store::{
    BlockStore, CollectError, Collected, FileError, ReadRunError, Run, RunStore, StagingArea,
};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Files that the sweep after a run removes at most: about a tenth of a second.
pub const SWEEP_FILES_MAX: usize = 10_000;
/// Content that no run names is kept this long: somebody may be about to use it.
const GRACE: Duration = Duration::from_secs(3600);
/// A socket without a record is taken for one that is just being made until it is this old.
const SOCKET_GRACE: Duration = Duration::from_secs(60);
/// Time between two collections that nobody asked for.
const COLLECT_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The folders to look after.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep<'a> {
    /// Content.
    pub blocks: &'a BlockStore,
    /// Records.
    pub runs: &'a RunStore,
    /// Roots of guests.
    pub staging: &'a StagingArea,
    /// Control sockets.
    pub runtime: &'a Path,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Runs that are marked as lost from now on.
    pub lost: usize,
    /// Control sockets.
    pub sockets: usize,
    /// Staging folders.
    pub folders: usize,
}

/// What a collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// Records of runs.
    pub runs: usize,
    /// Content; none when a run was using the store.
    pub content: Option<Collected>,
}

impl Upkeep<'_> {
    /// Removes sockets and staging folders of processes that are gone, at most about `files_max` files, and marks
    /// their runs as lost. With nothing to do it lists two folders.
    ///
    /// # Errors
    /// When a folder cannot be read or changed.
    pub fn sweep(&self, now: SystemTime, files_max: usize) -> Result<Swept, FileError> {
        let dead = self.dead_sockets()?;
        let mut swept = Swept {
            folders: self.staging.sweep(files_max)?.removed,
            ..Swept::default()
        };
        if dead.is_empty() {
            return Ok(swept);
        }
        let runs = self.runs.list()?;
        for socket in dead {
            let owners = runs
                .iter()
                .filter(|run| control::socket_path(self.runtime, &run.job) == socket);
            let mut is_known = false;
            for run in owners {
                is_known = true;
                swept.lost += usize::from(self.mark_lost(*run)?);
            }
            if is_known || is_older(&socket, now, SOCKET_GRACE) {
                swept.sockets += usize::from(std::fs::remove_file(&socket).is_ok());
            }
        }
        Ok(swept)
    }

    /// Removes ended runs past their time, or with `older_ms` those that ended longer ago, then the content that
    /// nothing names any more.
    ///
    /// # Errors
    /// When a folder cannot be read or changed.
    pub fn collect(&self, now_ms: u64, older_ms: Option<u64>) -> Result<Collection, CollectError> {
        let found = self.runs.records(parse)?;
        let settled = found.runs.into_iter().map(|(run, mut record)| {
            record.settle(self.runtime);
            (run, record)
        });
        let gone = expired(settled.collect(), now_ms, older_ms);
        for (run, _) in &gone {
            self.runs.remove(*run)?;
        }
        let now = UNIX_EPOCH + Duration::from_millis(now_ms);
        // With an age of its own the person wants the space now; otherwise fresh content has an hour of grace.
        let grace = older_ms.map_or(GRACE, |_| Duration::ZERO);
        // Asked twice: runs that started meanwhile are looked at again under the store's lock.
        let roots = || {
            let named = self.runs.records(parse)?.runs;
            Ok(named
                .iter()
                .flat_map(|(_, record)| record.roots())
                .collect())
        };
        let content = match self.blocks.collect(roots, now, grace) {
            Ok(collected) => Some(collected),
            Err(CollectError::Busy) => None,
            Err(e) => return Err(e),
        };
        Ok(Collection {
            runs: gone.len(),
            content,
        })
    }

    /// Collects what is past its time, when `marker` says that it is a day since the last time.
    ///
    /// # Errors
    /// As [`Upkeep::collect`].
    pub fn collect_daily(
        &self,
        marker: &Path,
        now_ms: u64,
    ) -> Result<Option<Collection>, CollectError> {
        let now = UNIX_EPOCH + Duration::from_millis(now_ms);
        let is_new = !marker.exists();
        if !is_new && !is_older(marker, now, COLLECT_EVERY) {
            return Ok(None);
        }
        let marked = File::create(marker).and_then(|file| file.set_modified(now));
        marked.map_err(|source| FileError {
            path: marker.to_owned(),
            source,
        })?;
        if is_new {
            return Ok(None);
        }
        self.collect(now_ms, None).map(Some)
    }

    /// Sockets on which nobody listens.
    fn dead_sockets(&self) -> Result<Vec<PathBuf>, FileError> {
        let at = |source| FileError {
            path: self.runtime.to_owned(),
            source,
        };
        let entries = match std::fs::read_dir(self.runtime) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at)?,
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let is_socket = |path: &PathBuf| path.to_string_lossy().ends_with(SOCKET);
        Ok(paths
            .filter(|path| is_socket(path) && !control::is_answered(path))
            .collect())
    }

    /// A run writes its end before it leaves its socket, so what says `running` now will never say anything else.
    fn mark_lost(&self, run: Run) -> Result<bool, FileError> {
        let bytes = match self.runs.read(run.job) {
            Ok(bytes) => bytes,
            Err(ReadRunError::File(e)) => return Err(e),
            Err(_) => return Ok(false),
        };
        let Some(mut record) = parse(&bytes).ok().filter(|r| r.state == RunState::Running) else {
            return Ok(false);
        };
        record.state = RunState::Lost;
        self.runs.write(run, &record.encode())?;
        Ok(true)
    }
}

/// Those of `records` that are past their time. Running ones never are.
fn expired(
    mut records: Vec<(Run, RunRecord)>,
    now_ms: u64,
    older_ms: Option<u64>,
) -> Vec<(Run, RunRecord)> {
    records.retain(|(_, record)| {
        let ending = record.ending.as_ref();
        let end_ms = ending.map_or(record.started_at_ms, |ending| ending.at_ms);
        let due_ms = older_ms.map_or(record.keep_until_ms, |older| end_ms.saturating_add(older));
        record.state != RunState::Running && due_ms <= now_ms
    });
    records
}

fn parse(bytes: &[u8]) -> serde_json::Result<RunRecord> {
    serde_json::from_slice(bytes)
}

/// Whether the file was last written `age` before `now`. A time in the future was a wrong clock's.
fn is_older(path: &Path, now: SystemTime, age: Duration) -> bool {
    let written = path.symlink_metadata().and_then(|found| found.modified());
    written.is_ok_and(|written| {
        now.duration_since(written)
            .map_or(true, |since| since >= age)
    })
}

#[cfg(test)]
mod tests;
