//! What is kept of ended runs, and for how long.

use crate::record::{RunRecord, RunState};
use mutual_store::Run;
use std::time::Duration;

/// Content that no run names is kept this long: somebody may be about to use it.
pub const GRACE: Duration = Duration::from_secs(3600);

/// Those of `records` that are past their time. Running ones never are.
///
/// `older_ms` replaces the time that the run asked for: ended runs that ended longer ago go.
pub fn expired(
    mut records: Vec<(Run, RunRecord)>,
    now_ms: u64,
    older_ms: Option<u64>,
) -> Vec<(Run, RunRecord)> {
    records.retain(|(_, record)| {
        let end_ms = record
            .ending
            .as_ref()
            .map_or(record.started_at_ms, |ending| ending.at_ms);
        let due_ms = older_ms.map_or(record.keep_until_ms, |older| end_ms.saturating_add(older));
        record.state != RunState::Running && due_ms <= now_ms
    });
    records
}
