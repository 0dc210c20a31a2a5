//! The peers that are connected, with their connections, queues and counts.

use super::{Shared, Waiting};
use crate::address::Address;
use crate::identity::node_of;
use crate::messages::{self, Outbox};
use crate::rate::Rate;
use crate::streams::{Kind, Opened};
use crate::{Direction, Event, NetStream, PeerInfo, Violation};
use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use mutual_protocol::ids::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Streams that a peer may open in a row, and for each second after that: a stream carries many requests.
const STREAMS_AT_ONCE: u32 = 1000;
const STREAMS_PER_SECOND: u32 = 100;

/// The way to a peer for the program's handles.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) outbox: Outbox,
    /// Permits for streams that we open.
    pub(crate) streams: Arc<Semaphore>,
}

struct Connection {
    address: Address,
    direction: Direction,
}

struct Peer {
    connections: BTreeMap<ConnectionId, Connection>,
    rtt: Option<Duration>,
    /// Permits for streams that the peer opens.
    streams: Arc<Semaphore>,
    opens: Rate,
    reader: Option<AbortHandle>,
}

/// See the module.
pub(super) struct Peers {
    shared: Arc<Shared>,
    peers: BTreeMap<NodeId, Peer>,
}

impl Peers {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            peers: BTreeMap::new(),
        }
    }

    /// Takes in a connection. Gives news if it is the peer's first.
    pub(super) fn connected(
        &mut self,
        peer: &PeerId,
        id: ConnectionId,
        endpoint: &ConnectedPoint,
    ) -> Option<Event> {
        // The gate has let nobody through without a node id, and there is no transport with other addresses.
        let node = node_of(peer)?;
        let address = Address::from_multiaddr(endpoint.get_remote_address())?;
        let connection = Connection {
            address: address.with_node(node),
            direction: if endpoint.is_dialer() {
                Direction::Outbound
            } else {
                Direction::Inbound
            },
        };
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.connections.insert(id, connection);
            return None;
        }
        let peer = self.add(node);
        peer.connections.insert(id, connection);
        peer.info(node).map(Event::Connected)
    }

    fn add(&mut self, node: NodeId) -> &mut Peer {
        let shared = &self.shared;
        let streams = usize::try_from(shared.limits.streams_per_peer).unwrap_or(usize::MAX);
        let (outbox, queue) = Outbox::new();
        let link = Link {
            outbox,
            streams: Arc::new(Semaphore::new(streams)),
        };
        let mut links = shared.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.insert(node, link);
        drop(links);
        let commands = shared.commands.clone();
        let write = messages::write(node, queue, commands);
        shared.tasks.spawn_writer(write);
        self.peers.entry(node).or_insert(Peer {
            connections: BTreeMap::new(),
            rtt: None,
            // Twice as many as we open ourselves: a stream that has ended there may not have ended here.
            streams: Arc::new(Semaphore::new(streams.saturating_mul(2))),
            opens: Rate::new(STREAMS_PER_SECOND, STREAMS_AT_ONCE, Instant::now()),
            reader: None,
        })
    }

    /// Takes a connection out. Gives news if it was the peer's last.
    pub(super) fn closed(&mut self, peer: &PeerId, id: ConnectionId) -> Option<Event> {
        let node = node_of(peer)?;
        let peer = self.peers.get_mut(&node)?;
        peer.connections.remove(&id);
        if !peer.connections.is_empty() {
            return None;
        }
        self.peers.remove(&node);
        // With the outbox goes the last sender of the queue, and with that the task that writes it.
        let links = &self.shared.links;
        let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
        links.remove(&node);
        Some(Event::Disconnected { node })
    }

    pub(super) fn measured(&mut self, peer: &PeerId, rtt: Duration) {
        if let Some(peer) = node_of(peer).and_then(|node| self.peers.get_mut(&node)) {
            peer.rtt = Some(rtt);
        }
    }

    pub(super) fn list(&self) -> Vec<PeerInfo> {
        let peers = self.peers.iter();
        peers.filter_map(|(node, peer)| peer.info(*node)).collect()
    }

    /// Counts a stream that a peer has opened, and says what becomes of it.
    pub(super) fn admit(&mut self, opened: Opened) -> Result<Option<Waiting>, Violation> {
        let Some((node, peer)) = self.of(&opened.peer) else {
            // Its last connection has ended meanwhile.
            return Ok(None);
        };
        if !peer.opens.take(Instant::now()) {
            return Err(Violation::StreamFlood);
        }
        if opened.kind == Kind::Message {
            return Ok(Some(Waiting::Read(opened)));
        }
        let permit = Arc::clone(&peer.streams).try_acquire_owned();
        let permit = permit.map_err(|_none_left| Violation::StreamFlood)?;
        let stream = NetStream::new(opened.stream, node, permit);
        Ok(Some(Waiting::Event(Event::Stream { stream })))
    }

    /// Reads messages from a new stream. The newest is the one that counts: who opens another one has given up
    /// the one before, which may hang on a connection that is dead.
    pub(super) fn read(&mut self, opened: Opened) {
        let shared = Arc::clone(&self.shared);
        let Some((node, peer)) = self.of(&opened.peer) else {
            return;
        };
        let tasks = shared.tasks.clone();
        let reader = tasks.spawn(messages::read(node, opened.stream, shared));
        if let Some(before) = peer.reader.replace(reader) {
            before.abort();
        }
    }

    fn of(&mut self, peer: &PeerId) -> Option<(NodeId, &mut Peer)> {
        let node = node_of(peer)?;
        Some((node, self.peers.get_mut(&node)?))
    }
}

impl Peer {
    /// What is known of the peer, with the oldest connection for all of them.
    fn info(&self, node: NodeId) -> Option<PeerInfo> {
        let (_, connection) = self.connections.first_key_value()?;
        Some(PeerInfo {
            node,
            address: connection.address.clone(),
            direction: connection.direction,
            rtt: self.rtt,
        })
    }
}
