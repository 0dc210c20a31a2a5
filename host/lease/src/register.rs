//! What a witness keeps for one register: the durable part.

use mutual_protocol::lease::{Promise, QuorumCert, ResultCert};
use mutual_protocol::{Digest, Epoch, NodeId};
use serde::{Deserialize, Serialize};

/// The highest ballot that was let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promised {
    pub(crate) epoch: Epoch,
    pub(crate) host: NodeId,
    /// The promise as it was first made, to be repeated byte for byte; none when a vote or a commit raised the epoch.
    pub(crate) promise: Option<Promise>,
}

/// The only vote at its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Voted {
    pub(crate) epoch: Epoch,
    pub(crate) host: NodeId,
    pub(crate) value: Digest,
}

/// The certified value of the highest epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    pub(crate) epoch: Epoch,
    pub(crate) cert: QuorumCert,
}

/// Everything about one register that a witness must not forget. Opaque; a store encodes it with serde.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterState {
    pub(crate) promised: Option<Promised>,
    pub(crate) voted: Option<Voted>,
    pub(crate) lock: Option<Lock>,
    pub(crate) decided: Option<ResultCert>,
    pub(crate) sequence: u64,
}

impl RegisterState {
    /// The highest ballot that was let in: epoch and host.
    pub fn promised(&self) -> Option<(Epoch, NodeId)> {
        self.promised.as_ref().map(|p| (p.epoch, p.host))
    }

    /// The certified value of the highest epoch: the one that must be decided, if anything was.
    pub fn lock(&self) -> Option<&QuorumCert> {
        self.lock.as_ref().map(|lock| &lock.cert)
    }

    /// The decision.
    pub const fn decided(&self) -> Option<&ResultCert> {
        self.decided.as_ref()
    }
}
