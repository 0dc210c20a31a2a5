//! One connection's part of the stream behaviour.

use super::{Kind, Names, OpenError, OpenReply};
use futures::future::Either;
use libp2p::Stream;
use libp2p::core::upgrade::{ReadyUpgrade, SelectUpgrade};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};
use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

/// From the request for a substream to the other side's agreement: one round trip.
const NEGOTIATION_TIME_MAX: Duration = Duration::from_secs(5);

/// An order to open a stream.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(super) kind: Kind,
    pub(super) reply: OpenReply,
}

pub(crate) struct Handler {
    names: Names,
    /// Orders of our own side; their number is bounded by the permits that go with them.
    ordered: VecDeque<Opening>,
    /// Handed on with the next poll, and a connection is not read while the swarm is behind.
    opened: VecDeque<(Kind, Stream)>,
}

impl Handler {
    pub(super) const fn new(names: Names) -> Self {
        Self {
            names,
            ordered: VecDeque::new(),
            opened: VecDeque::new(),
        }
    }
}

type Upgrade = ReadyUpgrade<StreamProtocol>;

impl ConnectionHandler for Handler {
    type FromBehaviour = Opening;
    type ToBehaviour = (Kind, Stream);
    type InboundProtocol = SelectUpgrade<Upgrade, Upgrade>;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenReply;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        let message = ReadyUpgrade::new(self.names.message.clone());
        let blob = ReadyUpgrade::new(self.names.blob.clone());
        SubstreamProtocol::new(SelectUpgrade::new(message, blob), ())
            .with_timeout(NEGOTIATION_TIME_MAX)
    }

    /// Members stay connected: an offer must not wait for a handshake.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_behaviour_event(&mut self, opening: Opening) {
        self.ordered.push_back(opening);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), OpenReply>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.opened.push_back(match protocol {
                Either::Left(stream) => (Kind::Message, stream),
                Either::Right(stream) => (Kind::Blob, stream),
            }),
            // Who asked may have left: then the stream is dropped, which closes it.
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info,
            }) => drop(info.send(Ok(protocol))),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                drop(info.send(Err(open_error(&error))));
            }
            _ => {}
        }
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Upgrade, OpenReply, Self::ToBehaviour>> {
        if let Some(opened) = self.opened.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(opened));
        }
        let Some(Opening { kind, reply }) = self.ordered.pop_front() else {
            return Poll::Pending;
        };
        let name = match kind {
            Kind::Message => self.names.message.clone(),
            Kind::Blob => self.names.blob.clone(),
        };
        let protocol = SubstreamProtocol::new(ReadyUpgrade::new(name), reply)
            .with_timeout(NEGOTIATION_TIME_MAX);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }
}

const fn open_error<E>(error: &StreamUpgradeError<E>) -> OpenError {
    match error {
        StreamUpgradeError::Timeout => OpenError::Timeout,
        StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
        StreamUpgradeError::Apply(_) | StreamUpgradeError::Io(_) => OpenError::Closed,
    }
}
