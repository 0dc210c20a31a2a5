//! How a host of the pool can break the protocol in front of an owner.

use mutual_lease::Violation;
use mutual_protocol::sign::VerifyError;

/// How a host broke the protocol. It gets no work of this run any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(in super::super) enum Breach {
    /// A signature is not valid.
    #[error("a signed part is not valid")]
    Signature(#[from] VerifyError),
    /// It speaks for somebody else.
    #[error("it speaks for somebody else")]
    Signer,
    /// A role refused what it said.
    #[error("a message of the lease protocol")]
    Lease(#[from] Violation),
    /// Its receipt or its record of the attempt is not about this attempt.
    #[error("the receipt does not fit the attempt: {rule}")]
    Receipt {
        /// What is wrong.
        rule: &'static str,
    },
    /// It proposes an ending that it did not tell.
    #[error("it proposes another ending than it told")]
    Untold,
    /// It sent more output than it was granted.
    #[error("output beyond its credit")]
    Credit,
    /// Its output skips bytes or repeats some.
    #[error("output at byte {offset} where {expected} comes next")]
    Offset {
        /// Where it says that it is.
        offset: u64,
        /// Where it is.
        expected: u64,
    },
    /// It says something that nobody says there.
    #[error("{what}")]
    Turn {
        /// What.
        what: &'static str,
    },
}
