//! Members of the pool find each other again: whoever was reached is remembered, and dialed whenever it is missing.

use crate::network::Network;
use crate::pool::{KnownPeer, Pool};
use crate::tasks::TaskGroup;
use mutual_net::Address;
use mutual_protocol::NodeId;
use mutual_protocol::bounded::{self, List};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How often it is looked who is connected.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long one round of dials may take. Whoever is alive answers in a second.
const DIAL_MAX: Duration = Duration::from_secs(10);
/// The longest time between two rounds while somebody is missing.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Dials known members that are not connected, at once and again with growing pauses, and remembers those that are.
/// Ends when the task is dropped.
pub async fn keep(network: Network, pool: Pool) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut rounds, mut kept) = (Rounds::new(Instant::now()), BTreeMap::new());
    loop {
        looks.tick().await;
        let connected: BTreeSet<NodeId> =
            network.peers().await.iter().map(|peer| peer.node).collect();
        let is_connected = |node: &NodeId| connected.contains(node);
        let mut known = network.known();
        known.retain(|node, _| is_connected(node));
        if known != kept {
            remember(&pool, &known);
            kept = known;
        }
        if rounds.is_due(&connected, Instant::now()) {
            let missing = pool
                .known_peers()
                .into_iter()
                .filter(|peer| !is_connected(&peer.node));
            dial_all(&network, missing.collect()).await;
        }
    }
}

/// When the next round of dials is due.
#[derive(Debug)]
struct Rounds {
    connected: BTreeSet<NodeId>,
    pause: Duration,
    next: Instant,
}

impl Rounds {
    fn new(now: Instant) -> Self {
        Self {
            connected: BTreeSet::new(),
            pause: LOOK_EVERY,
            next: now,
        }
    }

    /// Whether it is now; the pause grows with each round, and begins anew when somebody is lost.
    fn is_due(&mut self, connected: &BTreeSet<NodeId>, now: Instant) -> bool {
        if !self.connected.is_subset(connected) {
            self.pause = LOOK_EVERY;
            self.next = now;
        }
        self.connected.clone_from(connected);
        let is_due = self.next <= now;
        if is_due {
            self.next = now + self.pause;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
        is_due
    }
}

/// All at once: there are at most as many as are remembered.
async fn dial_all(network: &Network, missing: Vec<KnownPeer>) {
    let tasks = TaskGroup::new();
    let (done, mut all_done) = mpsc::channel::<()>(1);
    for peer in missing {
        let addresses: Vec<Address> = peer
            .addresses
            .iter()
            .filter_map(|text| text.as_str().parse().ok())
            .collect();
        let (network, done) = (network.clone(), done.clone());
        tasks.spawn("dial a known member", async move {
            if let Err(e) = network.dial_node(peer.node, addresses).await {
                tracing::debug!("{} is not reached: {e}", peer.node);
            }
            drop(done);
        });
    }
    drop(done);
    let _the_others_are_dropped = timeout(DIAL_MAX, all_done.recv()).await;
    tasks.end().await;
}

fn remember(pool: &Pool, known: &BTreeMap<NodeId, Vec<Address>>) {
    let peers = known.iter().map(|(node, addresses)| KnownPeer {
        node: *node,
        addresses: List::cut(
            addresses
                .iter()
                .map(|address| bounded::Address::cut(&address.to_string())),
        ),
    });
    if let Err(error) = pool.remember_peers(peers.collect()) {
        tracing::warn!(%error, "who is connected will not be known at the next start");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_begin_anew_when_somebody_is_lost() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (one, nobody) = (
            BTreeSet::from([NodeId::from_bytes([1; 32])]),
            BTreeSet::new(),
        );
        let mut rounds = Rounds::new(start);
        let due: Vec<u64> = (0..40).filter(|s| rounds.is_due(&nobody, at(*s))).collect();
        assert_eq!(due, [0, 2, 6, 14, 30]);
        assert!(!rounds.is_due(&one, at(41)), "it came by itself");
        assert!(rounds.is_due(&nobody, at(42)), "it is missed at once");
        let due: Vec<u64> = (43..1000)
            .filter(|s| rounds.is_due(&nobody, at(*s)))
            .collect();
        assert!(
            due.windows(2).all(|pair| pair[1] - pair[0] <= 60) && due.len() > 15,
            "{due:?}"
        );
    }
}
