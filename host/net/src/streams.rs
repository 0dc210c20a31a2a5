//! The behaviour of our two stream protocols: it opens substreams on request and hands in those that peers open.
//!
//! It dials nobody, counts nothing and knows nothing of what goes over a stream.

mod handler;

use handler::{Handler, Opening};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, StreamProtocol,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream};
use std::collections::VecDeque;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// Which of our protocols a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Messages in frames, one way.
    Message,
    /// Whatever the caller makes of it.
    Blob,
}

/// The names of our protocols, in which the pool is part.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) message: StreamProtocol,
    pub(crate) blob: StreamProtocol,
}

/// Why a stream could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no connection to that node.
    #[error("not connected")]
    NotConnected,
    /// As many streams to that node are open as may be.
    #[error("too many streams to this node are open")]
    TooMany,
    /// The node does not speak the protocol.
    #[error("the node does not speak this protocol")]
    Unsupported,
    /// The node has not answered in time.
    #[error("the node has not answered in time")]
    Timeout,
    /// The connection ended meanwhile.
    #[error("the connection has ended")]
    Closed,
}

/// Takes the stream when it is there.
pub(crate) type OpenReply = oneshot::Sender<Result<Stream, OpenError>>;

/// A stream that a peer has opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) peer: PeerId,
    pub(crate) kind: Kind,
    pub(crate) stream: Stream,
}

pub(crate) struct Behaviour {
    names: Names,
    queue: VecDeque<ToSwarm<Opened, Opening>>,
}

impl Behaviour {
    pub(crate) const fn new(names: Names) -> Self {
        Self {
            names,
            queue: VecDeque::new(),
        }
    }

    /// Opens a stream on any connection to `peer`. Without one, the reply is dropped.
    pub(crate) fn open(&mut self, peer: PeerId, kind: Kind, reply: OpenReply) {
        self.queue.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::Any,
            event: Opening { kind, reply },
        });
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Opened;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.names.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.names.clone()))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        (kind, stream): THandlerOutEvent<Self>,
    ) {
        // The swarm polls until this is empty before it takes the next event of a connection.
        self.queue
            .push_back(ToSwarm::GenerateEvent(Opened { peer, kind, stream }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.queue.pop_front() {
            Some(event) => Poll::Ready(event),
            // Everything that fills the queue is followed by a poll of the swarm.
            None => Poll::Pending,
        }
    }
}
