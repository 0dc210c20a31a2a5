//! Who this program is: the job, the task and the attempt, from the environment.

use std::{env, str::FromStr};

/// The job's id, as `mc ps` prints it in full (`MC_JOB_ID`).
pub fn job_id() -> Option<String> {
    variable("MC_JOB_ID")
}

/// Which of the job's tasks this is, counted from 0 (`MC_TASK_INDEX`).
///
/// ```
/// let (index, count) = (mutual_guest::task_index().unwrap_or(0), mutual_guest::task_count().unwrap_or(1));
/// assert!(index < count);
/// ```
pub fn task_index() -> Option<u64> {
    variable("MC_TASK_INDEX")
}

/// How many tasks the job has (`MC_TASK_COUNT`).
pub fn task_count() -> Option<u64> {
    variable("MC_TASK_COUNT")
}

/// Which try at this task this is: greater for each later one, not always by one (`MC_ATTEMPT`).
pub fn attempt() -> Option<u64> {
    variable("MC_ATTEMPT")
}

/// None when the variable is not set, or is not of this type.
fn variable<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_there_is_no_job() {
        assert_eq!(job_id(), None);
        assert_eq!((task_index(), task_count(), attempt()), (None, None, None));
    }

    #[test]
    fn what_has_another_type_counts_as_absent() {
        assert!(variable::<String>("CARGO_PKG_NAME").is_some());
        assert_eq!(variable::<u64>("CARGO_PKG_NAME"), None);
    }
}
