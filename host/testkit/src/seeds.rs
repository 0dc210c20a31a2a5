//! Seeds of Ed25519 keys, the same in every test run. None is used for anything but tests.

/// The owner of test jobs.
pub const OWNER: [u8; 32] = *b"test seed of the owner of a job.";
/// The host that runs them.
pub const HOST: [u8; 32] = *b"test seed of the host, the first";
/// A second host, for what only one of two may do.
pub const OTHER_HOST: [u8; 32] = *b"test seed of the host, the other";
/// Somebody who has no part in the job.
pub const STRANGER: [u8; 32] = *b"test seed of a stranger to a job";

/// The witnesses: as many as the largest set has.
pub const WITNESSES: [[u8; 32]; 7] = [
    *b"test seed of the first witness..",
    *b"test seed of the second witness.",
    *b"test seed of the third witness..",
    *b"test seed of the fourth witness.",
    *b"test seed of the fifth witness..",
    *b"test seed of the sixth witness..",
    *b"test seed of the seventh witness",
];
