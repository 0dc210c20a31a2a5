//! Messages of the lease protocol, and the certificates that quorums of them make.
//!
//! A lease is a ballot of a small register per unit of work: a claim is phase 1, the result is the value decided.
//! Certificates are verified offline by whoever holds the spec; [`cert`] has the rules.

pub mod cert;

use crate::ids::{Cid, Digest, Epoch, FencingToken, NodeId, Nonce, RegisterId};
use crate::limits;
use crate::membership::MembershipCert;
use crate::outcome::Blame;
use crate::receipt::{AttemptRecord, Usage};
use crate::sign::{Message, Signed};
use crate::spec::Requirements;
use serde::{Deserialize, Serialize};

/// Largest value: one attempt record per allowed attempt, each with its envelope.
const VALUE_BYTES_MAX: usize = limits::ATTEMPTS_MAX * (AttemptRecord::SIZE_MAX + 256);
/// Largest quorum certificate: a value and a vote of each witness.
const CERT_BYTES_MAX: usize = VALUE_BYTES_MAX + limits::WITNESSES_MAX * 1024;
/// Largest lease certificate: each promise may carry a quorum certificate.
const LEASE_BYTES_MAX: usize = limits::WITNESSES_MAX * (CERT_BYTES_MAX + 1024);

macro_rules! message {
    ($(#[$doc:meta])* $name:ident, $tag:literal, $max:expr, { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl Message for $name {
            const TAG: &'static str = $tag;
            const SIZE_MAX: usize = $max;
        }
    };
}

message!(
    /// A signed proposal of work to one host. Signer: owner or a witness of the spec.
    Offer, "offer", VALUE_BYTES_MAX + (8 << 10), {
        /// The spec's blob.
        spec: Cid,
        /// The register that is free.
        register: RegisterId,
        /// The epoch to claim, as far as the sender knows.
        epoch: Epoch,
        /// What the host must have, so that it can refuse without fetching the spec.
        requirements: Requirements,
        /// Attempts that guest or owner are to blame for, so far; with those of its own, the holder may prove failure.
        failures: Vec<Signed<AttemptRecord>>,
    }
);

message!(
    /// A host's request for a lease. Signer: the host.
    Claim, "claim", 4 << 10, {
        /// The register and the epoch wanted: the highest seen plus one.
        token: FencingToken,
        /// The claimant; equal to the signer.
        host: NodeId,
        /// X25519 key to which data keys of confidential jobs are sealed.
        key_exchange: Option<Digest>,
        /// The claimant's membership; none on the owner's own machine.
        membership: Option<Signed<MembershipCert>>,
        /// Against replay.
        nonce: Nonce,
        /// Price asked, in the pool's unit.
        quote: Option<u64>,
    }
);

message!(
    /// A witness's word to let no lower epoch pass. Signer: the witness.
    Promise, "promise", CERT_BYTES_MAX + 1024, {
        /// The token granted.
        token: FencingToken,
        /// To whom.
        host: NodeId,
        /// T: how long the witness waits from the receipt of the activating renewal, milliseconds.
        ttl_ms: u32,
        /// The highest certified value that the witness stores.
        lock: Option<QuorumCert>,
        /// Rises with each write of the witness.
        sequence: u64,
        /// The witness's wall clock, milliseconds since 1970; informative.
        granted_at_ms: u64,
    }
);

/// Quorum of promises for one token and host: the fencing proof that any sink can check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseCert {
    /// Promises of different witnesses.
    pub promises: Vec<Signed<Promise>>,
}

/// Why a witness did not grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NackReason {
    /// A lease or a hold still runs.
    Leased,
    /// The epoch is not above the promised one.
    EpochTooLow,
    /// The epoch is too far ahead without evidence.
    EpochTooHigh,
    /// The register is decided.
    Decided,
    /// The claimant may not hold this job.
    NotEntitled,
    /// Too many holds of this host lapsed or are open.
    TooManyHolds,
    /// Some of the shards belong to another range that was claimed before.
    Overlaps,
    /// The spec is not known, or its time is over.
    UnknownJob,
    /// The sender's token is not the promised one.
    StaleToken,
    /// The proposed value breaks a rule of the protocol.
    Inadmissible,
}

message!(
    /// A witness's refusal, with what the sender should know. Signer: the witness.
    Nack, "nack", CERT_BYTES_MAX + 1024, {
        /// What was asked for.
        asked: FencingToken,
        /// Why not.
        reason: NackReason,
        /// Epoch promised now.
        promised: Option<Epoch>,
        /// When asking again makes sense, milliseconds.
        wait_ms: u32,
        /// The decision, when there is one.
        decided: Option<ResultCert>,
    }
);

