//! Membership of a pool: who may do what. Redeemed from a ticket, proved by every connection, checked wherever a role
//! is used.

use crate::codec::{self, DecodeError};
use crate::ids::{NodeId, PoolId, PublicKey};
use crate::limits::{CLOCK_SLACK_MS, DELEGATION_MS_MAX, MEMBER_PROOF_BYTES_MAX, MEMBERSHIP_MS_MAX};
use crate::sign::{ENVELOPE_BYTES_MAX, Message, Signed, Verifier, VerifyError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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

/// A member's word that a transport key acts for it: the key of one process beside the one that holds the member's
/// address. Signer: the member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The member.
    pub member: NodeId,
    /// The key that its process uses for connections, and for nothing else.
    pub transport: NodeId,
    /// End of validity, milliseconds since 1970.
    pub not_after_ms: u64,
}

impl Message for Delegation {
    const TAG: &'static str = "delegation";
    const SIZE_MAX: usize = 512;
}

/// What a node shows to be let in: its membership, and a delegation when it connects with another key than its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberProof {
    /// The pool's word.
    pub cert: Signed<MembershipCert>,
    /// The member's word.
    pub delegation: Option<Signed<Delegation>>,
}

/// A node whose membership was proved on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The member: whose signatures count.
    pub node: NodeId,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Serial number of its certificate.
    pub serial: u64,
    /// The key of the connection; equal to `node` without a delegation.
    pub transport: NodeId,
    /// When the proof ends, milliseconds since 1970; a connection that lasts longer needs another one.
    pub not_after_ms: u64,
}

/// Why a proof of membership was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The certificate's signature or form.
    #[error("membership certificate")]
    Cert(#[source] VerifyError),
    /// The certificate is of another pool.
    #[error("membership is of pool {found}")]
    OtherPool {
        /// That pool.
        found: PoolId,
    },
    /// Somebody else than the pool signed.
    #[error("membership is signed by {signer} instead of the pool")]
    CertSigner {
        /// Who did.
        signer: PublicKey,
    },
    /// The roles are not sorted, or one is there twice.
    #[error("roles are not sorted")]
    Roles,
    /// The certificate's time is over.
    #[error("membership ended at {not_after_ms} ms")]
    CertExpired {
        /// Its end.
        not_after_ms: u64,
    },
    /// No pool makes certificates that long: one of the clocks is wrong.
    #[error("membership ends at {not_after_ms} ms, too far from now")]
    CertTooLong {
        /// Its end.
        not_after_ms: u64,
    },
    /// The connection has another key than the member, and nothing says that it may.
    #[error("connection of {transport} shows the membership of {member}, without delegation")]
    DelegationMissing {
        /// The certificate's member.
        member: NodeId,
        /// The connection's key.
        transport: NodeId,
    },
    /// The delegation's signature or form.
    #[error("delegation")]
    Delegation(#[source] VerifyError),
    /// The delegation is another member's, or somebody else signed it.
    #[error("delegation of {member} is signed by {signer}")]
    DelegationSigner {
        /// Who is said to delegate.
        member: NodeId,
        /// Who signed.
        signer: PublicKey,
    },
    /// The delegation is for another transport key.
    #[error("delegation is for {found} instead of the connection's key")]
    DelegationKey {
        /// That key.
        found: NodeId,
    },
    /// The delegation's time is over.
    #[error("delegation ended at {not_after_ms} ms")]
    DelegationExpired {
        /// Its end.
        not_after_ms: u64,
    },
    /// The delegation is for longer than allowed, or one of the clocks is wrong.
    #[error("delegation ends at {not_after_ms} ms, too far from now")]
    DelegationTooLong {
        /// Its end.
        not_after_ms: u64,
    },
}

impl MemberProof {
    /// Decodes the proof. Nothing in it is believed yet.
    ///
    /// # Errors
    /// When the bytes are too many, or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, MEMBER_PROOF_BYTES_MAX)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Checks that whoever holds the key `transport` acts for a member of `pool` now.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn verify(
        &self,
        verifier: &dyn Verifier,
        pool: PoolId,
        transport: NodeId,
        now_ms: u64,
    ) -> Result<Member, ProofError> {
        let cert = verify_cert(&self.cert, verifier, pool, now_ms)?;
        let delegated_until = match &self.delegation {
            Some(signed) => {
                verify_delegation(signed, verifier, cert.member, now_ms).and_then(|delegation| {
                    let found = delegation.transport;
                    if found == transport {
                        return Ok(delegation.not_after_ms);
                    }
                    Err(ProofError::DelegationKey { found })
                })?
            }
            None if cert.member == transport => u64::MAX,
            None => {
                let member = cert.member;
                return Err(ProofError::DelegationMissing { member, transport });
            }
        };
        Ok(Member {
            node: cert.member,
            roles: cert.roles.into_iter().collect(),
            serial: cert.serial,
            transport,
            not_after_ms: cert.not_after_ms.min(delegated_until),
        })
    }
}

