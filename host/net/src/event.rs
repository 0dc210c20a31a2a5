//! What the network tells the program, and what the program gets told when something fails.

use crate::address::{Address, Transport};
use crate::gate::Refusal;
use crate::stream::NetStream;
use mutual_protocol::ids::NodeId;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

/// Something that has happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Connections are taken at `address`. With port 0 or an unspecified IP in the settings, this is what came of it.
    Listening {
        /// Where.
        address: Address,
    },
    /// The first connection to a node is there. It comes before anything else of that node.
    Connected(PeerInfo),
    /// The last connection to a node is gone. A message that was on its way may still come after it.
    Disconnected {
        /// Who is gone.
        node: NodeId,
    },
    /// One of several connections to a node has ended, and messages to it may have ended with it. It is connected
    /// still: what it must know is to be said again.
    Lost {
        /// Which node.
        node: NodeId,
    },
    /// A node has sent a message. Those of one node come in the order in which they were sent.
    Message {
        /// Who sent it.
        from: NodeId,
        /// What it says, at most [`crate::MESSAGE_BYTES_MAX`] bytes.
        bytes: Vec<u8>,
    },
    /// A node has opened a stream.
    Stream {
        /// The stream; it knows whose it is.
        stream: NetStream,
    },
    /// A node that serves the DHT has come into this node's table: it can be asked from now on.
    DhtPeer {
        /// Who it is.
        node: NodeId,
    },
    /// Our gate has refused somebody.
    Refused {
        /// Who it was.
        node: NodeId,
        /// From where.
        address: Address,
        /// Why.
        refusal: Refusal,
    },
    /// A member broke the rules, and is being disconnected.
    Violation {
        /// Who it was.
        node: NodeId,
        /// What it did.
        violation: Violation,
    },
}

/// How a member broke the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// It announced a message that is longer than a message may be.
    GiantMessage {
        /// The length that it announced.
        bytes: u32,
    },
    /// It sent messages faster than the limit allows.
    MessageFlood,
    /// It opened more streams than the limit allows, at once or in a row.
    StreamFlood,
}

/// A node that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Who it is.
    pub node: NodeId,
    /// The other end of the oldest connection. Where it dialed us, this is no place to dial it.
    pub address: Address,
    /// Who dialed that connection.
    pub direction: Direction,
    /// The last round trip measured, if there was one.
    pub rtt: Option<Duration>,
}

impl PeerInfo {
    /// What carries the oldest connection.
    pub const fn transport(&self) -> Transport {
        self.address.transport()
    }
}

/// Who dialed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// They did.
    Inbound,
    /// We did.
    Outbound,
}

/// What has happened, in order. The network waits when events are not taken: so take them.
///
/// Dropping it ends the network.
#[derive(Debug)]
pub struct Events(pub(crate) mpsc::Receiver<Event>);

impl Events {
    /// Waits for the next event; `None` when the network has ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no connection to that node.
    #[error("not connected")]
    NotConnected,
    /// So many messages or bytes wait for that node that no more are taken.
    #[error("too much waits for this node already")]
    QueueFull,
    /// The message is longer than [`crate::MESSAGE_BYTES_MAX`].
    #[error("a message of {bytes} bytes is too large")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
}

/// Why a dial failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Nobody answers there, or not in our protocols.
    #[error("nobody answers: {kind}")]
    Unreachable {
        /// What the operating system or a transport says.
        kind: io::ErrorKind,
    },
    /// No address of that node is known.
    #[error("no address is known")]
    NoAddress,
    /// The address is our own.
    #[error("that is this node itself")]
    Oneself,
    /// Somebody else answers there.
    #[error("another node answers there")]
    WrongNode {
        /// Who, if its key is of our kind.
        found: Option<NodeId>,
    },
    /// The peer speaks another version of the gate.
    #[error("the peer speaks version {theirs} of the gate")]
    Version {
        /// Its version.
        theirs: u8,
    },
    /// The peer has not let us in.
    #[error("the peer has refused us")]
    Refused {
        /// What it said.
        answer: Vec<u8>,
    },
    /// Our gate did not want this peer.
    #[error("refused by us: {refusal}")]
    Distrusted {
        /// Why.
        refusal: Refusal,
    },
    /// As many connections or dials as may be are there already.
    #[error("too many connections")]
    Busy,
    /// The network has been shut down.
    #[error("the network has been shut down")]
    Closed,
}
