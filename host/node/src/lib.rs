//! Composition: the event loop that drives lease, store and runner, and what it needs around it.
//!
//! A job's way: [`prepare`] makes blobs and a signed spec, [`attached`] brings it to a decision, [`outputs`] puts files
//! in place, [`record`] and [`proofs`] are what is left. This crate does not know about WebAssembly engines or
//! terminals: it knows how to start a sandbox process, and whom to tell.

pub mod attached;
mod attempt;
pub mod clock;
pub mod control;
pub mod donor;
pub mod fit;
pub mod home;
pub mod hosting;
pub mod identity;
pub mod link;
pub mod logs;
pub mod network;
pub mod outputs;
pub mod pool;
pub mod prepare;
pub mod proofs;
mod receipt;
pub mod record;
#[cfg(test)]
mod rig;
pub mod tasks;
pub mod upkeep;
mod wire;
