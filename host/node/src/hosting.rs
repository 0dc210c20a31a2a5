//! A host at work: takes offers that fit, runs them under their leases, and tells their owners.
//!
//! [`serve`] is the one event loop; everything that can wake it is an `Event`. The host decides nothing about a job
//! but whether it takes it: who holds it and whose result counts is between the witnesses and `mutual_lease`'s
//! holder, one for each job.

mod event_loop;
mod offers;
mod others;
mod site;
mod status;
mod work;

pub use status::{Asked, Done, Request, Status};
pub use work::{Loss, Summary};

pub use crate::attempt::Tools;
use crate::clock::Clock;
use crate::link::{Fetch, PeerEvent, Peers};
use event_loop::Loop;
use mutual_protocol::bounded::{Address, Line};
use mutual_protocol::limits::HOST_NAME_BYTES_MAX;
use mutual_protocol::membership::MembershipCert;
use mutual_protocol::receipt::Build;
use mutual_protocol::{PoolId, Signed, SigningKey};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What a donor gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Given {
    /// Attempts at a time.
    pub slots: u16,
    /// Processor cores.
    pub cpus: u16,
    /// Memory of all attempts together, bytes.
    pub memory_bytes: u64,
    /// Disk of all attempts together, bytes: scratch space, outputs and inputs.
    pub disk_bytes: u64,
}

/// What a host works with.
#[derive(Debug)]
pub struct Host {
    /// What attempts are run with.
    pub tools: Tools,
    /// How this machine compiles, for receipts.
    pub build: Build,
    /// What leases go by.
    pub clock: Arc<dyn Clock>,
    /// The host's key.
    pub key: Arc<SigningKey>,
    /// The pool that it serves.
    pub pool: PoolId,
    /// Its membership there.
    pub membership: Signed<MembershipCert>,
    /// What people call it.
    pub name: Line<HOST_NAME_BYTES_MAX>,
    /// What its donor gives.
    pub given: Given,
    /// Where others reach it, as far as it knows by now.
    pub addresses: watch::Receiver<Vec<Address>>,
}

/// Everything that can wake the loop.
#[derive(Debug)]
enum Event {
    /// Something happened among the other nodes.
    Peer(PeerEvent),
    /// The network is gone.
    NetworkGone,
    /// Something of a job that went on beside the loop has come to a point.
    Step(site::WorkId, site::Step),
    /// The donor, or another process of this account, wants something.
    Asked(Asked),
    /// Nobody is left who could ask.
    AskersGone,
    /// A time that a lease waits for has come.
    Timer,
    /// Time to look at the guests' progress.
    ProgressTick,
    /// Time to say again what this host has.
    Beat,
    /// Where this host is reached has changed.
    Moved,
    /// Jobs that were to end are not waited for any longer.
    PatienceEnds,
}

/// Serves the pool until it is asked to stop, and every job here has ended or its lease is released.
///
/// The last of `asked`'s senders asks it to stop by going away; without the network it ends at once.
pub async fn serve(
    host: Host,
    (peers, fetch): (Arc<dyn Peers>, Arc<dyn Fetch>),
    events: mpsc::Receiver<PeerEvent>,
    asked: mpsc::Receiver<Asked>,
) {
    let mut serving = Loop::new(host, (peers, fetch), (events, asked));
    serving.serve().await;
    serving.end().await;
}

#[cfg(test)]
mod tests;
