//! The task group: every spawned task has an owner, a name and an end.

use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks that end together. Clones name the same group.
#[derive(Clone, Debug, Default)]
pub struct TaskGroup {
    tracker: TaskTracker,
    ended: CancellationToken,
}

impl TaskGroup {
    /// A group without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` until it is done or the group ends, whichever comes first: the future may be dropped at any await.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        self.tracker.spawn(async move {
            tracing::trace!("task {name} starts");
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = future => {}
            }
            tracing::trace!("task {name} has ended");
        });
    }

    /// Runs blocking work on a thread for it. It is not interrupted: keep it bounded.
    pub fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.tracker.spawn_blocking(work);
    }

    /// Waits until all tasks are done, at most `patience`, then drops the others.
    pub async fn settle(&self, patience: Duration) {
        self.tracker.close();
        let _those_left_are_dropped = tokio::time::timeout(patience, self.tracker.wait()).await;
        self.end().await;
    }

    /// Drops all tasks and waits until they are gone.
    pub async fn end(&self) {
        self.ended.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
