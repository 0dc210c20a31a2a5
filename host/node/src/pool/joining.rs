//! Joining a pool by a ticket: what is said to a node that redeems it, and what is kept of its answer.

use super::{CreatePoolError, KnownPeer, Pool, Pools};
use mutual_protocol::admission::{Answer, Hello, HelloError, JoinRequest, Refusal};
use mutual_protocol::bounded::{Address, Line, List};
use mutual_protocol::codes::{self, Code};
use mutual_protocol::limits::{HOST_NAME_BYTES_MAX, LINE_BYTES_MAX};
use mutual_protocol::membership::{MemberProof, MembershipCert, ProofError, Role, verify_cert};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::ticket::{Ticket, TicketExpired};
use mutual_protocol::{NodeId, PoolId, Signed, SigningKey};
use std::collections::BTreeSet;

/// A ticket in the hands of the node that wants to join.
#[derive(Debug)]
pub struct Joining<'a> {
    /// The ticket.
    pub ticket: &'a Ticket,
    /// The account's key: whose membership it will be.
    pub identity: &'a SigningKey,
    /// The key of the connection; the account's own, or that of this process.
    pub transport: NodeId,
    /// What people call this machine.
    pub name: Line<HOST_NAME_BYTES_MAX>,
    /// What it wants to do.
    pub roles: BTreeSet<Role>,
}

/// Why this account did not become a member.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinRefused {
    /// It made the pool.
    #[error("this account made {pool} itself: the ticket is for another one")]
    Founder {
        /// The pool.
        pool: PoolId,
    },
    /// The ticket's time is over, by this machine's clock.
    #[error(transparent)]
    Expired(#[from] TicketExpired),
    /// The node is not one that the ticket names: it must not see the secret.
    #[error("{node} is not named by the ticket")]
    NotAnAdmitter {
        /// The node.
        node: NodeId,
    },
    /// The pool says no.
    #[error("refused: {detail}")]
    Refused {
        /// Why.
        reason: Refusal,
        /// What exactly; a stranger's words.
        detail: Line<LINE_BYTES_MAX>,
    },
    /// The answer is not understood.
    #[error("the answer of the pool")]
    Answer(#[source] HelloError),
    /// The answer is to another question.
    #[error("the node answered without a certificate")]
    NoCertificate,
    /// The certificate, or the membership of the node that gave it, is not the pool's word.
    #[error("the pool's word")]
    Proof(#[from] ProofError),
    /// The certificate is somebody else's.
    #[error("the certificate is for {member}")]
    Member {
        /// Whose.
        member: NodeId,
    },
    /// The certificate gives roles that nobody asked for.
    #[error("the certificate gives roles that were not asked for")]
    Roles,
    /// The certificate cannot be kept.
    #[error("the certificate cannot be kept")]
    Keep(#[from] CreatePoolError),
}

impl JoinRefused {
    /// The error's code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::Founder { .. } => &codes::ARGUMENT_USAGE,
            Self::Expired(_) => &codes::TICKET_EXPIRED,
            Self::NotAnAdmitter { .. } => &codes::POOL_NOT_ADMITTING,
            Self::Refused { reason, .. } => reason.code(),
            Self::Answer(HelloError::Version { .. }) => &codes::POOL_VERSION,
            Self::Proof(error) => Refusal::from(error).code(),
            Self::Answer(_) | Self::NoCertificate | Self::Member { .. } | Self::Roles => {
                &codes::POOL_PROOF
            }
            Self::Keep(error) => error.code(),
        }
    }
}

impl Joining<'_> {
    /// Where the ticket's admitters are, the best places first. Dialed like this, whoever else answers there is told
    /// nothing. An address without a node is the first admitter's.
    pub fn targets(&self) -> Vec<(NodeId, mutual_net::Address)> {
        let admitters = &self.ticket.admitters;
        let target = |address: &Address| {
            let address: mutual_net::Address = address.as_str().parse().ok()?;
            let node = address.node().or_else(|| admitters.first().copied())?;
            let is_named = admitters.contains(&node);
            is_named.then(|| (node, address.with_node(node)))
        };
        self.ticket.addresses.iter().filter_map(target).collect()
    }

    /// What is said to `admitter`, who must be the authenticated other end of the connection.
    ///
    /// # Errors
    /// When it makes no sense to ask, or the ticket's secret must not be shown to this node.
    pub fn hello(
        &self,
        pools: &Pools,
        admitter: NodeId,
        now_ms: u64,
    ) -> Result<Vec<u8>, JoinRefused> {
        let pool = self.ticket.pool;
        self.ticket.check(now_ms)?;
        if !self.ticket.admitters.contains(&admitter) {
            return Err(JoinRefused::NotAnAdmitter { node: admitter });
        }
        if pools.is_founder(pool) {
            return Err(JoinRefused::Founder { pool });
        }
        let request = JoinRequest {
            pool,
            secret: self.ticket.secret,
            member: self.member(),
            transport: self.transport,
            name: self.name.clone(),
            roles: self.roles.clone(),
            wall_ms: now_ms,
        };
        Ok(Hello::Join(self.identity.sign(request).signed().clone()).encode())
    }

    /// Checks what `admitter` answered, and keeps the certificate. The ticket's addresses are remembered.
    ///
    /// # Errors
    /// When it is a refusal, or not the pool's word for this account, or cannot be kept.
    pub fn joined(
        &self,
        pools: &Pools,
        admitter: NodeId,
        answer: &[u8],
        now_ms: u64,
    ) -> Result<Pool, JoinRefused> {
        match Answer::decode(answer) {
            Ok(Answer::Admitted { cert, by }) => {
                self.check(&cert, &by, admitter, now_ms)?;
                let pool = pools.keep(self.ticket.pool, &cert)?;
                self.remember(&pool, admitter);
                Ok(pool)
            }
            Ok(Answer::Refused { reason, detail }) => Err(JoinRefused::Refused { reason, detail }),
            Ok(Answer::Member(_)) => Err(JoinRefused::NoCertificate),
            Err(error) => Err(JoinRefused::Answer(error)),
        }
    }

    fn check(
        &self,
        cert: &Signed<MembershipCert>,
        by: &MemberProof,
        admitter: NodeId,
        now_ms: u64,
    ) -> Result<(), JoinRefused> {
        let pool = self.ticket.pool;
        by.verify(&Ed25519, pool, admitter, now_ms)?;
        let cert = verify_cert(cert, &Ed25519, pool, now_ms)?;
        let member = cert.member;
        if member != self.member() {
            return Err(JoinRefused::Member { member });
        }
        if !cert.roles.iter().all(|role| self.roles.contains(role)) {
            return Err(JoinRefused::Roles);
        }
        Ok(())
    }

    fn remember(&self, pool: &Pool, admitter: NodeId) {
        let peer = KnownPeer {
            node: admitter,
            addresses: List::cut(self.ticket.addresses.iter().cloned()),
        };
        if let Err(error) = pool.remember_peers(vec![peer]) {
            tracing::warn!(%error, "where the pool is will not be known at the next start");
        }
    }

    fn member(&self) -> NodeId {
        self.identity.public().into()
    }
}

#[cfg(test)]
mod tests;
