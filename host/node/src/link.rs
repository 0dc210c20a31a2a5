//! The other nodes of a pool, as the loops of this crate see them: comings and goings, messages, content.
//!
//! The network lies behind two traits, so that a loop can be tested without one.

use mutual_protocol::membership::Member;
use mutual_protocol::message::NodeMessage;
use mutual_protocol::{Cid, NodeId};
use mutual_store::FileError;
use std::future::Future;
use std::pin::Pin;

/// The way to other nodes. A node is named by the key of its connection.
pub trait Peers: std::fmt::Debug + Send + Sync {
    /// Queues a message, which leaves in order with earlier ones. `false` when the node is not connected or does not
    /// keep up: what it missed is told by its next [`PeerEvent`].
    fn send(&self, to: NodeId, message: &NodeMessage) -> bool;

    /// Tries to reach a node whose connection broke, on every address known. [`PeerEvent::Up`] or
    /// [`PeerEvent::Unreachable`] follows.
    fn redial(&self, node: NodeId);

    /// Ends the connection with a node that breaks the protocol.
    fn drop_peer(&self, node: NodeId, why: &str);

    /// Lets other members fetch `root` and everything below it.
    fn share(&self, root: Cid);
}

/// What happens among the other nodes.
#[derive(Debug)]
pub enum PeerEvent {
    /// A member is connected. The first connection counts.
    Up {
        /// The key of its connection, which is where messages go.
        node: NodeId,
        /// Who it is.
        member: Member,
    },
    /// The last connection with it is gone.
    Down {
        /// Which node.
        node: NodeId,
    },
    /// It cannot be reached again.
    Unreachable {
        /// Which node.
        node: NodeId,
    },
    /// It said something of this version's protocol. Signed parts are not verified yet.
    Said {
        /// Which node.
        node: NodeId,
        /// What.
        message: Box<NodeMessage>,
    },
}

/// Content on its way.
pub type Fetching = Pin<Box<dyn Future<Output = Result<(), FetchFailure>> + Send>>;

/// Brings content of other nodes into this one's store, verified block by block.
pub trait Fetch: std::fmt::Debug + Send + Sync {
    /// Everything below `roots` that is not here yet, at most `bytes_max` bytes. Dropping the future stops it; what
    /// came stays.
    fn fetch(&self, from: NodeId, roots: Vec<Cid>, bytes_max: u64) -> Fetching;
}

/// Why content did not come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchFailure {
    /// The other side does not have it, or does not give it away.
    #[error("{cid} is not to be had")]
    Missing {
        /// The content.
        cid: Cid,
    },
    /// It is more than the spec says.
    #[error("more than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// The connection broke, or was too slow.
    #[error("the connection broke: {detail}")]
    Broken {
        /// How.
        detail: String,
    },
    /// The other side sent something else.
    #[error("the other side sent what was not asked for: {detail}")]
    Wrong {
        /// What.
        detail: String,
    },
    /// It cannot be kept here.
    #[error("the content cannot be kept")]
    Store(#[source] FileError),
}
