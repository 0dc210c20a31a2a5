//! The owner: offers the job's registers to hosts, keeps count of attempts, and learns what was decided.

use crate::context::{BootNanos, Context};
use crate::message::{Request, VerifiedReply, VerifiedRequest};
use crate::violation::Violation;
use crate::witness::WitnessFact;
use mutual_protocol::lease::{Cancel, Offer, ResultCert};
use mutual_protocol::spec::JobSpec;
use mutual_protocol::{NodeId, PublicKey, RegisterId, Verified};
use std::sync::Arc;

/// What an owner is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OwnerInput {
    /// This host would take work. Give it again whenever it is idle.
    HostReady(NodeId),
    /// A holder says that it released its lease, or that the register is decided.
    Request(VerifiedRequest),
    /// A witness answered the owner's own claim (a cancel, or a failure that is proved).
    Reply(VerifiedReply),
    /// What a witness on this machine saw.
    Fact(WitnessFact),
    /// The holder of this register cannot be reached: end its lease before its time.
    Preempt(RegisterId),
    /// End this register without a result. Signed by the owner.
    Cancel(Box<Verified<Cancel>>),
    /// The timer rang.
    Tick,
}

/// What the driver of an owner must do, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnerEffect {
    /// Sign and send to the host.
    Offer {
        /// The host.
        to: NodeId,
        /// The body.
        offer: Box<Offer>,
    },
    /// Sign once, send to each witness.
    Send {
        /// Keys of witnesses.
        to: Vec<PublicKey>,
        /// The body.
        message: Request,
    },
    /// Call with [`OwnerInput::Tick`] at this time; replaces the earlier timer.
    Timer(BootNanos),
    /// Whoever sent this step's input broke the protocol.
    Violation(Violation),
    /// A register is free again and needs a host: its holder released it, its lease ran out, or an offer was not taken up.
    Wanted {
        /// The register.
        register: RegisterId,
        /// Leases so far. A driver that sees too many of them may cancel: other blames than guest and owner never end a job.
        attempts: u32,
    },
    /// A register is decided.
    Decided {
        /// The register.
        register: RegisterId,
        /// The proof.
        cert: Box<ResultCert>,
    },
    /// Every register of the job is decided. Comes once.
    Done,
}

/// The owner of one generation of a job.
///
/// **Order of calls.** [`Owner::new`]; then [`OwnerInput::HostReady`] for each host that could work, again after each
/// [`OwnerEffect::Wanted`]; requests, replies, facts and ticks as they come. [`OwnerInput::Cancel`] at any time: the owner
/// then claims the register itself, which ends the present lease, and proposes that it is cancelled; if a value was
/// certified before, that value is decided instead, so wait for [`OwnerEffect::Decided`] to know.
///
/// **Obligations on time.** None: what the owner believes about leases is advice. Only witnesses decide.
#[derive(Clone, Debug)]
pub struct Owner {
    spec: Arc<Verified<JobSpec>>,
}

impl Owner {
    /// The owner of `spec`. One offer covers `shards_per_offer` consecutive shards, which are then decided together.
    pub fn new(spec: Arc<Verified<JobSpec>>, shards_per_offer: u32) -> Self {
        let _ = shards_per_offer;
        Self { spec }
    }

    /// Registers that are neither decided nor untouched.
    pub fn open_registers(&self) -> impl Iterator<Item = RegisterId> {
        let _ = &self.spec;
        std::iter::empty()
    }

    /// Handles one input. See the type for the driver's part.
    pub fn step(&mut self, ctx: &Context<'_>, input: OwnerInput) -> Vec<OwnerEffect> {
        let _ = (ctx, input);
        Vec::new()
    }
}
