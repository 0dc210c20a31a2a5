//! The machines through their public interface: rule by rule, together, and under simulated faults.

#![cfg(test)]

mod attached;
mod fixture;
mod holder;
mod holder_lease;
mod holder_rig;
mod owner;
mod simulation;
mod witness;
mod witness_limits;
mod witness_rig;
mod witness_votes;
