//! The first words on a connection, before anything else is spoken: who are you, and may you come in?
//!
//! The connecting side says [`Hello`], the other side answers [`Answer`]. Both begin with four bytes that no version
//! changes, so that a peer of another version is told so by name.

use crate::bounded::Line;
use crate::codec::{self, DecodeError};
use crate::codes::{self, Code};
use crate::ids::{NodeId, PoolId};
use crate::limits::{
    CLOCK_SLACK_MS, HELLO_BYTES_MAX, HOST_NAME_BYTES_MAX, LINE_BYTES_MAX, MEMBER_PROOF_BYTES_MAX,
};
use crate::membership::{MemberProof, MembershipCert, ProofError, Role};
use crate::sign::{ENVELOPE_BYTES_MAX, Message, Signed, Verified};
use crate::ticket::TicketSecret;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;

/// Version of everything that is said on a connection: these words and [`crate::message::NodeMessage`].
pub const VERSION: u16 = 1;

/// What the words of every version begin with; the version follows, most significant byte first.
const MAGIC: [u8; 2] = *b"mc";

/// A request to become a member, made with a ticket. Signer: the node that wants to join.
///
/// It is sent to none but an admitter of the ticket, since it carries the ticket's secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The ticket's pool.
    pub pool: PoolId,
    /// The ticket's secret.
    pub secret: TicketSecret,
    /// Who wants to join; equal to the signer.
    pub member: NodeId,
    /// The key of the connection, so that nobody else can send this request.
    pub transport: NodeId,
    /// What people call the node.
    pub name: Line<HOST_NAME_BYTES_MAX>,
    /// What it wants to do; it is given no more than the ticket allows.
    pub roles: BTreeSet<Role>,
    /// Its wall clock, milliseconds since 1970: a wrong one is named instead of making certificates that seem expired.
    pub wall_ms: u64,
}

impl Message for JoinRequest {
    const TAG: &'static str = "join";
    const SIZE_MAX: usize = 512;
}

/// Says who connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Hello {
    /// A member.
    Member(MemberProof),
    /// Somebody who wants to become one.
    Join(Signed<JoinRequest>),
}

/// Says whether who connects may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// A member may, and here is the answering side's own proof.
    Member(MemberProof),
    /// The new member may from now on.
    Admitted {
        /// Its certificate.
        cert: Signed<MembershipCert>,
        /// The answering side's own proof.
        by: MemberProof,
    },
    /// Nobody comes in; the connection ends.
    Refused {
        /// Why.
        reason: Refusal,
        /// What exactly, for people.
        detail: Line<LINE_BYTES_MAX>,
    },
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No such ticket was made here.
    UnknownTicket,
    /// The ticket was used as often as it may be.
    UsedUp,
    /// The ticket's time is over.
    TicketExpired,
    /// Ticket or membership is of another pool.
    OtherPool,
    /// This node does not redeem tickets.
    NotAnAdmitter,
    /// The other side speaks another version.
    Version,
    /// No room for another connection or member.
    Full,
    /// The two clocks are too far apart.
    Clock,
    /// The proof of membership is not valid, or has expired.
    Proof,
    /// The membership was taken back.
    Revoked,
}

impl Refusal {
    /// The error's code.
    pub const fn code(self) -> &'static Code {
        match self {
            Self::UnknownTicket => &codes::TICKET_UNKNOWN,
            Self::UsedUp => &codes::TICKET_USED,
            Self::TicketExpired => &codes::TICKET_EXPIRED,
            Self::OtherPool => &codes::POOL_OTHER,
            Self::NotAnAdmitter => &codes::POOL_NOT_ADMITTING,
            Self::Version => &codes::POOL_VERSION,
            Self::Full => &codes::POOL_FULL,
            Self::Clock => &codes::POOL_CLOCK,
            Self::Proof => &codes::POOL_PROOF,
            Self::Revoked => &codes::POOL_REVOKED,
        }
    }
}

impl From<&ProofError> for Refusal {
    fn from(error: &ProofError) -> Self {
        match error {
            ProofError::OtherPool { .. } => Self::OtherPool,
            ProofError::CertTooLong { .. } | ProofError::DelegationTooLong { .. } => Self::Clock,
            _ => Self::Proof,
        }
    }
}

impl Verified<JoinRequest> {
    /// Checks what needs no list of tickets: signer, pool, connection and clock.
    ///
    /// # Errors
    /// With the refusal to answer.
    pub fn check(&self, pool: PoolId, transport: NodeId, now_ms: u64) -> Result<(), Refusal> {
        let request = self.value();
        if request.pool != pool {
            return Err(Refusal::OtherPool);
        }
        if self.signer() != request.member.key() || request.transport != transport {
            return Err(Refusal::Proof);
        }
        if request.wall_ms.abs_diff(now_ms) > CLOCK_SLACK_MS {
            return Err(Refusal::Clock);
        }
        Ok(())
    }
}

/// Why first words were not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelloError {
    /// The peer speaks another protocol.
    #[error("peer does not speak this protocol")]
    Foreign,
    /// The peer is of another version.
    #[error("peer speaks version {theirs} of the protocol, this program version {ours}")]
    Version {
        /// The peer's.
        theirs: u16,
        /// [`VERSION`].
        ours: u16,
    },
    /// The peer breaks the protocol.
    #[error("first words are malformed")]
    Malformed(#[source] DecodeError),
}

impl Hello {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        seal(self)
    }

    /// Reads what the connecting side said.
    ///
    /// # Errors
    /// When it is too long, of another protocol or version, or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, HelloError> {
        open(bytes)
    }
}

impl Answer {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        seal(self)
    }

    /// Reads what the other side answered.
    ///
    /// # Errors
    /// When it is too long, of another protocol or version, or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, HelloError> {
        open(bytes)
    }
}

fn seal<T: Serialize>(words: &T) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend(codec::encode(words));
    bytes
}

fn open<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, HelloError> {
    let (version, words) = bytes
        .strip_prefix(&MAGIC)
        .and_then(|rest| rest.split_first_chunk::<2>())
        .ok_or(HelloError::Foreign)?;
    let (theirs, ours) = (u16::from_be_bytes(*version), VERSION);
    if theirs != ours {
        return Err(HelloError::Version { theirs, ours });
    }
    codec::decode(words, HELLO_BYTES_MAX - 4).map_err(HelloError::Malformed)
}

const _: () = {
    assert!(JoinRequest::SIZE_MAX + ENVELOPE_BYTES_MAX + 64 <= HELLO_BYTES_MAX);
    assert!(
        MembershipCert::SIZE_MAX + ENVELOPE_BYTES_MAX + MEMBER_PROOF_BYTES_MAX + 64
            <= HELLO_BYTES_MAX
    );
};
