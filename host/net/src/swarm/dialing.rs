//! Dials of the program, and what is said about connections that failed.

use super::Loop;
use crate::gate::GateError;
use crate::identity::{node_of, peer_of};
use crate::transport::gate_error;
use crate::{Address, DialError, Event};
use libp2p::core::transport::TransportError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError as SwarmDialError};
use libp2p::{Multiaddr, PeerId};
use mutual_protocol::ids::NodeId;
use std::error::Error;
use std::io;
use tokio::sync::oneshot;

/// Dials of the program that may be under way. The limit on half-open connections bounds them all the more.
const DIALS_MAX: usize = 256;

/// Whom to dial, and where.
#[derive(Debug)]
pub(crate) enum Target {
    /// Whoever answers there, or the node that the address names.
    Address(Address),
    /// That node, at these addresses or wherever the DHT knows it.
    Node(NodeId, Vec<Address>),
}

impl Loop {
    pub(super) fn dial(
        &mut self,
        target: Target,
        reply: oneshot::Sender<Result<NodeId, DialError>>,
    ) {
        if self.dialing.len() >= DIALS_MAX {
            drop(reply.send(Err(DialError::Busy)));
            return;
        }
        let node = match &target {
            Target::Address(address) => address.node(),
            Target::Node(node, _) => Some(*node),
        };
        if node.map(peer_of) == Some(*self.swarm.local_peer_id()) {
            drop(reply.send(Err(DialError::Oneself)));
            return;
        }
        let opts = options(target);
        let id = opts.connection_id();
        match (self.swarm.dial(opts), node) {
            (Ok(()), _) => drop(self.dialing.insert(id, reply)),
            // It is connected already.
            (Err(SwarmDialError::DialPeerConditionFalse(_)), Some(node)) => {
                drop(reply.send(Ok(node)));
            }
            (Err(error), _) => drop(reply.send(Err(dial_error(&error)))),
        }
    }

    pub(super) fn dialed(&mut self, id: ConnectionId, peer: &PeerId) {
        if let (Some(reply), Some(node)) = (self.dialing.remove(&id), node_of(peer)) {
            drop(reply.send(Ok(node)));
        }
    }

    pub(super) fn dial_failed(&mut self, id: ConnectionId, error: &SwarmDialError) {
        if let Some(reply) = self.dialing.remove(&id) {
            drop(reply.send(Err(dial_error(error))));
        }
    }
}

fn options(target: Target) -> DialOpts {
    let (node, addresses) = match target {
        Target::Node(node, addresses) => (node, addresses),
        Target::Address(address) => match address.node() {
            Some(node) => (node, vec![address]),
            None => {
                let anybody = DialOpts::unknown_peer_id();
                return anybody.address(address.to_multiaddr()).build();
            }
        },
    };
    DialOpts::peer_id(peer_of(node))
        .condition(PeerCondition::Disconnected)
        .addresses(addresses.iter().map(Address::to_multiaddr).collect())
        .extend_addresses_through_behaviour()
        .build()
}

fn dial_error(error: &SwarmDialError) -> DialError {
    match error {
        SwarmDialError::LocalPeerId { .. } => DialError::Oneself,
        SwarmDialError::NoAddresses => DialError::NoAddress,
        SwarmDialError::WrongPeerId { obtained, .. } => DialError::WrongNode {
            found: node_of(obtained),
        },
        SwarmDialError::Denied { .. } => DialError::Busy,
        SwarmDialError::Transport(errors) => transport_error(errors),
        SwarmDialError::DialPeerConditionFalse(_) | SwarmDialError::Aborted => DialError::Closed,
    }
}

/// The most telling of the errors at several addresses: what was said at a gate, or else the first.
fn transport_error(errors: &[(Multiaddr, TransportError<io::Error>)]) -> DialError {
    let mut errors = errors.iter().filter_map(|(_, error)| match error {
        TransportError::Other(error) => Some(error),
        TransportError::MultiaddrNotSupported(_) => None,
    });
    let mut told = errors.clone().filter_map(gate_error).filter_map(at_gate);
    if let Some(told) = told.next() {
        return told;
    }
    match errors.next() {
        Some(error) => unreachable(error),
        None => DialError::NoAddress,
    }
}

fn at_gate(error: &GateError) -> Option<DialError> {
    Some(match error {
        GateError::Answered { answer } | GateError::Refused { answer } => DialError::Refused {
            answer: answer.clone(),
        },
        GateError::Distrusted { refusal } => DialError::Distrusted {
            refusal: refusal.clone(),
        },
        GateError::Version { theirs } => DialError::Version { theirs: *theirs },
        GateError::WrongNode { found } => DialError::WrongNode {
            found: Some(*found),
        },
        _ => return None,
    })
}

/// The operating system's word, below what transports wrap around it.
fn unreachable(error: &io::Error) -> DialError {
    let mut root = error;
    let mut next: Option<&(dyn Error + 'static)> = inner(error);
    while let Some(error) = next {
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => {
                root = io;
                inner(io)
            }
            None => error.source(),
        };
    }
    DialError::Unreachable { kind: root.kind() }
}

fn inner(error: &io::Error) -> Option<&(dyn Error + 'static)> {
    Some(error.get_ref()?)
}

/// What is told about a connection that did not come in. Broken ones are not: any port scanner makes them.
pub(super) fn refused(error: &TransportError<io::Error>, from: &Multiaddr) -> Option<Event> {
    let TransportError::Other(error) = error else {
        return None;
    };
    match gate_error(error)? {
        GateError::Turned {
            node,
            refusal: Some(refusal),
        } => Some(Event::Refused {
            node: *node,
            address: Address::from_multiaddr(from)?,
            refusal: refusal.clone(),
        }),
        _ => None,
    }
}
