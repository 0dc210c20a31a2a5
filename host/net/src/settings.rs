//! What a node is started with, and its limits.

use crate::address::Address;
use crate::dht::RecordCheck;
use crate::gate::Gate;
use crate::identity::Identity;
use std::fmt;
use std::sync::Arc;

/// Everything that a node needs to know at its start.
#[derive(Clone)]
pub struct Settings {
    /// Who this is.
    pub identity: Identity,
    /// Name of the pool in our protocols' names: 1 to 128 letters, digits and `-`. Nodes with different names
    /// have no protocol in common, but for identify and ping.
    pub pool: String,
    /// Who is let in.
    pub gate: Arc<dyn Gate>,
    /// Where connections are taken. Port 0 leaves the choice to the system. Empty for a node that only dials.
    pub listen: Vec<Address>,
    /// The part in the pool's DHT; none at all without it.
    pub dht: Option<Dht>,
    /// What peers may do to us.
    pub limits: Limits,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("identity", &self.identity)
            .field("pool", &self.pool)
            .field("listen", &self.listen)
            .field("dht", &self.dht)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The part that a node takes in the pool's DHT.
#[derive(Clone)]
pub struct Dht {
    /// Whether it serves others.
    pub mode: DhtMode,
    /// Which values it believes.
    pub check: Arc<dyn RecordCheck>,
}

impl fmt::Debug for Dht {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dht")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// Whether a node keeps records of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhtMode {
    /// Asks, is asked, and keeps records. For nodes that stay.
    Server,
    /// Only asks. For nodes that are gone in a minute.
    Client,
}

/// What peers may do. The defaults are for a pool of some hundred hosts on ordinary machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all. Each takes 50 to 100 KiB when it is idle.
    pub connections: u32,
    /// Connections to one peer. Both may dial at once, over TCP and QUIC.
    pub connections_per_peer: u32,
    /// Connections that have come in and are not through the gate. Each is gone after 15 s at the latest.
    pub half_open: u32,
    /// Messages of one peer for each second, in the long run. An output line of a guest is the smallest thing sent.
    pub messages_per_second: u32,
    /// Messages of one peer that may come in a row: five seconds of the above.
    pub messages_at_once: u32,
    /// Streams that one peer may have open to us, and we to it.
    pub streams_per_peer: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_peer: 4,
            half_open: 64,
            messages_per_second: 10_000,
            messages_at_once: 50_000,
            streams_per_peer: 64,
        }
    }
}
