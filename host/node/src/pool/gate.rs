//! The gate of a pool: what a connection says first, and who is let in by it. Tickets are redeemed here.

use super::Pool;
use super::members::Members;
use super::tickets::RedeemError;
use crate::clock::Clock;
use mutual_net::{GATE_BYTES_MAX, Gate, Refusal as TurnedAway, Verdict};
use mutual_protocol::admission::{Answer, Hello, HelloError, JoinRequest, Refusal};
use mutual_protocol::bounded::Line;
use mutual_protocol::codes::{self, Code};
use mutual_protocol::limits::{DELEGATION_MS_MAX, HELLO_BYTES_MAX};
use mutual_protocol::membership::{Delegation, Member, MemberProof, MembershipCert, ProofError};
use mutual_protocol::sign::Ed25519;
use mutual_protocol::{NodeId, PoolId, Signed, SigningKey};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const _: () = assert!(HELLO_BYTES_MAX <= GATE_BYTES_MAX);

/// Lets members of one pool in, and redeems its tickets where this account made the pool.
///
/// It reads the pool's folder anew for each connection, so that what another process of the account writes there
/// (a renewed membership, a ticket, a membership taken back) counts at once.
#[derive(Debug)]
pub struct PoolGate {
    pool: Pool,
    identity: Arc<SigningKey>,
    transport: NodeId,
    clock: Arc<dyn Clock>,
    members: Mutex<Members>,
}

/// The account has another key than the one that became a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the membership of {pool} is of {member}, an earlier identity of this account")]
pub struct ForeignMembership {
    /// The pool.
    pub pool: PoolId,
    /// Who is a member.
    pub member: NodeId,
}

impl ForeignMembership {
    /// The error's code.
    pub const fn code(&self) -> &'static Code {
        &codes::POOL_PROOF
    }
}

/// What the other side is told when it is not let in.
struct Denial {
    reason: Refusal,
    detail: String,
}

impl PoolGate {
    /// Makes the gate of `pool` for connections with the key `transport`, which may be the account's own.
    ///
    /// # Errors
    /// When `identity` is not the member.
    pub fn new(
        pool: Pool,
        identity: Arc<SigningKey>,
        transport: NodeId,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ForeignMembership> {
        let member = pool.membership().member;
        if member.key() != identity.public() {
            let pool = pool.id();
            return Err(ForeignMembership { pool, member });
        }
        Ok(Self {
            pool,
            identity,
            transport,
            clock,
            members: Mutex::default(),
        })
    }

    /// The pool, as it was when the gate was made.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whose membership this is.
    pub fn identity(&self) -> NodeId {
        self.pool.membership().member
    }

    /// The member whose connection has this key, while its proof holds.
    pub fn member_of(&self, transport: NodeId) -> Option<Member> {
        self.members().get(transport, self.clock.wall_ms())
    }

    /// Forgets a member whose connection has ended.
    pub fn forget(&self, transport: NodeId) {
        self.members().remove(transport);
    }

    /// Forgets members that are none any more. Their connections, by key, are for the caller to end. To be called
    /// every minute or so. When the list of revoked memberships cannot be read, it is everybody.
    pub fn sift(&self) -> Vec<NodeId> {
        let now_ms = self.clock.wall_ms();
        match self.pool.revoked() {
            Ok(revoked) => self.members().sift(&revoked, now_ms),
            Err(error) => {
                tracing::error!(%error, "nobody counts as a member");
                self.members().sift_all()
            }
        }
    }

    /// The proof of this account's own membership, for now.
    pub(super) fn proof(&self) -> MemberProof {
        let delegation = Delegation {
            member: self.pool.membership().member,
            transport: self.transport,
            not_after_ms: self.clock.wall_ms().saturating_add(DELEGATION_MS_MAX),
        };
        let is_needed = delegation.member != delegation.transport;
        MemberProof {
            cert: self.pool.newest_certificate(),
            delegation: is_needed.then(|| self.identity.sign(delegation).signed().clone()),
        }
    }

    fn admit(&self, proof: &MemberProof, from: NodeId) -> Result<(), Denial> {
        let now_ms = self.clock.wall_ms();
        let member = proof.verify(&Ed25519, self.pool.id(), from, now_ms)?;
        let revoked = self.pool.revoked().map_err(RedeemError::File)?;
        if revoked.contains(&member.serial) {
            return Err(RedeemError::Revoked.into());
        }
        self.members().insert(member);
        Ok(())
    }

    fn redeem(
        &self,
        signed: &Signed<JoinRequest>,
        from: NodeId,
    ) -> Result<Signed<MembershipCert>, Denial> {
        let now_ms = self.clock.wall_ms();
        let request = signed
            .verify(&Ed25519)
            .map_err(|error| Denial::new(Refusal::Proof, error))?;
        request
            .check(self.pool.id(), from, now_ms)
            .map_err(|reason| Denial::new(reason, reason.code().meaning))?;
        Ok(self.pool.redeem(&request, now_ms)?)
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for PoolGate {
    fn hello(&self, _to: NodeId) -> Vec<u8> {
        Hello::Member(self.proof()).encode()
    }

    fn receive(&self, from: NodeId, hello: &[u8]) -> Verdict {
        let decided = match Hello::decode(hello) {
            Ok(Hello::Member(proof)) => self.admit(&proof, from).map(|()| Verdict::Admit {
                answer: Answer::Member(self.proof()).encode(),
            }),
            Ok(Hello::Join(request)) => self.redeem(&request, from).map(|cert| {
                let by = self.proof();
                Verdict::Answer {
                    answer: Answer::Admitted { cert, by }.encode(),
                }
            }),
            Err(error) => Err(error.into()),
        };
        decided.unwrap_or_else(Denial::into_verdict)
    }

    fn confirm(&self, from: NodeId, answer: &[u8]) -> Result<(), TurnedAway> {
        let decided = match Answer::decode(answer) {
            Ok(Answer::Member(proof)) => self.admit(&proof, from),
            Ok(Answer::Refused { reason, detail }) => Err(Denial::new(reason, detail)),
            Ok(Answer::Admitted { .. }) => Err(Denial::new(
                Refusal::Proof,
                "answers a question that was not asked",
            )),
            Err(error) => Err(error.into()),
        };
        decided.map_err(|denial| denial.turned_away())
    }
}

impl Denial {
    fn new(reason: Refusal, detail: impl Display) -> Self {
        let detail = detail.to_string();
        Self { reason, detail }
    }

    fn turned_away(&self) -> TurnedAway {
        TurnedAway {
            reason: format!("{}: {}", self.reason.code().code, self.detail),
        }
    }

    fn into_verdict(self) -> Verdict {
        let refusal = self.turned_away();
        let (reason, detail) = (self.reason, Line::cut(&self.detail));
        Verdict::Refuse {
            answer: Answer::Refused { reason, detail }.encode(),
            refusal,
        }
    }
}

impl From<ProofError> for Denial {
    fn from(error: ProofError) -> Self {
        Self::new(Refusal::from(&error), error)
    }
}

impl From<HelloError> for Denial {
    fn from(error: HelloError) -> Self {
        let reason = match error {
            HelloError::Version { .. } => Refusal::Version,
            _ => Refusal::Proof,
        };
        Self::new(reason, error)
    }
}

/// Paths of this machine are for its own log alone.
impl From<RedeemError> for Denial {
    fn from(error: RedeemError) -> Self {
        if let RedeemError::File(cause) = &error {
            tracing::error!(error = %cause, "the pool's folder cannot be used");
        }
        Self::new(error.refusal(), error)
    }
}

#[cfg(test)]
pub(super) mod tests;
