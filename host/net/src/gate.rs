//! The gate: who may connect is decided inside the connection upgrade, before any protocol of ours runs.
//!
//! The dialer opens the first substream of each connection and says its hello; the listener answers. Only when
//! both let the other in does the swarm learn of the connection. The gate does not know what the bytes mean.

mod exchange;

pub(crate) use exchange::{GateError, exchange};

use mutual_protocol::ids::NodeId;

/// Longest hello and longest answer, each in bytes. A member certificate or a ticket takes less than 1 KiB.
pub const GATE_BYTES_MAX: usize = 4096;

/// Who is let in.
///
/// The methods are called on the runtime's threads while a connection waits: they must be quick, a small file
/// written to disk at the most. The node id is authenticated by the transport: whoever is named there holds the
/// key. It is therefore no use to replay the hello of somebody else.
pub trait Gate: Send + Sync + 'static {
    /// What is said to `to`, who is not known to be a member yet. At most [`GATE_BYTES_MAX`] bytes.
    fn hello(&self, to: NodeId) -> Vec<u8>;

    /// Decides about `from`, who has dialed and said `hello`.
    fn receive(&self, from: NodeId, hello: &[u8]) -> Verdict;

    /// Decides about `from`, who was dialed, has let us in and said `answer`.
    ///
    /// # Errors
    /// When we do not want to be connected with `from`.
    fn confirm(&self, from: NodeId, answer: &[u8]) -> Result<(), Refusal>;
}

/// What becomes of a connection that has come in. An answer has at most [`GATE_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let in, after `answer` was sent.
    Admit {
        /// What the dialer decides upon.
        answer: Vec<u8>,
    },
    /// `answer` is all that was wanted: it is sent, and the connection ends.
    Answer {
        /// What the dialer takes home.
        answer: Vec<u8>,
    },
    /// Not let in: `answer` is sent, and the connection ends.
    Refuse {
        /// What the dialer learns.
        answer: Vec<u8>,
        /// What we tell ourselves.
        refusal: Refusal,
    },
}

/// Why somebody was not let in: for our own log and status, never sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// A sentence in lower case without a full stop.
    pub reason: String,
}
