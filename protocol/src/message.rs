//! What two members say to each other over one ordered stream, once both are admitted.
//!
//! Decoding checks form and limits. Signed parts are verified by whoever acts on them.

mod attempt;

pub use attempt::{AttemptEvent, AttemptOrder, Chunk, Phase, Stream};

use crate::bounded::{Line, List};
use crate::codec::{self, DecodeError};
use crate::discovery::HostRecord;
use crate::ids::{FencingToken, RegisterId};
use crate::lease::{
    Claim, Commit, Committed, Nack, Offer, Preempt, Promise, Release, Renew, RenewAck, ResultCert,
    Vote, VoteReq,
};
use crate::limits::{DECLINE_REASONS_MAX, NODE_MESSAGE_BYTES_MAX};
use crate::sign::{ENVELOPE_BYTES_MAX, Message, Signed};
use crate::spec::JobSpec;
use serde::{Deserialize, Serialize};

/// A message between two members. No order is asked for beyond what each kind says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NodeMessage {
    /// A host's record: the sender's own, or one that it heard.
    Host(Signed<HostRecord>),
    /// The sender closes the connection on purpose.
    Goodbye {
        /// Why.
        reason: GoodbyeReason,
    },
    /// Owner or witness → host: work.
    Offer {
        /// What runs.
        spec: Signed<JobSpec>,
        /// The register that is free.
        offer: Signed<Offer>,
        /// Bytes of program and inputs that the host would fetch.
        inputs_bytes: u64,
    },
    /// Host → owner: no.
    Decline {
        /// The register that was offered.
        register: RegisterId,
        /// Each reason, so that a person can be told what to change.
        reasons: List<DeclineReason, 1, DECLINE_REASONS_MAX>,
    },
    /// Holder or owner → witness, and holder → owner.
    Request(LeaseRequest),
    /// Witness → who asked.
    Reply(LeaseReply),
    /// Host → owner: what an attempt does.
    Attempt {
        /// The attempt.
        token: FencingToken,
        /// What it does.
        event: AttemptEvent,
    },
    /// Owner → host: what an attempt shall do.
    Order {
        /// The attempt.
        token: FencingToken,
        /// What it shall do.
        order: AttemptOrder,
    },
    /// The answer to anything that came under a token that is fenced off.
    Stale {
        /// The token that came.
        token: FencingToken,
        /// The one that counts.
        current: FencingToken,
    },
}

macro_rules! kinds {
    ($($variant:ident = $name:literal,)*) => {
        impl NodeMessage {
            /// The names of all kinds, as they are on the wire.
            pub const KINDS: &[&'static str] = &[$($name,)*];

            /// The name of this one's kind.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        }
    };
}

kinds! {
    Host = "host", Goodbye = "goodbye", Offer = "offer", Decline = "decline", Request = "request", Reply = "reply",
    Attempt = "attempt", Order = "order", Stale = "stale",
}

/// Why a message was not understood. The connection ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// No kind of this version.
    #[error("messages of kind `{kind}` are not known")]
    UnknownKind {
        /// What the peer calls it.
        kind: Line<{ KIND_BYTES_MAX }>,
    },
    /// A known kind, and the peer breaks the protocol.
    #[error("message is malformed")]
    Malformed(#[source] DecodeError),
}

/// Longest name of a kind: its length is in the head's one byte.
const KIND_BYTES_MAX: usize = 23;

impl NodeMessage {
    /// Reads untrusted bytes.
    ///
    /// # Errors
    /// When they are too many, of a kind that is not known, or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        codec::decode(bytes, NODE_MESSAGE_BYTES_MAX).map_err(|source| match kind_of(bytes) {
            Some(kind) if !Self::KINDS.contains(&kind) => MessageError::UnknownKind {
                kind: Line::cut(kind),
            },
            _ => MessageError::Malformed(source),
        })
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// The key of a map of one short key.
fn kind_of(bytes: &[u8]) -> Option<&str> {
    let [0xa1, head @ 0x60..=0x77, rest @ ..] = bytes else {
        return None;
    };
    let name = rest.get(..usize::from(head & 31))?;
    std::str::from_utf8(name).ok()
}

/// Requests of the lease protocol, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LeaseRequest {
    /// See [`Claim`].
    Claim(Signed<Claim>),
    /// See [`Renew`].
    Renew(Signed<Renew>),
    /// See [`VoteReq`].
    VoteReq(Signed<VoteReq>),
    /// See [`Commit`].
    Commit(Signed<Commit>),
    /// See [`Release`].
    Release(Signed<Release>),
    /// See [`Preempt`].
    Preempt(Signed<Preempt>),
    /// A decision; it has no signature of its own.
    Decided(ResultCert),
}

/// Answers of the lease protocol, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LeaseReply {
    /// See [`Promise`].
    Promise(Signed<Promise>),
    /// See [`RenewAck`].
    RenewAck(Signed<RenewAck>),
    /// See [`Vote`].
    Vote(Signed<Vote>),
    /// See [`Committed`].
    Committed(Signed<Committed>),
    /// See [`Nack`].
    Nack(Signed<Nack>),
}

/// Why a host does not take an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeclineReason {
    /// All slots are taken.
    NoSlot,
    /// Too few processor cores.
    Cpus {
        /// What the job needs.
        wanted: u16,
        /// What the host offers.
        offered: u16,
    },
    /// Too little memory, bytes.
    Memory {
        /// What the job needs.
        wanted: u64,
        /// What the host offers.
        offered: u64,
    },
    /// Too little disk by its donor's limit, bytes.
    Disk {
        /// What the job needs.
        wanted: u64,
        /// What the host offers.
        offered: u64,
    },
    /// The disk is full, whatever the limit says.
    DiskFull,
    /// It does not run programs of this kind.
    Runtime,
    /// It does not have the semantic profile.
    Profile,
    /// It cannot compile the program.
    Compile,
    /// Its donor does not want this owner's work, or not this kind.
    Policy,
    /// The owner's membership is missing or not valid.
    Membership,
    /// The spec breaks a rule.
    Spec,
    /// By its clock, the job's time is over or has not come.
    Time,
    /// Its donor paused it.
    Paused,
    /// It finishes what it has, and ends.
    Draining,
}

/// Why a connection is closed on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoodbyeReason {
    /// The process ends, for good as far as it knows.
    Leaving,
    /// The process starts again at once.
    Restarting,
    /// Nothing was said for long.
    Unused,
    /// Too many connections, messages or bytes.
    Overload,
    /// The other side's membership ended.
    Membership,
    /// The other side broke the protocol.
    Violation,
}

/// What the largest parts take beside their bodies: envelopes, names and heads.
const AROUND: usize = 2 * ENVELOPE_BYTES_MAX + 256;

const _: () = {
    assert!(JobSpec::SIZE_MAX + Offer::SIZE_MAX + AROUND <= NODE_MESSAGE_BYTES_MAX);
    assert!(VoteReq::SIZE_MAX + AROUND <= NODE_MESSAGE_BYTES_MAX);
    assert!(Renew::SIZE_MAX + AROUND <= NODE_MESSAGE_BYTES_MAX);
};