/// Checks that a certificate is the pool's word and valid now. Whose it is, is the caller's to compare.
///
/// # Errors
/// With the first thing that is wrong.
pub fn verify_cert(
    signed: &Signed<MembershipCert>,
    verifier: &dyn Verifier,
    pool: PoolId,
    now_ms: u64,
) -> Result<MembershipCert, ProofError> {
    let cert = signed.verify(verifier).map_err(ProofError::Cert)?;
    let (cert, signer) = (cert.value().clone(), cert.signer());
    if cert.pool != pool {
        return Err(ProofError::OtherPool { found: cert.pool });
    }
    if signer != pool.key() {
        return Err(ProofError::CertSigner { signer });
    }
    if !cert.roles.is_sorted_by(|a, b| a < b) {
        return Err(ProofError::Roles);
    }
    let not_after_ms = cert.not_after_ms;
    match Span::of(not_after_ms, MEMBERSHIP_MS_MAX, now_ms) {
        Span::Over => Err(ProofError::CertExpired { not_after_ms }),
        Span::TooLong => Err(ProofError::CertTooLong { not_after_ms }),
        Span::Runs => Ok(cert),
    }
}

fn verify_delegation(
    signed: &Signed<Delegation>,
    verifier: &dyn Verifier,
    by: NodeId,
    now_ms: u64,
) -> Result<Delegation, ProofError> {
    let delegation = signed.verify(verifier).map_err(ProofError::Delegation)?;
    let (delegation, signer) = (delegation.value().clone(), delegation.signer());
    if delegation.member != by || signer != by.key() {
        let member = delegation.member;
        return Err(ProofError::DelegationSigner { member, signer });
    }
    let not_after_ms = delegation.not_after_ms;
    match Span::of(not_after_ms, DELEGATION_MS_MAX, now_ms) {
        Span::Over => Err(ProofError::DelegationExpired { not_after_ms }),
        Span::TooLong => Err(ProofError::DelegationTooLong { not_after_ms }),
        Span::Runs => Ok(delegation),
    }
}

/// How an end of validity lies to now, with slack for two clocks on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Over,
    Runs,
    TooLong,
}

impl Span {
    const fn of(not_after_ms: u64, length_max: u64, now_ms: u64) -> Self {
        if not_after_ms.saturating_add(CLOCK_SLACK_MS) < now_ms {
            Self::Over
        } else if not_after_ms > now_ms.saturating_add(length_max + CLOCK_SLACK_MS) {
            Self::TooLong
        } else {
            Self::Runs
        }
    }
}

const _: () = assert!(
    MembershipCert::SIZE_MAX + Delegation::SIZE_MAX + 2 * ENVELOPE_BYTES_MAX + 64
        <= MEMBER_PROOF_BYTES_MAX
);
