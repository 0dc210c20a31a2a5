//! The machines through their public interface: rule by rule, together, and under simulated faults.

mod attached;
mod fixture;
