//! A run whose attempts are made by other hosts of a pool: what it is given, and what it keeps.
//!
//! This process is the job's owner and its only witness. It offers the job to the best host that fits, takes what
//! that one says about its attempt, and offers it to another one when that ends without a result.

mod hosts;
mod input;
mod remote;
mod shown;

pub(super) use hosts::Hosts;
pub(super) use input::Input;
pub(super) use remote::{Ending, Link, Remote};
pub(super) use shown::Stream;

use super::RunError;
use crate::clock::random;
use crate::link::{Fetch, PeerEvent, Peers};
use crate::logs::Log;
use crate::outputs::Collected;
use crate::record::{Blamed, RanOn};
use mutual_protocol::message::DeclineReason;
use mutual_protocol::outcome::{Blame, Outcome};
use mutual_protocol::{FencingToken, NodeId, PoolId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Attempts of one run; beyond that, it is not the hosts.
pub(super) const ATTEMPTS_MAX: usize = 16;

/// A pool to run in. Which of its hosts may be chosen is in the spec.
#[derive(Debug)]
pub struct PoolPlace {
    /// Whose host records count.
    pub pool: PoolId,
    /// The way to them.
    pub peers: Arc<dyn Peers>,
    /// What happens among them. Those that are connected already come first.
    pub events: mpsc::Receiver<PeerEvent>,
    /// Brings outputs here.
    pub fetch: Arc<dyn Fetch>,
    /// How long a host is looked for, each time that one is needed.
    pub wait_for: Duration,
}

/// A host that could have had the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Which.
    pub host: NodeId,
    /// What people call it, by its own word; none when nothing was heard of it.
    pub name: Option<String>,
    /// Why it does not have it.
    pub why: Why,
}

/// Why a host does not have the job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It does not fit, or declined.
    Declines(Vec<DeclineReason>),
    /// It was not asked, or did not answer.
    Silent,
    /// It is not connected.
    Unreachable,
    /// It had the job, and its attempt ended without a result.
    Lost(Blame),
    /// It broke the protocol.
    Breach,
}

/// What a run in a pool keeps.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) place: PoolPlace,
    pub(super) hosts: Hosts,
    pub(super) attempt: Option<Remote>,
    /// Those that ended without a result.
    pub(super) lost: Vec<Blamed>,
    pub(super) input: Input,
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
    /// The whole output of the present attempt, when it is not the first one.
    pub(super) log: Option<Log>,
    /// Whether a later attempt wrote something else than was shown.
    pub(super) has_diverged: bool,
    /// Who was offered the job and has not answered.
    pub(super) offered: Option<NodeId>,
    /// Until when a host is looked for; none while there is one.
    pub(super) looking_until: Option<Instant>,
    /// When looking began again: those that speak at once are all heard first.
    pub(super) wanted_since: Option<Instant>,
    fetched: mpsc::Receiver<Fetched>,
    pub(super) fetched_tx: mpsc::Sender<Fetched>,
}

/// Outputs of an attempt, or why they did not come.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) token: FencingToken,
    pub(super) outputs: Result<Collected, FetchedError>,
}

/// Whose doing it is that outputs did not come.
#[derive(Debug)]
pub(super) enum FetchedError {
    /// The host's, or the connection's: another attempt may do better.
    There(Blame),
    /// They are not what the host told.
    Wrong,
    /// They cannot be kept here.
    Here(Outcome),
}

/// Everything of a pool that can wake the loop.
#[derive(Debug)]
pub(super) enum PoolEvent {
    /// Something happened among the nodes; none when the network is gone.
    Peer(Option<PeerEvent>),
    /// Standard input was read; none is its end.
    Input(Option<Vec<u8>>),
    /// The outputs of an attempt are here, or will not come.
    Fetched(Fetched),
    /// Something was waited for long enough.
    Tick,
}

impl Pool {
    pub(super) fn new(place: PoolPlace, input: Input) -> Result<Self, RunError> {
        let (fetched_tx, fetched) = mpsc::channel(1);
        Ok(Self {
            hosts: Hosts::new(place.pool, random()?),
            place,
            attempt: None,
            lost: Vec::new(),
            input,
            stdout: Stream::default(),
            stderr: Stream::default(),
            log: None,
            has_diverged: false,
            offered: None,
            looking_until: None,
            wanted_since: None,
            fetched,
            fetched_tx,
        })
    }

    /// What happens next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, wake_at: Option<Instant>) -> PoolEvent {
        let wake = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(fetched) = self.fetched.recv() => PoolEvent::Fetched(fetched),
            () = wake => PoolEvent::Tick,
            chunk = self.input.next() => PoolEvent::Input(chunk),
            event = self.place.events.recv() => PoolEvent::Peer(event),
        }
    }

    /// Where the job runs, or ran last.
    pub(super) fn ran_on(&self) -> Option<RanOn> {
        let attempt = self.attempt.as_ref()?;
        Some(RanOn {
            id: attempt.host.to_string(),
            name: self.hosts.name(attempt.host),
            lost: self.lost.clone(),
        })
    }
}
