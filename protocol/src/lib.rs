//! What nodes say to each other: ids, canonical encoding, limits, signed objects and their verification.
//!
//! This crate does not know about sockets, files, clocks, randomness or tasks: bytes and times come in as
//! arguments, values and verdicts go out. It is the compatibility boundary of the project: every message has a
//! domain tag, a version, a size cap and a golden vector under `vectors/`.
//!
//! Untrusted bytes take one way in: [`sign::Signed::decode`] (size, canonical form) → [`sign::Signed::verify`]
//! (signature) → [`sign::Verified`]. Only `Verified<T>` is accepted by the state machines. What carries signed objects
//! over a connection ([`admission::Hello`], [`message::NodeMessage`]) is decoded first, and gives them out unverified.

pub mod admission;
pub mod bounded;
pub mod codec;
pub mod codes;
pub mod discovery;
pub mod ids;
pub mod lease;
pub mod limits;
pub mod manifest;
pub mod membership;
pub mod message;
pub mod outcome;
pub mod receipt;
pub mod sign;
pub mod spec;
pub mod ticket;

pub use ids::{
    Cid, Digest, Epoch, FencingToken, Generation, JobId, NodeId, OwnerId, PoolId, PublicKey,
    RegisterId, ReplicaIndex, ShardIndex, ShardRange, Slot, SpecHash,
};
pub use sign::{Signed, SigningKey, Verified, Verifier};