/// Where an attempt's newest checkpoint lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointHead {
    /// Rises by exactly one.
    pub sequence: u64,
    /// The checkpoint's root.
    pub cid: Cid,
}

message!(
    /// Extends a lease. Signer: the holder.
    Renew, "renew", LEASE_BYTES_MAX + 4096, {
        /// The lease.
        token: FencingToken,
        /// Rises by one with each renewal, from 1.
        number: u32,
        /// The certificate: required in the first renewal, which activates the lease.
        lease: Option<LeaseCert>,
        /// Used so far.
        usage: Usage,
        /// Newest checkpoint.
        checkpoint: Option<CheckpointHead>,
    }
);

message!(
    /// A witness's answer to a renewal. Signer: the witness.
    RenewAck, "renew-ack", 512, {
        /// The lease.
        token: FencingToken,
        /// The renewal answered.
        number: u32,
        /// T from the receipt of that renewal, milliseconds.
        ttl_ms: u32,
    }
);

message!(
    /// A storage node's word that it holds every block of a manifest durably. Signer: the storage node.
    Stored, "stored", 512, {
        /// The manifest.
        manifest: Cid,
        /// Bytes of all blocks.
        total_bytes: u64,
        /// Until when they are pinned, milliseconds since 1970.
        pinned_until_ms: u64,
    }
);

message!(
    /// The owner's order to end a job. Signer: the owner.
    Cancel, "cancel", 512, {
        /// What ends.
        register: RegisterId,
    }
);

/// What a register decides. Every other ending is a [`Release`], never a value: no host can end a job by failing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Value {
    /// The program came to its own end.
    Ok {
        /// Manifest of outputs; equal for equal results.
        manifest: Cid,
        /// Digest of the receipt.
        receipt: Digest,
        /// Who computed it.
        attempt: Signed<AttemptRecord>,
    },
    /// The guest or the owner is to blame, in every attempt that the spec allows.
    Failed {
        /// One record per attempt.
        attempts: Vec<Signed<AttemptRecord>>,
    },
    /// The owner wants no result.
    Cancelled {
        /// The owner's order.
        order: Signed<Cancel>,
    },
}

impl Value {
    /// The digest that votes name.
    pub fn digest(&self) -> Digest {
        Digest::of(&crate::codec::encode(self))
    }
}

message!(
    /// Asks for votes. Signer: the holder.
    VoteReq, "vote-req", VALUE_BYTES_MAX + LEASE_BYTES_MAX + 16 * 1024, {
        /// The holder's token.
        token: FencingToken,
        /// What to decide.
        value: Value,
        /// Proof of the lease.
        lease: LeaseCert,
        /// Proofs that the outputs are held, as many as the result policy asks.
        stored: Vec<Signed<Stored>>,
    }
);

message!(
    /// A witness's only vote at this token. Signer: the witness.
    Vote, "vote", 512, {
        /// The token.
        token: FencingToken,
        /// Its holder.
        host: NodeId,
        /// Digest of the value.
        value: Digest,
    }
);

/// Quorum of votes: the value is certified, and the only one that can be decided at its epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuorumCert {
    /// The value.
    pub value: Value,
    /// Votes of different witnesses for its digest.
    pub votes: Vec<Signed<Vote>>,
}

message!(
    /// Asks the witnesses to store a certified value. Signer: the holder.
    Commit, "commit", CERT_BYTES_MAX + 1024, {
        /// The certificate.
        cert: QuorumCert,
    }
);

message!(
    /// A witness stored the certified value. Signer: the witness.
    Committed, "committed", 512, {
        /// The token.
        token: FencingToken,
        /// Its holder.
        host: NodeId,
        /// Digest of the value.
        value: Digest,
    }
);

/// Quorum of [`Committed`]: the value is decided, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultCert {
    /// The value.
    pub value: Value,
    /// Statements of different witnesses about its digest.
    pub commits: Vec<Signed<Committed>>,
}

message!(
    /// Ends a lease, or a hold, early. Signer: the holder.
    Release, "release", 8 << 10, {
        /// The lease.
        token: FencingToken,
        /// Whose doing.
        blame: Blame,
        /// How the attempt ended; none when nothing ran.
        attempt: Option<Signed<AttemptRecord>>,
        /// Newest checkpoint.
        checkpoint: Option<CheckpointHead>,
    }
);

message!(
    /// The owner's end of a lease before its time. Signer: the owner.
    Preempt, "preempt", 512, {
        /// The register.
        register: RegisterId,
        /// The next epoch that may be claimed at once.
        epoch: Epoch,
    }
);
