//! Membership of a pool: who may do what. Redeemed from a ticket, checked wherever a role is used.

use crate::ids::{NodeId, PoolId};
use crate::sign::Message;
use serde::{Deserialize, Serialize};

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Sign jobs.
    Submit,
    /// Execute jobs.
    Host,
    /// Keep registers.
    Witness,
    /// Keep blobs for others.
    Store,
    /// Carry connections.
    Relay,
    /// Serve HTTP.
    Gateway,
}

/// A pool's signed word that a node belongs to it. Signer: the pool's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembershipCert {
    /// The pool.
    pub pool: PoolId,
    /// The member.
    pub member: NodeId,
    /// What it may do, sorted, without repetition.
    pub roles: Vec<Role>,
    /// Rises with each certificate of the pool; revocation names it.
    pub serial: u64,
    /// End of validity, milliseconds since 1970.
    pub not_after_ms: u64,
}

impl Message for MembershipCert {
    const TAG: &'static str = "membership";
    const SIZE_MAX: usize = 512;
}
