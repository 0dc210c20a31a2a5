//! How a peer can break the protocol. Never a reason to panic or to try again.

use mutual_protocol::lease::cert::CertError;
use mutual_protocol::sign::VerifyError;
use mutual_protocol::spec::SpecError;

/// What a peer did wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The signer speaks for somebody else.
    #[error("signed by another key than the one it speaks for")]
    Signer,
    /// The register is not one of the job's.
    #[error("the register does not belong to the job")]
    Register,
    /// A certificate or a value proves nothing.
    #[error("a certificate is not valid")]
    Certificate(#[from] CertError),
    /// A signed part is not valid.
    #[error("a signed part is not valid")]
    Part(#[from] VerifyError),
    /// One token, two values or two holders.
    #[error("two different statements for one token")]
    Equivocation,
    /// A locked value exists, and another one was proposed.
    #[error("the certified value of an earlier epoch was ignored")]
    LockIgnored,
    /// The spec breaks a rule, or does not name this witness.
    #[error("the spec is not valid")]
    Spec(#[from] SpecError),
    /// The spec does not name this witness.
    #[error("this node is not a witness of the job")]
    NotWitness,
    /// A later generation. What ends the one before it (a seal) cannot be checked yet, and without it two generations
    /// could decide differently.
    #[error("a later generation of a job is not accepted")]
    Generation,
    /// An answer that nobody waits for, or from a node that was not asked.
    #[error("not an answer to anything that was asked")]
    Unasked,
}
