//! Stand-in until the lease crate is whole.
#![allow(missing_docs, reason = "goes away")]
mod holder;
mod time;
mod witness;
pub use holder::{Holder, HolderEffects, HolderFact, Incoming, Outgoing};
pub use time::BootNanos;
pub use witness::{Answer, Register, Reply, Request, Witness};
