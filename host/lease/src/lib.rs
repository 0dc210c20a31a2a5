//! What is done: witness, holder and owner of a job's leases as pure state machines.
//!
//! This crate does not know about sockets, disks, clocks, randomness, tasks or private keys. Each machine has one
//! entry, `step(&mut self, ctx, input) -> effects`; time, randomness and verification come in through [`Context`],
//! and whatever has to happen outside comes back as effects. The same inputs give the same effects.
//!
//! ```text
//!              Offer                    Claim, Renew, VoteReq, Commit, Release, Decided
//!   Owner ───────────────▶ Holder ─────────────────────────────────────────────────▶ Witness
//!     ▲  ◀───────────────            ◀─────────────────────────────────────────────
//!     │  Release, Decided              Promise, RenewAck, Vote, Committed, Nack
//!     └── Claim, VoteReq, Commit, Preempt (a cancel, or a failure that is proved) ──▶ Witness
//! ```
//!
//! # Driving the machines
//!
//! A driver owns the keys, the clock and the connections. For each effect, in order:
//!
//! - *Send*: sign the body once ([`Request::sign`], [`Reply::sign`]), deliver it to each address. Messages may be
//!   lost, late, doubled or reordered; the machines send again by themselves.
//! - *Persist* (witness only): write the record. A *Send* that names it in `after` leaves when it is durable, not before.
//! - *Timer*: call `step` with `Tick` at that time. It replaces the machine's earlier timer. A tick that comes late, early
//!   or twice does no harm.
//! - *Violation*: a peer broke the protocol. Count it, drop the peer. Nothing else has changed.
//!
//! Incoming bytes become [`VerifiedRequest`] or [`VerifiedReply`] by checking one signature; certificates inside them
//! are checked by the machines. One process may play all three parts (an attached run); it then hands the effects of one
//! machine to the others without a network between them, and no step is left out. Where one key plays two parts (an owner
//! that is its own host), an answer can be handed to both: a machine ignores what it did not ask for.

mod ballot;
mod context;
mod holder;
mod message;
mod owner;
mod proposer;
mod register;
mod violation;
mod witness;

pub use context::{BootNanos, Context, lease_end};
pub use holder::{Claimant, Holder, HolderEffect, HolderInput, LossReason, OfferError, Peer};
pub use message::{Reply, Request, VerifiedReply, VerifiedRequest};
pub use owner::{Owner, OwnerEffect, OwnerInput};
pub use register::RegisterState;
pub use violation::Violation;
pub use witness::{
    PersistId, Record, RestoreError, Witness, WitnessEffect, WitnessFact, WitnessInput,
};
