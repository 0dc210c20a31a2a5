//! The look at the guest's folders, again and again, off the event loop's thread.

use super::DiskUse;
use crate::bounds::DISK_SCAN_EVERY;
use crate::job::{Access, Job};
use rustix::process::Pid;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

/// Looks every [`DISK_SCAN_EVERY`] from the guest's start on.
#[derive(Debug)]
pub(crate) struct DiskWatch {
    folders: Arc<[PathBuf]>,
    /// What the job allows, and what was there before.
    limit: DiskUse,
    process: Option<Pid>,
    due: Option<Instant>,
    looking: Option<JoinHandle<bool>>,
}

impl DiskWatch {
    pub(crate) fn new(job: &Job) -> Self {
        let writable = job
            .preopens
            .iter()
            .filter(|preopen| preopen.access == Access::Write);
        let allowed = DiskUse {
            bytes: job.limits.disk_bytes_max,
            files: job.limits.files_max,
        };
        Self {
            folders: outermost(writable.map(|preopen| preopen.host.clone()).collect()).into(),
            limit: allowed.plus(job.staged),
            process: None,
            due: None,
            looking: None,
        }
    }

    pub(crate) const fn set_process(&mut self, process: Pid) {
        self.process = Some(process);
    }

    /// The guest has begun.
    pub(crate) fn start(&mut self) {
        self.due = Some(Instant::now() + DISK_SCAN_EVERY);
    }

    /// Waits until the folders hold more than is allowed. Dropping the future is safe.
    pub(crate) async fn exceeded(&mut self) {
        loop {
            let Some(due) = self.due else {
                return std::future::pending().await;
            };
            if self.looking.is_none() {
                sleep_until(due).await;
                let (folders, limit, process) =
                    (Arc::clone(&self.folders), self.limit, self.process);
                self.looking = Some(spawn_blocking(move || look(&folders, &limit, process)));
            }
            if let Some(looking) = &mut self.looking {
                let exceeded = looking.await.unwrap_or(false);
                self.looking = None;
                self.due = (!exceeded).then(|| Instant::now() + DISK_SCAN_EVERY);
                if exceeded {
                    return;
                }
            }
        }
    }
}

fn look(folders: &[PathBuf], limit: &DiskUse, process: Option<Pid>) -> bool {
    let named = DiskUse::of(folders, limit);
    named
        .plus(process.map(DiskUse::nameless).unwrap_or_default())
        .exceeds(limit)
}

/// Folders inside other ones of the list would be counted twice.
fn outermost(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    folders.sort();
    folders.dedup_by(|inner, outer| inner.starts_with(outer));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_inside_others_are_left_out() {
        let folders = ["/s/a/b", "/s/a", "/s/ab", "/t"]
            .map(PathBuf::from)
            .to_vec();
        assert_eq!(
            outermost(folders),
            ["/s/a", "/s/ab", "/t"].map(PathBuf::from)
        );
    }
}
