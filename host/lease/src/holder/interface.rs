//! What a holder is told, and what it asks its driver to do.

use crate::context::BootNanos;
use crate::message::{Request, VerifiedReply};
use crate::violation::Violation;
use mutual_protocol::lease::cert::CertError;
use mutual_protocol::lease::{CheckpointHead, LeaseCert, NackReason, ResultCert, Stored};
use mutual_protocol::outcome::Blame;
use mutual_protocol::receipt::{AttemptRecord, Usage};
use mutual_protocol::{FencingToken, OwnerId, PublicKey, Signed, Verified};

/// Somebody to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A witness of the job.
    Witness(PublicKey),
    /// The job's owner.
    Owner(OwnerId),
}

/// What a holder is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HolderInput {
    /// Claim the register. The first input, once.
    Start,
    /// A witness answered.
    Reply(VerifiedReply),
    /// A result certificate came from elsewhere.
    Decided(Box<ResultCert>),
    /// What the attempt has used so far; travels with the renewals.
    Progress {
        /// Used so far.
        usage: Usage,
        /// The newest checkpoint.
        checkpoint: Option<CheckpointHead>,
    },
    /// The attempt ended. The record names this holder's token and host.
    ///
    /// A finished attempt is put to the vote. A failure by guest or owner is put to the vote when it is the last one that
    /// the spec allows. Any other ending releases the lease.
    Report {
        /// The host's record.
        attempt: Box<Verified<AttemptRecord>>,
        /// Proofs that the outputs are held, as many as the result policy asks; none in an attached run.
        stored: Vec<Signed<Stored>>,
    },
    /// Give the lease up without a record: nothing ran, or the donor took the machine back.
    Release {
        /// Whose doing.
        blame: Blame,
    },
    /// The timer rang.
    Tick,
}

/// Why a holder has no lease any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// A later token was let in, or the owner ended this one.
    Superseded,
    /// The witnesses refuse this host or its requests.
    Refused(NackReason),
    /// No quorum was reached for longer than the spec lets a holder compute on.
    Unreachable,
    /// The holder released it.
    Released,
}

/// What the driver of a holder must do, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum HolderEffect {
    /// Sign once, send to each.
    Send {
        /// Witnesses, and the owner.
        to: Vec<Peer>,
        /// The body.
        message: Request,
    },
    /// Call with [`HolderInput::Tick`] at this time; replaces the earlier timer.
    Timer(BootNanos),
    /// Whoever sent this step's input broke the protocol.
    Violation(Violation),
    /// Fetch, compile and run; report with [`HolderInput::Report`]. At most once in a holder's life. Nothing may leave this
    /// host before the first [`HolderEffect::Resume`].
    Run {
        /// Every effect of the attempt carries it.
        token: FencingToken,
        /// Proof for sinks.
        lease: Box<LeaseCert>,
    },
    /// The lease may have ended by now: nothing more may leave this host (log lines, checkpoints, outputs, key requests).
    /// The guest may compute on, within buffers.
    StopEverything,
    /// A quorum of witnesses activated the lease, or extended it after all: what was held back may leave.
    Resume,
    /// The register is decided, by this holder or by another: the guest, if it still runs, computes for nothing. Last effect.
    Decided {
        /// The proof.
        cert: Box<ResultCert>,
    },
    /// The token is worth nothing any more: kill the guest, let nothing out. Last effect.
    Lost {
        /// Why.
        reason: LossReason,
    },
}

/// Why an offer is not taken up. Whoever signed it is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// Neither the owner nor a witness of the spec signed it.
    #[error("signed by neither owner nor witness of the job")]
    Signer,
    /// It offers another spec.
    #[error("the offer is for another spec")]
    Spec,
    /// The register is not the job's, or a failure in it is not one.
    #[error("the offer does not fit the spec")]
    Content(#[source] CertError),
}
