//! What a request is about, and who sent it.

use super::WitnessEffect;
use crate::context::Context;
use crate::message::{Reply, VerifiedRequest};
use crate::violation::Violation;
use mutual_protocol::lease::{Nack, NackReason};
use mutual_protocol::sign::Message;
use mutual_protocol::{FencingToken, NodeId, PublicKey, Signed};

/// The part that every rule looks at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub(super) token: FencingToken,
    /// Who signed; nobody signs a result certificate as a whole.
    pub(super) signer: Option<PublicKey>,
}

impl Subject {
    /// Certificates are about what their first part says; the rules check later that all parts agree.
    pub(super) fn of(ctx: &Context<'_>, request: &VerifiedRequest) -> Result<Self, Violation> {
        let (token, signer) = match request {
            VerifiedRequest::Claim(m) => (m.value().token, m.signer()),
            VerifiedRequest::Renew(m) => (m.value().token, m.signer()),
            VerifiedRequest::VoteReq(m) => (m.value().token, m.signer()),
            VerifiedRequest::Release(m) => (m.value().token, m.signer()),
            VerifiedRequest::Preempt(m) => {
                let (register, epoch) = (m.value().register, m.value().epoch);
                (FencingToken { register, epoch }, m.signer())
            }
            VerifiedRequest::Commit(m) => {
                let votes = &m.value().cert.votes;
                (first(ctx, votes, |vote| vote.token)?, m.signer())
            }
            VerifiedRequest::Decided(cert) => {
                let token = first(ctx, &cert.commits, |commit| commit.token)?;
                return Ok(Self {
                    token,
                    signer: None,
                });
            }
        };
        Ok(Self {
            token,
            signer: Some(signer),
        })
    }

    /// The signer as a host.
    pub(super) fn host(&self) -> Option<NodeId> {
        self.signer.map(NodeId::from)
    }

    /// The answer about a job that is not known here.
    pub(super) fn refuse_unknown(&self) -> Option<WitnessEffect> {
        let nack = Nack {
            asked: self.token,
            reason: NackReason::UnknownJob,
            promised: None,
            wait_ms: 0,
            decided: None,
        };
        self.signer.map(|to| WitnessEffect::Send {
            to,
            message: Reply::from(nack),
            after: None,
        })
    }
}

fn first<T: Message>(
    ctx: &Context<'_>,
    parts: &[Signed<T>],
    token: fn(&T) -> FencingToken,
) -> Result<FencingToken, Violation> {
    let part = parts.first().ok_or(Violation::Unasked)?;
    Ok(token(part.verify(ctx.verifier)?.value()))
}
