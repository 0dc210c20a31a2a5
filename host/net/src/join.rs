//! A connection that is made for the exchange at the gate alone: this is how a ticket is redeemed.

use crate::address::Address;
use crate::gate::{Gate, GateError, Refusal, Verdict};
use crate::identity::Identity;
use crate::transport::{gate_error, transport};
use libp2p::core::Endpoint;
use libp2p::core::transport::{DialOpts, PortUse, Transport as _};
use mutual_protocol::ids::NodeId;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// Nobody answers there, or not in our protocols.
    #[error("{address} cannot be reached")]
    Unreachable {
        /// Where we dialed.
        address: Address,
        /// What the transport says.
        #[source]
        source: io::Error,
    },
    /// Somebody else than the expected node answers there.
    #[error("another node answers at {address}: {found}")]
    WrongNode {
        /// Where we dialed.
        address: Address,
        /// Who answers.
        found: NodeId,
    },
    /// The peer speaks another version of the gate.
    #[error("the peer speaks version {theirs} of the gate")]
    Version {
        /// Its version.
        theirs: u8,
    },
    /// The peer has refused us.
    #[error("the peer has refused us")]
    Refused {
        /// What it said.
        answer: Vec<u8>,
    },
}

/// Dials `address`, says `hello` at the gate, gives back the answer and hangs up. Must run within tokio.
///
/// Dropping the future ends the dial. It ends by itself: each part of a connection's upgrade has its time.
///
/// # Errors
/// When nobody can be reached, or when the peer refuses.
pub async fn join(
    identity: &Identity,
    address: &Address,
    hello: Vec<u8>,
) -> Result<Vec<u8>, JoinError> {
    let unreachable = |source| JoinError::Unreachable {
        address: address.clone(),
        source,
    };
    let gate = Arc::new(JoinGate {
        hello,
        answer: Mutex::default(),
    });
    let mut transport =
        transport(identity, gate.clone()).map_err(|e| unreachable(io::Error::other(e)))?;
    let opts = DialOpts {
        role: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    let dial = transport
        .dial(address.to_multiaddr(), opts)
        .map_err(|e| unreachable(io::Error::other(e)))?;
    match dial.await {
        Ok(connection) => {
            drop(connection);
            let mut answer = gate.answer.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(std::mem::take(&mut *answer))
        }
        Err(error) => match gate_error(&error) {
            Some(GateError::Answered { answer }) => Ok(answer.clone()),
            Some(GateError::Refused { answer }) => Err(JoinError::Refused {
                answer: answer.clone(),
            }),
            Some(GateError::Version { theirs }) => Err(JoinError::Version { theirs: *theirs }),
            Some(GateError::WrongNode { found }) => Err(JoinError::WrongNode {
                address: address.clone(),
                found: *found,
            }),
            _ => Err(unreachable(error)),
        },
    }
}

/// Says one hello and keeps the answer of a peer that lets us in.
struct JoinGate {
    hello: Vec<u8>,
    answer: Mutex<Vec<u8>>,
}

impl Gate for JoinGate {
    fn hello(&self, _to: NodeId) -> Vec<u8> {
        self.hello.clone()
    }

    /// Never called: this transport does not listen.
    fn receive(&self, _from: NodeId, _hello: &[u8]) -> Verdict {
        Verdict::Refuse {
            answer: Vec::new(),
            refusal: Refusal {
                reason: "not listening".to_owned(),
            },
        }
    }

    fn confirm(&self, _from: NodeId, answer: &[u8]) -> Result<(), Refusal> {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer.to_vec();
        Ok(())
    }
}
