//! Lease messages between machines: signed on the way out, verified on the way in.

use mutual_lease::{Reply, Request, VerifiedReply, VerifiedRequest};
use mutual_protocol::message::{LeaseReply, LeaseRequest};
use mutual_protocol::sign::VerifyError;
use mutual_protocol::{SigningKey, Verifier};

/// Signs a request for its way to a witness or an owner.
pub(crate) fn sign_request(request: Request, key: &SigningKey) -> LeaseRequest {
    match request.sign(key) {
        VerifiedRequest::Claim(m) => LeaseRequest::Claim(m.signed().clone()),
        VerifiedRequest::Renew(m) => LeaseRequest::Renew(m.signed().clone()),
        VerifiedRequest::VoteReq(m) => LeaseRequest::VoteReq(m.signed().clone()),
        VerifiedRequest::Commit(m) => LeaseRequest::Commit(m.signed().clone()),
        VerifiedRequest::Release(m) => LeaseRequest::Release(m.signed().clone()),
        VerifiedRequest::Preempt(m) => LeaseRequest::Preempt(m.signed().clone()),
        VerifiedRequest::Decided(cert) => LeaseRequest::Decided(*cert),
    }
}

/// Checks the signature of a request that came.
///
/// # Errors
/// When it is not its signer's, or its body is malformed.
pub(crate) fn verify_request(
    request: LeaseRequest,
    verifier: &dyn Verifier,
) -> Result<VerifiedRequest, VerifyError> {
    Ok(match request {
        LeaseRequest::Claim(m) => m.verify(verifier)?.into(),
        LeaseRequest::Renew(m) => m.verify(verifier)?.into(),
        LeaseRequest::VoteReq(m) => m.verify(verifier)?.into(),
        LeaseRequest::Commit(m) => m.verify(verifier)?.into(),
        LeaseRequest::Release(m) => m.verify(verifier)?.into(),
        LeaseRequest::Preempt(m) => m.verify(verifier)?.into(),
        LeaseRequest::Decided(cert) => VerifiedRequest::Decided(Box::new(cert)),
    })
}

/// Signs an answer for its way to whoever asked.
pub(crate) fn sign_reply(reply: Reply, key: &SigningKey) -> LeaseReply {
    match reply.sign(key) {
        VerifiedReply::Promise(m) => LeaseReply::Promise(m.signed().clone()),
        VerifiedReply::RenewAck(m) => LeaseReply::RenewAck(m.signed().clone()),
        VerifiedReply::Vote(m) => LeaseReply::Vote(m.signed().clone()),
        VerifiedReply::Committed(m) => LeaseReply::Committed(m.signed().clone()),
        VerifiedReply::Nack(m) => LeaseReply::Nack(m.signed().clone()),
    }
}

/// Checks the signature of an answer that came.
///
/// # Errors
/// When it is not its signer's, or its body is malformed.
pub(crate) fn verify_reply(
    reply: LeaseReply,
    verifier: &dyn Verifier,
) -> Result<VerifiedReply, VerifyError> {
    Ok(match reply {
        LeaseReply::Promise(m) => m.verify(verifier)?.into(),
        LeaseReply::RenewAck(m) => m.verify(verifier)?.into(),
        LeaseReply::Vote(m) => m.verify(verifier)?.into(),
        LeaseReply::Committed(m) => m.verify(verifier)?.into(),
        LeaseReply::Nack(m) => m.verify(verifier)?.into(),
    })
}
