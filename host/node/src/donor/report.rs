//! What a host says of itself to other processes of its account, as it goes over the control socket.

use crate::fit::Standing;
use crate::hosting::{Done, Given, Status, Summary};
use mutual_protocol::outcome::Outcome;
use serde::{Deserialize, Serialize};

/// What does not change while a host runs, but for its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its process.
    pub pid: u32,
    /// Its node id.
    pub host: String,
    /// What people call it.
    pub name: String,
    /// The pool that it serves.
    pub pool: String,
    /// What the person here calls the pool.
    pub pool_name: Option<String>,
    /// Whether this account made the pool, and so redeems tickets.
    pub founder: bool,
    /// End of its membership, milliseconds since 1970.
    pub member_until_ms: u64,
    /// Since when it serves, milliseconds since 1970.
    pub started_at_ms: u64,
    /// Where others reach it.
    pub addresses: Vec<String>,
    /// What its donor gives.
    pub given: Given,
}

/// How a host stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Who it is.
    pub about: About,
    /// `serving`, `paused` or `draining`.
    pub standing: String,
    /// Slots in which nothing runs.
    pub slots_free: u16,
    /// Members that are connected.
    pub peers: Vec<String>,
    /// Jobs here.
    pub jobs: Vec<Job>,
    /// Jobs that were here, newest first.
    pub done: Vec<DoneJob>,
    /// Jobs that a request to kill meant.
    pub killed: Vec<String>,
}

/// A job that is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The job.
    pub id: String,
    /// Who signed it.
    pub owner: String,
    /// Where it stands.
    pub phase: String,
    /// Epoch of its lease; none while it is claimed.
    pub epoch: Option<u32>,
    /// Since when, milliseconds since 1970.
    pub started_at_ms: u64,
}

/// A job that was here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneJob {
    /// What it was.
    pub job: Job,
    /// How its attempt ended; none when it never came to an end here.
    pub outcome: Option<Outcome>,
    /// Why the result, if there was one, did not count.
    pub lost: Option<String>,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

impl DoneJob {
    /// Whether it came to a result here that did not count.
    pub const fn is_refused(&self) -> bool {
        self.lost.is_some() && self.outcome.is_some()
    }
}

impl Report {
    /// What the loop says, with what is known beside it.
    pub fn new(about: About, status: Status) -> Self {
        Self {
            about,
            standing: word(status.standing).to_owned(),
            slots_free: status.slots_free,
            peers: status.peers.iter().map(ToString::to_string).collect(),
            jobs: status.jobs.iter().map(Job::from).collect(),
            done: status.done.into_iter().map(DoneJob::from).collect(),
            killed: status.killed.iter().map(|id| id.job.to_string()).collect(),
        }
    }
}

const fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Serving => "serving",
        Standing::Paused => "paused",
        Standing::Draining => "draining",
    }
}

impl From<&Summary> for Job {
    fn from(job: &Summary) -> Self {
        Self {
            id: job.register.job.to_string(),
            owner: job.owner.to_string(),
            phase: job.phase.name().to_owned(),
            epoch: job.epoch,
            started_at_ms: job.started_at_ms,
        }
    }
}

impl From<Done> for DoneJob {
    fn from(done: Done) -> Self {
        Self {
            job: Job::from(&done.job),
            outcome: done.outcome,
            lost: done.lost.map(|why| why.words().to_owned()),
            at_ms: done.at_ms,
        }
    }
}
