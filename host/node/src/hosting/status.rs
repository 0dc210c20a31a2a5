//! What a host tells its donor, and what it can be asked.

use super::work::{Loss, Summary};
use crate::fit::Standing;
use mutual_protocol::outcome::Outcome;
use mutual_protocol::{NodeId, RegisterId};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Ended jobs that are remembered, for `mc-host ps`.
const DONE_MAX: usize = 64;

/// What a host is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// How it stands.
    Status,
    /// Take nothing new, and release what runs.
    Pause,
    /// Take work again.
    Resume,
    /// Finish what runs, and take nothing new.
    Drain,
    /// Release the leases of the jobs whose ids start like this; of none when it is empty.
    Kill(String),
    /// Release all leases and end. The second one does not wait for anything.
    Stop,
}

/// A question with the way back.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub request: Request,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Status>,
}

/// A job that was here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What it was.
    pub job: Summary,
    /// How its attempt ended; none when it never came to an end here.
    pub outcome: Option<Outcome>,
    /// Why this attempt decided nothing, when it did not: its result, if there was one, does not count.
    pub lost: Option<Loss>,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// How a host stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether its donor gives it now.
    pub standing: Standing,
    /// Slots in all.
    pub slots: u16,
    /// Slots in which nothing runs.
    pub slots_free: u16,
    /// Members that are connected.
    pub peers: Vec<NodeId>,
    /// Jobs here.
    pub jobs: Vec<Summary>,
    /// Jobs that were here, newest first.
    pub done: Vec<Done>,
    /// Registers that a request to kill meant.
    pub killed: Vec<RegisterId>,
}

/// Jobs that were here.
#[derive(Debug, Default)]
pub(super) struct History {
    done: VecDeque<Done>,
}

impl History {
    pub(super) fn add(&mut self, done: Done) {
        self.done.push_front(done);
        self.done.truncate(DONE_MAX);
    }

    pub(super) fn newest_first(&self) -> Vec<Done> {
        self.done.iter().cloned().collect()
    }
}
