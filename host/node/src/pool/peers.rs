//! Where members of a pool were found, so that the next start dials them first.

use super::Pool;
use super::files::{self, Kind, Lock, PoolFileError};
use mutual_protocol::NodeId;
use mutual_protocol::bounded::{Address, List};
use mutual_protocol::limits::ADDRESSES_MAX;
use serde::{Deserialize, Serialize};

/// Peers that are remembered: of 64, one is still there after a week away.
pub const PEERS_MAX: usize = 64;

const PEERS: Kind = Kind {
    name: "peers",
    // Each peer: 34 bytes of key, field names, and 16 addresses of 256 bytes with their heads.
    bytes_max: PEERS_MAX * (128 + ADDRESSES_MAX * 260),
    next: "remove it: it is only a cache",
};

/// A peer of the pool, and where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownPeer {
    /// The key of its connections.
    pub node: NodeId,
    /// Where it was, the best ones first.
    pub addresses: List<Address, 0, ADDRESSES_MAX>,
}

impl Pool {
    /// The peers that were remembered, the newest first. A file that cannot be read holds none.
    pub fn known_peers(&self) -> Vec<KnownPeer> {
        let mut peers: Vec<KnownPeer> = match files::read(&self.folder, &PEERS) {
            Ok(peers) => peers.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "known peers are lost");
                Vec::new()
            }
        };
        peers.truncate(PEERS_MAX);
        peers
    }

    /// Remembers `found`, the newest first, before those that were known; the oldest ones are forgotten.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember_peers(&self, found: Vec<KnownPeer>) -> Result<(), PoolFileError> {
        let _lock = Lock::take(&self.root)?;
        let mut peers: Vec<KnownPeer> = Vec::new();
        for peer in found.into_iter().chain(self.known_peers()) {
            if peers.len() < PEERS_MAX && peers.iter().all(|known| known.node != peer.node) {
                peers.push(peer);
            }
        }
        files::write(&self.folder, &PEERS, &peers)
    }
}
